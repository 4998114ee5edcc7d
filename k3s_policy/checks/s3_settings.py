"""Etcd snapshots do not reach the S3 bucket, or not safely.

K3s starts with any S3 settings and takes its snapshots; only the upload fails, each time, and says so in the log (K3s
`pkg/etcd/s3/s3.go`). Then all snapshots lie on the disks of the servers that they are meant to replace.

- `etcd-s3-endpoint` is a host, with a port if need be: a scheme or a path is refused, and so is the bucket before the
  host of Amazon. `etcd-s3-insecure` asks for plain HTTP.
- `etcd-s3-proxy` is a URL, with a scheme, or `none`.
- `etcd-s3-bucket` has to be given, unless a Secret holds it.
- `etcd-s3-config-secret` (v1.28.13, v1.29.8, v1.30.4 and newer) is read where nothing else of S3 is set; beside any
  other setting, an `AWS_ACCESS_KEY_ID` in the environment too, K3s ignores the Secret. A restore cannot read it.
- The Secret itself lies in `kube-system` and holds the settings under the names of the flags; the same holds for them.
- Without `etcd-s3` the other settings only serve `k3s etcd-snapshot --s3`.

A snapshot holds every Secret of the cluster. With `etcd-s3-skip-ssl-verify` whoever stands between K3s and the bucket
can take it, and an authority in `etcd-s3-endpoint-ca` is not looked at; with `etcd-s3-insecure` it crosses the network
in the clear.

```yaml wrong
cluster-init: true
etcd-s3: true
etcd-s3-endpoint: https://s3.example.com:9000
etcd-s3-skip-ssl-verify: true
etcd-s3-bucket: snapshots
```

```yaml right
cluster-init: true
etcd-s3: true
etcd-s3-endpoint: s3.example.com:9000
etcd-s3-endpoint-ca: /etc/ssl/certs/s3-ca.pem
etcd-s3-bucket: snapshots
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.template import is_substituted
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.value import as_truth, typed
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.fragment import S3Secret
from k3s_policy.model.invocation import CIPHERS, Input, Origin
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_FAMILIES = ("etcd-s3", "s3")
"""How the flags begin: those of a server, and those of `k3s etcd-snapshot`."""

_DEFAULTS: dict[str, object] = {
    "access-key": "", "bucket": "", "bucket-lookup-type": "", "endpoint": "s3.amazonaws.com", "endpoint-ca": "",
    "folder": "", "insecure": False, "proxy": "", "region": "us-east-1", "secret-key": "", "session-token": "",
    "skip-ssl-verify": False, "timeout": "5m0s",
}  # fmt: skip
"""What K3s compares with to see whether anything is set beside the Secret; the retention does not count."""

_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PROXY = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+")
_HOST = pattern(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]'\"`\\]+)(?::[0-9]*)?/?(?:[?#].*)?")
_LOOPBACK = pattern(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]*)?/?")
_AMAZON = ".s3.amazonaws.com"

_IN_THE_CLEAR = "snapshots cross the network in the clear, with every Secret of the cluster"
_TAKEN = "whoever stands between K3s and S3 can take the snapshots, with every Secret of the cluster"


@rule(
    severity="medium",
    see=("https://docs.k3s.io/cli/etcd-snapshot", "https://docs.k3s.io/datastore/backup-restore"),
    tags=("external/cwe/cwe-295", "external/cwe/cwe-319"),
    flags=("etcd-s3*", "s3*"),
)
def check(subject: Invocation | S3Secret) -> Problems:
    """Report what keeps snapshots from the bucket, and what gives them to others."""
    if isinstance(subject, S3Secret):
        yield from _held(subject)
        return
    for family in _FAMILIES:
        for setting in _winning(subject, f"{family}-endpoint"):
            yield from _endpoint(subject, setting, family)
        for setting in _winning(subject, f"{family}-proxy"):
            if setting.known and _is_no_proxy(str(setting.value)):
                yield _proxy_problem(setting.place)
        yield from _transport(subject, family)
        for setting in _winning(subject, f"{family}-config-secret"):
            if str(setting.value):
                yield from _secret(subject, setting, family)
    yield from _switched_on(subject)


def _winning(invocation: Invocation, name: str) -> Iterator[Setting]:
    for setting in invocation.all(name):
        if invocation.last(name, setting.when) is setting:
            yield setting


# --- the endpoint -------------------------------------------------------------------------------------------


def _endpoint(invocation: Invocation, setting: Setting, family: str) -> Iterator[Problem]:
    if not setting.value:
        if setting.known and is_on(invocation.last(family, setting.when)):
            advice = "leave it out for Amazon, or write the host"
            yield Problem(setting.place, "no snapshot reaches S3: the endpoint is empty", advice)
    elif setting.known or not str(setting.value).startswith(CIPHERS):
        yield from _host(setting.value, family)


def _host(endpoint: Text, family: str) -> Iterator[Problem]:
    """Report what the S3 client refuses of an endpoint (minio-go v7.1, getEndpointURL), as far as it is known."""
    value = str(endpoint)
    known = endpoint.known and not is_substituted(value)
    scheme = _SCHEME.match(value)
    if scheme is not None and not endpoint.cut(scheme).known:
        scheme = None
    if not known and scheme is None:
        return
    host, slash, path = value[scheme.end() if scheme else 0 :].partition("/")
    advice = f"write {host}" if host and known and "@" not in host else "write the host alone"
    if scheme is not None:
        reason = f"the endpoint is a host, and {scheme.group()} stands before it"
        advice += f", and {family}-insecure for plain HTTP" if scheme.group().lower() == "http://" else ""
    elif slash and path:
        reason = "the endpoint is a host, and a path stands behind it"
        advice += f"; bucket and folder have options of their own, {family}-bucket and {family}-folder"
    elif _HOST.fullmatch(value) is None:
        reason, advice = "the endpoint is no host with a port", "write it as s3.example.com:9000"
    elif _AMAZON in host and not host.startswith("s3") and "vpce" not in host:
        reason = "the endpoint is a host, and the bucket stands before it"
        advice = f"write s3.amazonaws.com, and {family}-bucket: {host.partition(_AMAZON)[0]}"
    else:
        return
    yield Problem(endpoint, f"no snapshot reaches S3: {reason}", advice)


def _is_no_proxy(value: str) -> bool:
    return value not in ("", "none") and not _PROXY.match(value)


def _proxy_problem(place: Text) -> Problem:
    message = "no snapshot reaches S3: the proxy is no URL with a scheme"
    return Problem(place, message, "write it as http://proxy.example.com:3128")


# --- the way there ------------------------------------------------------------------------------------------


def _transport(invocation: Invocation, family: str) -> Iterator[Problem]:
    for setting in _winning(invocation, f"{family}-insecure"):
        endpoint = invocation.last(f"{family}-endpoint", setting.when)
        local = endpoint is not None and endpoint.known and _LOOPBACK.fullmatch(str(endpoint.value)) is not None
        if is_on(setting) and not local:
            yield Problem(
                setting.place,
                _IN_THE_CLEAR,
                f"leave {family}-insecure out, and name the authority of the endpoint with {family}-endpoint-ca",
            )
    for setting in _winning(invocation, f"{family}-skip-ssl-verify"):
        if not is_on(setting) or is_on(invocation.last(f"{family}-insecure", setting.when)):
            continue
        authority = invocation.last(f"{family}-endpoint-ca", setting.when)
        given = authority is not None and bool(authority.value)
        ignored = f"{family}-endpoint-ca is ignored: " if given else ""
        yield Problem(
            setting.place,
            f"{ignored}{_TAKEN}",
            f"leave {family}-skip-ssl-verify out"
            + ("" if given else f", and name the authority with {family}-endpoint-ca"),
            related=((authority.place, "the authority is given here"),) if authority is not None and given else (),
        )


# --- the Secret ---------------------------------------------------------------------------------------------


def _secret(invocation: Invocation, setting: Setting, family: str) -> Iterator[Problem]:
    beside = [
        other
        for name, default in _DEFAULTS.items()
        if (other := invocation.last(f"{family}-{name}", setting.when)) and _differs(other, default)
    ]
    name = f"{family}-config-secret"
    if beside:
        sure = any(other.known for other in beside)
        yield Problem(
            setting.place,
            f"K3s ignores the Secret of {name}: {_names(beside)} {'is' if len(beside) == 1 else 'are'} set beside it",
            f"move {_names(beside)} into the Secret, or leave {name} out",
            confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
            related=tuple((other.place, "this is used instead of the Secret") for other in beside),
        )
    elif is_on(invocation.last(family, setting.when)):
        restore = invocation.last("cluster-reset-restore-path", setting.when)
        if restore is not None and restore.value and is_on(invocation.last("cluster-reset", setting.when)):
            yield Problem(
                setting.place,
                "K3s ends with an error: it cannot read a Secret while it restores the cluster that holds it",
                "give the S3 settings of a restore one by one",
                Severity.HIGH,
                related=((restore.place, "the snapshot to restore"),),
            )


def _differs(setting: Setting, default: object) -> bool:
    return not setting.known or typed(setting.flag, str(setting.value)) != default


def _names(settings: list[Setting]) -> str:
    """Name a few settings as they are written."""
    names = [str(setting.at).lstrip("-") for setting in settings]
    if len(names) > _MANY:
        return f"{names[0]} and {len(names) - 1} others"
    return " and ".join(names)


_MANY = 2


# --- whether anything is uploaded ---------------------------------------------------------------------------


def _switched_on(invocation: Invocation) -> Iterator[Problem]:
    """Report a server that uploads without a bucket, or that has S3 settings and does not upload."""
    if invocation.lacks(Input.CONFIG) or invocation.lacks(Input.ARGUMENTS):
        return
    switches = [setting for setting in _winning(invocation, "etcd-s3") if setting.known]
    for setting in switches:
        needed = [invocation.last(f"etcd-s3-{name}", setting.when) for name in ("bucket", "config-secret")]
        if is_on(setting) and not any(one is not None and (one.value or not one.known) for one in needed):
            yield Problem(setting.place, "no snapshot reaches S3: there is no bucket", "add etcd-s3-bucket")
    if not invocation.all("etcd-s3"):
        yield from _without_switch(invocation)


def _without_switch(invocation: Invocation) -> Iterator[Problem]:
    """Report the first S3 setting of a server with etcd that uploads nothing; credentials may serve others too."""
    names = [f"etcd-s3-{name}" for name in (*_DEFAULTS, "config-secret", "retention") if name not in _CREDENTIALS]
    given = invocation.all(*names)
    members = invocation.all("cluster-init", "server")
    if not given or not members or invocation.all("cluster-reset", "datastore-endpoint", "etcd-disable-snapshots"):
        return
    first = given[0]
    argument = first.origin is Origin.ARGUMENT
    use = "do nothing" if argument else "only serve `k3s etcd-snapshot`"
    yield Problem(
        first.at,
        f"K3s uploads no scheduled snapshot: etcd-s3 is not set, so the other S3 settings {use}",
        f"add {'--' if argument else ''}etcd-s3",
        confidence=Confidence.HIGH if argument else Confidence.MEDIUM,
    )


_CREDENTIALS = frozenset({"access-key", "secret-key", "session-token"})


# --- what a Secret holds ------------------------------------------------------------------------------------


def _held(secret: S3Secret) -> Iterator[Problem]:
    """Report what K3s cannot use of a Secret (K3s pkg/etcd/s3/config_secret.go)."""
    if secret.namespace is not None and secret.namespace.known and str(secret.namespace) != _NAMESPACE:
        advice = f"write namespace: {_NAMESPACE}"
        if "{" not in str(secret.namespace):
            yield Problem(secret.namespace, f"K3s looks for this Secret in {_NAMESPACE} alone", advice)
    values = {str(key): value for key, value in secret.entries}
    plain = {name: str(value) for name, value in values.items() if _is_plain(value)}
    if "etcd-s3-bucket" not in values and secret.entries:
        message = "no snapshot reaches S3: the Secret names no bucket"
        yield Problem(secret.at, message, "add etcd-s3-bucket", confidence=Confidence.MEDIUM)
    if plain.get("etcd-s3-endpoint"):
        yield from _host(values["etcd-s3-endpoint"], "etcd-s3")
    if _is_no_proxy(plain.get("etcd-s3-proxy", "")):
        yield _proxy_problem(values["etcd-s3-proxy"])
    insecure = as_truth(plain.get("etcd-s3-insecure", ""))
    if insecure and not _LOOPBACK.fullmatch(plain.get("etcd-s3-endpoint", "")):
        yield Problem(values["etcd-s3-insecure"], _IN_THE_CLEAR, "leave etcd-s3-insecure out")
    if as_truth(plain.get("etcd-s3-skip-ssl-verify", "")) and not insecure:
        authority = next((name for name in ("etcd-s3-endpoint-ca", "etcd-s3-endpoint-ca-name") if name in values), None)
        ignored = f"{authority} is ignored: " if authority else ""
        yield Problem(values["etcd-s3-skip-ssl-verify"], f"{ignored}{_TAKEN}", "leave etcd-s3-skip-ssl-verify out")


_NAMESPACE = "kube-system"


def _is_plain(value: Text) -> bool:
    """Whether a value of a Secret is neither encrypted nor filled in."""
    written = str(value)
    return value.known and not written.startswith(CIPHERS) and not any(mark in written for mark in ("{{", "${", "<"))
