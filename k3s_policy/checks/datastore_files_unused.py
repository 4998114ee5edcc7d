"""Files for TLS to the datastore are given, and K3s does not use them.

Whoever gave `datastore-cafile`, `datastore-certfile` or `datastore-keyfile` believes that the connection is verified,
or that the client shows a certificate. It is not so, and no log says it:

- Without a `datastore-endpoint` K3s runs SQLite or its embedded etcd, which has certificates of its own.
- `sqlite://` is a file.
- etcd over `http://` has no TLS; the first server of a list decides for all (etcd `client/v3`).
- PostgreSQL with `sslmode=disable`, or over a socket, has no TLS (pgx `pgconn/config.go`).
- `sslrootcert`, `sslcert` or `sslkey` in a PostgreSQL endpoint wins over its file (kine `pkg/drivers/pgsql`).

A certificate without its key is `certfile-without-keyfile`; `tls=` in a MySQL endpoint, beside which newer releases
ignore the files, is `mysql-tls-with-files`. Without an endpoint only a server all of whose configuration was read is
judged.

```yaml wrong
datastore-endpoint: http://etcd.example.com:2379
datastore-cafile: /etc/k3s/etcd-ca.crt
```

```yaml right
datastore-endpoint: https://etcd.example.com:2379
datastore-cafile: /etc/k3s/etcd-ca.crt
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend, Files, Tls, refused_files
from k3s_policy.model.datastore import FILES, datastores
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Server
from k3s_policy.model.membership import Kept, kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_PARAMETERS = dict(zip(FILES, ("sslrootcert", "sslcert", "sslkey"), strict=True))
"""The parameter of a PostgreSQL endpoint that wins over each file."""


@rule(
    severity="medium",
    see=("https://docs.k3s.io/datastore",),
    flags=("datastore-cafile", "datastore-certfile", "datastore-keyfile"),
)
def check(invocation: Invocation) -> Problems:
    """Report the files that are given beside an endpoint without TLS, or beside none."""
    for store in datastores(invocation):
        if store.endpoint.refusal is not None or refused_files(store.endpoint, store.given) is not None:
            continue  # K3s does not start, which other rules say
        reason = _reason(store)
        if reason is not None:
            yield from _problem(_whole(store.files), *reason)
        elif store.backend is Backend.POSTGRES:
            yield from _beaten(store)
    if isinstance(invocation, Server) and invocation.wholly_seen:
        yield from _problem(
            _whole(_without_endpoint(invocation)), f"there is no datastore-endpoint, and {_own(invocation)}"
        )


def _reason(store: Datastore) -> tuple[str, Text] | None:
    """Say why an endpoint has no use for any file, and where that is written."""
    endpoint, scheme = store.endpoint, store.endpoint.scheme
    mode = endpoint.parameter("sslmode")
    match store.backend:
        case Backend.SQLITE | Backend.MEMORY:
            return f"{scheme}:// has no connection to protect", scheme
        case Backend.ETCD if store.outcome is not None and store.outcome.tls is Tls.OFF:
            return f"etcd over {scheme}:// has no TLS", scheme
        case Backend.POSTGRES if endpoint.socket is not None and not endpoint.addresses:
            return "PostgreSQL has no TLS over a socket", endpoint.socket or scheme
        case Backend.POSTGRES if mode is not None and mode.decoded == "disable" and store.outcome is not None:
            return ("`sslmode=disable` turns TLS off", mode.text) if store.outcome.tls is Tls.OFF else None
        case _:
            return None


def _without_endpoint(invocation: Invocation) -> list[Setting]:
    """Return the files that count, where no endpoint stands beside them."""
    found = []
    for name in FILES:
        file = invocation.last(name)
        endpoint = invocation.last("datastore-endpoint", file.when) if file is not None else None
        if file is not None and str(file.value) and not (endpoint and str(endpoint.value)):
            found.append(file)
    return found


def _own(invocation: Invocation) -> str:
    match kept(invocation):
        case Kept.SQLITE:
            return "SQLite has no connection to protect"
        case Kept.ETCD:
            return "embedded etcd has certificates of its own"
        case _:
            return "K3s needs none for a datastore of its own"


def _whole(files: Sequence[Setting]) -> list[Setting]:
    """Return the files without a certificate that lacks its key, or a key that lacks its certificate."""
    given = Files(*(any(file.flag.name == name for file in files) for name in FILES))
    halves = FILES[1:] if given.certificate != given.key else ()
    return [file for file in files if file.flag.name not in halves]


def _problem(files: Sequence[Setting], reason: str, at: Text | None = None) -> Iterator[Problem]:
    if not files:
        return
    first, *others = files
    names = [file.flag.name for file in files]
    told = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    related = [(file.place, f"{file.flag.name} is given here") for file in others]
    if at is not None:
        related.append((at, reason))
    yield Problem(
        first.place,
        f"K3s does not use {told}: {reason}",
        "leave the files out, or give an endpoint that has TLS",
        confidence=Confidence.HIGH if any(file.known for file in files) else Confidence.MEDIUM,
        related=tuple(related),
    )


def _beaten(store: Datastore) -> Iterator[Problem]:
    """Yield the files beside which the endpoint names another one."""
    for file in store.files:
        name = _PARAMETERS[file.flag.name]
        parameter = store.endpoint.parameter(name)
        if parameter is None or not (parameter.value.known and file.known) or parameter.decoded == str(file.value):
            continue
        yield Problem(
            file.place,
            f"K3s does not use {file.flag.name}: `{name}` in the endpoint wins",
            f"leave {name} out of the endpoint, or {file.flag.name}",
            related=((parameter.text, f"{name} is given here"),),
        )
