"""A client certificate without its key, or a key without its certificate.

With MySQL, PostgreSQL and etcd the server does not start: `KeyFile and CertFile must both be present`, or
`both "sslcert" and "sslkey" are required` (kine `pkg/tls/config.go`, pgx `pgconn/config.go`). With NATS the
lone half is silently ignored and the client is not authenticated (kine `pkg/drivers/nats`).

The other half may stand in the config file, in a drop-in, among the arguments or in the environment; for
PostgreSQL also as `sslcert` or `sslkey` in the endpoint.

```yaml wrong
datastore-endpoint: https://etcd.example.com:2379
datastore-cafile: /etc/k3s/etcd-ca.crt
datastore-certfile: /etc/k3s/etcd-client.crt
```

```yaml right
datastore-endpoint: https://etcd.example.com:2379
datastore-cafile: /etc/k3s/etcd-ca.crt
datastore-certfile: /etc/k3s/etcd-client.crt
datastore-keyfile: /etc/k3s/etcd-client.key
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy import endpoint
from k3s_policy.finding import Confidence, Severity
from k3s_policy.model import Origin
from k3s_policy.rule import Problem, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.branch import When
    from k3s_policy.model import Invocation, Setting
    from k3s_policy.rule import Problems
    from k3s_policy.text import Text


class _Half(NamedTuple):
    """A certificate or a key, wherever it is named."""

    place: Text
    name: str
    setting: Setting


# What an endpoint that names one half lacks: the parameter beside it.
_PARAMETERS = {"sslcert": "sslkey", "sslkey": "sslcert"}
_KIND = {Origin.CONFIG: "config", Origin.ARGUMENT: "arguments", Origin.ENVIRONMENT: "environment"}


@rule(severity="high", see=("https://docs.k3s.io/datastore",))
def check(invocation: Invocation) -> Problems:
    """Report each half whose other half is nowhere to be seen."""
    certificates = tuple(_halves(invocation, "datastore-certfile", "sslcert"))
    keys = tuple(_halves(invocation, "datastore-keyfile", "sslkey"))
    for halves, others, missing in (
        (certificates, keys, "datastore-keyfile"),
        (keys, certificates, "datastore-certfile"),
    ):
        for half in halves:
            if not any(_meet(half, other) for other in others) and not _may_hide(invocation, half):
                yield _problem(invocation, half, _PARAMETERS.get(half.name, missing))
                break


def _halves(invocation: Invocation, flag: str, parameter: str) -> Iterator[_Half]:
    for setting in invocation.all(flag):
        if str(setting.value) and invocation.last(flag, setting.when) is setting:
            yield _Half(setting.place, str(setting.at).lstrip("-"), setting)
    for setting in invocation.all("datastore-endpoint"):
        parsed = endpoint.parse(setting.value)
        if parsed.backend is endpoint.Backend.POSTGRES and (found := parsed.parameter(parameter)) and str(found.value):
            yield _Half(found.name.upto(found.value), parameter, setting)


def _meet(one: _Half, other: _Half) -> bool:
    from k3s_policy.branch import exclusive  # noqa: PLC0415  only scripts and templates have branches

    return not exclusive(one.setting.when, other.setting.when)


def _may_hide(invocation: Invocation, half: _Half) -> bool:
    """Whether the place where this half stands was not wholly read, so that the other may be there too."""
    unseen = invocation.lacks(_KIND[half.setting.origin])
    return unseen is not None and unseen.at is not None


def _problem(invocation: Invocation, half: _Half, missing: str) -> Problem:
    datastore = _backend(invocation, half.setting.when)
    confidence = Confidence.HIGH if invocation.wholly_seen else Confidence.MEDIUM
    if datastore == "nats":
        message = f"{half.name} without {missing}: NATS silently ignores it, and the client is not authenticated"
        severity = Severity.MEDIUM
    elif datastore in ("sqlite", "memory"):
        message = f"{half.name} without {missing}, and no external datastore to use either"
        severity = Severity.MEDIUM
    else:
        who = "the server" if datastore else "a server with an external datastore"
        message = f"{half.name} without {missing}: {who} does not start"
        severity = Severity.HIGH
    return Problem(half.place, message, f"add {missing}", severity, confidence)


def _backend(invocation: Invocation, when: When) -> str | None:
    """Return the kind of datastore, None where it is not known."""
    setting = invocation.last("datastore-endpoint", when)
    if setting is None:
        embedded = invocation.last("cluster-init", when) or invocation.last("server", when)
        return "sqlite" if embedded or invocation.wholly_seen else None
    if not setting.known and not any(
        str(setting.value).startswith(scheme) for scheme in ("mysql:", "postgres", "http", "nats:")
    ):
        return None
    backend = endpoint.parse(setting.value).backend
    return backend.value if backend else None
