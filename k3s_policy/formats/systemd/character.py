"""Characters, names and paths that systemd takes or refuses (systemd src/basic/utf8.c, string-util.c, path-util.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.systemd.words import join

if TYPE_CHECKING:
    from k3s_policy.text import Text

__all__ = ["NOT_UTF8", "UNSAFE", "VARIABLE_NAME", "simplified", "size"]

# What `utf8_is_valid` in src/basic/utf8.c refuses: raw bytes, but also code points that are no characters.
NOT_UTF8 = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
)

# What `string_is_safe` in src/basic/string-util.c refuses.
UNSAFE = re.compile(r"[\x01-\x1f\x7f\"'\\]")

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REDUNDANT = re.compile(r"//|/\.(?:/|\Z)|/\Z")
_PATH_PART = re.compile(r"/([^/]+)")


def size(characters: str) -> int:
    """Return the length in bytes; a raw byte, which is half a surrogate pair here, counts as one."""
    return len(characters) if characters.isascii() else len(characters.encode("utf-8", "replace"))


def simplified(path: Text) -> Text:
    """Return an absolute path without doubled slashes and dots (`path_simplify` in src/basic/path-util.c)."""
    if not _REDUNDANT.search(str(path)):
        return path
    parts = [path.cut(match) for match in _PATH_PART.finditer(str(path)) if match[1] != "."]
    return join(parts, path[:1])
