"""One string of a program, as the text that it stands for.

Escapes become the characters they stand for, the indentation of a here-document is taken away, and what the program
fills in (`${x}`, `#{x}`, `{x}`, `%s`) is marked as not known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats import template
from k3s_policy.semgrep.language import LANGUAGES
from k3s_policy.text import Run, Text, join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.semgrep.language import Language
    from k3s_policy.text import Source

__all__ = ["String", "masked", "string_at", "unknown"]


class String(NamedTuple):
    """What a string stands for, and the offset behind it."""

    text: Text
    end: int


def string_at(source: Source, opening: re.Match[str], language: Language) -> String | None:
    """Read a string from its opening on; None where it has no end."""
    if "word" in opening.re.groupindex and opening["word"]:
        return _here_document(source, opening, language)
    prefix = (opening["prefix"] if "prefix" in opening.re.groupindex else "").lower()
    quote = opening["quote"]
    raw = quote in language.raw or "r" in prefix
    substitution = "" if quote in language.plain else language.substitution
    substitution = "{" if "f" in prefix else substitution
    ending = _end_of(source.content, opening.end(), quote, substitution, raw=raw)
    if ending is None:
        return None
    text = _filled(source, opening.end(), ending, substitution, language)
    if language is LANGUAGES["ruby"] and quote == "'":
        text = _unescaped(text, _QUOTE_ESCAPE, keeps=True)
    elif not raw:
        text = _unescaped(text, _ESCAPE, keeps=language.keeps_backslash)
    return String(masked(text, language.verbs) if language.verbs else text, ending + len(quote))


def _here_document(source: Source, opening: re.Match[str], language: Language) -> String | None:
    ending = re.compile(rf"(?m)^[ \t]*{opening['word']}\b").search(source.content, opening.end())
    if ending is None:
        return None
    raw = "mark" in opening.re.groupindex and opening["mark"] == "'"
    text = _filled(source, opening.end(), ending.start(), "" if raw else language.substitution, language)
    if language is LANGUAGES["ruby"] and not raw:
        text = _unescaped(text, _ESCAPE, keeps=False)
    outdents = opening["indent"] == "~" if language is LANGUAGES["ruby"] else bool(opening["indent"])
    return String(_outdented(text) if outdents else text, ending.end())


def _filled(source: Source, start: int, end: int, substitution: str, language: Language) -> Text:
    """Return what stands between two offsets with its expressions marked as not known."""
    runs = list(source.text[start:start].runs)
    position = start
    for first, last in _expressions(source.content, start, end, substitution):
        runs += source.text[position:first].runs
        if last > first + 1:
            runs.append(Run(source, first, last, "x" * (last - first), known=False))
        position = last
    text = Text((*runs, *source.text[position:end].runs))
    return template.substituted(text, template.TERRAFORM) if language is LANGUAGES["terraform"] else text


_ESCAPE = pattern(
    r"\\(?:(?P<hex>x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|u\{[0-9a-fA-F]+\})|(?P<line>\r?\n)|(?P<one>.))",
    re.DOTALL,
)
_QUOTE_ESCAPE = pattern(r"\\(?P<one>['\\])(?P<hex>(?!))?(?P<line>(?!))?")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "0": "\0"}


_UNCLOSED = -1
_DEEPEST = 50


def _end_of(  # noqa: PLR0913
    content: str, position: int, quote: str, substitution: str, *, raw: bool, depth: int = 0
) -> int | None:
    """Return the offset of the quote that ends a string."""
    while position < len(content):
        if content.startswith(quote, position):
            return position
        if content[position] == "\\" and not (raw and quote == "`"):
            position += 2
            continue
        last = _expression_at(content, position, substitution, depth)
        if last == _UNCLOSED:
            return None
        position = last or position + 1
    return None


def _expression_at(content: str, position: int, substitution: str, depth: int = 0) -> int:
    """Return the end of an expression or statement that begins here, 0 where none does.

    A doubled sign begins none, and is passed over like one.
    """
    if substitution == "{":
        if content.startswith(("{{", "}}"), position):
            return position + 2
        return _closing_brace(content, position + 1, depth) if content[position] == "{" else 0
    if substitution == "${" and content.startswith(("$${", "%%{"), position):
        return position + 3
    begins = content.startswith((substitution, "%{") if substitution == "${" else substitution, position)
    return _closing_brace(content, position + 2, depth) if substitution and begins else 0


def _closing_brace(content: str, position: int, depth: int) -> int:
    """Return the offset behind the brace that closes one opened before `position`.

    `depth` says in how many expressions it stands.
    """
    still_open = 1
    while depth < _DEEPEST and position < len(content):
        character = content[position]
        if character in "\"'`":
            ending = _end_of(
                content, position + 1, character, "" if character == "'" else "${", raw=False, depth=depth + 1
            )
            if ending is None:
                return _UNCLOSED
            position = ending
        elif character in "{}":
            still_open += 1 if character == "{" else -1
            if not still_open:
                return position + 1
        position += 1
    return _UNCLOSED


def _expressions(content: str, start: int, end: int, substitution: str) -> Iterator[tuple[int, int]]:
    """Yield where expressions stand; of a doubled brace of Python, where the one stands that is too many."""
    position = start
    while substitution and position < end:
        last = _expression_at(content, position, substitution)
        if last == _UNCLOSED:
            return
        if not last:
            position += 2 if content[position] == "\\" else 1
            continue
        if substitution == "{" and content.startswith(("{{", "}}"), position):
            yield position, position + 1
        elif content.startswith(substitution, position):
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
    matches = wanted.finditer(str(text))
    return replaced(text, ((match.start(), match.end(), _masked(text.cut(match))) for match in matches))


def _masked(text: Text) -> Text:
    return Text(run._replace(text="x" * len(run.text), known=False) for run in text.runs)


def unknown(text: Text) -> Text:
    """Return a word that stands for what code makes."""
    return text.stand_in("x" * max(len(text), 1), known=False)
