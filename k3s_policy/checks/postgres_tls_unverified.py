"""The connection to the PostgreSQL datastore accepts any certificate.

Whoever stands between K3s and the database can then read the password and change the whole state of the cluster. What
`sslmode` really does (kine `pkg/drivers/pgsql`, pgx `pgconn/config.go`):

- none, or `prefer`: TLS with any certificate, and without TLS where the server offers none.
- `require`: TLS with any certificate; beside an authority, given by `sslrootcert` or `datastore-cafile`, as verify-ca.
- `sslrootcert` in the endpoint without `sslmode`: as `prefer`, and the authority is not asked.
- none, beside `datastore-cafile`, `datastore-certfile` or `datastore-keyfile`: kine makes it verify-full.
- `verify-ca` and `verify-full` check the certificate; only verify-full also checks that it is this server's.

Up to K3s 1.27.1 the driver was lib/pq: no `sslmode` was the same as `require`, and with `prefer` or `allow` K3s did not
start. The upgrade to 1.27.2 weakened every endpoint without `sslmode`.

Name the authority with `datastore-cafile` and leave `sslmode` out, or write `sslmode=verify-full`; with a certificate
of a public authority that alone is enough. Across a socket, or to a database on the same host, nothing is reported.

```yaml wrong
datastore-endpoint: "postgres://k3s:${PASSWORD}@db.example.com:5432/k3s?sslmode=require"
```

```yaml right
datastore-endpoint: "postgres://k3s:${PASSWORD}@db.example.com:5432/k3s?sslmode=verify-full"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend, Tls
from k3s_policy.k3s.endpoint.outcome import PGX
from k3s_policy.k3s.version import has_come
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Outcome
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.finding import Confidence
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text

_WITHOUT = "goes on without TLS where the server offers none"
_HELP = "write `sslmode=verify-full`, and name the database's authority with datastore-cafile unless it is a public one"


@rule(
    severity="medium",
    see=("https://docs.k3s.io/datastore", "https://www.postgresql.org/docs/current/libpq-ssl.html"),
    tags=("external/cwe/cwe-295",),
)
def check(store: Datastore) -> Problems:
    """Report what makes the connection accept any certificate."""
    reached = store.protection
    if store.backend is not Backend.POSTGRES or reached is None or reached[0].tls is not Tls.UNVERIFIED:
        return
    if store.endpoint.parameter("sslmode") is None and _has_variable(store.invocation):
        return
    yield _problem(store, *reached)


def _has_variable(invocation: Invocation) -> bool:
    """Whether the unit sets what pgx takes for parameters that the endpoint does not have."""
    return invocation.started is not None and not {"PGSSLMODE", "PGSERVICE"}.isdisjoint(invocation.started.environment)


def _problem(store: Datastore, reached: Outcome, confidence: Confidence) -> Problem:
    version = store.invocation.version
    mode = store.endpoint.parameter("sslmode")
    authority = store.endpoint.parameter("sslrootcert")
    wanted = mode.decoded if mode is not None else ""
    at = store.setting.value
    if mode is not None:
        at = mode.text
    elif authority is not None:
        at = authority.text
    also = f", and {_WITHOUT}" if reached.falls_back else ""
    severity = None
    if wanted == "prefer" and not has_come(PGX, version):
        severity = Severity.HIGH
        message = f"K3s {version} does not start with `sslmode=prefer`; from 1.27.2 on it accepts any certificate{also}"
    elif wanted == "require":
        message = (
            "`sslmode=require` without an authority accepts any certificate: "
            "whoever stands in between can read and change the datastore"
        )
    elif wanted:
        message = f"`sslmode={wanted}` accepts any certificate{also}"
    elif not has_come(PGX, version):
        message = f"without sslmode K3s {version} accepts any certificate, and from 1.27.2 on also {_WITHOUT}"
    elif authority is not None and authority.value:
        message = f"without sslmode K3s does not ask this authority: it accepts any certificate{also}"
    else:
        message = f"without sslmode K3s accepts any certificate{also}"
    return Problem(
        at, message, help=_HELP, severity=severity, confidence=confidence, related=tuple(_not_asked(store, at))
    )


def _not_asked(store: Datastore, at: Text) -> Iterator[tuple[Text, str]]:
    """Yield the authorities that are given and verify nothing."""
    authority = store.endpoint.parameter("sslrootcert")
    if authority is not None:
        if authority.value and authority.text.span != at.span:
            yield authority.text, "this authority is not asked"
        return
    for file in store.files:
        if file.flag.name == "datastore-cafile":
            yield file.place, "this authority is not asked"
