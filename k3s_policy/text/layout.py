"""Laying a YAML scalar's value over the characters it was written with.

A parser says what the value is and from where to where it was written; what each character of it stands for is
found here, for every style: quotes and their escapes, folded lines, blocks and their indentation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.text import Run, Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["laid"]

_DOUBLE_QUOTED = pattern(
    r"(?P<escape>\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r\n[ \t]*|[\r\n][ \t]*|.))"
    r"|(?P<fold>[ \t]*(?:\r\n|[\r\n\x85])\s*)|(?P<plain>[^\\\s]+|[ \t]+)",
    re.DOTALL,
)
_SINGLE_QUOTED = pattern(r"(?P<escape>'')|(?P<fold>[ \t]*(?:\r\n|[\r\n\x85])\s*)|(?P<plain>[^'\s]+|[ \t]+)", re.DOTALL)
_LINE_BREAK = pattern(r"\r\n|[\r\n]")
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


def laid(written: Text, value: str, style: str) -> Text:
    """Return the value with the place of each character.

    `written` goes from the first quote or the block header to the end; `style` is the parser's: `|`, `>`, a
    quote, or nothing for a plain scalar.
    """
    if style in ("|", ">"):
        found = _block(written, value)
    elif style in ('"', "'"):
        found = _quoted(written[1:-1], style)
    else:
        found = written if str(written) == value else _quoted(written, "'")
    if str(found) == value:
        return found
    # An exotic way of writing: keep the value, and let each character stand for the whole scalar.
    return written.stand_in(value, known=written.known)


def _quoted(inner: Text, style: str) -> Text:
    value = str(inner)
    if "\n" not in value and "\r" not in value and ("\\" not in value if style == '"' else "''" not in value):
        return inner
    runs: list[Run] = [*inner[:0].runs]
    for match in (_DOUBLE_QUOTED if style == '"' else _SINGLE_QUOTED).finditer(value):
        part = inner.cut(match)
        if match.lastgroup == "escape":
            part = part.stand_in(_unescape(match[0]) if style == '"' else "'")
        elif match.lastgroup == "fold":
            part = _fold(part)
        runs.extend(part.runs)
    return Text(runs)


def _unescape(escape: str) -> str:
    if escape[1] in "xuU":
        digits = escape[2:]
        return chr(min(int(digits, 16), 0x10FFFF))
    return "" if escape[1] in "\r\n" else _ESCAPES.get(escape[1], escape)


def _fold(part: Text) -> Text:
    """Return what a line break inside a flow scalar becomes: a blank, or one break for each empty line."""
    breaks = len(_LINE_BREAK.findall(str(part)))
    return part.stand_in("\n" * (breaks - 1) if breaks > 1 else " ")


def _block(written: Text, value: str) -> Text:
    """Lay a literal or folded block: each line of the value over the line it was written in."""
    header_end = str(written).find("\n") + 1
    runs: list[Run] = [*written[header_end:header_end].runs]
    at = 0
    for line in _lines(written[header_end:]):
        break_start = at
        while at < len(value) and value[at] in "\n ":
            at += 1
        indented = len(line) - len(str(line).lstrip(" "))
        # More indented lines keep blanks: give back those that are the value's.
        while at > break_start and value[at - 1] == " " and indented:
            at -= 1
            indented -= 1
        piece = line[indented:]
        if not piece or not value.startswith(str(piece), at):
            at = break_start
            continue
        if at > break_start:
            runs.extend(_gap(runs, line, value[break_start:at]))
        runs.extend(piece.runs)
        at += len(piece)
    if at < len(value):
        runs.extend(_gap(runs, written[len(written) :], value[at:]))
    return Text(runs)


def _gap(before: list[Run], after: Text, characters: str) -> list[Run]:
    """Return the runs for line breaks between two lines: they stand where the former ends."""
    last = before[-1]
    content = last.source.content
    width = len(characters)
    if content[last.end : last.end + width] == characters:
        return [Run(last.source, last.end, last.end + width, characters)]
    break_at = last.end + (1 if content.startswith("\r\n", last.end) else 0)
    return [Run(after.runs[0].source, break_at, break_at + 1, character) for character in characters]


def _lines(text: Text) -> Iterator[Text]:
    value = str(text)
    start = 0
    for match in _LINE_BREAK.finditer(value):
        yield text[start : match.start()]
        start = match.end()
    if start < len(value):
        yield text[start:]
