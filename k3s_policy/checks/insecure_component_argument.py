"""A component argument opens what K3s keeps shut.

K3s starts the components of Kubernetes with safe arguments, and lets `kube-apiserver-arg`, `kubelet-arg` and their kin
replace them (K3s `pkg/daemons/control/server.go`, `pkg/daemons/agent/agent.go`, `pkg/util/args.go`):

- `anonymous-auth=true`: requests without any credential are let in as `system:anonymous`. The kubelet asks the API
  server what they may do, which is little by default and much after one careless binding; the API server answers
  `/version` and `/healthz` at least.
- `authorization-mode=AlwaysAllow`: whoever gets in may do everything; on a kubelet, run commands in every pod.
- `read-only-port` that is not 0: the kubelet serves its pods with their environment in plain HTTP, to everyone.
- `token-auth-file`: tokens in clear text, which only a restart of the API server takes back (CIS 1.2.2).
- `service-account-lookup=false`: tokens of service accounts stay valid when those are deleted (CIS 1.2.24).
- `insecure-port`: up to v1.19 the whole API without credentials; since v1.20 the API server ends with any other value
  than 0. `basic-auth-file`: passwords in clear text up to v1.18; since v1.19 the API server does not know it.
- `profiling=true`: `/debug/pprof` tells what a component does, and can slow it down (CIS 1.2.18, 1.3.2, 1.4.1).
- `tls-min-version` below TLS 1.2, and `tls-cipher-suites` with one that Go's `tls.InsecureCipherSuites` names, those of
  RC4, 3DES and CBC with SHA-256. `TLS_RSA_*_GCM_*` are not reported: newer releases of Go advise against them, and the
  CIS benchmark lists them as strong.
- `AlwaysAdmit` among the admission plugins, which checks nothing and is there for tests (CIS 1.2.11).

What holds in the end is judged: of a single value the last one, of a list all of them. What a file says that an
argument names (`kubelet-arg: config=...`) is not seen.

Leave them out: K3s's own values are the safe ones. Let health checks use a client certificate, or TCP alone.

```yaml wrong
kube-apiserver-arg:
  - anonymous-auth=true
kubelet-arg:
  - read-only-port=10255
```

```yaml right
kube-apiserver-arg:
  - audit-log-path=/var/log/k3s/audit.log
kubelet-arg:
  - read-only-port=0
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.component import members
from k3s_policy.k3s.version import Version
from k3s_policy.model.component_arguments import groups
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.component import ComponentArgument
    from k3s_policy.model.invocation import Invocation

_APISERVER = ("kube-apiserver-arg",)
_KUBELET = ("kubelet-arg",)
_MANAGER = ("kube-controller-manager-arg", "kube-controller-arg")
_SCHEDULER = ("kube-scheduler-arg",)
_CLOUD = ("kube-cloud-controller-manager-arg", "kube-cloud-controller-arg")


# Go strconv.ParseBool, as the components' flags read it.
def _is_true(value: str) -> bool:
    return value in ("1", "t", "T", "true", "TRUE", "True")


def _is_false(value: str) -> bool:
    return value in ("0", "f", "F", "false", "FALSE", "False")


def _is_port(value: str) -> bool:
    return value.isdecimal() and bool(value.strip("0"))


class _Opened(NamedTuple):
    """An argument with a single value that takes a safe default away."""

    flags: tuple[str, ...]
    name: str
    opens: Callable[[str], bool]
    message: str
    help: str
    severity: Severity | None = None


_ANONYMOUS = "lets requests without credentials in, as system:anonymous"
_PROFILES = "serves /debug/pprof, which tells what it does"
_NO_PROFILES = "leave it out: K3s sets profiling=false"
_USERS = "use client certificates, service accounts or OIDC"

_SINGLE = (
    _Opened(
        _APISERVER,
        "anonymous-auth",
        opens=_is_true,
        message=f"kube-apiserver {_ANONYMOUS}",
        help="leave it out: K3s sets anonymous-auth=false",
    ),
    _Opened(
        _KUBELET,
        "anonymous-auth",
        opens=_is_true,
        message=f"the kubelet {_ANONYMOUS}",
        help="leave it out: K3s sets anonymous-auth=false",
    ),
    _Opened(
        _KUBELET,
        "authorization-mode",
        opens="AlwaysAllow".__eq__,
        message="whoever reaches the kubelet with any credential may run commands in every pod of the node",
        help="leave it out: K3s sets authorization-mode=Webhook",
    ),
    _Opened(
        _KUBELET,
        "read-only-port",
        opens=_is_port,
        message="the kubelet shows everyone the pods of the node on this port, in plain HTTP",
        help="leave it out: K3s sets read-only-port=0",
    ),
    _Opened(
        _APISERVER,
        "token-auth-file",
        opens=bool,
        message="tokens in clear text that only a restart of kube-apiserver takes back",
        help=_USERS,
    ),
    _Opened(
        _APISERVER,
        "service-account-lookup",
        opens=_is_false,
        message="tokens of service accounts stay valid when those are deleted",
        help="leave it out: true is the default",
    ),
    _Opened(
        _APISERVER,
        "profiling",
        opens=_is_true,
        message=f"kube-apiserver {_PROFILES}",
        help=_NO_PROFILES,
        severity=Severity.MEDIUM,
    ),
    _Opened(
        _MANAGER,
        "profiling",
        opens=_is_true,
        message=f"kube-controller-manager {_PROFILES}",
        help=_NO_PROFILES,
        severity=Severity.MEDIUM,
    ),
    _Opened(
        _SCHEDULER,
        "profiling",
        opens=_is_true,
        message=f"kube-scheduler {_PROFILES}",
        help=_NO_PROFILES,
        severity=Severity.MEDIUM,
    ),
    _Opened(
        _CLOUD,
        "profiling",
        opens=_is_true,
        message=f"the cloud controller manager {_PROFILES}",
        help=_NO_PROFILES,
        severity=Severity.MEDIUM,
    ),
)

_NO_INSECURE_PORT = Version(1, 20, 0)
"""Since then only 0 is taken (kubernetes/kubernetes#95856)."""
_NO_BASIC_AUTH = Version(1, 19, 0)
"""Since then the flag is unknown (kubernetes/kubernetes#89069)."""

_SERVE = (_APISERVER, _KUBELET, _MANAGER, _SCHEDULER, _CLOUD)
_OLD_TLS = {"VersionTLS10": "TLS 1.0", "VersionTLS11": "TLS 1.1"}
# Go crypto/tls, InsecureCipherSuites, in every release that K3s was built with.
_WEAK = frozenset(
    {
        "TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    }
)  # fmt: skip


@rule(
    severity="high",
    see=("https://docs.k3s.io/security/hardening-guide", "https://docs.k3s.io/cli/server"),
    flags=(
        "kube-apiserver-arg",
        "kubelet-arg",
        "kube-controller-manager-arg",
        "kube-controller-arg",
        "kube-scheduler-arg",
        "kube-cloud-controller-manager-arg",
        "kube-cloud-controller-arg",
    ),
)
def check(invocation: Invocation) -> Problems:
    """Report arguments that take a safe default away, as they count in the end."""
    for opened in _SINGLE:
        for last in _last(invocation, opened.flags, opened.name):
            if opened.opens(str(last.value)):
                yield Problem(last.at, opened.message, opened.help, opened.severity)
    yield from _lists(invocation)
    yield from _removed(invocation)
    for flags in _SERVE:
        yield from _tls(invocation, flags)


def _lists(invocation: Invocation) -> Iterator[Problem]:
    for together in groups(invocation, _APISERVER, "authorization-mode"):
        for member in members(together):
            if str(member) == "AlwaysAllow":
                message = "whoever reaches the API with any credential may do everything"
                yield Problem(member, message, "leave it out: K3s sets authorization-mode=Node,RBAC")
    for together in groups(invocation, _APISERVER, "enable-admission-plugins"):
        for member in members(together):
            if str(member) == "AlwaysAdmit":
                yield Problem(member, "AlwaysAdmit checks nothing: it is there for tests", "drop it", Severity.LOW)


def _removed(invocation: Invocation) -> Iterator[Problem]:
    """Yield what let everyone in once, and ends the API server now."""
    version = invocation.version
    for last in _last(invocation, _APISERVER, "insecure-port"):
        if _is_port(str(last.value)):
            message = "kube-apiserver does not start: since v1.20 it has no insecure port"
            if version is not None and version < _NO_INSECURE_PORT:
                message = "whoever reaches this port may do everything, without credentials"
            yield Problem(last.at, message, "leave it out: K3s serves the API on port 6443")
    for last in _last(invocation, _APISERVER, "basic-auth-file"):
        if last.value:
            message = "kube-apiserver does not start: since v1.19 it knows no basic-auth-file"
            if version is not None and version < _NO_BASIC_AUTH:
                message = "passwords in clear text that only a restart of kube-apiserver takes back"
            yield Problem(last.at, message, _USERS)


def _tls(invocation: Invocation, flags: tuple[str, ...]) -> Iterator[Problem]:
    for last in _last(invocation, flags, "tls-min-version"):
        old = _OLD_TLS.get(str(last.value))
        if old is not None:
            help_text = "write tls-min-version=VersionTLS12"
            yield Problem(last.at, f"{old} is accepted, which has known weaknesses", help_text, Severity.MEDIUM)
    for together in groups(invocation, flags, "tls-cipher-suites"):
        for suite in members(together):
            if str(suite) in _WEAK:
                yield Problem(suite, f"{suite} is a weak cipher suite", "drop it", Severity.MEDIUM)


def _last(invocation: Invocation, flags: tuple[str, ...], name: str) -> Iterator[ComponentArgument]:
    """Yield the argument that counts of those with a single value, one for each branch of a script."""
    for together in groups(invocation, flags, name):
        yield together[-1]
