"""Regular expressions that are compiled when they are first used.

Compiling takes longer than most modules take to load, and a hook on one small file uses few of them.
"""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["LazyPattern", "pattern"]


class LazyPattern:
    """Stands for a compiled pattern, and has its methods."""

    def __init__(self, text: str, flags: int) -> None:
        self.compiling = (text, flags)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a compiled pattern has
        found = getattr(re.compile(*self.compiling), name)
        # From now on this name costs what it costs of a compiled pattern.
        setattr(self, name, found)
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` returns, but for the time it takes."""
    return cast("re.Pattern[str]", LazyPattern(text, flags))
