"""An endpoint as its author most likely meant it: what messages tell them to write, with the password masked.

Read leniently where the drivers refuse: everything before the last `@` is taken for user and password, whatever it
holds, and none of the password is ever repeated. Where a password may reach beyond that `@`, nothing is proposed. What
is proposed is parsed again, and only told where no driver would refuse it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.endpoint import Backend, mysql, parse, postgres
from k3s_policy.k3s.endpoint.parts import is_port
from k3s_policy.k3s.value import as_duration, as_truth
from k3s_policy.text import Source, join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from k3s_policy.k3s.endpoint import Endpoint
    from k3s_policy.text import Text

__all__ = ["FORMS", "MASKED", "meant", "suggestion"]

MASKED = "******"
"""What stands for a password, as in the reports."""

FORMS = {
    Backend.MYSQL: "mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE",
    Backend.POSTGRES: "postgres://USER:PASSWORD@HOST:5432/DATABASE",
    Backend.ETCD: "https://HOST:2379,https://HOST:2379,https://HOST:2379",
    Backend.NATS: "nats://USER:PASSWORD@HOST:4222",
}
"""The general form of each external datastore."""


def suggestion(endpoint: Endpoint) -> str | None:
    """Return how an endpoint should have been written; None where its parts cannot be told apart."""
    text = _bare(endpoint.text)
    backend, rest = _meant(text)
    write = _WRITERS.get(backend) if backend is not None else None
    written = write(rest) if write is not None else None
    return written if written is not None and _is_accepted(written) else None


def meant(endpoint: Endpoint) -> Backend | None:
    """Return the datastore that an endpoint is most likely about; None where nothing tells."""
    return _meant(_bare(endpoint.text))[0]


# --- what is meant ------------------------------------------------------------------------------------------


def _bare(text: Text) -> Text:
    """Take off what a shell or YAML should have: blanks, line breaks, and quotes around the whole."""
    return text.strip(" \t\r\n").strip("'\"`").strip(" \t\r\n")


_SCHEME = pattern(r"(?:jdbc:)?(?P<name>[a-z][a-z0-9+]*):?/+", re.IGNORECASE)
_FAMILIES: dict[str, Backend] = {
    "mysql": Backend.MYSQL, "maria": Backend.MYSQL,
    "postgre": Backend.POSTGRES, "pg": Backend.POSTGRES, "psql": Backend.POSTGRES, "cockroach": Backend.POSTGRES,
    "http": Backend.ETCD, "etcd": Backend.ETCD,
    "nats": Backend.NATS, "jetstream": Backend.NATS,
}  # fmt: skip
"""What the names of schemes begin with, those that people make up included."""
_SIGNS: dict[str, Backend] = {
    "tcp(": Backend.MYSQL, ":3306": Backend.MYSQL, ":5432": Backend.POSTGRES, ":2379": Backend.ETCD,
    ":4222": Backend.NATS,
}  # fmt: skip
"""What tells the datastore where there is no scheme."""


def _meant(text: Text) -> tuple[Backend | None, Text]:
    """Return the datastore and what stands behind its scheme, however often that is written."""
    found: Backend | None = None
    rest = text
    while match := _SCHEME.match(str(rest)):
        family = next((one for prefix, one in _FAMILIES.items() if match["name"].lower().startswith(prefix)), None)
        if family is None or found not in (None, family):
            break
        if family is Backend.ETCD:
            return family, text  # each server of a list has a scheme of its own
        behind = rest[match.end() :]
        if found is not None or not match[0].endswith("://"):
            if _LONE.match(str(behind)):
                break  # `postgres:/secret@host` has a user named like a scheme
            login, at, location = behind.partition("@")
            behind = login.unknown() + at + location if at else behind
        found, rest = family, behind
    if found is None and "://" not in str(text):
        found = next((one for sign, one in _SIGNS.items() if sign in str(text)), None)
    return found, rest


_LONE = pattern(r"[^:@]*@")


class _Login(NamedTuple):
    """What stands before the `@`, as it may be shown."""

    shown: str
    location: Text
    """What stands behind it."""


def _login(rest: Text) -> _Login | None:
    """Cut off user and password; None where the last `@` may stand in a password, or in what is no login."""
    login, at, location = rest.rpartition("@")
    if not at:
        return _Login("", location)
    _, inner, behind = login.rpartition("@")
    if (inner and _ENDED.search(str(behind))) or _PARAMETER.search(str(login)) or _is_unpaired(str(login)):
        return None
    user, colon, _ = login.partition(":")
    if colon and _WORD.fullmatch(str(location)):
        return None  # without port and database it may as well be the end of the password
    name = str(user) if user.known and _PLAIN.fullmatch(str(user)) else "USER"
    return _Login(f"{name}:{MASKED}@" if colon else f"{name}@", location)


_ENDED = pattern(r"[?#(]")
"""What stands in a location that is whole, before an `@` that is none of a login's."""
_PARAMETER = pattern(r"(?:[?&;#,\s]|%(?:2[036Cc]|3[BbFf]))[\w.%-]+\s*=")
_WORD = pattern(r"[\w-]*")


def _is_unpaired(login: str) -> bool:
    """Whether a quotation mark has its partner behind the `@`, or nowhere."""
    return any(login.count(mark) % 2 for mark in "'\"`")


_PLAIN = pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PORTS = ("2379", "2380", "3306", "3307", "4222", "5432", "5433", "6432", "26257")
_ADDRESS = pattern(r"(?P<host>\[[0-9A-Za-z:.%]+\]|[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::(?P<port>\w*))?")


def _address(written: Text, standard: str, *, trusted: bool) -> tuple[str, str] | None:
    """Return host and port; a port that is none becomes the standard one.

    Without a login before it, `k3s:secret` may be one: then only a usual port is taken for a port.
    """
    written = _bracketed(written)
    match = _ADDRESS.fullmatch(str(written))
    if match is None or match["host"] in ("tcp", "unix"):
        return None
    host = match["host"] if written.cut(match, "host").known else "HOST"
    port = match["port"] or ""
    if not port or (not trusted and port not in _PORTS):
        return None if port else (host, "")
    return host, port if is_port(port) and written.cut(match, "port").known else standard


def _bracketed(address: Text) -> Text:
    """Put brackets around an IPv6 address without them; four digits or more at its end are a port."""
    written = str(address)
    if written.count(":") < 2 or "[" in written:
        return address
    head, _, last = address.rpartition(":")
    if last and str(last).isdecimal() and len(last) >= 4 and _is_ipv6(str(head)):
        return join([_enclosed(head), last], ":")
    return _enclosed(address) if _is_ipv6(written) else address


def _enclosed(host: Text) -> Text:
    return host[:0].stand_in("[") + host + host[len(host) :].stand_in("]")


def _is_ipv6(text: str) -> bool:
    import ipaddress  # rare, and slow to import

    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _joined(host: str, port: str) -> str:
    return f"{host}:{port}" if port else host


def _named(database: Text | None) -> str:
    """Return the name of the database; kine's own where there is none."""
    if database is None or not database:
        return "kubernetes"
    return str(database) if database.known else "DATABASE"


def _query(query: Text | None, mend: Callable[[str, str], str | None]) -> str | None:
    """Return the parameters mended, with their `?`; None where one cannot be shown."""
    if query is None or not query:
        return ""
    pairs = [pair.partition("=") for pair in query.split("&")]
    if not all(name.known and value.known and _NAME.fullmatch(str(name)) for name, _, value in pairs):
        return None
    if not _are_parameters([str(name) for name, _, _ in pairs]):
        return None
    mends = [(str(name), mend(str(name), str(value))) for name, equals, value in pairs if equals]
    if any(_is_secret(name) and value != MASKED for name, value in mends):
        return None
    kept = [f"{name}={value}" for name, value in mends if value is not None]
    if not all(map(_SHOWN.fullmatch, kept)):
        return None
    return "?" + "&".join(kept) if kept else ""


def _are_parameters(names: Sequence[str]) -> bool:
    """Whether no name may be a piece of a password before it that has a `&` in it."""
    secret = next((number for number, name in enumerate(names) if _is_secret(name)), len(names))
    return all(name in _PARAMETERS for name in names[secret:])


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None and name not in mysql.TRUTHS


_SECRET = pattern("(?i)pass|pwd|secret|token|cred|auth")
_PASSWORDS = ("password", "passwd", "sslpassword")
_PARAMETERS = postgres.PARAMETERS | {"user", *_PASSWORDS}
"""What may stand behind a password that is a parameter, and before it the password itself."""
_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")
_SHOWN = pattern(r"[A-Za-z0-9_.-]+=[A-Za-z0-9_.,:%/*+-]{0,80}")
_DIGITS = pattern(r"[0-9]{1,9}")


# --- MySQL --------------------------------------------------------------------------------------------------

_MYSQL = pattern(
    r"(?:(?:(?P<network>tcp[46]?)[(:]|(?:[a-z][a-z0-9]{1,9})?\()?(?P<address>[^()/?,]+)\)?|(?:unix\()?(?P<socket>/[\w./-]+?\.sock)\)?)"
    r"(?:/(?P<database>[\w$%-]*(?:/[\w$%-]+)*)\)?)?(?:\?(?P<query>.*))?"
)


def _mysql(rest: Text) -> str | None:
    login = _login(rest)
    if login is None:
        return None
    location = join(login.location.split("\\"), "")
    match = _MYSQL.fullmatch(str(location))
    if match is None:
        return None
    parts = {name: location.cut(match, name) if match[name] is not None else None for name in match.groupdict()}
    address, socket = parts["address"], parts["socket"]
    if address is not None:
        found = _address(address, "3306", trusted=bool(login.shown))
        if found is None:
            return None
        dialled = f"{match['network'] or 'tcp'}({_joined(*found)})"
    else:
        dialled = f"unix({socket})"
    query = _query(parts["query"], _mysql_value)
    database = _named(parts["database"]).replace("/", "%2F")
    return None if query is None else f"mysql://{login.shown}{dialled}/{database}{query}"


_YES = ("yes", "y", "on", "t", "required", "require", "enabled", "verify-ca", "verify-full", "skip_verify", "custom")
_NO = ("no", "n", "off", "f", "none", "disabled", "disable")
_DURATIONS = ("readTimeout", "timeTruncate", "timeout", "writeTimeout")


def _mysql_value(name: str, value: str) -> str | None:  # noqa: PLR0911  one line a kind
    """Return a value that the driver takes; None for a parameter that is better left out."""
    if name in ("strict", "serverPubKey"):
        return None
    if name in mysql.TRUTHS or name == "tls":
        if name == "tls" and value.lower() in ("skip-verify", "preferred"):
            return value
        if as_truth(value) is not None and value not in ("t", "T", "f", "F"):
            return value
        return "true" if value.lower() in _YES else "false" if value.lower() in _NO else None
    if name in _DURATIONS and as_duration(value) is None:
        return f"{value}s" if _DIGITS.fullmatch(value) else None
    if name == "loc":
        zone = value.replace("/", "%2F")
        return zone if _is_accepted(f"mysql://tcp(h)/?loc={zone}") else None
    if name == "maxAllowedPacket" and not _DIGITS.fullmatch(value):
        return None
    return value.replace("/", "%2F")


# --- PostgreSQL ---------------------------------------------------------------------------------------------

_POSTGRES = pattern(
    r"(?:tcp[(:]|\()?(?P<hosts>[^/?#()]*)\)?(?:/(?P<database>[\w$%/-]*)\)?)?(?:\?(?P<query>[^#]*))?", re.ASCII
)


def _postgres(rest: Text) -> str | None:
    login = _login(rest)
    match = _POSTGRES.fullmatch(str(login.location)) if login is not None else None
    if login is None or match is None:
        return None
    parts = {name: login.location.cut(match, name) if match[name] is not None else None for name in match.groupdict()}
    hosts, query = parts["hosts"], _query(parts["query"], _postgres_value)
    if hosts is None or query is None:
        return None
    listed = hosts.split(",") if hosts else []  # without a host, pgx dials the socket of this one
    found = [_address(one.strip(), "5432", trusted=bool(login.shown)) for one in listed]
    addresses = _with_ports([one for one in found if one is not None])
    if len(addresses) < len(found):
        return None
    database = _named(parts["database"])
    return f"postgres://{login.shown}{','.join(addresses)}/{database}{query}"


def _with_ports(addresses: Sequence[tuple[str, str]]) -> list[str]:
    """Give each host of a list the port that one of them has."""
    given = next((port for _, port in addresses if port), "")
    return [_joined(host, port or given) for host, port in addresses]


def _postgres_value(name: str, value: str) -> str | None:
    """Return a value that pgx takes; None for a parameter that is better left out."""
    if name in _PASSWORDS:
        return MASKED
    if name == "sslmode" and value not in postgres.SSL_MODES:
        mode = "require" if value == "required" else value.lower()
        return mode if mode in postgres.SSL_MODES else "verify-full"
    if name == "connect_timeout":
        seconds = value.removesuffix("s")
        return seconds if _DIGITS.fullmatch(seconds) else None
    if name.endswith("_cache_capacity") and not _DIGITS.fullmatch(value):
        return None
    if name in ("target_session_attrs", "default_query_exec_mode"):
        return value if _is_accepted(f"postgres://h/?{name}={value}") else None
    return value


# --- lists --------------------------------------------------------------------------------------------------


def _etcd(text: Text) -> str | None:
    """Write a list of etcd servers without blanks, and with one scheme: https unless all are http."""
    if _is_split(text):
        return None
    schemes: set[str] = set()
    found: list[tuple[str, str] | None] = []
    for one in text.split(","):
        server = one.strip()
        if not server:
            continue
        match = _SCHEME.match(str(server))
        schemes.add(match["name"].lower() if match else "")
        location = server[match.end() if match else 0 :].rpartition("@")[2]
        found.append(_address(location.rstrip("/"), "2379", trusted=match is not None))
    addresses = [(host, port or "2379") for host, port in filter(None, found)]
    if len(addresses) < len(found) or not addresses:
        return None
    scheme = "http" if schemes == {"http"} else "https"
    return ",".join(dict.fromkeys(f"{scheme}://{_joined(*one)}" for one in addresses))


def _is_split(listed: Text) -> bool:
    """Whether a comma may stand in a password: an `@` behind it is in no URL of its own, or there are several."""
    first, *others = str(listed).split(",")
    if not others:
        return False
    return any(one.count("@") > 1 for one in (first, *others)) or any("@" in one and "://" not in one for one in others)


def _nats(rest: Text) -> str | None:
    login = _login(rest.partition(",")[0])
    if login is None or _is_split(rest):
        return None
    location, _, query = login.location.partition("?")
    others = [one.partition("://")[2] or one for one in rest.split(",")[1:]]
    written = [location, *(one.rpartition("@")[2] for one in others)]
    found = [_address(one.rstrip("/"), "4222", trusted=bool(login.shown)) for one in written]
    parameters = _query(query, _nats_value)
    if parameters is None or None in found:
        return None
    # A name alone before the @ is a token to NATS.
    shown = login.shown if MASKED in login.shown or not login.shown else f"{MASKED}@"
    first, *rest_of_them = (_joined(*one) for one in filter(None, found))
    return f"nats://{shown}{first}{parameters}" + _listed(rest_of_them)


def _listed(servers: Iterable[str]) -> str:
    return "".join(f",nats://{server}" for server in servers)


def _nats_value(name: str, value: str) -> str | None:
    """Return a value that kine takes; None for a parameter that is better left out."""
    return value if _is_accepted(f"nats://h?{name}={value}") else None


def _is_accepted(written: str) -> bool:
    """Whether no driver refuses an endpoint."""
    return parse(Source("", written).text).refusal is None


_WRITERS = {Backend.MYSQL: _mysql, Backend.POSTGRES: _postgres, Backend.ETCD: _etcd, Backend.NATS: _nats}
