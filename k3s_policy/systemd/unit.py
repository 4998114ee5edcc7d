"""Unit files and drop-ins cut into directives.

After systemd src/shared/conf-parser.c, and `read_line_full` in src/basic/fileio.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.systemd.character import NOT_UTF8, UNSAFE, size
from k3s_policy.systemd.words import BLANKS, Flaw, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["Directive", "UnitError", "UnitFile", "read_unit"]


@dataclass(frozen=True)
class UnitError:
    """Why systemd refuses a file: the reason, the characters at fault, and the name of its error number."""

    message: str
    at: Text
    code: str


@dataclass(frozen=True)
class Directive:
    """One assignment. `section` is empty in front of the first header, where systemd ignores assignments.

    `value` is stripped, and may be continued over several lines: the backslash at the end of a line is then a
    blank, and comment lines in between are gone.
    """

    section: str
    key: Text
    value: Text


@dataclass(frozen=True)
class UnitFile:
    """A unit file or drop-in, unknown sections and keys included.

    With an `error`, systemd stopped there; `directives` are those in front of it. `ignored` are lines that systemd
    warns about and skips.
    """

    directives: tuple[Directive, ...]
    error: UnitError | None
    ignored: tuple[Flaw, ...]
    text: Text


_LINE = re.compile(r"(?!\Z)([^\n\r\0]*)(?:\r\n?\0?|\n\r?\0?|\0|\Z)")
_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_LINE = 1 << 20  # LONG_LINE_MAX in src/basic/def.h, in bytes


def read_unit(text: Text) -> UnitFile:
    """Read a unit file or drop-in (`config_parse` and `parse_line` in src/shared/conf-parser.c)."""
    directives: list[Directive] = []
    ignored: list[Flaw] = []
    error: UnitError | None = None
    section = ""
    for logical in _logical_lines(text):
        item = logical if isinstance(logical, UnitError) else _read_line(logical.strip(BLANKS), section)
        match item:
            case str():
                section = item
            case Directive():
                directives.append(item)
            case Flaw():
                ignored.append(item)
            case UnitError():
                error = item
                break
    return UnitFile(tuple(directives), error, tuple(ignored), text)


def _logical_lines(text: Text) -> Iterator[Text | UnitError]:
    """Yield the lines as systemd sees them: comments gone, continued lines joined."""
    value = str(text)
    marked = _BYTE_ORDER_MARK in value
    pieces: list[Text] = []
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
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pieces += text[start : end - 1], text[end - 1 : end].stand_in(" ")
            length += size(line)
            continue
        pieces.append(text[start:end])
        yield join(pieces, text[start:start])
        pieces, length = [], 0
    if error:
        yield error
    elif pieces:
        yield join(pieces, text[:0])


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
