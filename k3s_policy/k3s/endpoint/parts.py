"""What an endpoint is made of: records that the drivers' grammars fill, and that know where each part was written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = [
    "HIGHEST_PORT",
    "INVALID_ESCAPE",
    "Address",
    "Backend",
    "Endpoint",
    "Flaw",
    "Parameter",
    "Refusal",
    "is_number",
    "is_open",
    "is_port",
    "read_address",
    "read_parameters",
    "read_query",
    "unescaped",
]


class Backend(Enum):
    """What keeps the state of a cluster."""

    SQLITE = "sqlite"
    MYSQL = "mysql"
    POSTGRES = "postgres"
    ETCD = "etcd"
    NATS = "nats"
    MEMORY = "memory"
    T4 = "t4"

    @property
    def called(self) -> str:
        """What messages call it."""
        return _CALLED[self]


_CALLED = {
    Backend.SQLITE: "SQLite",
    Backend.MYSQL: "MySQL",
    Backend.POSTGRES: "PostgreSQL",
    Backend.ETCD: "an external etcd",
    Backend.NATS: "NATS",
    Backend.MEMORY: "memory",
    Backend.T4: "t4",
}


class Flaw(Enum):
    """Why kine or a driver refuses an endpoint: each member is one kind of mistake."""

    NO_SCHEME = "no scheme"
    UNKNOWN_SCHEME = "unknown scheme"
    NO_SLASH = "no slash before the database"
    NO_NETWORK = "an address without its network"
    OPEN_ADDRESS = "an address that is not closed"
    UNESCAPED_SLASH = "a slash that is not escaped"
    INVALID_ESCAPE = "percent-encoding that is none"
    INVALID_TRUTH = "neither true nor false"
    INVALID_NUMBER = "no number"
    INVALID_DURATION = "no duration"
    UNKNOWN_ZONE = "an unknown time zone"
    UNKNOWN_TLS = "a TLS mode the driver does not have"
    UNKNOWN_KEY = "a server key nobody registered"
    REMOVED_PARAMETER = "a parameter the driver no longer has"
    UNSAFE_COLLATION = "interpolation with an unsafe collation"
    CONTROL_CHARACTER = "a control character"
    INVALID_USER = "user information that is not percent-encoded"
    INVALID_HOST = "no host name"
    INVALID_PORT = "no port"
    PORT_COUNT = "more ports than hosts"
    SEMICOLON = "a semicolon between parameters"
    UNKNOWN_VALUE = "a value the driver does not know"
    HALF_PAIR = "a certificate without its key, or a key without its certificate"
    NOT_NATS = "a server that is not nats://"


class Refusal(NamedTuple):
    """That an endpoint is refused while it is parsed."""

    flaw: Flaw
    at: Text
    """The characters at fault."""
    reason: str
    """What is wrong, in words that never repeat a value."""


class Parameter(NamedTuple):
    """One `name=value` behind the `?` of an endpoint, as it is written."""

    name: Text
    value: Text
    key: str
    """The name as the driver compares it: query-unescaped in a URL, as it is written for MySQL."""

    @property
    def text(self) -> Text:
        """Name and value."""
        return self.name.upto(self.value)

    @property
    def decoded(self) -> str:
        """The value after query-unescaping, as both drivers do it."""
        return unescaped(str(self.value))


class Address(NamedTuple):
    """One server of an endpoint; a part that is not written is empty."""

    host: Text
    """Without the brackets of an IPv6 address."""
    port: Text
    scheme: Text
    """What stands before its `://`, where each server of a list has one of its own."""

    @property
    def is_loopback(self) -> bool:
        """Whether this host itself is meant, so that nothing crosses a network."""
        name = str(self.host).lower().rstrip(".")
        return name in _LOOPBACK or name.startswith("127.")


# No host at all is this host to Go and to the drivers.
_LOOPBACK = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost", "::1", "0.0.0.0", "::"})  # noqa: S104  names


@dataclass(frozen=True, eq=False, repr=False)
class Endpoint:
    """The parts of one datastore-endpoint; a part that is not written is empty."""

    text: Text
    scheme: Text
    backend: Backend | None
    """What the scheme selects; None where kine refuses it."""
    user: Text
    password: Text
    addresses: tuple[Address, ...]
    """The servers; none for a socket or a file."""
    database: Text
    parameters: tuple[Parameter, ...] = ()
    network: Text | None = None
    """Of MySQL, what stands before the parentheses: `tcp`."""
    socket: Text | None = None
    """The path of a Unix socket, where that is what is dialled; empty for the driver's own."""
    by_network: tuple[bool, ...] = ()
    """Of PostgreSQL, for each server in the order they are tried, whether a network is dialled and not a socket."""
    refusal: Refusal | None = None
    is_open: bool = False
    """Whether a template or variable stands where parameters or servers may come from that were not seen."""

    @classmethod
    def bare(cls, text: Text, scheme: Text, backend: Backend | None) -> Endpoint:
        """Return an endpoint of which nothing but the scheme is told apart."""
        nothing = text[len(text) :]
        return cls(
            text=text, scheme=scheme, backend=backend, user=nothing, password=nothing, addresses=(), database=nothing
        )

    def all(self, name: str) -> tuple[Parameter, ...]:
        """Return the parameters of one name, which is case-sensitive."""
        return tuple(parameter for parameter in self.parameters if parameter.key == name)

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of a name that counts: of several the last for MySQL, the first for the others.

        kine drops all but the first for PostgreSQL (pkg/drivers/pgsql/pgsql.go, prepareConfig); Go's url.Values.Get
        returns the first; go-sql-driver assigns one after the other.
        """
        found = self.all(name)
        if not found:
            return None
        return found[-1] if self.backend is Backend.MYSQL else found[0]

    @property
    def location(self) -> Text:
        """What stands behind user and password: servers, database, parameters."""
        _, _, rest = self.text.partition("://")
        if str(self.scheme) == "jetstream" and "://" in str(rest):
            _, _, rest = rest.partition("://")
        if self.backend is Backend.MYSQL and "/" in str(rest):
            authority, _, _ = rest.rpartition("/")
        else:
            ends = _AUTHORITY_ENDS.get(self.backend, "")
            authority = min((rest.partition(end)[0] for end in ends), key=len, default=rest)
        login, at, _ = authority.rpartition("@")
        return rest[len(login) + len(at) :]

    @property
    def is_local(self) -> bool:
        """Whether nothing crosses a network: a socket, a file, or this host itself."""
        return self.socket is not None or all(address.is_loopback for address in self.addresses)

    @property
    def decodes(self) -> bool:
        """Whether its user information is percent-decoded: never for MySQL and NATS (kine pkg/drivers/nats)."""
        return self.backend is Backend.POSTGRES

    @property
    def login(self) -> tuple[str, str]:
        """User and password as they are sent; a parameter of PostgreSQL beats what stands before the `@`."""
        user, password = str(self.user), str(self.password)
        if not self.decodes:
            return user, password
        from urllib.parse import unquote  # rare, and slow to import

        by_name = {name: parameter.decoded for name in ("user", "password") if (parameter := self.parameter(name))}
        return by_name.get("user", unquote(user)), by_name.get("password", unquote(password))


_AUTHORITY_ENDS: dict[Backend | None, str] = {Backend.POSTGRES: "#?/", Backend.NATS: "#?/", Backend.ETCD: "/"}
"""What ends the part of a URL in which an `@` ends the login."""


def read_parameters(query: Text) -> Iterator[Parameter]:
    """Read `name=value&...`; a name alone is none."""
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            yield Parameter(name, value, str(name))


def read_query(query: Text) -> Iterator[Parameter]:
    """Read parameters as Go's url.ParseQuery does: names are decoded, and a name alone has an empty value."""
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            yield Parameter(name, value, unescaped(str(name)))


def is_open(query: Text) -> bool:
    """Whether something that is filled in stands for whole parameters."""
    return any(pair and not pair.known and "=" not in str(pair) for pair in query.split("&"))


def read_address(written: Text) -> Address:
    """Read `host:port`, with brackets around an IPv6 address; what has more colons is a host without a port."""
    nothing = written[len(written) :]
    if written.startswith("[") and "]" in str(written):
        host, _, behind = written[1:].partition("]")
        return Address(host, behind[1:], nothing)
    if str(written).count(":") != 1:
        return Address(written, nothing, nothing)
    host, _, port = written.partition(":")
    return Address(host, port, nothing)


HIGHEST_PORT = 65535
"""The last port that there is."""


def is_port(written: str) -> bool:
    """Whether digits are a port that something can be reached at."""
    digits = written.isdecimal() and len(written) <= len(str(HIGHEST_PORT))
    return digits and 0 < int(written) <= HIGHEST_PORT


def is_number(written: str, bits: int, *, least: int | None = None) -> bool:
    """Whether Go's strconv.ParseInt with base 10 reads a number of so many bits, and it is not less than `least`."""
    if not _NUMBER.fullmatch(written) or len(written) > _LONGEST_NUMBER:
        return False
    number = int(written)
    return -(1 << (bits - 1)) <= number < 1 << (bits - 1) and (least is None or number >= least)


_NUMBER = pattern(r"[-+]?[0-9]+")
_LONGEST_NUMBER = 100
"""Characters above which a text is no number that anybody means."""


INVALID_ESCAPE = pattern(r"%(?![0-9A-Fa-f]{2})")
"""A `%` that begins no percent-encoding: Go refuses it wherever it decodes."""


def unescaped(written: str) -> str:
    """Return a parameter after query-unescaping: `%2D` is a hyphen, `+` a blank."""
    if "%" not in written and "+" not in written:
        return written
    from urllib.parse import unquote_plus  # rare, and slow to import

    return unquote_plus(written)
