"""`/etc/hosts`, kept in Git: which address belongs to which name. Of the K3s hosts it says who joins whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.model.fragment import HostName
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_LINE = pattern(
    r"(?m)^[ \t]*(?P<address>[0-9A-Fa-f.:]+)[ \t]+(?P<names>[A-Za-z0-9._-]+(?:[ \t]+[A-Za-z0-9._-]+)*)[ \t]*(?:#.*)?$"
)
_NAME = pattern(r"[A-Za-z0-9._-]+")
_INVENTORY = pattern(r"(?m)^[ \t]*\[|=")
_OWN = ("127.", "::1", "fe00:", "ff0", "0.")


def claims(seen: Seen) -> bool:
    """Whether a file called `hosts` is no inventory of Ansible, which often is called so too."""
    return _INVENTORY.search(seen.content) is None


def read(seen: Seen) -> Iterator[Found]:
    """Yield each name with its address; of a name that stands twice the first line counts, as in glibc."""
    text = seen.file.text
    named: set[str] = set()
    for line in _LINE.finditer(str(text)):
        if line["address"].lower().startswith(_OWN):
            continue
        names = text.cut(line, "names")
        for match in _NAME.finditer(str(names)):
            if match[0].lower() not in named:
                named.add(match[0].lower())
                yield HostName(text.cut(line, "address"), match[0].lower())
