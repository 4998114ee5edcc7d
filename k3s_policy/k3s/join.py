"""The URL of the server that a node is to join, `server` or `K3S_URL`, taken apart as K3s does.

K3s asks for an https:// URL and uses scheme, host and port (K3s `pkg/clientaccess/token.go`); user information
and path are dropped. Whether it is one that K3s takes is for its caller to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import marked, opaque
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.text import Text

__all__ = ["JoinUrl", "parse"]

_URL = pattern(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:[^/?#]*@)?"
    r"(?:\[(?P<six>[^\[\]/?#]*)\](?::(?P<six_port>[^/?#]*))?"
    # Without brackets, all of an IPv6 address is the host: nobody can tell where a port would begin.
    r"|(?P<bare_six>[^/?#@,:\[\]]*:[^/?#@,:\[\]]*:[^/?#@,\[\]]*)"
    r"|(?P<host>[^/?#@,:\[\]]*)(?::(?P<port>[^/?#@,:\[\]]*))?)"
    r"(?P<path>/[^?#]*)?(?:[?#].*)?"
)
_BLANK = pattern(r"\s")


class JoinUrl(NamedTuple):
    """The parts of a URL, each at its place; one that is not there is an empty Text."""

    scheme: Text
    host: Text
    """Without the brackets of an IPv6 address."""
    port: Text
    path: Text
    """With its first slash."""
    lacks_brackets: bool = False
    """Whether the host is an IPv6 address without the brackets that it needs in a URL."""

    @property
    def is_https(self) -> bool:
        """Whether it has the one scheme that K3s takes, in whatever letters."""
        return str(self.scheme).lower() == "https"


def parse(url: Text) -> JoinUrl | None:
    """Take a URL apart; None where it has no scheme, a blank, or brackets that do not match, and for several URLs.

    What a template, a variable or a placeholder fills in has no separators: `https://{{ first }}:6443` has the host
    `{{ first }}`. Nothing is made of a URL that is filled in as a whole, or with its scheme.
    """
    written = str(opaque(marked(url)))
    match = _URL.fullmatch(written)
    if match is None or _BLANK.search(written) or not marked(url.cut(match, "scheme")).known:
        return None
    host = next(name for name in ("six", "bare_six", "host") if match[name] is not None)
    nothing = url[match.end(host) : match.end(host)]
    port = "six_port" if host == "six" else "port"
    return JoinUrl(
        url.cut(match, "scheme"),
        url.cut(match, host),
        url.cut(match, port) if match[port] is not None else nothing,
        url.cut(match, "path") if match["path"] is not None else nothing,
        lacks_brackets=host == "bare_six",
    )
