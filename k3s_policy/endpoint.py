"""A datastore-endpoint, parsed as kine and its drivers parse it, with the place of each part.

The part before the first `://` selects the driver (kine pkg/drivers/factory.go). A MySQL endpoint follows
go-sql-driver's grammar (dsn.go): the last `/` separates the database, the last `@` before it ends the user
information, the first `:` in that separates the password, and neither is percent-decoded. PostgreSQL and
the others are URLs. Nothing here refuses an endpoint: a part that is missing is an empty Text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["Endpoint", "Parameter", "parse", "secret_parts"]


class Parameter(NamedTuple):
    """One `name=value` behind the `?` of an endpoint; `value` is as written, not yet decoded."""

    name: Text
    value: Text

    @property
    def decoded(self) -> str:
        """The value after query-unescaping, as both drivers do it."""
        from urllib.parse import unquote_plus  # noqa: PLC0415  rare, and slow to import

        return unquote_plus(str(self.value))


_BACKENDS = {
    "": "sqlite", "sqlite": "sqlite", "litestream": "sqlite",
    "mysql": "mysql",
    "postgres": "postgres", "postgresql": "postgres",
    "http": "etcd", "https": "etcd", "unix": "etcd", "unixs": "etcd",
    "nats": "nats", "jetstream": "nats",
    "memory": "memory", "t4": "t4",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Endpoint:
    """The parts of one datastore-endpoint."""

    text: Text
    scheme: Text
    user: Text
    password: Text
    address: Text
    """Network and host as written: `tcp(db:3306)`, `db:5432`."""
    database: Text
    parameters: tuple[Parameter, ...]

    @property
    def backend(self) -> str | None:
        """What the scheme selects; None where kine knows no such driver or finds no `://`."""
        value = str(self.text)
        if value and "://" not in value:
            return None
        return _BACKENDS.get(str(self.scheme))

    def parameter(self, name: str) -> Parameter | None:
        """Return a parameter by its case-sensitive name: of several the last for MySQL, else the first."""
        found = [parameter for parameter in self.parameters if str(parameter.name) == name]
        if not found:
            return None
        return found[-1] if self.backend == "mysql" else found[0]


def parse(text: Text) -> Endpoint:
    """Take an endpoint apart; every part is cut from `text`."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = text[:0], text
    if str(scheme) == "mysql" or not separator:
        return _mysql(text, scheme, rest)
    return _url(text, scheme, rest)


def _mysql(text: Text, scheme: Text, rest: Text) -> Endpoint:
    slash = str(rest).rfind("/")
    before, tail = (rest[:slash], rest[slash + 1 :]) if slash >= 0 else (rest, rest[len(rest) :])
    user, password, address = _login(before)
    database, _, query = tail.partition("?")
    return Endpoint(text, scheme, user, password, address, database, _parameters(query))


def _url(text: Text, scheme: Text, rest: Text) -> Endpoint:
    before, _, query = rest.partition("?")
    # An unescaped `/` in a password ends the authority for a URL parser, but it is still a password.
    user, password, host = _login(before)
    address, _, database = host.partition("/")
    return Endpoint(text, scheme, user, password, address, database, _parameters(query))


def _login(authority: Text) -> tuple[Text, Text, Text]:
    """Split `user:password@host`: the last `@` ends the user information, the first `:` in it the user."""
    login, at, host = authority.rpartition("@")
    if not at:
        login, host = authority[:0], authority
    user, _, password = login.partition(":")
    return user, password, host


def _parameters(query: Text) -> tuple[Parameter, ...]:
    parameters = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            parameters.append(Parameter(name, value))
    return tuple(parameters)


_SECRET_PARAMETER = pattern(r"(?i)^(?:password|passwd|pass|pwd|sslpassword|token|secret.*|.*password)$")
_MYSQL_ADDRESS = pattern(r"\w*(?:\([^()]*\))?")
_NEXT_URL = pattern(r",\s*[A-Za-z][A-Za-z0-9+.-]*://")


def secret_parts(text: Text) -> list[Text]:
    """Return what must never be shown of any value that may hold a URL or data source name.

    For an endpoint that is the password and parameters named like one; where the endpoint is so broken that
    the password cannot be told apart, everything between `://` and the last `@`. A user without a password
    is no secret, except where it stands alone before the `@` of a NATS server: there it is a token.
    """
    value = str(text)
    if "@" not in value and "?" not in value:
        return []
    endpoint = parse(text)
    found = [parameter.value for parameter in endpoint.parameters if _SECRET_PARAMETER.match(str(parameter.name))]
    whole = "@" not in value[value.rfind("/") + 1 :] and _MYSQL_ADDRESS.fullmatch(str(endpoint.address))
    if endpoint.backend == "mysql" and endpoint.password and whole:
        found.append(endpoint.password)
    else:
        found.extend(_each_password(text))
    return [part for part in found if part]


def _each_password(text: Text) -> Iterator[Text]:
    """Yield the password of each URL in a list, whatever it holds that should have been percent-encoded.

    `?`, `#` or `/` in it ends the authority for a URL parser, but the user meant a password.
    """
    starts = [0, *(match.start() for match in _NEXT_URL.finditer(str(text))), len(text)]
    for start, end in pairwise(starts):
        scheme, separator, rest = text[start:end].partition("://")
        login, at, _ = (rest if separator else text[start:end]).rpartition("@")
        _, colon, password = login.partition(":")
        if colon:
            yield password
        elif at and str(scheme).endswith("nats"):
            yield login
