"""Filling in variables: other Texts in place of some stretches of a Text, and how much values may add to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from k3s_policy.text import Run

__all__ = ["Allowance", "Values", "replaced"]

_LARGEST = 1 << 20
"""Characters: as many as the largest file that is read."""


def replaced(text: Text, parts: Iterable[tuple[int, int, Text]]) -> Text:
    """Return a text with others in place of some of its stretches, given in their order by where they begin and end."""
    pieces: list[Run] = list(text[:0].runs)
    position = 0
    for start, end, part in parts:
        pieces += (*text[position:start].runs, *part.runs)
        position = end
    return Text((*pieces, *text[position:].runs)) if position else text


class Allowance:
    """How much the values of variables may add to a file.

    A file of some kilobytes can name a long one thousands of times: when all that was taken is larger than any file
    that is read, no more is known.
    """

    def __init__(self) -> None:
        self.left = _LARGEST
        """Characters; below zero where something was not filled in."""

    def take(self, characters: int) -> bool:
        """Take a value of some length, and return whether it may be filled in."""
        self.left -= characters
        return self.left >= 0

    @property
    def spent(self) -> bool:
        """Whether something was not filled in."""
        return self.left < 0


class Values:
    """The values of the variables of one file, as long as they do not come to more than may be added."""

    def __init__(self, values: Mapping[str, Text]) -> None:
        self._values = values
        self._allowance = Allowance()

    @property
    def spent(self) -> bool:
        """Whether something was not filled in, as there was too much of it."""
        return self._allowance.spent

    def take(self, name: str) -> Text | None:
        """Return a value to fill in; None where there is none, or no more is known."""
        value = self._values.get(name)
        return value if value is not None and self._allowance.take(len(value)) else None
