"""One line of a Source as a terminal shows it, and where on it a stretch of the Source lies.

Source columns count code points; a terminal counts cells. In between lie masks, tabs, wide and combining
characters, the escapes of characters that would otherwise steer the terminal, and the ends that are cut off
a long line.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.masking import MASK, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.text import Source, Span

__all__ = ["WIDTH", "Line", "line_at", "visible"]

WIDTH = 120
"""How many cells a line may take; the rest is cut off. Fixed: a report is the same in every terminal."""

_TAB = 4
_CUT = "…"
_CONTEXT = 20
"""How many cells in front of a mark stay to be seen, however long it is."""
_REACH = 4 * WIDTH
"""How many characters around a mark are looked at: a line may hold megabytes."""


class Glyph(NamedTuple):
    """What is shown for a stretch of the Source, mostly one character, and how many cells it takes."""

    start: int
    end: int
    text: str
    width: int


class Line(NamedTuple):
    """A line as it is shown."""

    source: Source
    number: int
    start: int
    end: int
    """Offsets of the line in the Source, without a byte-order mark and the line break."""
    text: str
    """What is shown: no secret, no character that is not printable."""
    glyphs: tuple[Glyph, ...]
    cells: tuple[int, ...]
    """The cell at which each glyph begins, and the one after the last."""

    @property
    def end_of_text(self) -> int:
        """The offset after the last character of the line that is not blank."""
        return self.start + len(self.source.content[self.start : self.end].rstrip())

    def mark(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first cell of a stretch of the Source and the number of its cells, at least one.

        None where all of it is cut off. A mask counts as a whole; behind the last character there is room for
        a mark of one cell.
        """
        start = max(start, self.start)
        end = max(end, start + 1)
        covered = [index for index, glyph in enumerate(self.glyphs) if glyph.start < end and start < glyph.end]
        if covered:
            first = self.cells[covered[0]]
            return first, max(self.cells[covered[-1] + 1] - first, 1)
        if start < self.end or (self.glyphs and self.glyphs[-1].end < self.end):
            return None
        return self.cells[-1], 1


def line_at(source: Source, secrets: Sequence[Span], start: int, end: int) -> Line:
    """Show the line that holds the offset `start`, cut so that the stretch up to `end` is seen best."""
    content = source.content
    line_start = content.rfind("\n", 0, start) + 1
    line_end = content.find("\n", start)
    line_end = len(content) if line_end < 0 else line_end
    while line_end > line_start and content[line_end - 1] == "\r":
        line_end -= 1
    if line_start == 0 and content.startswith("\ufeff"):
        line_start = min(1, line_end)
    low, high = max(line_start, start - _REACH), min(line_end, start + _REACH)
    glyphs = list(_glyphs(content, secrets, low, high))
    cells = list(accumulate((glyph.width for glyph in glyphs), initial=0))
    if cells[-1] > WIDTH:
        glyphs, cells = _fitted(glyphs, cells, start, end)
    before = _CUT if glyphs and glyphs[0].start > line_start else ""
    after = _CUT if glyphs and glyphs[-1].end < line_end else ""
    shift = len(before) - cells[0]
    return Line(
        source=source,
        number=source.position(start)[0],
        start=line_start,
        end=line_end,
        text=before + "".join(glyph.text for glyph in glyphs) + after,
        glyphs=tuple(glyphs),
        cells=tuple(cell + shift for cell in cells),
    )


def visible(text: str) -> str:
    """Return text with escapes for what is not printable: control characters, bidirectional controls and so on."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _glyphs(content: str, secrets: Sequence[Span], low: int, high: int) -> Iterator[Glyph]:
    column = 0
    for piece in pieces(secrets, low, high):
        if piece.secret:
            yield Glyph(piece.start, piece.end, MASK, len(MASK))
            column += len(MASK)
            continue
        for offset in range(piece.start, piece.end):
            text, width = _glyph(content[offset], column)
            yield Glyph(offset, offset + 1, text, width)
            column += width


def _glyph(character: str, column: int) -> tuple[str, int]:
    """Return what is shown for a character at a column, and how many cells that takes."""
    if character == "\t":
        width = _TAB - column % _TAB
        return " " * width, width
    if not character.isprintable():
        escaped = _escaped(character)
        return escaped, len(escaped)
    return character, 1 if character.isascii() else _width(character)


def _width(character: str) -> int:
    import unicodedata  # a large table that few files need

    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _fitted(glyphs: list[Glyph], cells: list[int], start: int, end: int) -> tuple[list[Glyph], list[int]]:
    """Cut a line that is too wide on both sides, the stretch in the middle as far as it goes."""
    marked = [index for index, glyph in enumerate(glyphs) if glyph.start < max(end, start + 1) and start < glyph.end]
    first, last = (marked[0], marked[-1] + 1) if marked else (len(glyphs), len(glyphs))
    room = WIDTH - 2 * len(_CUT)
    context = max((room - (cells[last] - cells[first])) // 2, _CONTEXT)
    begin = max(0, min(cells[first] - context, cells[-1] - room))
    kept = [index for index in range(len(glyphs)) if begin <= cells[index] and cells[index + 1] <= begin + room]
    return [glyphs[index] for index in kept], cells[kept[0] : kept[-1] + 2]
