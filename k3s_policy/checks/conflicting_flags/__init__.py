"""Flags that K3s refuses side by side, or of which one does nothing beside the other.

Some combinations stop K3s as it starts: a restore path without `cluster-reset`, `cluster-reset` beside `server`,
`disable-etcd` or `disable-apiserver` beside a datastore of one's own, an embedded registry without the embedded
containerd, networks of different IP versions. Others it takes without a word, or with a line in the log, and goes by
one of the two: `token-file` and not `token`, `server` and not `cluster-init`, `flannel-conf` and not
`flannel-backend`, the address of the VPN and not `node-ip`. That pods and Services share addresses, or that CoreDNS is
to have an address no Service can get, K3s does not check at all.

All of it is decided by K3s `pkg/cli/server/server.go`, `pkg/cli/agent/agent.go`, `pkg/agent/run.go`,
`pkg/executor/embed/embed.go` and `pkg/agent/flannel/setup.go`. Refused since: `cluster-reset` beside `server` v1.25.15,
v1.26.10, v1.27.7 and v1.28.3; `disable-etcd` and `disable-apiserver` beside `datastore-endpoint` v1.27.13, v1.28.9,
v1.29.4 and v1.30.0; different IP versions v1.23.7 and v1.24.0. The rest is as old as its flags.

`disable-cloud-controller` beside `disable: servicelb` is how to run another cloud controller and is not reported,
unless the same script calls that one's manifest `ccm`: K3s deletes what has the name of its own.

Flags count wherever they stand: config file and drop-ins, arguments, environment. That a flag is missing is said only
where it would have been seen. Whether a token lies on the host already cannot be seen: a restore without `token` is
reported where the host is new, or all it is started with is known.

Remove the flag that loses, or what it contradicts.

```yaml wrong
token-file: /etc/rancher/k3s/token
cluster-init: true
server: https://k3s.example.com:6443
```

```yaml wrong path=dual/etc/rancher/k3s/config.yaml
cluster-cidr: 10.42.0.0/16,fd00:42::/56
service-cidr: 10.43.0.0/16
```

```yaml right
token-file: /etc/rancher/k3s/token
server: https://k3s.example.com:6443
```

```yaml right path=dual/etc/rancher/k3s/config.yaml
cluster-cidr: 10.42.0.0/16,fd00:42::/56
service-cidr: 10.43.0.0/16,fd00:43::/112
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.checks.conflicting_flags.conflict import name_of
from k3s_policy.checks.conflicting_flags.joining import (
    agent_without_half_of_its_join,
    etcd_disabled_without_server,
    manifest_deleted,
    restore_without_reset,
    restore_without_token,
)
from k3s_policy.checks.conflicting_flags.pairs import side_by_side
from k3s_policy.judge.rule import Problem, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.checks.conflicting_flags.conflict import Conflict
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text


@rule(
    severity="high",
    see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/agent"),
    flags=(
        "advertise-address",
        "agent-token",
        "cluster-cidr",
        "cluster-dns",
        "cluster-reset-restore-path",
        "disable-apiserver",
        "disable-cloud-controller",
        "disable-etcd",
        "egress-selector-mode",
        "embedded-registry",
        "flannel*",
        "node-external-ip",
        "node-ip",
        "server",
        "service-cidr",
        "token",
        "token-file",
        "vpn-auth",
    ),
)
def check(invocation: Invocation) -> Problems:
    """Report what each row of the table finds."""
    for row in _rows(invocation):
        for found in row(invocation):
            beside = ((_place(found.beside), f"{name_of(found.beside)} is set here"),) if found.beside else ()
            yield Problem(
                _place(found.flag),
                found.message,
                help=found.help,
                severity=found.severity,
                confidence=found.confidence,
                related=beside,
            )


_ROWS: tuple[Callable[[Invocation], Iterator[Conflict]], ...] = (
    restore_without_reset,
    restore_without_token,
    side_by_side,
    etcd_disabled_without_server,
    agent_without_half_of_its_join,
    manifest_deleted,
)
"""What K3s refuses, ignores or warns of, in about the order in which it would meet it."""
_OF_NETWORKS = (
    *("cluster-cidr", "service-cidr", "cluster-dns", "egress-selector-mode"),
    *("flannel-backend", "flannel-conf", "flannel-external-ip"),
)


def _rows(invocation: Invocation) -> tuple[Callable[[Invocation], Iterator[Conflict]], ...]:
    if not invocation.all(*_OF_NETWORKS):
        return _ROWS
    from k3s_policy.checks.conflicting_flags.networks import ROWS  # few invocations are given networks

    return (*_ROWS, *ROWS)


def _place(setting: Setting) -> Text:
    """Return the characters at fault: the item of a list, else the option with its value unless that is secret."""
    if setting.flag.sensitive:
        return setting.at
    return setting.value if setting.item else setting.place
