"""Text that remembers where it was written.

Every reader of a format is handed a `Text` and cuts further Texts from it. Slicing, stripping,
splitting and joining keep for each character the file and the offset it came from; whatever else one
wants to do with the characters goes through `str(text)`, which has no place. So a position cannot be
lost by accident: it would be a type error.

`Text` is not a `str` subclass on purpose: two equal strings written in different places must never be
taken for one another, not by a cache, not by a dictionary.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Run", "Source", "Span", "Text", "join"]

# `str.splitlines` also knows breaks that no format here has.
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """One file: its path as reports show it, and its decoded content.

    `path` is relative to the repository, with `/` between its parts. Offsets count code points of
    `content`, in which a byte-order mark and carriage returns are still present.
    """

    path: str
    content: str = field(repr=False)
    flaw: int | None = None
    """Offset of the first character that is no UTF-8 in the file, where U+FFFD stands for a byte."""

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.content))]

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


@dataclass(frozen=True, order=True, repr=False)
class Span:
    """A stretch of a Source; `end` is the offset after its last character.

    Only stretches of one Source have an order; those of two are never equal.
    """

    source: Source
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

    def __repr__(self) -> str:
        # Never the characters: a traceback must not show a credential.
        return f"<Run of {len(self.text)} characters at {self.source.path}[{self.start}:{self.end}]>"

    @property
    def verbatim(self) -> bool:
        """Whether each character has an offset of its own."""
        return self.end - self.start == len(self.text)

    def cut(self, start: int, end: int) -> tuple[Run, ...]:
        """Return the part between two positions of `text`."""
        if start == 0 and end == len(self.text):
            return (self,)
        if self.verbatim:
            return (
                Run(
                    source=self.source,
                    start=self.start + start,
                    end=self.start + end,
                    text=self.text[start:end],
                    known=self.known,
                ),
            )
        return _standing(self.source, self.start, self.end, self.text[start:end], self.known)


def _standing(source: Source, start: int, end: int, text: str, known: bool) -> tuple[Run, ...]:  # noqa: FBT001
    """Return runs in which each character stands for the whole of a stretch.

    They are two where the characters are by chance as many as the stretch is long: in one run each would be
    taken for the character at its offset.
    """
    if len(text) != end - start or len(text) < 2:
        return (Run(source=source, start=start, end=end, text=text, known=known),)
    return (
        Run(source=source, start=start, end=end, text=text[:1], known=known),
        Run(source=source, start=start, end=end, text=text[1:], known=known),
    )


class Text:
    """A piece of text in which every character knows where it was written. Frozen.

    An empty Text still has a place: it holds one run without characters. Positions in slices and in the
    results of `find` count the characters of this Text.
    """

    __slots__ = ("_starts", "_value", "runs")

    runs: tuple[Run, ...]
    _value: str
    _starts: list[int] | None
    """Where in the Text each run begins; made when a Text of many runs is first cut."""

    def __init__(self, runs: Iterable[Run]) -> None:
        kept = tuple(runs)
        if not kept:
            raise ValueError("a Text needs a place: pass at least one run")
        if len(kept) > 1:
            kept = tuple(run for run in kept if run.text) or kept[:1]
        object.__setattr__(self, "runs", kept)
        object.__setattr__(self, "_value", kept[0].text if len(kept) == 1 else "".join(run.text for run in kept))
        object.__setattr__(self, "_starts", None)

    def __setattr__(self, name: str, _: object) -> None:
        raise AttributeError(f"Text is frozen: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Text is frozen: cannot delete {name}")

    def __str__(self) -> str:
        return self._value

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
            index = self._only(index)
        start, stop, step = index.indices(len(self._value))
        if step != 1:
            raise ValueError("a Text is cut in one piece")
        if start >= stop:
            return Text((self._place(start),))
        if len(self.runs) == 1:
            return Text(self.runs[0].cut(start, stop))
        starts = self._run_starts()
        pieces: list[Run] = []
        for number in range(bisect_right(starts, start) - 1, bisect_left(starts, stop)):
            run, begin = self.runs[number], starts[number]
            pieces.extend(run.cut(max(start - begin, 0), min(stop - begin, len(run.text))))
        return Text(pieces)

    def _only(self, position: int) -> slice:
        """Return the slice that holds one character. Raises IndexError where there is none, as `str` does."""
        if not -len(self) <= position < len(self):
            raise IndexError("position out of range")
        return slice(position, position + 1 if position != -1 else None)

    def _run_starts(self) -> list[int]:
        if self._starts is None:
            starts = list(accumulate((len(run.text) for run in self.runs[:-1]), initial=0))
            object.__setattr__(self, "_starts", starts)
            return starts
        return self._starts

    def __add__(self, other: Text) -> Text:
        return Text((*self.runs, *other.runs))

    def __iter__(self) -> Iterator[Text]:
        return (self[position] for position in range(len(self)))

    def _place(self, position: int) -> Run:
        """Return the empty run in front of the character at `position`, or behind the last one."""
        if position >= len(self._value):
            last = self.runs[-1]
            return Run(source=last.source, start=last.end, end=last.end, text="", known=last.known)
        starts = self._run_starts()
        number = bisect_right(starts, position) - 1
        (place,) = self.runs[number].cut(position - starts[number], position - starts[number])
        return place

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
        for match in _LINE_BREAK.finditer(str(self)):
            yield self[position : match.start()]
            position = match.end()
        if position < len(self):
            yield self[position:]

    def cut(self, match: re.Match[str], group: int | str = 0) -> Text:
        """Return what a pattern matched in `str(self)`."""
        start, end = match.span(group)
        return self[start:end]

    def stand_in(self, value: str, *, known: bool = True) -> Text:
        """Return a Text of other characters, each of which stands for the whole of this one, at its place."""
        span = self.span
        return Text(_standing(span.source, span.start, span.end, value, known))

    def supplied(self, value: str) -> Text:
        """Return what a tool fills in behind this text: not known, and without characters here that would be masked."""
        return self[len(self) :].stand_in(value, known=False)

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

    def beside(self, value: Text) -> Text:
        """Return this text with a value that stands behind it in its line; else this text alone."""
        own, other = self.span, value.span
        behind = own.source is other.source and own.start <= other.start and own.line == other.end_line
        return self.upto(value) if behind else self


def join(parts: Iterable[Text], separator: str) -> Text:
    """Put Texts together; a separator stands at the place behind the part it follows. Raises on no parts."""
    runs: list[Run] = []
    for part in parts:
        if runs:
            last = runs[-1]
            runs.append(Run(last.source, last.end, last.end, separator))
        runs.extend(part.runs)
    return Text(runs)
