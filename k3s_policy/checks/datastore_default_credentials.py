"""The datastore is opened with a login that everybody can guess.

Whoever can write to the datastore is administrator of the cluster: every Secret, every role and every workload stands
in it. An endpoint of the bare scheme is a login too: `postgres://` is the user `postgres` with the password `postgres`
on localhost (kine `pkg/drivers/pgsql`), `mysql://` is `root` without a password (kine `pkg/drivers/mysql`). Also found
are `root` without a password over a network, a password that is the name of its user, and what images and tutorials
are set up with.

Make a user for K3s alone, with a long random password of its own, and fill it in from a secret store.

```yaml wrong
datastore-endpoint: "mysql://root:root@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Endpoint
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.text import Text

_PASSWORDS = frozenset(
    {
        "12345", "123456", "12345678", "1234567890", "admin", "changeit", "changeme", "default", "example", "k3s",
        "kine", "letmein", "mariadb", "mysql", "pass", "passw0rd", "password", "postgres", "postgresql", "qwerty",
        "rancher", "root", "secret", "test", "toor",
    }
)  # fmt: skip
"""Passwords that images, tutorials and attackers begin with."""
_PLACEHOLDERS = frozenset({"dbuser", "myuser", "user", "username", "your_user", "your-user"})
"""Users of an example that is to be filled in, as in K3s's documentation."""
_ADVICE = "make a user for K3s alone, with long and random credentials"


@rule(
    severity="high",
    see=("https://docs.k3s.io/datastore",),
    tags=("external/cwe/cwe-1392", "external/cwe/cwe-521"),
)
def check(datastore: Datastore) -> Problems:
    """Report each endpoint that counts whose login is a default, a bare scheme, or well known."""
    endpoint = datastore.endpoint
    if endpoint.refusal is None and endpoint.backend in (Backend.MYSQL, Backend.POSTGRES, Backend.NATS):
        yield from _bare(endpoint) if _is_bare(endpoint) else _known(datastore)


def _is_bare(endpoint: Endpoint) -> bool:
    return not endpoint.text.partition("://")[2] and endpoint.backend is not Backend.NATS


def _bare(endpoint: Endpoint) -> Problems:
    if endpoint.backend is Backend.POSTGRES:
        message = "`postgres://` alone opens the database with PostgreSQL's default user and password"
    else:
        message = "`mysql://` alone opens the database as root without a password"
    yield Problem(endpoint.text, message, f"name user, host and database: {_ADVICE}")


def _known(datastore: Datastore) -> Problems:
    endpoint = datastore.endpoint
    at = _place(endpoint)
    user, password = endpoint.login
    if at is None or not user or user.lower() in _PLACEHOLDERS:
        return
    if password:
        if password == user or password.lower() in _PASSWORDS:
            why = "the same word twice" if password == user else "what many are set up with"
            yield Problem(at, f"everybody who reaches the datastore can guess this login: {why}", _ADVICE)
    elif _is_open_to_root(datastore, user):
        yield Problem(at, "the datastore is opened as root without a password", _ADVICE)


def _is_open_to_root(datastore: Datastore, user: str) -> bool:
    """Whether root needs no password over a network; a client certificate may stand for one."""
    endpoint = datastore.endpoint
    certified = datastore.given.certificate or datastore.may_hide_files
    named = all(address.host.known for address in endpoint.addresses)
    return endpoint.backend is Backend.MYSQL and user == "root" and named and not endpoint.is_local and not certified


def _place(endpoint: Endpoint) -> Text | None:
    """Return where the login is written; None where it is not all known."""
    parts = [endpoint.user, endpoint.password]
    if endpoint.decodes:
        given = [endpoint.parameter(name) for name in ("user", "password")]
        parts = [one.value if one is not None else part for one, part in zip(given, parts, strict=True)]
    if not all(part.known for part in parts):
        return None
    written = [part for part in parts if part]
    return written[0].upto(written[-1]) if written else None
