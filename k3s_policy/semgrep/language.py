"""How programming languages write strings and comments."""

from __future__ import annotations

import re
from typing import NamedTuple

from k3s_policy.text.pattern import pattern

__all__ = ["LANGUAGES", "Language", "language_of"]


class Language(NamedTuple):
    """How a language writes strings and comments."""

    opening: re.Pattern[str]
    """Begins a string: `prefix`, then `quote` or the `word` that ends a here-document."""
    comment: re.Pattern[str]
    substitution: str = ""
    """What begins an expression in a string."""
    plain: str = ""
    """Quotes between which nothing is filled in."""
    raw: str = ""
    """Quotes between which a backslash is one."""
    adjacent: bool = False
    """Whether strings side by side are one."""
    verbs: re.Pattern[str] | None = None
    """What `Sprintf` and its kind replace."""
    keeps_backslash: bool = False
    """Whether a backslash before a character that needs none stays."""


_HASH = pattern(r"#[^\n]*")
_SLASHES = pattern(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)

LANGUAGES = {
    "terraform": Language(
        pattern(r'(?P<quote>")|<<(?P<indent>-?)(?P<word>\w+)[^\n]*\n'),
        pattern(r"#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL),
        substitution="${",
    ),
    "python": Language(
        pattern(r"(?P<prefix>[rRbBfFuU]{0,2})(?P<quote>\"\"\"|'''|\"|')"), _HASH, adjacent=True, keeps_backslash=True
    ),
    "go": Language(
        pattern(r"(?P<quote>[\"'`])"), _SLASHES, raw="`", verbs=pattern(r"%[-+# 0]*(?:\[\d+\])?[\d.]*[svdqtwx]")
    ),
    "javascript": Language(pattern(r"(?P<quote>[\"'`])"), _SLASHES, substitution="${", plain="'\""),
    "ruby": Language(
        pattern(r"(?P<quote>[\"'`])|<<(?P<indent>[~-]?)(?P<mark>[\"']?)(?P<word>[A-Z]\w*)(?P=mark)[^\n]*\n"),
        _HASH,
        substitution="#{",
        plain="'",
        adjacent=True,
    ),
}

_SUFFIXES = {
    **dict.fromkeys(("tf", "hcl", "tfvars"), "terraform"),
    "py": "python",
    "go": "go",
    **dict.fromkeys(("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts"), "javascript"),
    "rb": "ruby",
}


def language_of(path: str) -> Language | None:
    """Return the language of a file by its suffix, None where its strings are not understood."""
    return LANGUAGES.get(_SUFFIXES.get(path.rpartition(".")[2].lower(), ""))
