"""A MySQL or MariaDB endpoint, as go-sql-driver/mysql parses a data source name (`dsn.go`, 1.10).

`[user[:password]@][network[(address)]]/database[?parameter=value&...]`: the last `/` separates the database, the last
`@` before it ends the user information, the first `:` in that separates the password. Neither user nor password is
percent-decoded, and no character of a password needs it. Names of parameters are case-sensitive; of several of one name
the last counts; what the driver does not know becomes a system variable of the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s.endpoint.parts import (
    INVALID_ESCAPE,
    Backend,
    Endpoint,
    Flaw,
    Parameter,
    Refusal,
    is_number,
    is_open,
    read_address,
    read_parameters,
    unescaped,
)
from k3s_policy.k3s.value import as_duration, as_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.text import Text

__all__ = ["NETWORKS", "PARAMETERS", "TRUTHS", "parse", "tls_mode"]

TRUTHS = frozenset(
    {
        "allowAllFiles", "allowCleartextPasswords", "allowFallbackToPlaintext", "allowNativePasswords",
        "allowOldPasswords", "checkConnLiveness", "clientFoundRows", "columnsWithAlias", "compress",
        "interpolateParams", "multiStatements", "parseTime", "rejectReadOnly",
    }
)  # fmt: skip
"""Parameters that are true or false."""
PARAMETERS = TRUTHS | {
    "charset", "collation", "connectionAttributes", "loc", "maxAllowedPacket", "readTimeout", "serverPubKey",
    "timeTruncate", "timeout", "tls", "writeTimeout",
}  # fmt: skip
"""Every parameter the driver knows; any other is a system variable to it."""
NETWORKS = ("", "tcp", "tcp4", "tcp6", "unix")
"""What may stand before the parentheses and is dialled; the driver accepts any other word, and fails to connect."""
_UNSAFE_COLLATIONS = frozenset(
    {
        "big5_bin", "big5_chinese_ci", "cp932_bin", "cp932_japanese_ci", "gb18030_bin", "gb18030_chinese_ci",
        "gb18030_unicode_520_ci", "gb2312_bin", "gbk_bin", "gbk_chinese_ci", "sjis_bin", "sjis_japanese_ci",
    }
)  # fmt: skip
_REGISTERED = "kine"
"""The name under which kine registers the datastore files, once it has read them."""
_TLS_MODES = ("", "false", "true", "skip-verify", "preferred", _REGISTERED)
_DEFAULT_ADDRESSES = ("", "tcp", "unix")
"""Networks whose address may be left out."""


def parse(text: Text, scheme: Text, rest: Text) -> Endpoint:
    """Take apart what stands behind `mysql://`."""
    before, slash, behind = rest.rpartition("/")
    if not slash:
        before, behind = rest, rest[len(rest) :]
    login, _, dialled = before.rpartition("@")
    user, _, password = login.partition(":")
    network, address, refusal = _dialled(dialled)
    if not slash and rest:
        refusal = Refusal(Flaw.NO_SLASH, dialled, "there is no / before the name of the database")
    database, _, query = behind.partition("?")
    parameters = tuple(read_parameters(query))
    refusal = refusal or next(_refused(parameters), None) or _refused_database(database)
    refusal = refusal or _refused_together(parameters, network, address)
    by_socket = str(network) == "unix" or not rest or (address is not None and address.startswith("/"))
    written = network[len(network) :] if address is None else address
    return Endpoint(
        text=text,
        scheme=scheme,
        backend=Backend.MYSQL,
        user=user,
        password=password,
        addresses=() if by_socket else (read_address(written),),
        database=database,
        parameters=parameters,
        network=network,
        socket=written if by_socket else None,
        refusal=refusal,
        is_open=is_open(query) or not (slash or rest.known),
    )


def tls_mode(endpoint: Endpoint) -> str | None:
    """Return the TLS mode that counts as the driver reads it: one of `_TLS_MODES`, else a name; None for none."""
    parameter = endpoint.parameter("tls")
    return None if parameter is None else _tls(parameter)


def _dialled(dialled: Text) -> tuple[Text, Text | None, Refusal | None]:
    """Split `network(address)`; the address is None where there are no parentheses."""
    network, opening, address = dialled.partition("(")
    if not opening:
        return dialled, None, None
    if str(dialled).endswith(")"):
        return network, address[:-1], None
    if ")" in str(address):
        reason = "behind the address stands a / that is not the one before the database: write it as %2F"
        return network, None, Refusal(Flaw.UNESCAPED_SLASH, dialled.rpartition(")")[2], reason)
    reason = "the ( before the address has no ) before the / of the database"
    return network, address, Refusal(Flaw.OPEN_ADDRESS, opening + address, reason)


# --- what is refused ------------------------------------------------------------------------------------------


def _refused(parameters: tuple[Parameter, ...]) -> Iterator[Refusal]:
    """Yield the parameters that the driver refuses, in the order it reads them."""
    for parameter in parameters:
        if parameter.name.known and parameter.value.known and (refusal := _refused_value(parameter)):
            yield refusal


def _refused_value(parameter: Parameter) -> Refusal | None:
    name, value = str(parameter.name), parameter.value
    written = str(value)
    for names, accepts, flaw, reason in _TYPES:
        if name in names and not (name == "loc" and INVALID_ESCAPE.search(written)):
            return None if accepts(written) else Refusal(flaw, value, f"{name} {reason}")
    if INVALID_ESCAPE.search(written):
        return Refusal(Flaw.INVALID_ESCAPE, value, f"{name} has a % that begins no percent-encoding")
    return None


def _truth(written: str) -> bool | None:
    """Return what the driver reads: Go's ParseBool without its single letters."""
    return None if written in ("t", "T", "f", "F") else as_truth(written)


def _is_zone(written: str) -> bool:
    """Whether Go's time.LoadLocation finds a time zone; any that could be one where this host knows none."""
    name = unescaped(written)
    if name in ("", "UTC", "Local"):
        return True
    from zoneinfo import available_timezones  # rare, and slow to import

    zones = available_timezones()
    return name.removeprefix("posix/").removeprefix("right/") in zones or not zones


_TYPES: tuple[tuple[frozenset[str], Callable[[str], object], Flaw, str], ...] = (
    (TRUTHS, lambda written: _truth(written) is not None, Flaw.INVALID_TRUTH, "is neither true nor false"),
    (
        frozenset({"readTimeout", "timeTruncate", "timeout", "writeTimeout"}),
        lambda written: as_duration(written) is not None,
        Flaw.INVALID_DURATION,
        "is no duration with a unit, such as 5s",
    ),
    (
        frozenset({"maxAllowedPacket"}),
        lambda written: is_number(written, 64),
        Flaw.INVALID_NUMBER,
        "is no whole number",
    ),
    (frozenset({"loc"}), _is_zone, Flaw.UNKNOWN_ZONE, "names no time zone"),
    (frozenset({"strict"}), lambda _: False, Flaw.REMOVED_PARAMETER, "is a parameter the driver no longer has"),
    (frozenset({"charset", "collation"}), lambda _: True, Flaw.INVALID_ESCAPE, ""),
)
"""Which values the driver takes of the parameters it knows; any other is unescaped."""


def _refused_database(database: Text) -> Refusal | None:
    if database.known and INVALID_ESCAPE.search(str(database)):
        return Refusal(
            Flaw.INVALID_ESCAPE, database, "the name of the database has a % that begins no percent-encoding"
        )
    return None


def _refused_together(parameters: tuple[Parameter, ...], network: Text, address: Text | None) -> Refusal | None:
    """Return what is refused when all was read (`dsn.go`, normalize)."""
    last = {str(parameter.name): parameter for parameter in parameters}
    interpolates, collation, tls, key = map(last.get, ("interpolateParams", "collation", "tls", "serverPubKey"))
    if interpolates and collation and as_truth(str(interpolates.value)) and str(collation.value) in _UNSAFE_COLLATIONS:
        reason = "interpolateParams cannot be used with this collation"
        return Refusal(Flaw.UNSAFE_COLLATION, interpolates.text, reason)
    # An address of no characters is none: `tcp6()`.
    if not address and str(network) not in _DEFAULT_ADDRESSES and network.known:
        reason = "the address needs its network and parentheses"
        return Refusal(Flaw.NO_NETWORK, network, reason)
    if tls is not None and tls.value.known and _tls(tls) not in _TLS_MODES:
        reason = "tls must be true, skip-verify, preferred or false"
        return Refusal(Flaw.UNKNOWN_TLS, tls.value, reason)
    if key is not None and key.value:
        return Refusal(Flaw.UNKNOWN_KEY, key.text, "serverPubKey names a key that K3s never registers")
    return None


def _tls(parameter: Parameter) -> str:
    written = str(parameter.value)
    truth = _truth(written)
    if truth is not None:
        return "true" if truth else "false"
    return written.lower() if written.lower() in ("skip-verify", "preferred") else unescaped(written)
