"""The line hashes by which GitHub code scanning knows an alert again when lines above it move.

GitHub's upload action computes the same from the file where a result brings none; but it hashes the file as it
is, and results sent to the API directly would be new alerts each time.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["line_hashes"]

_BLOCK = 100
"""How many UTF-16 units from the start of a line on are hashed, in which line breaks count but no blanks."""

_END = "\uffff"
"""What stands behind the last character, so that no hash is one of nothing."""

_FACTOR = 37
_MODULUS = 1 << 64


def line_hashes(text: str) -> list[str]:
    """Return `hash:count` for each line; the count tells lines with equal hashes apart."""
    folded = text.replace("\r\n", "\n").replace("\r", "\n").translate({ord(" "): None, ord("\t"): None})
    units = re.sub("[\U00010000-\U0010ffff]", _surrogates, folded) + _END
    seen: Counter[str] = Counter()
    hashes = []
    for start in (0, *(found.end() for found in re.finditer("\n", units))):
        block = units[start : start + _BLOCK]
        seen[block] += 1
        hashes.append(f"{_hash(block):x}:{seen[block]}")
    return hashes


def _surrogates(match: re.Match[str]) -> str:
    """Return the two UTF-16 units of a character beyond the first plane."""
    high, low = divmod(ord(match[0]) - 0x10000, 0x400)
    return chr(0xD800 + high) + chr(0xDC00 + low)


def _hash(block: str) -> int:
    value = 0
    for unit in block:
        value = (value * _FACTOR + ord(unit)) % _MODULUS
    return value * pow(_FACTOR, _BLOCK - len(block), _MODULUS) % _MODULUS
