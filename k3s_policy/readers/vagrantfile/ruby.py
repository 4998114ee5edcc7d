r"""Strings of Ruby in quotes, in `%w[]` and in here-documents, with what stands in front of them.

No parser of Ruby: it goes from one string or comment to the next, and fills in `#{NAME}` where NAME is assigned a
string, once in the file (https://docs.ruby-lang.org/en/master/syntax/literals_rdoc.html). What else Ruby fills in is
not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.formats import template
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import Values, replaced

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["Literal", "literals"]

_TOKEN = pattern(
    r"(?ms)^=begin\b.*?(?:^=end\b|\Z)"
    r"|(?<![^\s;({\[])\#(?!\{)[^\n]*"
    r"|<<(?P<kind>[-~]?)(?P<quote>['\"`]?)(?P<tag>[A-Z_a-z][A-Za-z0-9_]*)(?P=quote)(?=[\s,.;)\]}]|$)"
    r"|%(?P<letter>[wWiIqQ])(?P<open>[\[({<|!])"
    r"|(?<![\w$])(?P<mark>['\"])"
)
_CLOSING = {"[": "]", "(": ")", "{": "}", "<": ">"}
_IN_DOUBLE = pattern(r'(?s)\\.|#\{|"')
_IN_SINGLE = pattern(r"(?s)\\.|'")
_PART = pattern(r"(?s)\\(?P<escaped>.)|\#\{(?P<expression>(?:[^{}]|\{[^{}]*\})*)\}")
_FARTHEST = 200
"""Characters of a line in front of a string that are looked at."""
_PATIENCE = 20
"""How often something without its end is searched for to the end of the file."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "s": " ", "0": "\0"}
_ASSIGNED = pattern(r"(?m)(?:^|[;({ \t])(?P<name>[$@]{0,2}[A-Za-z_]\w*)[ \t]*=[ \t]*(?:\\\n[ \t]*)?$")


@dataclass(frozen=True, eq=False, repr=False)
class Literal:
    """A string: its characters, those that Ruby fills in marked as not known."""

    text: Text
    start: int
    """Where it, or the operator of its here-document, begins in the text."""
    before: str
    """What stands in front of it in its line."""
    tag: str = ""
    """What its here-document is closed by."""
    words: tuple[Text, ...] | None = None
    """Those of `%w[]`."""
    end: int = 0
    """Where the line goes on behind it."""

    @property
    def line(self) -> int:
        """Where its line begins, as far as it is looked at."""
        return self.start - len(self.before)

    @property
    def assigned(self) -> str:
        """The variable that it is assigned to; empty where it is none."""
        match = _ASSIGNED.search(self.before)
        return match["name"] if match else ""


def literals(text: Text) -> tuple[list[Literal], bool]:
    """Return the strings of a file, with the values of variables filled in that are assigned once.

    Beside them, whether the values came to too much, so that some were not filled in.
    """
    found = list(_raw(text))
    values: dict[str, Text | None] = {}
    for one in found:
        if one.assigned:
            values[one.assigned] = None if one.assigned in values else _filled_in(one.text, Values({}), one)
    known = Values({name: value for name, value in values.items() if value is not None and value.known})
    filled = [
        Literal(
            text=_outdented(_filled_in(one.text, known, one), one),
            start=one.start,
            before=one.before,
            tag=one.tag,
            words=None if one.words is None else tuple(_filled_in(word, known, one) for word in one.words),
            end=one.end,
        )
        for one in found
    ]
    return filled, known.spent


def _raw(text: Text) -> Iterator[Literal]:
    """Yield strings as they are written."""
    content = str(text)
    position = 0
    bodies = (len(content), len(content))
    unclosed = 0
    while unclosed < _PATIENCE and (token := _TOKEN.search(content, position)) is not None:
        if token.start() >= bodies[0]:
            position, bodies = bodies[1], (len(content), len(content))
            continue
        line = content.rfind("\n", max(token.start() - _FARTHEST, 0), token.start()) + 1
        before = content[max(line, token.start() - _FARTHEST) : token.start()]
        position = token.end()
        if token["tag"]:
            line_end = bodies[1] if bodies[1] < len(content) else content.find("\n", position)
            closing = _closing_line(content, line_end, token) if line_end >= 0 else None
            if closing is None:
                unclosed += 1
                continue
            body = text[line_end + 1 : max(closing[0], line_end + 1)]
            bodies = (min(bodies[0], line_end), closing[1])
            yield Literal(text=body, start=token.start(), before=before, tag=token["tag"], words=None, end=token.end())
        elif token["open"]:
            end = content.find(_CLOSING.get(token["open"], token["open"]), position)
            if end < 0:
                unclosed += 1
                continue
            inner = text[position:end]
            position = end + 1
            words = tuple(_words(inner)) if token["letter"] in "wWiI" else None
            yield Literal(text=inner, start=token.start(), before=before, tag="", words=words, end=position)
        elif token["mark"]:
            end = _end(content, position, token["mark"])
            if end < 0:
                unclosed += 1
                continue
            yield Literal(text=text[position:end], start=token.start(), before=before, tag="", words=None, end=end + 1)
            position = end + 1


def _closing_line(content: str, line_end: int, token: re.Match[str]) -> tuple[int, int] | None:
    """Return where the body of a here-document ends, and where its closing line does."""
    blanks = r"[ \t]*" if token["kind"] else ""
    closing = pattern(rf"(?m)^{blanks}{token['tag']}[ \t]*\r?$").search(content, line_end + 1)
    return (max(closing.start() - 1, 0), closing.end()) if closing else None


def _end(content: str, position: int, mark: str) -> int:
    """Return where a string in quotes ends; less than 0 where it does not."""
    inside = _IN_DOUBLE if mark == '"' else _IN_SINGLE
    while (found := inside.search(content, position)) is not None:
        if found[0] == mark:
            return found.start()
        position = found.end()
        if found[0] == "#{":
            part = _PART.match(content, found.start())
            position = part.end() if part else position
    return -1


def _words(inner: Text) -> Iterator[Text]:
    for match in pattern(r"(?:#\{[^}]*\}|\S)+").finditer(str(inner)):
        yield inner.cut(match)


def _filled_in(text: Text, values: Values, literal: Literal) -> Text:
    """Make the escapes of a string and fill in what is known; a raw one has none."""
    span = literal.text.span
    opening = span.source.content[max(span.start - 1, 0) : span.start]
    operator = span.source.content[literal.start : literal.end] if literal.tag else ""
    if operator.endswith("'") or (not literal.tag and opening == "'"):
        return text
    matches = _PART.finditer(str(text))
    return replaced(text, ((match.start(), match.end(), _made(text.cut(match), match, values)) for match in matches))


def _made(part: Text, match: re.Match[str], values: Values) -> Text:
    """Return what an escape stands for, or what an expression is known to be."""
    if match["escaped"] == "\n":
        return part  # a shell goes on with the next line too
    if match["escaped"] is not None:
        return part.stand_in(_ESCAPES.get(match["escaped"], match["escaped"]))
    value = values.take(match["expression"].strip())
    return template.opaque(part.unknown()) if value is None else value


def _outdented(text: Text, literal: Literal) -> Text:
    """Take away what all lines of a `<<~` begin with."""
    if not literal.tag or literal.text.span.source.content[literal.start : literal.start + 3] != "<<~":
        return text
    lines = list(text.lines())
    blanks = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    indent = min(blanks, default=0)
    return join([line[min(indent, len(line)) :] for line in lines], "\n") if lines else text
