r"""Words as systemd splits them: quotes, escapes and blanks, over Text.

One splitter serves Exec*=, Environment= and the value of a `$VARIABLE`; they differ only in what becomes of
a backslash (`Escapes`). What a word is made of keeps its place: quotes vanish, an escape such as `\x20` is one
character that stands for all of its own.

Sources: `extract_first_word` in src/basic/extract-word.c and `cunescape_one` in src/basic/escape.c, as of
systemd 252.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from k3s_policy.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["BLANKS", "Escapes", "Flaw", "Word", "after_blanks", "first_word", "join", "stand_in", "words"]

# WHITESPACE in src/basic/string-util.h: no form feed, no vertical tab, nothing beyond ASCII.
BLANKS = " \t\n\r"

# What needs no thought, outside of quotes and inside of either kind.
_PLAIN = {"": re.compile(r"[^'\"\\ \t\n\r]+"), "'": re.compile(r"[^'\\]+"), '"': re.compile(r'[^"\\]+')}

_ESCAPE = re.compile(
    r"""\\(?:(?P<letter>[abfnrtv\\"'s])
        |x(?P<byte>[0-9A-Fa-f]{2})|(?P<octal>[0-3][0-7]{2})
        |u(?P<short>[0-9A-Fa-f]{4})|U(?P<long>[0-9A-Fa-f]{8}))""",
    re.VERBOSE,
)
_LETTERS = dict(zip("abfnrtv\\\"'s", "\a\b\f\n\r\t\v\\\"' ", strict=True))

# Bytes that are not UTF-8, as `surrogateescape` writes them.
_RAW_BYTES = re.compile("[\udc80-\udcff]+")


@dataclass(frozen=True, repr=False)
class Flaw:
    """What systemd complains about: the reason, and the characters at fault."""

    message: str
    at: Text
    specifier: bool = False
    """Whether it is a `%` that begins no specifier."""


class Escapes(Enum):
    """What becomes of a backslash."""

    KEPT = auto()  # Exec*=: an invalid escape stays as it is written
    STRICT = auto()  # Environment=: an invalid escape spoils the word
    DROPPED = auto()  # the value of a variable: the backslash goes, the next character stays; quotes may stay open


@dataclass(frozen=True, repr=False)
class Word:
    """A word without its quotes and escapes, and the position behind it and the blanks that follow."""

    text: Text
    end: int


def after_blanks(value: str, start: int) -> int:
    """Return the position of the first character from `start` on that is not a blank."""
    while start < len(value) and value[start] in BLANKS:
        start += 1
    return start


def first_word(text: Text, start: int, escapes: Escapes) -> Word | Flaw | None:
    """Return the first word from `start` on, None where only blanks follow, or why there is none."""
    value = str(text)
    begin = position = after_blanks(value, start)
    if begin == len(value):
        return None
    quote, opened = "", begin
    pieces: list[Text] = []
    while position < len(value):
        if plain := _PLAIN[quote].match(value, position):
            pieces.append(text.cut(plain))
            position = plain.end()
        elif value[position] == "\\":
            escape = _escape(text, position, escapes, quoted=bool(quote))
            if isinstance(escape, Flaw):
                return escape
            pieces.append(escape.text)
            position = escape.end
        elif value[position] in BLANKS:  # inside quotes they are plain
            break
        else:
            quote, opened = ("" if quote else value[position]), position
            position += 1
    if quote and escapes is not Escapes.DROPPED:
        return Flaw("the quote is never closed", text[opened : opened + 1])
    return Word(join(pieces, text[begin:begin]), after_blanks(value, position))


def words(text: Text, escapes: Escapes) -> Iterator[Text | Flaw]:
    """Yield every word; a flaw comes last, for systemd does not look behind it."""
    position = 0
    while word := first_word(text, position, escapes):
        if isinstance(word, Flaw):
            yield word
            return
        yield word.text
        position = word.end


def _escape(text: Text, position: int, escapes: Escapes, *, quoted: bool) -> Word | Flaw:
    """Return what the backslash at `position` makes, and the position behind its escape."""
    value = str(text)
    written = text[position : position + 2]
    if escapes is Escapes.DROPPED:
        return Word(stand_in(written, value[position + 1 : position + 2]), position + len(written))
    match = _ESCAPE.match(value, position)
    characters = _meaning(match) if match else None
    if match and characters is not None:
        return Word(stand_in(text.cut(match), characters), match.end())
    if escapes is Escapes.STRICT or (quoted and len(written) == 1):
        return Flaw("systemd does not know this escape", written)
    return Word(written, position + len(written))


def _meaning(escape: re.Match[str]) -> str | None:
    """Return what an escape stands for; None for NUL and what is no character."""
    if letter := escape["letter"]:
        return _LETTERS[letter]
    if escape["byte"] or escape["octal"]:
        number = int(escape["byte"], 16) if escape["byte"] else int(escape["octal"], 8)
        if number == 0:
            return None
        return chr(number) if number < 0x80 else chr(0xDC00 + number)
    number = int(escape["short"] or escape["long"], 16)
    if number == 0 or (escape["long"] and not _is_character(number)):
        return None
    # Half of a surrogate pair after \u is not refused: systemd writes its three bytes, which are not UTF-8.
    return chr(number).encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _is_character(number: int) -> bool:
    """Whether systemd takes a number for a character (`unichar_is_valid` in src/basic/utf8.c)."""
    return (
        number < 0x110000
        and not 0xD800 <= number <= 0xDFFF
        and not 0xFDD0 <= number <= 0xFDEF
        and number & 0xFFFE != 0xFFFE
    )


def stand_in(written: Text, value: str) -> Text:
    """Return characters that stand, each of them, for all that is written, and are as known as that."""
    return written.stand_in(value, known=written.known)


def join(pieces: Sequence[Text], place: Text) -> Text:
    r"""Return the pieces as one Text, or the empty Text `place` where there are none.

    Bytes that were escaped one by one (`\xc3\xa9`) become the character they are together.
    """
    if not pieces:
        return place
    whole = pieces[0] if len(pieces) == 1 else Text(run for piece in pieces for run in piece.runs)
    return whole if str(whole).isascii() else _decoded(whole)


def _decoded(text: Text) -> Text:
    """Return the text with each sequence of bytes that is UTF-8 read as its character."""
    value = str(text)
    pieces: list[Text] = []
    position = 0
    for match in _RAW_BYTES.finditer(value):
        pieces.append(text[position : match.start()])
        position = match.start()
        for character in match[0].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"):
            length = len(character.encode("utf-8", "replace"))  # a byte that stays alone counts as one
            written = text[position : position + length]
            pieces.append(written if length == 1 else stand_in(written, character))
            position += length
    if not pieces:
        return text
    pieces.append(text[position:])
    return Text(run for piece in pieces for run in piece.runs)
