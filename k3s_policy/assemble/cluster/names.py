"""What nodes are called, and what a `server` URL calls the node it means.

A name can mean one host in one place and another elsewhere: private addresses and names without a dot are used anew in
each environment, and a variable of a script names a host in that script alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.template import marked
from k3s_policy.k3s.join import parse
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.model.cluster import Node
    from k3s_policy.text import Text

__all__ = ["is_unique", "may_mean", "names_of", "shown", "url_host"]

_REFERENCE = pattern(r"\$(?P<bare>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)\}|\{\{[^{}]*\}\}")
_PLACEHOLDER = pattern(r"[A-Z][A-Z0-9_-]*")
_OWN = pattern(r"localhost|127\..*|0\.0\.0\.0|::1?")
_ADDRESSES = ("node-ip", "node-external-ip", "advertise-address")
_NAMING = (*_ADDRESSES, "tls-san", "node-name")
"""Flags that say by what name or address others may reach a node."""
_OF_FILE = "\0"
"""What stands between a file and a variable that names a host in it."""
_PRIVATE = pattern(r"10\..*|192\.168\..*|172\.(?:1[6-9]|2\d|3[01])\..*|169\.254\..*|f[cde][0-9a-f]{2}:.*")


def url_host(url: Text) -> str | None:
    """Return the host of a URL, in lower case; None where it names nobody, or this very host.

    One that a variable holds is the same host for its own file alone.
    """
    parsed = parse(url)
    return _name(parsed.host) if parsed is not None else None


def names_of(node: Node) -> set[str]:
    """Return every address and name that others may join a node by."""
    values = (*(setting.value for setting in node.invocation.all(*_NAMING)), *node.addresses)
    found = (_name(part.strip()) for value in values for part in value.split(","))
    return {name for name in found if name}


def shown(name: str) -> str:
    """Return a name as it is written."""
    return name.rpartition(_OF_FILE)[2]


def is_unique(name: str) -> bool:
    """Whether a name means the same host wherever it is used: a full name, a public address."""
    return _OF_FILE in name or (("." in name or ":" in name) and _PRIVATE.fullmatch(name) is None)


def may_mean(url: Text, node: Node) -> bool:
    """Whether a URL can be that of a node: not where addresses of both are written out, and differ."""
    parsed = parse(url)
    if parsed is not None and _is_many(parsed.host):
        return False
    host = url_host(url)
    settings = (setting.value for setting in node.invocation.all(*_ADDRESSES) if setting.known)
    addresses = {str(address).lower() for address in (*settings, *node.addresses)}
    return host is None or _OF_FILE in host or not addresses or host in addresses


def _name(written: Text) -> str | None:
    name = str(written)
    if _REFERENCE.fullmatch(name):
        return None if _is_many(written) else f"{written.span.source.path}{_OF_FILE}{name}"
    if not name or not marked(written).known or _PLACEHOLDER.fullmatch(name) or _OWN.fullmatch(name.lower()):
        return None
    return name.lower()


def _is_many(written: Text) -> bool:
    """Whether a variable holds several values in its script: it is a loop's, or assigned more than once."""
    reference = _REFERENCE.fullmatch(str(written))
    variable = reference and (reference["bare"] or reference["braced"])
    if not variable:
        return False
    content = written.span.source.content
    if re.search(rf"\b(?:for|select)\s+{variable}\b|\bread\b[^\n;|&]*\b{variable}\b", content):
        return True
    return len(re.findall(rf"(?<![\w$]){variable}=", content)) > 1
