"""Metrics or profiles are served to everyone who reaches the node.

Most metrics of K3s ask for credentials, some do not:

- `etcd-expose-metrics: true` has embedded etcd serve its metrics on port 2381 of the node's address too, in plain HTTP
  and to everyone (K3s `pkg/etcd/etcd.go`, listenMetricsURLs); without it, on loopback alone. So does
  `etcd-arg: listen-metrics-urls=http://...` with another address.
- `kube-proxy-arg: metrics-bind-address=0.0.0.0` does the same with those of kube-proxy on port 10249, its mode and
  configuration included.
- `enable-pprof: true` serves profiles of the K3s process on the supervisor's port 6443. Since v1.27.15, v1.28.11,
  v1.29.6 and v1.30.2 that asks for a client certificate (k3s-io/k3s#10019), before it asked for nothing. It is reported
  where an older release is pinned.

`supervisor-metrics` is not reported: `/metrics` on port 6443 asks for credentials and for the right to read it, and so
do kube-controller-manager and kube-scheduler, whatever address they are bound to.

Read them on the node itself, or keep the port from everyone but the monitoring.

```yaml wrong
cluster-init: true
etcd-expose-metrics: true
```

```yaml right
cluster-init: true
supervisor-metrics: true
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.component import members
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model.component_arguments import groups
from k3s_policy.model.effective import is_on
from k3s_policy.model.membership import Kept, kept
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting

_ASKS_FOR_CERTIFICATE = (Version(1, 27, 15), Version(1, 28, 11), Version(1, 29, 6), Version(1, 30, 2))
"""The first release of each line whose profiles are not for everyone (k3s-io/k3s#10019 and its backports)."""
_PLAIN_URL = pattern(r"http://(?:\[(?P<six>[^\]]*)\]|(?P<host>[^/:]*))")
_ADDRESS = pattern(r"(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:]+)|(?P<bare>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*))(?::[0-9]+)?$")
_HELP = "scrape it on the node itself, or let no one but the monitoring reach the port"


@rule(
    severity="low",
    see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/reference/metrics"),
    flags=("etcd-expose-metrics", "etcd-arg", "kube-proxy-arg", "enable-pprof"),
)
def check(invocation: Invocation) -> Problems:
    """Report what is served beyond loopback and without credentials."""
    for setting in _switched_on(invocation, "etcd-expose-metrics"):
        if _may_run_etcd(invocation):
            message = "port 2381 of the node's address serves etcd's metrics to everyone, in plain HTTP"
            yield Problem(setting.place, message, _HELP)
    for together in groups(invocation, ("etcd-arg",), "listen-metrics-urls"):
        for url in members(together[-1:]):
            match = _PLAIN_URL.match(str(url))
            if match and not _is_loopback(match["six"] or match["host"] or "") and _may_run_etcd(invocation):
                yield Problem(url, "etcd's metrics are served to everyone on this address, in plain HTTP", _HELP)
    for together in groups(invocation, ("kube-proxy-arg",), "metrics-bind-address"):
        match = _ADDRESS.match(str(together[-1].value))
        if match and not _is_loopback(match["six"] or match["host"] or match["bare"] or ""):
            message = "kube-proxy's metrics are served to everyone on this address, in plain HTTP"
            yield Problem(together[-1].at, message, _HELP)
    if not has_come(_ASKS_FOR_CERTIFICATE, invocation.version):
        for setting in _switched_on(invocation, "enable-pprof"):
            message = f"K3s {invocation.version} serves its profiles to everyone who reaches port 6443"
            yield Problem(setting.place, message, "leave it out, or upgrade: v1.30.2 asks for a certificate")


def _switched_on(invocation: Invocation, name: str) -> Iterator[Setting]:
    for setting in invocation.all(name):
        if is_on(setting) and invocation.last(name, setting.when) is setting:
            yield setting


def _may_run_etcd(invocation: Invocation) -> bool:
    """Whether nothing says that a server keeps its state elsewhere, or leaves etcd to others."""
    where = kept(invocation)
    if where is Kept.EXTERNAL or (where is Kept.SQLITE and invocation.wholly_seen):
        return False
    return not is_on(invocation.last("disable-etcd"))


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1")
