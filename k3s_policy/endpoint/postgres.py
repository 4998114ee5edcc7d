"""A PostgreSQL endpoint, as kine and pgx make a connection of it.

kine hands it to Go's net/url, lowers the case of the database and keeps the first parameter of each name
(pkg/drivers/pgsql/pgsql.go, prepareConfig). pgx reads the result as libpq does (pgconn/parse_url.go): several hosts,
each with its port; parameters that beat what stands before them; what it does not know becomes a run-time parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.endpoint.parts import (
    Address,
    Backend,
    Endpoint,
    Flaw,
    Parameter,
    Refusal,
    is_open,
    read_parameters,
    unescaped,
)
from k3s_policy.endpoint.url import parse_url
from k3s_policy.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from k3s_policy.text import Text

__all__ = ["SSL_MODES", "parse"]

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""What sslmode can be, case-sensitive; empty stands for `prefer`."""
_VALUES = {
    "sslmode": ("", *SSL_MODES),
    "target_session_attrs": ("read-write", "read-only", "primary", "standby", "prefer-standby", "any"),
    "default_query_exec_mode": ("cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"),
}
_NUMBERS = ("statement_cache_capacity", "description_cache_capacity")
_NUMBER = pattern(r"[-+]?[0-9]{1,18}")
_HIGHEST_PORT = 65535


def parse(text: Text, scheme: Text, rest: Text) -> Endpoint:
    """Take apart what stands behind `postgres://`; nothing there is `postgres:postgres@localhost` to kine."""
    if not rest:
        user, host = rest.stand_in("postgres"), rest.stand_in("localhost")
        return Endpoint(text, scheme, Backend.POSTGRES, user, user, (Address(host, rest, rest),), rest)
    url = parse_url(rest)
    parameters = tuple(read_parameters(url.query))
    first: dict[str, Parameter] = {}
    for parameter in parameters:
        first.setdefault(str(parameter.name), parameter)
    addresses = tuple(_addresses(url.host, first))
    sockets = [address.host for address in addresses if address.host.startswith("/")]
    named = first["dbname"].value if "dbname" in first else url.path[1:]
    return Endpoint(
        text,
        scheme,
        Backend.POSTGRES,
        url.user,
        url.password,
        tuple(address for address in addresses if address.host not in sockets),
        named,
        parameters,
        socket=(sockets or [url.host[:0]])[0] if len(sockets) == len(addresses) else None,
        refusal=url.refusal or next(_refused(addresses, url.host, first), None),
        is_open=is_open(url.query) or not (url.query or url.path or rest[-1:].known),
    )


def _addresses(host: Text, first: Mapping[str, Parameter]) -> Iterator[Address]:
    """Yield each server; without a host, pgx dials the socket of this host (pgconn/defaults.go)."""
    if "host" in first and first["host"].value:
        ports = _listed(first["port"].value) if "port" in first else [one.port for one in _written(host)]
        for number, name in enumerate(_listed(first["host"].value)):
            port = ports[number if len(ports) > 1 else 0] if number < len(ports) or len(ports) == 1 else name[:0]
            yield Address(name, port, name[:0])
    elif host:
        yield from _written(host)


def _written(host: Text) -> list[Address]:
    return [_address(part) for part in host.split(",")] if host else []


def _listed(value: Text) -> list[Text]:
    return value.split(",")


def _address(part: Text) -> Address:
    """Read `host:port` as libpq does: the first colon behind the brackets begins the port."""
    nothing = part[len(part) :]
    if part.startswith("[") and "]" in str(part):
        host, _, behind = part[1:].partition("]")
        return Address(host, behind[1:], nothing)
    host, _, port = part.partition(":")
    return Address(host, port, nothing)


def _refused(addresses: tuple[Address, ...], host: Text, first: Mapping[str, Parameter]) -> Iterator[Refusal]:
    """Yield what pgx refuses, in its order (pgconn/config.go, ParseConfigWithOptions)."""
    timeout = first.get("connect_timeout")
    if timeout is not None and timeout.value.known and not _NUMBER.fullmatch(timeout.decoded):
        reason = "connect_timeout is no whole number of seconds"
        yield Refusal(Flaw.INVALID_NUMBER, timeout.value, reason)
    ports = _ports(host, first)
    if 1 < len(ports) != len(addresses):
        reason = "there are not as many ports as hosts"
        yield Refusal(Flaw.PORT_COUNT, host, reason)
    for port in ports:
        if port and port.known and not _is_port(str(port)):
            yield Refusal(Flaw.INVALID_PORT, port, "a port is a number from 1 to 65535")
    dialled = any(not address.host.startswith("/") and address.host for address in addresses)
    for name, values in _VALUES.items():
        parameter = first.get(name)
        if parameter is None or not parameter.value.known or (name == "sslmode" and not dialled):
            continue
        if parameter.decoded not in values and not (name == "sslmode" and _trusts_the_system(first)):
            listed = ", ".join(filter(None, values))
            yield Refusal(Flaw.UNKNOWN_VALUE, parameter.value, f"{name} is none of {listed}")
    for name in _NUMBERS:
        number = first.get(name)
        if number is not None and number.value.known and not _NUMBER.fullmatch(number.decoded):
            yield Refusal(Flaw.INVALID_NUMBER, number.value, f"{name} is no whole number")


def _ports(host: Text, first: Mapping[str, Parameter]) -> list[Text]:
    if "port" in first:
        return _listed(first["port"].value)
    ports = [one.port for one in _written(host)]
    return ports if any(ports) else ports[:1]


def _is_port(written: str) -> bool:
    port = unescaped(written)
    return port.isdecimal() and len(port) <= len("65535") + 1 and 0 < int(port) <= _HIGHEST_PORT


def _trusts_the_system(first: Mapping[str, Parameter]) -> bool:
    return "sslrootcert" in first and first["sslrootcert"].decoded == "system"
