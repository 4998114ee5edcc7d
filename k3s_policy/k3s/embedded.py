"""Credentials embedded in URLs and data source names: what must never be shown of a value that may hold one.

It is looked for whatever a driver makes of the value: a password that breaks an endpoint is a password.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["secret_parts"]

_SECRET_PARAMETER = pattern(
    r"(?i)[?&;](?:password|passwd|pass|pwd|token|secret[\w.-]*|[^=&;?/@]*password)=(?P<value>[^&]*)"
)
_MYSQL = pattern(r"mysql://(?P<login>.*)@\w*(?:\([^()]*\))?/[^/@]*", re.DOTALL)
_HOSTLESS = pattern(
    r"(?:mysql|mariadb|postgres(?:ql)?)://(?!tcp[46]?:)[^\s:/@'\"(\[,]+:"
    r"(?!\d{1,5}(?:[/?#,)]|$)|\W*\w*(?i:port)(?:\W|$)|[A-Za-z]{1,10}/\w*(?:\?|$))(?P<password>.+)",
    re.DOTALL,
)
"""A login whose host is missing: what stands behind the first colon is no port, and no word in place of one."""
_USER = pattern(r"[\w.%-]*")
_SCHEME = pattern(r"(?i)[\W_]*(?:jdbc:)?[a-z][a-z0-9+.-]*")
_SERVER = pattern(r"[^/]*//[^:/]*(?::\d+)?(?:[/?#].*)?$|[^/]*//\[", re.DOTALL)
"""A server without a login: what stands behind its colon is a port, else a password that goes on behind the comma."""
_KEYWORD = pattern(r"(?i)(?:^|\s)(?:\w*password|passwd|pwd)\s*=\s*(?P<value>\S.*?)(?=\s+\w+\s*=|$)", re.DOTALL)
"""A password among keywords, as libpq takes them and K3s does not: to the next keyword, whatever quotes it has."""
_NEXT_URL = pattern(r",\s*[A-Za-z][A-Za-z0-9+.-]*://")


def secret_parts(text: Text) -> list[Text]:
    """Return what must never be shown of any value that may hold a URL or data source name.

    For an endpoint that is the password and parameters named like one; where the endpoint is so broken that
    the password cannot be told apart, everything between `://` and the last `@`. A user without a password
    is no secret, except where it stands alone before the `@` of a NATS server: there it is a token.
    """
    value = str(text)
    if "://" not in value and (keywords := [text.cut(match, "value") for match in _KEYWORD.finditer(value)]):
        return keywords
    if "@" not in value:
        alone = _HOSTLESS.fullmatch(value)
        if alone is not None:
            return [text.cut(alone, "password")]
        if "=" not in value:
            return []
    found = _secret_values(text)
    whole = _MYSQL.fullmatch(value)
    if whole and (password := text.cut(whole, "login").partition(":")[2]):
        found.append(password)
    else:
        found.extend(_each_password(text))
    return [part for part in found if part]


def _secret_values(text: Text) -> list[Text]:
    """Return the values of secret parameters: all up to the end where a `&` begins no parameter of a driver's."""
    found = list(_SECRET_PARAMETER.finditer(str(text)))
    if not found:
        return []
    from k3s_policy.k3s.endpoint import mysql, postgres  # rare, and slow to import

    known = mysql.PARAMETERS | postgres.PARAMETERS | {"user"}
    _, *others = str(text)[found[0].start("value") :].split("&")
    names = [name if equals else "" for name, equals, _ in (other.partition("=") for other in others)]
    if all(name in known or _SECRET_PARAMETER.match(f"&{name}=") for name in names):
        return [text.cut(one, "value") for one in found]
    return [text[found[0].start("value") :]]


def _each_password(text: Text) -> Iterator[Text]:
    """Yield the password of each URL in a list, whatever it holds that should have been percent-encoded.

    `?`, `#` or `/` in it ends the authority for a URL parser, but the user meant a password.
    """
    starts = [0]
    for match in _NEXT_URL.finditer(str(text)):
        if "@" in str(text)[starts[-1] : match.start()] or _SERVER.match(str(text), starts[-1], match.start()):
            starts.append(match.start())
    for start, end in pairwise((*starts, len(text))):
        url = text[start:end]
        scheme, separator, rest = url.partition("://")
        if not separator or not _SCHEME.fullmatch(str(scheme)):
            scheme, rest = url[:0], url
        login, at, _ = rest.rpartition("@")
        user, colon, password = login.partition(":")
        # Before a colon a token has characters that no user has.
        if at and str(scheme).endswith("nats") and not (colon and _USER.fullmatch(str(user))):
            yield login
        elif colon:
            yield password
