"""A URL as Go's net/url parses it: what is refused, and where each part ends.

kine parses PostgreSQL and NATS endpoints with it (pkg/util/url.go). The fragment is cut first, then the query, then
the last `@` before the first `/` ends the user information. The host is judged before the user information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.endpoint.parts import INVALID_ESCAPE, Flaw, Refusal
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re

    from k3s_policy.text import Text

__all__ = ["Url", "parse_url"]


class Url(NamedTuple):
    """The parts of a URL behind its scheme; one that is not written is empty."""

    user: Text
    password: Text
    host: Text
    """Host and port."""
    path: Text
    query: Text
    refusal: Refusal | None
    """What url.Parse refuses."""
    query_refusal: Refusal | None
    """What url.ParseQuery refuses then."""


_CONTROL = pattern(r"[\x00-\x1f\x7f]")
_NOT_IN_USER = pattern(r"[^A-Za-z0-9._:~!$&'()*+,;=%@-]")
_NOT_IN_HOST = pattern(r"""[^A-Za-z0-9_.~!$&'()*+,;=:\[\]<>"%\x80-\U0010ffff-]|%(?!25)[0-7]""")
_PORT = pattern(r"(?::[0-9]*)?")


def parse_url(rest: Text) -> Url:
    """Take apart what stands behind the `://` of a URL."""
    location, _, fragment = rest.partition("#")
    location, _, query = location.partition("?")
    authority, _, _ = location.partition("/")
    login, at, host = authority.rpartition("@")
    user, _, password = login.partition(":")
    path = location[len(authority) :]
    refusal = (
        _found(
            _CONTROL,
            rest[: len(rest) - len(fragment)],
            Flaw.CONTROL_CHARACTER,
            "it holds a control character, such as a line break",
        )
        or _refused_host(host)
        or (_refused_user(login) if at else None)
        or _found(INVALID_ESCAPE, path, Flaw.INVALID_ESCAPE, "a % in its path begins no percent-encoding")
        or _found(INVALID_ESCAPE, fragment, Flaw.INVALID_ESCAPE, "a % in it begins no percent-encoding")
    )
    return Url(
        user=user,
        password=password,
        host=host,
        path=path,
        query=query,
        refusal=refusal,
        query_refusal=_refused_query(query),
    )


def _found(wrong: re.Pattern[str], part: Text, flaw: Flaw, reason: str) -> Refusal | None:
    """Return the first place that is wrong whatever is filled in around it: two characters make an encoding."""
    for match in wrong.finditer(str(part)):
        if part[match.start() : match.start() + 3].known:
            return Refusal(flaw, part.cut(match), reason)
    return None


def _refused_host(host: Text) -> Refusal | None:
    """Return what is wrong with host and port; nothing where something is filled in that may hold an `@`."""
    if not host.known:
        return None
    opening, closing = str(host).rfind("["), str(host).rfind("]")
    if opening > 0:
        return Refusal(Flaw.INVALID_HOST, host[opening:], "an IPv6 address in [ ] cannot be one of several hosts")
    if opening == 0:
        if closing < 0:
            return Refusal(Flaw.INVALID_HOST, host, "the [ of the address has no ]")
        if not _is_ipv6(str(host[1:closing])):
            return Refusal(Flaw.INVALID_HOST, host[: closing + 1], "what stands in [ ] is no IPv6 address")
        port = host[closing + 1 :]
    else:
        _, colon, behind = host.rpartition(":")
        port = colon + behind if colon else host[len(host) :]
    if not _PORT.fullmatch(str(port)):
        return Refusal(Flaw.INVALID_PORT, port, "what stands behind the last colon of the host is no port")
    return _found(INVALID_ESCAPE, host, Flaw.INVALID_ESCAPE, "a % in the host begins no percent-encoding") or _found(
        _NOT_IN_HOST, host, Flaw.INVALID_HOST, "the host holds a character that no host name has"
    )


def _is_ipv6(written: str) -> bool:
    from ipaddress import AddressValueError, IPv6Address  # rare, and slow to import

    address, percent, zone = written.replace("%25", "%", 1).partition("%")
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return bool(zone) or not percent


def _refused_user(login: Text) -> Refusal | None:
    reason = "the user information holds a character that has to be percent-encoded"
    return _found(_NOT_IN_USER, login, Flaw.INVALID_USER, reason) or _found(
        INVALID_ESCAPE, login, Flaw.INVALID_ESCAPE, "a % in the user information begins no percent-encoding"
    )


def _refused_query(query: Text) -> Refusal | None:
    """Return what url.ParseQuery refuses."""
    return _found(_SEMICOLON, query, Flaw.SEMICOLON, "parameters are separated by & and not by ;") or _found(
        INVALID_ESCAPE, query, Flaw.INVALID_ESCAPE, "a % in a parameter begins no percent-encoding"
    )


_SEMICOLON = pattern(";")
