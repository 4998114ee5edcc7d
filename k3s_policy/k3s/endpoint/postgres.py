"""A PostgreSQL endpoint, as kine and pgx make a connection of it.

kine hands it to Go's net/url, lowers the case of the database and keeps the first parameter of each name
(pkg/drivers/pgsql/pgsql.go, prepareConfig). pgx reads the result as libpq does (pgconn/parse_url.go): several hosts,
each with its port; parameters that beat what stands before them; what it does not know becomes a run-time parameter.
pgx up to 5.10 reads some lists of hosts otherwise: `h1,h2:5433` gives both hosts that port, `::1` is an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s.endpoint.parts import (
    HIGHEST_PORT,
    Address,
    Backend,
    Endpoint,
    Flaw,
    Parameter,
    Refusal,
    is_number,
    is_open,
    read_query,
    unescaped,
)
from k3s_policy.k3s.endpoint.url import parse_url
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from k3s_policy.text import Text

__all__ = ["PARAMETERS", "SSL_MODES", "parse"]

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""What sslmode can be, case-sensitive; empty stands for `prefer`."""
PARAMETERS = frozenset(
    {
        "application_name", "connect_timeout", "dbname", "default_query_exec_mode", "options", "search_path", "sslcert",
        "sslkey", "sslmode", "sslpassword", "sslrootcert", "sslsni", "statement_cache_capacity", "target_session_attrs",
    }
)  # fmt: skip
"""Parameters that endpoints have; what pgx does not know it sends to the server as a run-time parameter."""
_VALUES = {
    "target_session_attrs": ("read-write", "read-only", "primary", "standby", "prefer-standby", "any"),
    "min_protocol_version": ("", "3.0", "3.2", "latest"),
    "max_protocol_version": ("", "3.0", "3.2", "latest"),
    "channel_binding": ("", "prefer", "disable", "require"),
    "default_query_exec_mode": ("cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"),
}
_NUMBERS = ("statement_cache_capacity", "description_cache_capacity")
_COMMA = pattern(r",|%2[Cc]")
_SOCKET = pattern(r"/|%2[Ff]")


def parse(text: Text, scheme: Text, rest: Text) -> Endpoint:
    """Take apart what stands behind `postgres://`; nothing there is `postgres:postgres@localhost` to kine."""
    if not rest:
        user, host = rest.stand_in("postgres"), rest.stand_in("localhost")
        dialled = (Address(host, rest, rest),)
        return Endpoint(
            text=text,
            scheme=scheme,
            backend=Backend.POSTGRES,
            user=user,
            password=user,
            addresses=dialled,
            database=rest,
            by_network=(True,),
        )
    url = parse_url(rest)
    parameters = tuple(read_query(url.query))
    # kine keeps the first of each name.
    first = {parameter.key: parameter for parameter in reversed(parameters)}
    hosts, ports = _hosts_and_ports(url.host, first)
    servers = [Address(host, _nth(ports, number), host[:0]) for number, host in enumerate(hosts)]
    by_network = tuple(bool(host) and not _SOCKET.match(str(host)) for host in hosts)
    named = first.get("dbname") or first.get("database")
    return Endpoint(
        text=text,
        scheme=scheme,
        backend=Backend.POSTGRES,
        user=url.user,
        password=url.password,
        addresses=tuple(server for server, dials in zip(servers, by_network, strict=True) if dials),
        database=named.value if named else url.path[1:],
        parameters=parameters,
        socket=None if any(by_network) else hosts[0],
        by_network=by_network,
        refusal=url.refusal or url.query_refusal or next(_refused(url.host, servers, ports, by_network, first), None),
        # A service file may say more, and whatever is filled in at the very end.
        is_open=is_open(url.query) or "service" in first or not (url.query or url.path or rest[-1:].known),
    )


def _hosts_and_ports(written: Text, first: Mapping[str, Parameter]) -> tuple[list[Text], list[Text]]:
    """Return the servers as libpq reads the list; an empty host is the socket of this host (pgconn/defaults.go)."""
    servers = [_server(part) for part in written.split(",")]
    hosts, ports = [host for host, _ in servers], [port for _, port in servers]
    if "host" in first:
        hosts = _listed(first["host"].value)
    if "port" in first:
        ports = _listed(first["port"].value)
    return hosts, ports


def _server(part: Text) -> tuple[Text, Text]:
    """Read `host:port`: the first colon behind the brackets begins the port."""
    if part.startswith("[") and "]" in str(part):
        host, _, behind = part[1:].partition("]")
        return host, behind[1:]
    host, _, port = part.partition(":")
    return host, port


def _listed(value: Text) -> list[Text]:
    parts = []
    position = 0
    for match in _COMMA.finditer(str(value)):
        parts.append(value[position : match.start()])
        position = match.end()
    return [*parts, value[position:]]


def _nth(ports: Sequence[Text], number: int) -> Text:
    """Return the port of a host: one for all, else each its own."""
    return ports[number if number < len(ports) and len(ports) > 1 else 0]


def _refused(
    host: Text,
    servers: Sequence[Address],
    ports: Sequence[Text],
    by_network: Sequence[bool],
    first: Mapping[str, Parameter],
) -> Iterator[Refusal]:
    """Yield what pgx refuses, in its order (pgconn/config.go, ParseConfigWithOptions)."""
    timeout = first.get("connect_timeout")
    if timeout is not None and timeout.value.known and not is_number(timeout.decoded, 64, least=0):
        yield Refusal(Flaw.INVALID_NUMBER, timeout.value, "connect_timeout is no whole number of seconds")
    if len(ports) > 1 and len(ports) != len(servers):
        yield Refusal(Flaw.PORT_COUNT, host, "there are not as many ports as hosts")
    for server in servers:
        if server.port and server.port.known and not _is_port(str(server.port)):
            yield Refusal(Flaw.INVALID_PORT, server.port, "a port is a number from 1 to 65535")
    mode, authority = first.get("sslmode"), first.get("sslrootcert")
    if mode is not None and any(by_network) and not (authority is not None and authority.decoded == "system"):
        yield from _refused_value(mode, ("", *SSL_MODES))
    for name, values in _VALUES.items():
        if name in first:
            yield from _refused_value(first[name], values)
    for name in _NUMBERS:
        number = first.get(name)
        if number is not None and number.value.known and not is_number(number.decoded, 32):
            yield Refusal(Flaw.INVALID_NUMBER, number.value, f"{name} is no whole number")


def _refused_value(parameter: Parameter, values: Sequence[str]) -> Iterator[Refusal]:
    if parameter.value.known and parameter.decoded not in values:
        at = parameter.value or parameter.name
        yield Refusal(Flaw.UNKNOWN_VALUE, at, f"{parameter.key} is none of {', '.join(filter(None, values))}")


def _is_port(written: str) -> bool:
    return is_number(unescaped(written), 17, least=1) and int(unescaped(written)) <= HIGHEST_PORT
