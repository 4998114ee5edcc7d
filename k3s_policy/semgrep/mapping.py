"""A map of a programming language, as the YAML that its encoder writes: `yamlencode({ tls-san = ["a"] })`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.semgrep.literal import groups
from k3s_policy.text import Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.semgrep.language import Language
    from k3s_policy.text import Source

__all__ = ["as_yaml"]

_KEY = pattern(r"""\s*["']?(?P<key>[A-Za-z][\w-]*\+?)["']?\s*(?:=(?!=)|:)\s*""")
_PLAIN = pattern(r"(?:true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?)$")
_STRING = pattern(r"""["'][^"'\\]*["']$""")
_LIST = pattern(r"\[.*\]$", re.DOTALL)
_SIGN = pattern(r"(?<=\s)(?:#|//|/\*)")
_BLANKS = pattern(r"\s*")
_CONDITIONAL = ("?", ":")
_SPACE = pattern(r"(?:\s|//[^\n]*|#[^\n]*|,)*")


class _Entry(NamedTuple):
    """A key, and where its value stands."""

    key: Text
    start: int
    end: int


def as_yaml(source: Source, start: int, end: int, language: Language) -> Text | None:
    """Return the YAML of the map between two offsets; None where it is none.

    A value that an expression makes is not known; `null`, with which Terraform leaves a key out, is one.
    """
    if not source.content.startswith("{", start):
        return None
    runs = list(source.text[start:start].runs)
    for entry in _entries(source, start + 1, end - 1, language):
        value = _value(source, entry, language)
        if value is None:
            continue
        runs += (*entry.key.runs, *_sign(entry.key, ": ").runs, *value.runs, *_sign(value, "\n").runs)
    return Text(runs)


def _sign(text: Text, sign: str) -> Text:
    return text[len(text) :].stand_in(sign)


def _entries(source: Source, start: int, end: int, language: Language) -> Iterator[_Entry]:
    """Yield the entries of a map, whose values end with the line unless a bracket or a string is open."""
    content = source.content
    position = start
    while position < end:
        space = _SPACE.match(content, position, end)
        position = space.end() if space else position
        key = _KEY.match(content, position, end)
        last = _value_end(content, key.end() if key else position, end, language)
        if key is not None:
            yield _Entry(source.text[key.start("key") : key.end("key")], key.end(), last)
        position = max(last, position + 1)


def _value_end(content: str, position: int, end: int, language: Language) -> int:
    depth = 0
    before = ""
    while position < end:
        comment = language.comment.match(content, position, end)
        if comment is not None:
            position = comment.end()
            continue
        character = content[position]
        if character == "\n" and not depth:
            following = _after_blanks(content, position, end)
            # An expression goes on in the next line, as `? :` may.
            if before not in _CONDITIONAL and content[following : min(following + 1, end)] not in _CONDITIONAL:
                return position
            position = following
            continue
        if character == "," and not depth:
            return position
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        if not character.isspace():
            before = character
        position = _string_end(content, position, end) if character == '"' else position + 1
    return end


def _after_blanks(content: str, position: int, end: int) -> int:
    blanks = _BLANKS.match(content, position, end)
    return blanks.end() if blanks else position


def _string_end(content: str, position: int, end: int) -> int:
    """Return the offset behind a string, in which `${ }` may hold others."""
    depth = 0
    position += 1
    while position < end:
        if content[position] == "\\":
            position += 1
        elif content.startswith("${", position):
            depth += 1
        elif content[position] == "}" and depth:
            depth -= 1
        elif content[position] == '"' and not depth:
            return position + 1
        position += 1
    return end


def _value(source: Source, entry: _Entry, language: Language) -> Text | None:
    """Return a value as YAML, None for one that is left out."""
    text = _without_comment(source.text[entry.start : entry.end].strip(), language)
    written = str(text)
    if written == "null":
        return None
    if _PLAIN.match(written) or (_STRING.match(written) and "${" not in written and "%{" not in written):
        return text
    if _LIST.match(written):
        found = groups(source, text.span.start, text.span.end, language)
        items = found[0] if len(found) == 1 else ()
        if items and all(value.literal and value.text.known and _STRING.match(f'"{value.text}"') for value in items):
            return text
    return text.stand_in('"' + "x" * 8 + '"', known=False)


def _without_comment(text: Text, language: Language) -> Text:
    """Take away what stands behind a value, where a value is left that is one by itself."""
    for sign in _SIGN.finditer(str(text)):
        kept = text[: sign.start()].rstrip()
        whole = any(form.match(str(kept)) for form in (_PLAIN, _STRING, _LIST))
        if whole and language.comment.match(str(text), sign.start()):
            return kept
    return text
