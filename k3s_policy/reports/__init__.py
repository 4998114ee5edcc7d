"""Output formats: each turns a Report into one string and sees nothing else.

No format prints, reads a file, or knows the time or the current folder, so the same Report always gives
the same string. Only the format that is asked for is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from k3s_policy.model.finding import Report

__all__ = ["FORMATS", "render"]

FORMATS = ("text", "json", "sarif")
"""Names of the formats, each the name of its module."""


def render(form: str, report: Report, *, color: bool = False, shown: Callable[[str], str] = str) -> str:
    """Return the report in a format; `color` and `shown` (how a path is written) concern text alone."""
    if form not in FORMATS:
        raise ValueError(f"no such format: {form} (there are {', '.join(FORMATS)})")
    module = import_module(f"{__name__}.{form}")
    rendered: str = module.render(report, color=color, shown=shown) if form == "text" else module.render(report)
    return rendered
