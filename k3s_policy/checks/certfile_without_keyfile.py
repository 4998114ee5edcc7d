"""A client certificate without its key, or a key without its certificate.

With MySQL, PostgreSQL and etcd the server does not start: `KeyFile and CertFile must both be present`, or
`both "sslcert" and "sslkey" are required` (kine `pkg/tls/config.go`, pgx `pgconn/config.go`; etcd
`client/pkg/transport`, over `http://` too). With NATS the lone half is silently ignored and the client is not
authenticated (kine `pkg/drivers/nats`). It is ignored as well where there is no TLS: with SQLite, and with PostgreSQL
over a socket or with `sslmode=disable`.

In registries.yaml a `cert_file` without `key_file` works where the file holds the key too: containerd looks for it
there (K3s `pkg/agent/templates/templates.go`, containerd `remotes/docker/config/hosts.go`). A `key_file` without
`cert_file` lets every pull from that host fail.

The other half of a datastore's may stand in the config file, in a drop-in, among the arguments or in the environment;
for PostgreSQL also as `sslcert` or `sslkey` in the endpoint.

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

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend
from k3s_policy.model.datastore import datastores
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.fragment import Registries
from k3s_policy.model.membership import joined
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When


class _Half(NamedTuple):
    """A certificate or a key, wherever it is named."""

    place: Text
    name: str
    setting: Setting


# What an endpoint that names one half lacks: the parameter beside it.
_PARAMETERS = {"sslcert": "sslkey", "sslkey": "sslcert"}


@rule(
    severity="high",
    see=("https://docs.k3s.io/datastore",),
    flags=("datastore-certfile", "datastore-keyfile", "datastore-endpoint"),
)
def check(subject: Invocation | Registries) -> Problems:
    """Report each half whose other half is nowhere to be seen."""
    if isinstance(subject, Registries):
        yield from _of_registries(subject)
    else:
        yield from _of_datastore(subject)


def _of_registries(registries: Registries) -> Iterator[Problem]:
    if registries.is_open:
        return
    for config in registries.configs:
        certificate, key = config.last("cert_file"), config.last("key_file")
        if certificate is not None and key is None:
            yield Problem(
                certificate.place,
                "cert_file without key_file: containerd looks for the key in the file of the certificate",
                help="add key_file",
                severity=Severity.MEDIUM,
                confidence=Confidence.MEDIUM,
            )
        elif key is not None and certificate is None:
            message = "key_file without cert_file: containerd has no certificate to read, and pulls nothing from here"
            yield Problem(key.place, message, "add cert_file", Severity.MEDIUM)


def _of_datastore(invocation: Invocation) -> Iterator[Problem]:
    stores = tuple(datastores(invocation))
    certificates = tuple(_halves(invocation, stores, "datastore-certfile", "sslcert"))
    keys = tuple(_halves(invocation, stores, "datastore-keyfile", "sslkey"))
    for halves, others, missing in (
        (certificates, keys, "datastore-keyfile"),
        (keys, certificates, "datastore-certfile"),
    ):
        for half in halves:
            # The other half may stand beside it, where that place was not wholly read.
            if not any(_meet(half, other) for other in others) and not invocation.may_hide(half.setting.origin):
                yield _problem(invocation, stores, half, _PARAMETERS.get(half.name, missing))
                break


def _halves(invocation: Invocation, stores: Sequence[Datastore], flag: str, parameter: str) -> Iterator[_Half]:
    for setting in invocation.all(flag):
        if str(setting.value) and invocation.last(flag, setting.when) is setting:
            yield _Half(setting.place, str(setting.at).lstrip("-"), setting)
    for store in stores:
        found = store.endpoint.parameter(parameter) if store.backend is Backend.POSTGRES else None
        if found is not None and found.value:
            yield _Half(found.text, parameter, store.setting)


def _meet(one: _Half, other: _Half) -> bool:
    return not exclusive(one.setting.when, other.setting.when)


def _problem(invocation: Invocation, stores: Sequence[Datastore], half: _Half, missing: str) -> Problem:
    confidence = Confidence.HIGH if invocation.wholly_seen else Confidence.MEDIUM
    store = next((store for store in reversed(stores) if not exclusive(store.setting.when, half.setting.when)), None)
    backend = store.backend if store is not None else None
    severity = Severity.MEDIUM
    if backend is Backend.NATS:
        consequence = ": NATS silently ignores it, and the client is not authenticated"
    elif backend in (Backend.SQLITE, Backend.MEMORY) or (store is None and _is_embedded(invocation, half.setting.when)):
        consequence = ", and no external datastore to use either"
    elif store is not None and backend is Backend.POSTGRES and _goes_without_tls(store):
        consequence = ", and without TLS neither is used"
    else:
        who = "the server" if backend is not None else "a server with an external datastore"
        consequence = f": {who} does not start"
        severity = Severity.HIGH
    return Problem(
        half.place,
        f"{half.name} without {missing}{consequence}",
        help=f"add {missing}",
        severity=severity,
        confidence=confidence,
    )


def _goes_without_tls(store: Datastore) -> bool:
    """Whether pgx looks at neither half: for a socket, and where TLS is turned off."""
    mode = store.endpoint.parameter("sslmode")
    if store.endpoint.is_open or (mode is not None and not mode.value.known):
        return False
    return not any(store.endpoint.by_network) or (mode is not None and mode.decoded == "disable")


def _is_embedded(invocation: Invocation, when: When) -> bool:
    """Whether a server without an endpoint keeps its state in a datastore of its own, as far as was seen."""
    return invocation.wholly_seen or joined(invocation, when) is not None or bool(invocation.last("cluster-init", when))
