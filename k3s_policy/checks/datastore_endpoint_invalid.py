"""The datastore endpoint is refused, so that the server does not start.

The part before `://` selects the datastore, in small letters only: `mysql`, `postgres` or `postgresql`, `http` and
`https` for etcd, `nats`, `sqlite` (kine `pkg/drivers`). Each has a grammar of its own, and what breaks it ends K3s with
an error that names the mistake badly, or prints the password:

* MySQL wants `user:password@tcp(host:3306)/database`, with the network and its parentheses, and a `/` before the name
  of the database even where there is none (go-sql-driver/mysql `dsn.go`). A password stands there as it is.
* PostgreSQL is a URL: `/`, `?`, `#`, `%`, brackets and blanks in a password have to be percent-encoded, since each of
  them ends a part of the URL or is refused. A port is a number up to 65535, each host of a list has its own.
* etcd is a list of `https://` URLs. There is no `etcd://`, `mariadb://` or `cockroach://`.

A value without a scheme is refused since kine 0.13 (K3s 1.31.2, 1.30.6, 1.29.10); older releases silently take it for
the path of an SQLite database, and keep the state of the cluster on that one host. `etcd` alone once meant embedded
etcd, which is `cluster-init: true`.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@db.example.com:3306/k3s"
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.credential import Nature, nature
from k3s_policy.k3s.endpoint import Backend, Flaw
from k3s_policy.k3s.endpoint.outcome import KINE_0_13
from k3s_policy.k3s.endpoint.suggestion import FORMS, MASKED, meant, suggestion
from k3s_policy.k3s.version import has_come
from k3s_policy.model.datastore import cut_short
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Endpoint, Refusal
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.text import Text


@rule(
    severity="high",
    see=("https://docs.k3s.io/datastore", "https://github.com/go-sql-driver/mysql#dsn-data-source-name"),
)
def check(datastore: Datastore) -> Problems:
    """Report each endpoint that counts and that kine or its driver refuses, at the characters at fault."""
    refusal = datastore.endpoint.refusal
    if refusal is not None and _is_certain(datastore.endpoint, refusal):
        yield _problem(datastore, refusal)


_BY_OTHERS = (Flaw.UNKNOWN_TLS, Flaw.UNKNOWN_KEY, Flaw.UNSAFE_COLLATION, Flaw.UNKNOWN_VALUE, Flaw.INVALID_NUMBER)
"""Flaws of a parameter that another of its name, filled in elsewhere, may take the place of."""


_STAND_IN = pattern(r":?[A-Z_]+")
"""A word such as PORT, in place of what is to be filled in."""


def _is_certain(endpoint: Endpoint, refusal: Refusal) -> bool:
    """Whether the endpoint is refused whatever is filled in."""
    if refusal.flaw is Flaw.NO_SCHEME and nature(endpoint.text) is not Nature.LITERAL:
        return False
    if refusal.flaw is Flaw.INVALID_PORT and _STAND_IN.fullmatch(str(refusal.at)):
        return False
    return refusal.at.known and not (endpoint.is_open and refusal.flaw in _BY_OTHERS)


def _problem(datastore: Datastore, refusal: Refusal) -> Problem:
    endpoint, version = datastore.endpoint, datastore.invocation.version
    cut = cut_short(datastore.setting.value)
    if cut is not None:
        return Problem(
            cut,
            f"K3s does not start: the shell ends the endpoint at this `{cut}`, which stands in no quotes",
            "put the whole endpoint into single quotes",
        )
    if refusal.flaw is Flaw.NO_SCHEME and version is not None and not has_come(KINE_0_13, version):
        message = f"K3s {version} takes an endpoint without a scheme for SQLite: the state stays on this host alone"
    else:
        message = f"K3s does not start: {_reason(endpoint, refusal)}"
    at = refusal.at[1:] if refusal.at.startswith(":") and len(refusal.at) > 1 else refusal.at
    return Problem(at or endpoint.text, message, _help(endpoint, refusal))


# --- what is wrong ------------------------------------------------------------------------------------------


def _reason(endpoint: Endpoint, refusal: Refusal) -> str:
    """Say what is wrong in words of the user's, and never with characters of the login."""
    if refusal.flaw is Flaw.UNKNOWN_SCHEME:
        return _wrong_scheme(endpoint.scheme)
    if refusal.flaw is Flaw.INVALID_PORT:
        return _wrong_port(endpoint, refusal.at)
    if refusal.flaw is Flaw.NO_NETWORK and refusal.at.startswith("/"):
        return "the path of a MySQL socket has to stand in `unix(...)`"
    if refusal.flaw is Flaw.INVALID_USER and endpoint.backend is Backend.NATS:
        return "user and password hold a character that no URL can have there"
    return _REASONS.get(refusal.flaw, refusal.reason)


_REASONS = {
    Flaw.NO_SCHEME: "the endpoint has no scheme, such as mysql:// or https://",
    Flaw.NO_NETWORK: "the address of a MySQL server has to stand in `tcp(...)`",
    Flaw.INVALID_USER: "user or password holds a character that has to be percent-encoded",
}
"""What is wrong, where the grammar's own words say it less plainly."""
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]{0,30}")


def _wrong_scheme(scheme: Text) -> str:
    written = str(scheme)
    if written[:1] in "'\"`":
        return "the quotation mark is part of the endpoint"
    if written != written.strip():
        return "there is a blank before the scheme"
    if not _SCHEME.fullmatch(written):
        return "what stands before `://` is no scheme"
    if written != written.lower():
        return f"schemes are written in small letters, and `{written}` is none"
    return f"there is no datastore of the scheme `{written}`"


def _wrong_port(endpoint: Endpoint, at: Text) -> str:
    location = str(endpoint.location)
    if not endpoint.user and not endpoint.password and "@" in location and at.startswith(":"):
        return "a `/`, `?` or `#` in the password ends the address there, unless it is percent-encoded"
    host = min((location.partition(end)[0] for end in "#?/"), key=len)
    if "(" in host:
        return "`tcp(...)` is MySQL's way to write an address, PostgreSQL takes host:port"
    if "," in str(at):
        return "each host of the list needs a port of its own"
    if host.count(":") > 1 and "[" not in host:
        return "an IPv6 address has to stand in brackets"
    return "the port is no number from 1 to 65535"


# --- what to write ------------------------------------------------------------------------------------------


def _help(endpoint: Endpoint, refusal: Refusal) -> str:
    """Say what to write: this endpoint mended, with its password masked, or else the general form."""
    if refusal.flaw is Flaw.NO_SCHEME and str(endpoint.text).lower() in ("etcd", "embedded", "embedded-etcd"):
        return f"write cluster-init: true for embedded etcd, or name the servers: {FORMS[Backend.ETCD]}"
    backend = meant(endpoint)
    if backend is Backend.NATS and refusal.flaw in (Flaw.INVALID_USER, Flaw.INVALID_ESCAPE):
        return "put user and password into a file, and name it with credsFile=: NATS gets them as they are written here"
    form = suggestion(endpoint)
    if form is None and backend is None:
        *others, last = (FORMS[one] for one in (Backend.MYSQL, Backend.POSTGRES, Backend.ETCD))
        return f"write {', '.join(others)} or {last}"
    form = form or FORMS[backend or Backend.MYSQL]
    encoded = backend is Backend.POSTGRES and (MASKED in form or "PASSWORD" in form)
    return f"write {form}" + (", with the password percent-encoded: %40 for @, %2F for /, %25 for %" if encoded else "")
