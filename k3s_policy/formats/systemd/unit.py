"""Unit files and drop-ins cut into directives.

After systemd src/shared/conf-parser.c, and `read_line_full` in src/basic/fileio.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.formats.systemd.character import NOT_UTF8, UNSAFE, size
from k3s_policy.formats.systemd.words import BLANKS, Flaw, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["Directive", "Line", "UnitError", "UnitFile", "read_unit"]


@dataclass(frozen=True, repr=False)
class UnitError:
    """Why systemd refuses a file: the reason, the characters at fault, and the name of its error number."""

    message: str
    at: Text
    code: str
    specifier: bool = False
    """Whether a `%` that begins no specifier is at fault."""


@dataclass(frozen=True, repr=False)
class Directive:
    """One assignment. `section` is empty in front of the first header, where systemd ignores assignments.

    `value` is stripped, and may be continued over several lines: the backslash at the end of a line is then a
    blank, and comment lines in between are gone.
    """

    section: str
    key: Text
    value: Text


@dataclass(frozen=True, repr=False)
class Line:
    """A line as systemd reads it, and what it is.

    `parts` are the lines of the file it is joined from, without the comments in between; each but the last still has
    its backslash. `item` is a section's name, or None where the line is empty.
    """

    parts: tuple[Text, ...]
    item: Directive | Flaw | str | None


@dataclass(frozen=True, repr=False)
class UnitFile:
    """A unit file or drop-in, unknown sections and keys included.

    With an `error`, systemd stopped there; `lines` are those in front of it.
    """

    lines: tuple[Line, ...]
    error: UnitError | None
    text: Text

    @property
    def directives(self) -> tuple[Directive, ...]:
        """The assignments, in order."""
        return tuple(line.item for line in self.lines if isinstance(line.item, Directive))

    @property
    def ignored(self) -> tuple[Flaw, ...]:
        """The lines that systemd warns about and skips."""
        return tuple(line.item for line in self.lines if isinstance(line.item, Flaw))


_LINE = re.compile(r"(?!\Z)([^\n\r\0]*)(?:\r\n?\0?|\n\r?\0?|\0|\Z)")
_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_LINE = 1 << 20  # LONG_LINE_MAX in src/basic/def.h, in bytes


def read_unit(text: Text) -> UnitFile:
    """Read a unit file or drop-in (`config_parse` and `parse_line` in src/shared/conf-parser.c)."""
    lines: list[Line] = []
    section = ""
    for parts in _joined_lines(text):
        if isinstance(parts, UnitError):
            return UnitFile(tuple(lines), parts, text)
        item = _read_line(_whole(parts).strip(BLANKS), section)
        if isinstance(item, UnitError):
            return UnitFile(tuple(lines), item, text)
        if isinstance(item, str):
            section = item
        lines.append(Line(parts, item))
    return UnitFile(tuple(lines), None, text)


def _whole(parts: tuple[Text, ...]) -> Text:
    """Join the parts of a line: the backslash at the end of a part becomes a blank."""
    pieces = [piece for part in parts[:-1] for piece in (part[:-1], part[-1].stand_in(" "))]
    return join([*pieces, parts[-1]], parts[-1][:0])


def _joined_lines(text: Text) -> Iterator[tuple[Text, ...] | UnitError]:
    """Yield the parts of each line as systemd sees it: comments are gone."""
    value = str(text)
    marked = _BYTE_ORDER_MARK in value
    parts: list[Text] = []
    length = 0
    error: UnitError | None = None
    for match in _LINE.finditer(value):
        start, end = match.span(1)
        line = match[1]
        if line.lstrip(BLANKS).startswith(("#", ";")):
            continue  # also within a continued line, which goes on behind it
        if size(line) >= _LONGEST_LINE or length + size(line) > _LONGEST_LINE:
            error = UnitError("the line is too long for systemd", text[start : start + 1], "ENOBUFS")
            break
        if marked and line.startswith(_BYTE_ORDER_MARK):
            marked = False  # systemd removes one, from whichever line has it first
            start += 1
        parts.append(text[start:end])
        if (len(line) - len(line.rstrip("\\"))) % 2:
            length += size(line)
            continue
        yield tuple(parts)
        parts, length = [], 0
    if error:
        yield error
    elif parts:
        yield (*parts, text[len(text) :])


def _read_line(line: Text, section: str) -> Directive | Flaw | UnitError | str | None:
    """Return what a line is: an assignment, a section's name, nothing, or what is wrong with it."""
    if not line:
        return None
    if NOT_UTF8.search(str(line)):
        return UnitError("the line is not UTF-8", line, "EINVAL")
    if line.startswith("["):
        return _section(line)
    at = line.find("=")
    if at <= 0:
        return Flaw("systemd ignores a line without a key and =", line)
    return Directive(section, line[:at].rstrip(BLANKS), line[at + 1 :].lstrip(BLANKS))


def _section(header: Text) -> str | UnitError:
    name = str(header[1:-1])
    if len(header) < 2 or not str(header).endswith("]"):
        return UnitError("the section header does not end in ]", header, "EBADMSG")
    if UNSAFE.search(name):
        return UnitError("the section header has a character that is not allowed there", header, "EBADMSG")
    return name
