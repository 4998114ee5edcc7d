"""String literals of programming languages, as the text that a program makes of them.

Escapes become the characters they stand for, the indentation of a here-document is taken away, and what the program
fills in (`${x}`, `#{x}`, `{x}`, `%s`, the other operands of `+`) is marked as not known. Everything else of a program
is read only as far as it tells which literals make one text, and which are the items of one list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy import template
from k3s_policy.pattern import pattern
from k3s_policy.text import Run, Text, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Source

__all__ = ["LANGUAGES", "Group", "Language", "Value", "groups", "language_of", "masked"]


class Value(NamedTuple):
    """One item of a list or call: a text, or code that no literal has a part in."""

    text: Text
    literal: bool


Group = tuple[Value, ...]
"""The items between a pair of brackets, or of the whole stretch."""


class Language(NamedTuple):
    """How a language writes strings and comments."""

    opening: re.Pattern[str]
    """Begins a string: `prefix`, then `quote` or the `word` that ends a here-document."""
    comment: re.Pattern[str]
    filling: str = ""
    """What begins an expression in a string that is not raw."""
    raw: str = ""
    """Quotes between which a backslash is one."""
    adjacent: bool = False
    """Whether strings side by side are one."""
    verbs: re.Pattern[str] | None = None
    """What `Sprintf` and its kind replace."""
    keeps_backslash: bool = False
    """Whether a backslash before a character that needs none stays."""


_HASH = pattern(r"#[^\n]*")
_SLASHES = pattern(r"//[^\n]*|/\*.*?\*/", re.DOTALL)

LANGUAGES = {
    "terraform": Language(
        pattern(r'(?P<quote>")|<<(?P<indent>-?)(?P<word>\w+)[^\n]*\n'),
        pattern(r"#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL),
        filling="${",
    ),
    "python": Language(
        pattern(r"(?P<prefix>[rRbBfFuU]{0,2})(?P<quote>\"\"\"|'''|\"|')"), _HASH, adjacent=True, keeps_backslash=True
    ),
    "go": Language(
        pattern(r"(?P<quote>[\"'`])"), _SLASHES, raw="`", verbs=pattern(r"%[-+# 0]*(?:\[\d+\])?[\d.]*[svdqtwx]")
    ),
    "javascript": Language(pattern(r"(?P<quote>[\"'`])"), _SLASHES, filling="${"),
    "ruby": Language(
        pattern(r"(?P<quote>[\"'`])|<<(?P<indent>[~-]?)(?P<mark>[\"']?)(?P<word>[A-Z]\w*)(?P=mark)[^\n]*\n"),
        _HASH,
        filling="#{",
        adjacent=True,
    ),
}

_SUFFIXES = {
    **dict.fromkeys(("tf", "hcl", "tfvars"), "terraform"),
    "py": "python",
    "go": "go",
    **dict.fromkeys(("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts"), "javascript"),
    "rb": "ruby",
}


def language_of(path: str) -> Language | None:
    """Return the language of a file by its suffix, None where its strings are not understood."""
    return LANGUAGES.get(_SUFFIXES.get(path.rpartition(".")[2].lower(), ""))


def groups(source: Source, start: int, end: int, language: Language) -> list[Group]:
    """Return the lists, calls and alternatives between two offsets of a file, inner ones first."""
    reading = _Reading(source, start, end, language)
    reading.group("")
    return [group for group in reading.found if any(value.literal for value in group)]


_WORD = pattern(r"[\w.$@]+|.", re.DOTALL)
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
            self.operands.append(_unknown(self.left))
        self.operands.append(text)
        self.joined, self.after_string, self.left = False, True, None

    def word(self, text: Text) -> None:
        self.code = self.code or text
        if self.joined and self.operands:
            self.operands.append(_unknown(text))
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

    def group(self, closing: str) -> list[Value]:
        """Read up to a bracket that closes, and return the items."""
        items: list[Value] = []
        item = _Item()
        called = False
        for kind, text in self._tokens(closing):
            if kind == "string":
                item.string(text, adjacent=self.language.adjacent)
            elif kind == "open":
                inner = self.group(_CLOSING[str(text)])
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
            items.append(Value(_unknown(place), literal=False)) if place is not None else None

    def _tokens(self, closing: str) -> Iterator[tuple[str, Text]]:
        content = self.source.content
        while self.position < self.end:
            at = self.position
            opening = self.language.opening.match(content, at, self.end)
            comment = self.language.comment.match(content, at, self.end)
            if opening is not None:
                string = self._string(opening)
                if string is None:
                    self.position = self.end
                    return
                yield "string", string
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

    def _string(self, opening: re.Match[str]) -> Text | None:
        """Read a string from its opening on; None where it has no end."""
        if "word" in opening.re.groupindex and opening["word"]:
            return self._here_document(opening)
        prefix = (opening["prefix"] if "prefix" in opening.re.groupindex else "").lower()
        quote = opening["quote"]
        raw = quote in self.language.raw or "r" in prefix
        filling = "{" if "f" in prefix else self.language.filling
        if filling and (_never_filled(self.language, quote)):
            filling = ""
        ending = _end_of(self.source.content, opening.end(), quote, filling, raw=raw)
        if ending is None:
            return None
        text = self._filled(opening.end(), ending, filling)
        self.position = ending + len(quote)
        if raw:
            decoded = text
        elif self.language is LANGUAGES["ruby"] and quote == "'":
            decoded = _unescaped(text, _QUOTE_ESCAPE, keeps=True)
        else:
            decoded = _unescaped(text, _ESCAPE, keeps=self.language.keeps_backslash)
        return masked(decoded, self.language.verbs) if self.language.verbs else decoded

    def _here_document(self, opening: re.Match[str]) -> Text | None:
        ending = re.compile(rf"(?m)^[ \t]*{opening['word']}\b").search(self.source.content, opening.end())
        if ending is None:
            return None
        raw = "mark" in opening.re.groupindex and opening["mark"] == "'"
        text = self._filled(opening.end(), ending.start(), "" if raw else self.language.filling)
        self.position = ending.end()
        if self.language is LANGUAGES["ruby"]:
            text = text if raw else _unescaped(text, _ESCAPE, keeps=False)
            return _outdented(text) if opening["indent"] == "~" else text
        return _outdented(text) if opening["indent"] else text

    def _filled(self, start: int, end: int, filling: str) -> Text:
        """Return what stands between two offsets with its expressions marked as not known."""
        runs = list(self.source.text[start:start].runs)
        position = start
        if filling:
            for first, last in _expressions(self.source.content, start, end, filling):
                runs += self.source.text[position:first].runs
                if last > first + 1:
                    runs.append(Run(self.source, first, last, "x" * (last - first), known=False))
                position = last
        text = Text((*runs, *self.source.text[position:end].runs))
        return template.filled(text, template.TERRAFORM) if self.language is LANGUAGES["terraform"] else text


_KINDS = {
    **dict.fromkeys("([{", "open"),
    "+": "join",
    **dict.fromkeys(",;", "next"),
    **dict.fromkeys("?:=|&!<>", "other"),
}
_ESCAPE = pattern(
    r"\\(?:(?P<hex>x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|u\{[0-9a-fA-F]+\})|(?P<line>\r?\n)|(?P<one>.))",
    re.DOTALL,
)
_QUOTE_ESCAPE = pattern(r"\\(?P<one>['\\])(?P<hex>(?!))?(?P<line>(?!))?")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "0": "\0"}


def _never_filled(language: Language, quote: str) -> bool:
    """Whether a language fills nothing into strings with these quotes."""
    if language is LANGUAGES["javascript"]:
        return quote != "`"
    return language is LANGUAGES["ruby"] and quote == "'"


def _end_of(content: str, position: int, quote: str, filling: str, *, raw: bool) -> int | None:
    """Return the offset of the quote that ends a string."""
    while position < len(content):
        if content.startswith(quote, position):
            return position
        if content[position] == "\\" and not (raw and quote == "`"):
            position += 2
        elif filling and (last := _expression_at(content, position, filling)):
            position = last
        else:
            position += 1
    return None


def _expression_at(content: str, position: int, filling: str) -> int | None:
    """Return the end of an expression or statement that begins here; of a doubled sign, which begins none, its end."""
    if filling == "{":
        if content.startswith(("{{", "}}"), position):
            return position + 2
        return _closing_brace(content, position + 1) if content[position] == "{" else None
    if content.startswith(("$${", "%%{"), position) and filling == "${":
        return position + 3
    if content.startswith(filling, position) or (filling == "${" and content.startswith("%{", position)):
        return _closing_brace(content, position + len(filling))
    return None


def _closing_brace(content: str, position: int) -> int | None:
    """Return the offset behind the brace that closes one opened before `position`."""
    depth = 1
    while position < len(content):
        character = content[position]
        if character in "\"'`":
            ending = _end_of(content, position + 1, character, "${" if character == '"' else "", raw=False)
            if ending is None:
                return None
            position = ending
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if not depth:
                return position + 1
        position += 1
    return None


def _expressions(content: str, start: int, end: int, filling: str) -> Iterator[tuple[int, int]]:
    """Yield where expressions stand; of a doubled brace of Python, where the one stands that is too many."""
    position = start
    while position < end:
        last = _expression_at(content, position, filling)
        if last is None:
            position += 2 if content[position] == "\\" else 1
            continue
        doubled = filling == "{" and content.startswith(("{{", "}}"), position)
        if doubled:
            yield position, position + 1
        elif content.startswith(filling, position):
            yield position, min(last, end)
        position = last


def _unescaped(text: Text, escape: re.Pattern[str], *, keeps: bool) -> Text:
    """Replace escapes by what they stand for; `keeps` says that a backslash before anything else is one."""
    value = str(text)
    if "\\" not in value:
        return text
    runs = list(text[:0].runs)
    position = 0
    for match in escape.finditer(value):
        runs += text[position : match.start()].runs
        position = match.end()
        one = match["one"]
        if match["hex"]:
            runs += text.cut(match).stand_in(_character(match["hex"])).runs
        elif one is not None and one in _CONTROLS:
            runs += text.cut(match).stand_in(_CONTROLS[one]).runs
        elif one is not None:
            runs += text[match.start() if keeps and one not in "\\\"'" else match.start("one") : match.end()].runs
    return Text((*runs, *text[position:].runs))


def _character(digits: str) -> str:
    number = int(digits.strip("xuU{}"), 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"


def _outdented(text: Text) -> Text:
    """Take from each line the blanks that all of them begin with."""
    lines = text.split("\n")
    widths = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    width = min(widths, default=0)
    return join((line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines), "\n") if width else text


def masked(text: Text, wanted: re.Pattern[str]) -> Text:
    """Mark what a function replaces as not known."""
    runs = list(text[:0].runs)
    position = 0
    for match in wanted.finditer(str(text)):
        runs += text[position : match.start()].runs
        runs += (run._replace(text="x" * len(run.text), known=False) for run in text.cut(match).runs)
        position = match.end()
    return Text((*runs, *text[position:].runs))


def _unknown(text: Text) -> Text:
    """Return a word that stands for what code makes."""
    return text.stand_in("x" * max(len(text), 1), known=False)
