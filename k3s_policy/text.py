"""Text that remembers where it was written.

Every reader of a format is handed a `Text` and cuts further Texts from it. Slicing, stripping,
splitting and joining keep for each character the file and the offset it came from; whatever else one
wants to do with the characters goes through `str(text)`, which has no place. So a position cannot be
lost by accident: it would be a type error.

`Text` is not a `str` subclass on purpose: two equal strings written in different places must never be
taken for one another, not by a cache, not by a dictionary.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

__all__ = ["Run", "Source", "Span", "Text", "join"]


@dataclass(frozen=True, eq=False)
class Source:
    """One file: its path as reports show it, and its decoded content.

    `path` is relative to the repository, with `/` between its parts. Offsets count code points of
    `content`, in which a byte-order mark and carriage returns are still present.
    """

    path: str
    content: str

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(offset + 1 for offset, character in enumerate(self.content) if character == "\n")
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1; a byte-order mark has no column of its own."""
        line = bisect_right(self._line_starts, offset)
        column = offset - self._line_starts[line - 1] + 1
        if line == 1 and column > 1 and self.content.startswith("\ufeff"):
            column -= 1
        return line, column

    def line(self, number: int) -> str:
        """Return the text of a line counted from 1, without its line break or a leading byte-order mark."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] if number < len(self._line_starts) else len(self.content)
        return self.content[start:end].rstrip("\r\n").removeprefix("\ufeff" if number == 1 else "")

    @cached_property
    def text(self) -> Text:
        """The whole file as a Text."""
        return Text((Run(self, 0, len(self.content), self.content),))


@dataclass(frozen=True, order=True)
class Span:
    """A stretch of a Source; `end` is the offset after its last character."""

    source: Source = field(compare=False)
    start: int
    end: int

    @property
    def line(self) -> int:
        """Line of the first character, from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """Column of the first character, from 1, in code points."""
        return self.source.position(self.start)[1]

    @property
    def end_line(self) -> int:
        """Line of the last character, from 1."""
        return self.source.position(max(self.start, self.end - 1))[0]

    @property
    def end_column(self) -> int:
        """Column after the last character, from 1, in code points."""
        if self.end <= self.start:
            return self.column
        return self.source.position(self.end - 1)[1] + 1

    def overlaps(self, other: Span) -> bool:
        """Whether both stretches share a character."""
        return self.source is other.source and self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        """Whether the other stretch lies wholly in this one."""
        return self.source is other.source and self.start <= other.start and other.end <= self.end


class Run(NamedTuple):
    """Characters that were written in one stretch of a Source.

    Where `text` is as long as the stretch, each character stands for the one at its offset. Otherwise (an
    escape sequence, a folded line break, encoded content) each character stands for the whole stretch.
    `known` is false where the characters are not the value yet: a shell variable, a template.
    """

    source: Source
    start: int
    end: int
    text: str
    known: bool = True

    @property
    def verbatim(self) -> bool:
        """Whether each character has an offset of its own."""
        return self.end - self.start == len(self.text)

    def cut(self, start: int, end: int) -> Run:
        """Return the part between two positions of `text`."""
        if start == 0 and end == len(self.text):
            return self
        if self.verbatim:
            return Run(self.source, self.start + start, self.start + end, self.text[start:end], self.known)
        return Run(self.source, self.start, self.end, self.text[start:end], self.known)


def _split_lines(value: str) -> list[str]:
    """Split after `\\n`, `\\r\\n` and `\\r` only: `str.splitlines` also knows breaks that no format here has."""
    lines = []
    start = 0
    for offset, character in enumerate(value):
        if character == "\n" or (character == "\r" and value[offset + 1 : offset + 2] != "\n"):
            lines.append(value[start : offset + 1])
            start = offset + 1
    return [*lines, value[start:]] if start < len(value) else lines


class Text:
    """A piece of text in which every character knows where it was written. Frozen.

    An empty Text still has a place: it holds one run without characters. Positions in slices and in the
    results of `find` count the characters of this Text.
    """

    __slots__ = ("_value", "runs")

    runs: tuple[Run, ...]

    def __init__(self, runs: Iterable[Run]) -> None:
        kept = tuple(runs)
        if not kept:
            raise ValueError("a Text needs a place: pass at least one run")
        if len(kept) > 1:
            kept = tuple(run for run in kept if run.text) or kept[:1]
        object.__setattr__(self, "runs", kept)
        object.__setattr__(self, "_value", kept[0].text if len(kept) == 1 else "".join(run.text for run in kept))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Text is frozen: cannot set {name} to {value!r}")

    def __str__(self) -> str:
        value: str = self._value
        return value

    def __repr__(self) -> str:
        # Never the characters: a traceback must not show a credential.
        span = self.span
        return f"<Text of {len(self)} characters at {span.source.path}:{span.line}:{span.column}>"

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __getitem__(self, index: int | slice) -> Text:
        if isinstance(index, int):
            index = slice(index, index + 1 if index != -1 else None)
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError("a Text is cut in one piece")
        stop = max(start, stop)
        if start == stop:
            return Text((self._place(start),))
        pieces = []
        position = 0
        for run in self.runs:
            after = position + len(run.text)
            if after > start and position < stop:
                pieces.append(run.cut(max(start - position, 0), min(stop, after) - position))
            position = after
            if position >= stop:
                break
        return Text(pieces)

    def __add__(self, other: Text) -> Text:
        return Text((*self.runs, *other.runs))

    def __iter__(self) -> Iterator[Text]:
        return (self[position] for position in range(len(self)))

    def _place(self, position: int) -> Run:
        """Return the empty run in front of the character at `position`, or behind the last one."""
        for run in self.runs:
            if position < len(run.text):
                return run.cut(position, position)
            position -= len(run.text)
        last = self.runs[-1]
        return Run(last.source, last.end, last.end, "", last.known)

    @property
    def span(self) -> Span:
        """The stretch its characters were written in, from the first character on.

        Parts that stand elsewhere (the value of a variable assigned above, in another file) are left out:
        the stretch grows over quotes, escapes and one line break at a time, no further.
        """
        first = self.runs[0]
        end = first.end
        for run in self.runs[1:]:
            if run.source is first.source and run.start >= end and first.source.content.count("\n", end, run.start) < 2:
                end = run.end
        return Span(first.source, first.start, end)

    @property
    def spans(self) -> list[Span]:
        """Every stretch its characters were written in, neighbours merged, in the order of the characters."""
        spans: list[Span] = []
        for run in self.runs:
            if spans and spans[-1].source is run.source and spans[-1].end == run.start:
                spans[-1] = Span(run.source, spans[-1].start, run.end)
            else:
                spans.append(Span(run.source, run.start, run.end))
        return spans

    @property
    def known(self) -> bool:
        """Whether the characters are the value itself, not a variable or template that makes it."""
        return all(run.known for run in self.runs)

    def startswith(self, prefix: str | tuple[str, ...]) -> bool:
        """Like `str.startswith`."""
        return str(self).startswith(prefix)

    def find(self, wanted: str, start: int = 0) -> int:
        """Like `str.find`."""
        return str(self).find(wanted, start)

    def strip(self, characters: str | None = None) -> Text:
        """Like `str.strip`."""
        return self.lstrip(characters).rstrip(characters)

    def lstrip(self, characters: str | None = None) -> Text:
        """Like `str.lstrip`."""
        return self[len(self) - len(str(self).lstrip(characters)) :]

    def rstrip(self, characters: str | None = None) -> Text:
        """Like `str.rstrip`."""
        return self[: len(str(self).rstrip(characters))]

    def partition(self, separator: str) -> tuple[Text, Text, Text]:
        """Like `str.partition`."""
        at = str(self).find(separator)
        return self._parted(at, separator) if at >= 0 else (self, self[len(self) :], self[len(self) :])

    def rpartition(self, separator: str) -> tuple[Text, Text, Text]:
        """Like `str.rpartition`."""
        at = str(self).rfind(separator)
        return self._parted(at, separator) if at >= 0 else (self[:0], self[:0], self)

    def _parted(self, at: int, separator: str) -> tuple[Text, Text, Text]:
        after = at + len(separator)
        return self[:at], self[at:after], self[after:]

    def split(self, separator: str) -> list[Text]:
        """Like `str.split` with a separator."""
        parts = []
        position = 0
        for part in str(self).split(separator):
            parts.append(self[position : position + len(part)])
            position += len(part) + len(separator)
        return parts

    def lines(self) -> Iterator[Text]:
        r"""Lines without their breaks; `\n`, `\r\n` and a lone `\r` end a line."""
        position = 0
        for line in _split_lines(str(self)):
            yield self[position : position + len(line.rstrip("\r\n"))]
            position += len(line)

    def cut(self, match: re.Match[str], group: int | str = 0) -> Text:
        """Return what a pattern matched in `str(self)`."""
        start, end = match.span(group)
        return self[start:end]

    def stand_in(self, value: str, *, known: bool = True) -> Text:
        """Return a Text of other characters, each of which stands for the whole of this one, at its place."""
        span = self.span
        if len(value) != span.end - span.start or len(value) < 2:
            return Text((Run(span.source, span.start, span.end, value, known),))
        # As long as what is written by chance: in two runs, lest each character be taken for the one at its offset.
        parts = (value[:1], value[1:])
        return Text(Run(span.source, span.start, span.end, part, known) for part in parts)

    def unknown(self) -> Text:
        """Return the same characters, marked as not being the value yet."""
        return Text(run._replace(known=False) for run in self.runs)

    def upto(self, other: Text) -> Text:
        """Return everything the Source has from the first character of this to the last of the other."""
        start, end = self.span, other.span
        if start.source is not end.source or end.end < start.start:
            return self
        low, high = min(start.start, end.start), max(start.end, end.end)
        return Text((Run(start.source, low, high, start.source.content[low:high]),))


def join(parts: Iterable[Text], separator: str) -> Text:
    """Put Texts together; a separator stands at the place behind the part it follows. Raises on no parts."""
    runs: list[Run] = []
    for part in parts:
        if runs:
            last = runs[-1]
            runs.append(Run(last.source, last.end, last.end, separator))
        runs.extend(part.runs)
    return Text(runs)
