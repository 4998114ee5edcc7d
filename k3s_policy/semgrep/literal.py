"""String literals of programs: which of them make one text, and which are the items of one list.

What the program puts between them (the other operands of `+`) is marked as not known. The rest of a program is read
only as far as these questions need it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.semgrep.quoting import masked, string_at, unknown
from k3s_policy.text import Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.semgrep.language import Language
    from k3s_policy.text import Source

__all__ = ["Group", "Value", "groups"]


class Value(NamedTuple):
    """One item of a list or call: a text, or code that no literal has a part in."""

    text: Text
    literal: bool


Group = tuple[Value, ...]
"""The items between a pair of brackets, or of the whole stretch."""


def groups(source: Source, start: int, end: int, language: Language) -> list[Group]:
    """Return the lists, calls and alternatives between two offsets of a file, inner ones first."""
    reading = _Reading(source, start, end, language)
    reading.group("")
    return [group for group in reading.found if any(value.literal for value in group)]


_WORD = pattern(r"[\w.$@]+|.", re.DOTALL)
_DEEPEST = 100
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_FORMATTED = pattern(r"%\(\w+\)[-+# 0]*[\d.]*[sdrif]|%[-+# 0]*[\d.]*[sdrif]")
_FIELD = pattern(r"\{[^{}\s]*\}")


class _Item:
    """What was read of one item so far."""

    def __init__(self) -> None:
        self.done: list[Text] = []
        self.operands: list[Text] = []
        self.left: Text | None = None
        """Code in front of a `+`, which may be the first operand."""
        self.joined = False
        self.after_string = False
        self.code: Text | None = None

    def string(self, text: Text, *, adjacent: bool) -> None:
        if self.operands and not (self.joined or (adjacent and self.after_string)):
            self.flush()
        if not self.operands and self.joined and self.left is not None:
            self.operands.append(unknown(self.left))
        self.operands.append(text)
        self.joined, self.after_string, self.left = False, True, None

    def word(self, text: Text) -> None:
        self.code = self.code or text
        if self.joined and self.operands:
            self.operands.append(unknown(text))
            self.joined = False
        elif self.operands and self.after_string and text.startswith((".format", "%")):
            fields = _FORMATTED if text.startswith("%") else _FIELD
            self.operands = [masked(operand, fields) for operand in self.operands]
        elif self.operands and self.after_string:
            self.flush()
        self.left, self.after_string = text, False

    def flush(self) -> None:
        """End an alternative: what follows is another text."""
        if any(operand for operand in self.operands):
            self.done.append(Text(run for operand in self.operands for run in operand.runs))
        self.operands, self.joined, self.left = [], False, None


class _Reading:
    """One stretch of a program, read from its first to its last character."""

    def __init__(self, source: Source, start: int, end: int, language: Language) -> None:
        self.source = source
        self.position = start
        self.end = end
        self.language = language
        self.found: list[Group] = []
        self.depth = 0

    def group(self, closing: str) -> list[Value]:
        """Read up to a bracket that closes, and return the items."""
        items: list[Value] = []
        item = _Item()
        called = False
        for kind, text in self._tokens(closing):
            if kind == "string":
                item.string(text, adjacent=self.language.adjacent)
            elif kind == "open" and self.depth < _DEEPEST:
                self.depth += 1
                inner = self.group(_CLOSING[str(text)])
                self.depth -= 1
                literal = inner[0].text if len(inner) == 1 and inner[0].literal else None
                if str(text) == "(" and not called and literal is not None:
                    item.string(literal, adjacent=False)
                elif not called:
                    item.word(text)
            elif kind == "join":
                item.joined = True
            elif kind == "next":
                self._finish(item, items)
                item = _Item()
            elif kind == "other":
                item.flush()
                item.code = item.code or text
            else:
                item.word(text)
            called = kind == "word" or (kind == "open" and called)
        self._finish(item, items)
        self.found.append(tuple(items))
        return items

    def _finish(self, item: _Item, items: list[Value]) -> None:
        item.flush()
        if len(item.done) == 1:
            items.append(Value(item.done[0], literal=True))
            return
        self.found.extend((Value(text, literal=True),) for text in item.done)
        if item.done or item.code is not None:
            place = item.done[0] if item.done else item.code
            items.append(Value(unknown(place), literal=False)) if place is not None else None

    def _tokens(self, closing: str) -> Iterator[tuple[str, Text]]:
        content = self.source.content
        while self.position < self.end:
            at = self.position
            opening = self.language.opening.match(content, at, self.end)
            comment = self.language.comment.match(content, at, self.end)
            if opening is not None:
                string = string_at(self.source, opening, self.language)
                self.position = self.end if string is None else string.end
                if string is not None:
                    yield "string", string.text
                continue
            if comment is not None:
                self.position = comment.end()
                continue
            match = _WORD.match(content, at, self.end)
            self.position = match.end() if match else self.end
            text = self.source.text[at : self.position]
            word = str(text)
            if word.isspace():
                continue
            if word in ")]}":
                if word == closing:
                    return
                continue
            yield _KINDS.get(word, "word"), text


_KINDS = {
    **dict.fromkeys("([{", "open"),
    "+": "join",
    **dict.fromkeys(",;", "next"),
    **dict.fromkeys("?:=|&!<>", "other"),
}
