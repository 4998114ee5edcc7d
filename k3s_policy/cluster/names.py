"""What nodes are called, and what a `server` URL calls the node it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.model import Node
    from k3s_policy.text import Text

__all__ = ["may_mean", "names_of", "shown", "url_host"]

_URL_HOST = pattern(r"^https?://(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:/\s]+))(?::\d+)?/?$")
_REFERENCE = pattern(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})|\{\{[^{}]*\}\}")
_ADDRESSES = ("node-ip", "node-external-ip", "advertise-address")
_NAMING = (*_ADDRESSES, "tls-san", "node-name")
"""Flags that say by what name or address others may reach a node."""
_OF_FILE = "\0"
"""What stands between a file and a variable that names a host in it."""


def url_host(url: Text) -> str | None:
    """Return the host of a URL, in lower case; one that a variable holds is the same host for its own file alone."""
    match = _URL_HOST.match(str(url))
    if match is None:
        return None
    group = "six" if match["six"] else "host"
    return _name(url.cut(match, group), match[group])


def names_of(node: Node) -> set[str]:
    """Return every address and name that others may join a node by."""
    values = (*(setting.value for setting in node.invocation.all(*_NAMING)), *node.addresses)
    found = (_name(value, part) for value in values for part in map(str.strip, str(value).split(",")) if part)
    return {name for name in found if name}


def shown(name: str) -> str:
    """Return a name as it is written."""
    return name.rpartition(_OF_FILE)[2]


def may_mean(url: Text, node: Node) -> bool:
    """Whether a URL can be that of a node: not where addresses of both are written out, and differ."""
    host = url_host(url)
    settings = (setting.value for setting in node.invocation.all(*_ADDRESSES) if setting.known)
    addresses = {str(address).lower() for address in (*settings, *node.addresses)}
    return host is None or _OF_FILE in host or not addresses or host in addresses


def _name(written: Text, name: str) -> str | None:
    if written.known and "$" not in name and "{" not in name:
        return name.lower()
    return f"{written.span.source.path}{_OF_FILE}{name}" if _REFERENCE.fullmatch(name) else None
