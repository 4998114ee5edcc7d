"""The PostgreSQL datastore is reached through a connection pooler.

K3s keeps named prepared statements (kine through pgx), and a pooler that hands a session to another connection loses
them: `prepared statement "stmtcache_..." does not exist`. PgBouncer does so in transaction and statement mode, unless
`max_prepared_statements` is more than 0: possible since PgBouncer 1.21, and the default since 1.24. In session mode it
works.

With kine 0.16 (K3s 1.35.6, 1.35.7, 1.36.2, 1.36.3) K3s also keeps one long-lived statement, and was seen to crash at
start behind PgBouncer even with prepared statements (k3s-io/k3s#14525).

Connect to the database itself. Where the pooler has to stay, use session mode; `default_query_exec_mode=exec` in the
endpoint does without named statements for most queries.

```yaml wrong
datastore-endpoint: "postgres://k3s:${PASSWORD}@pgbouncer.example.com:6432/k3s?sslmode=verify-full"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```

```yaml right
datastore-endpoint: "postgres://k3s:${PASSWORD}@db.example.com:5432/k3s?sslmode=verify-full"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend
from k3s_policy.model.finding import Confidence
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Address, Endpoint
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.text import Text

_NAMED = pattern(r"(?i)pgbouncer|pg-bouncer|pgcat|(?:^|[.-])pooler(?:[.-]|$)")
"""What the host names of poolers hold: PgBouncer, PgCat, and the poolers of Neon and Supabase."""
_SESSIONS = pattern(r"(?i)\.pooler\.supabase\.com$")
"""A pooler that gives sessions at PostgreSQL's own port, and transactions at another."""
_WITHOUT_NAMES = ("exec", "simple_protocol")
"""Modes of pgx that name no statements."""
_CRASHED = ((1, 35, 6), (1, 35, 7), (1, 36, 2), (1, 36, 3))


@rule(severity="low", see=("https://docs.k3s.io/datastore", "https://www.pgbouncer.org/config.html"))
def check(datastore: Datastore) -> Problems:
    """Report each PostgreSQL endpoint whose port or host is a pooler's."""
    endpoint = datastore.endpoint
    if endpoint.backend is not Backend.POSTGRES or endpoint.refusal is not None or _names_nothing(endpoint):
        return
    signs = [sign for address in endpoint.addresses if (sign := _sign(address)) is not None]
    if signs:
        yield _problem(signs[0], datastore.invocation.version)


def _names_nothing(endpoint: Endpoint) -> bool:
    mode = endpoint.parameter("default_query_exec_mode")
    return mode is not None and (not mode.value.known or mode.decoded in _WITHOUT_NAMES)


def _sign(address: Address) -> Text | None:
    """Return what tells a pooler: the port of PgBouncer, or the name of the host."""
    if address.port.known and str(address.port) == "6432":
        return address.port
    host = str(address.host)
    if not address.host.known or not _NAMED.search(host):
        return None
    has_sessions = _SESSIONS.search(host) is not None and str(address.port) in ("", "5432")
    return None if has_sessions else address.host


def _problem(at: Text, version: Version | None) -> Problem:
    crashed = version is not None and version[:3] in _CRASHED
    message = (
        f"K3s {version} was seen to crash at start behind PgBouncer, whatever its mode"
        if crashed
        else "a pooler stands before the database: in transaction mode it loses the prepared statements of K3s"
    )
    return Problem(
        at,
        message,
        "connect to the database itself, or use the pooler's session mode",
        confidence=Confidence.MEDIUM,
    )
