"""Parameters of Ansible's modules, a mapping or words of `name=value`; and what is written of a value that is no text.

Words as Ansible cuts them (lib/ansible/parsing/splitter.py, parse_kv and split_args): quotes hold a value together,
what Jinja fills in is one piece, and escapes are decoded, in quotes of either kind and outside of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.model.role_variables import without_templates
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.text import Text

__all__ = ["as_json", "parameters"]

_WORD = re.compile(
    r"\s*(?P<word>(?:\{\{.*?\}\}|\{%.*?%\}|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\.?|\{(?![{%])|[^\s'\"\\{])+)",
    re.DOTALL,
)
_PARAMETER = re.compile(r"(?P<name>[a-z_]+)=(?P<value>.*)", re.DOTALL)
_ESCAPE = pattern(r"\\(?:U[0-9A-Fa-f]{8}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|N\{[^}\\]{1,100}\}|[\\'\"abfnrtv])")
_QUOTED = re.compile(r"(?P<quote>['\"])(?P<value>.*)(?P=quote)", re.DOTALL)
_PLAIN = pattern(r"(?:[\w.][\w.+-]*)?")
_TO_ESCAPE = pattern(r"[\"\\\x00-\x1f\x7f\x85\u2028\u2029]")
_MOST = 10_000
"""Nodes of a value: aliases of aliases multiply."""


# --- words ------------------------------------------------------------------------------------------------


def parameters(value: YamlNode) -> dict[str, YamlNode]:
    """Return the parameters of a module; none where Ansible cannot cut the words."""
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.merged().entries}
    found: dict[str, YamlNode] = {}
    for word in _cut(value.text) if isinstance(value, Scalar) else ():
        if match := _PARAMETER.fullmatch(str(word)):
            given = _unquoted(_decoded(word.cut(match, "value")))
            # What stands in words is a text, and never a number.
            found[match["name"]] = Scalar(given, given, plain=False)
    return found


def _cut(text: Text) -> list[Text]:
    """Cut a text into words; into none where a quote, or what Jinja fills in, is not closed."""
    content = str(text).rstrip()
    words: list[Text] = []
    position = 0
    while position < len(content):
        match = _WORD.match(content, position)
        if match is None:
            return []
        words.append(text.cut(match, "word"))
        position = match.end()
    return words


def _decoded(text: Text) -> Text:
    """Return a text with its escapes decoded, each character at the place of its escape."""
    return _each(text, _ESCAPE, _character)


def _each(text: Text, places: re.Pattern[str], stands_for: Callable[[str], str]) -> Text:
    """Return a text in which others stand for what a pattern finds, each as known as what it stands for."""
    cuts = ((match, text.cut(match)) for match in places.finditer(str(text)))
    return replaced(text, ((*one.span(), cut.stand_in(stands_for(one[0]), known=cut.known)) for one, cut in cuts))


def _character(escape: str) -> str:
    """Return the character that an escape stands for; what stands for none is kept."""
    try:
        character = escape.encode("ascii", "backslashreplace").decode("unicode-escape")
        character.encode()
    except UnicodeError:
        return escape
    return character


def _unquoted(text: Text) -> Text:
    text = text.strip()
    match = _QUOTED.fullmatch(str(text))
    return text.cut(match, "value") if match else text


# --- values -----------------------------------------------------------------------------------------------


def as_json(value: YamlNode) -> Text | None:
    """Return what is written into a file of a value that is no text: JSON. None where it is too large to be meant.

    A scalar that may be a number or a truth keeps how it is written, for whoever reads the file to tell.
    """
    pieces: list[Text] = []
    for piece in _in_json(value, 0):
        pieces.append(piece)
        if len(pieces) > _MOST:
            return None
    return join(pieces, "")


_DEEPEST = 100


def _in_json(value: YamlNode, depth: int) -> Iterator[Text]:
    if isinstance(value, Scalar):
        yield from _scalar(value)
        return
    opening, closing = "[]" if isinstance(value, Sequence) else "{}"
    yield value.written[:0].stand_in(opening)
    last = value.written[:0]
    if depth > _DEEPEST:
        pass
    elif isinstance(value, Sequence):
        for item in value.items:
            yield from _in_json(item, depth + 1)
            last = item.written[len(item.written) :]
            yield last.stand_in(", ")
    else:
        for key, one in value.merged().entries:
            yield from _scalar(key)
            yield key.text[len(key.text) :].stand_in(": ")
            yield from _in_json(one, depth + 1)
            last = one.written[len(one.written) :]
            yield last.stand_in(", ")
    yield last.stand_in(closing)


def _scalar(value: Scalar) -> Iterator[Text]:
    text = without_templates(value.text)
    if value.plain and _PLAIN.fullmatch(str(text)):
        yield text
        return
    yield text[:0].stand_in('"')
    yield _each(text, _TO_ESCAPE, _escaped)
    yield text[len(text) :].stand_in('"')


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"
