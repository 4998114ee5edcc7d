"""YAML as a tree of Texts: every scalar knows the characters it was written with.

libyaml (through ruamel.yaml.clib) delivers the events. It refuses some plain scalars that K3s's own parser
accepts (`tls-san: [fd00::1]`), so where it fails ruamel.yaml's pure parser at YAML 1.1 decides; the same
parser serves where the C extension is missing. Nothing is constructed and no tag is obeyed: the tree holds
texts, and `arrives` says what K3s makes of one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.text import layout
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from k3s_policy.text import Text

    class _Mark(Protocol):
        """A place in the text."""

        index: int

    class _Event(Protocol):
        """What both parsers deliver: an alias and an end have nothing but their marks, and the former its anchor."""

        start_mark: _Mark
        end_mark: _Mark
        anchor: str
        tag: object
        value: str
        style: str | None


__all__ = [
    "Document",
    "Entry",
    "Mapping",
    "Scalar",
    "Sequence",
    "YamlError",
    "YamlNode",
    "arrives",
    "read_yaml",
    "refusal",
]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Scalar:
    """A scalar: its value with the place of each character, and how it was written."""

    text: Text
    """The value after unquoting and unfolding, before K3s gives it a type."""
    written: Text
    """What stands in the file, quotes and block header included."""
    plain: bool
    """Neither quoted nor a block: only such a scalar can be anything but a string."""
    tag: str | None = None

    def __str__(self) -> str:
        return str(self.text)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Sequence:
    """A list, in block or flow style."""

    items: tuple[YamlNode, ...]
    written: Text
    tag: str | None = None


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Mapping:
    """A mapping with its entries in the order of the file, duplicates included."""

    entries: tuple[Entry, ...]
    written: Text
    tag: str | None = None
    _merged: Mapping | None = field(default=None, init=False, repr=False)
    """What `merged` has returned, which others that merge this one need not do again."""

    def get(self, *names: str) -> YamlNode | None:
        """Return the value behind a path of keys; of a key that stands twice the last, as K3s reads it."""
        node: YamlNode = self
        for name in names:
            found = node.last(name) if isinstance(node, Mapping) else None
            if found is None:
                return None
            node = found
        return node

    def last(self, name: str) -> YamlNode | None:
        """Return the last value given to a key."""
        return next((value for key, value in reversed(self.entries) if str(key) == name), None)

    def scalar(self, *names: str) -> Scalar | None:
        """Return the scalar behind a path of keys, if it is one."""
        node = self.get(*names)
        return node if isinstance(node, Scalar) else None

    def items(self, *names: str) -> tuple[YamlNode, ...]:
        """Return the items of the list behind a path of keys; nothing where there is no list."""
        node = self.get(*names)
        return node.items if isinstance(node, Sequence) else ()

    def merged(self) -> Mapping:
        """Return the mapping with what its merge keys (`<<: *anchor`) bring along; its own keys win.

        K3s drops merge keys at the top of its configuration; compose, Ansible and pipelines follow them.
        """
        if not any(map(_merges, self.entries)):
            return self
        if self._merged is None:
            object.__setattr__(self, "_merged", self._with_what_it_merges())
        return self._merged or self

    def _with_what_it_merges(self) -> Mapping:
        brought: list[list[Entry]] = []
        named: set[str] = set()
        seen: set[int] = set()
        waiting: list[YamlNode] = [self]
        while waiting:
            mapping = waiting.pop()
            # What is met again brings nothing new, and aliases of aliases multiply.
            if not isinstance(mapping, Mapping) or id(mapping) in seen:
                continue
            seen.add(id(mapping))
            entries = (mapping._merged or mapping).entries  # noqa: SLF001
            added = [entry for entry in entries if not _merges(entry) and str(entry.key) not in named]
            named.update(str(entry.key) for entry in added)
            brought.append(added)
            for _, value in reversed([entry for entry in entries if _merges(entry)]):
                waiting.extend(reversed(value.items) if isinstance(value, Sequence) else (value,))
        return Mapping(tuple(entry for added in reversed(brought) for entry in added), self.written, self.tag)


def _merges(entry: Entry) -> bool:
    """Whether an entry is a merge key with what it brings along."""
    return str(entry.key) == "<<" and entry.key.plain


YamlNode: TypeAlias = Scalar | Sequence | Mapping


class Entry(NamedTuple):
    """A key and its value. A key that is no scalar is kept as an empty scalar at its place."""

    key: Scalar
    value: YamlNode


@dataclass(frozen=True, eq=False, repr=False)
class YamlError:
    """Why the parser gave up, and where; the reason names syntax only, never content."""

    reason: str
    at: Text


@dataclass(frozen=True, eq=False, repr=False)
class Document:
    """The documents of a stream up to the first error, and that error."""

    roots: tuple[YamlNode, ...]
    error: YamlError | None = None
    open_places: tuple[Text, ...] = ()
    """Places at which a template may add to it, or leave something out."""

    @property
    def root(self) -> YamlNode | None:
        """The first document, which is all that K3s reads of its configuration."""
        return self.roots[0] if self.roots else None


def read_yaml(text: Text) -> Document:
    """Compose every document of a YAML text.

    An error ends the list of documents; those before it are kept, because K3s's decoder stops reading
    after the first one and never meets the error.
    """
    content = str(text)
    if content.startswith("\ufeff"):
        # libyaml does not count the byte-order mark, and K3s's parser skips it too.
        text, content = text[1:], content[1:]
    parse = _libyaml()
    if parse is not None:
        document = _Composer(text, parse(content)).document()
        if document.error is None:
            return document
    return _Composer(text, _pure_events(content)).document()


def _libyaml() -> Callable[[str], Iterator[_Event]] | None:
    """Return the parser of libyaml, None where the extension is missing."""
    try:
        from _ruamel_yaml import CParser  # imported only when a file is YAML
    except ImportError:
        try:
            from ruamel.yaml.clib._ruamel_yaml import CParser
        except ImportError:
            return None

    def events(content: str) -> Iterator[_Event]:
        parser = CParser(content)
        while parser.check_event():
            yield parser.get_event()

    return events


def _pure_events(content: str) -> Iterator[_Event]:
    from ruamel.yaml import YAML  # only where libyaml refuses the text

    parser = YAML(typ="safe", pure=True)
    parser.version = (1, 1)
    yield from parser.parse(content)


_MAXIMAL_DEPTH = 200
_SYNTAX = pattern(r"'([\]\[{},:?-]|<[a-z ]+>)'")
_PROPERTIES = pattern(r"(?:[&!]\S*(?:\s+|$))+")


class _Composer:
    """Turns a stream of events into trees; one use, one stream."""

    def __init__(self, text: Text, events: Iterator[_Event]) -> None:
        self._text = text
        self._events = events
        self._anchors: dict[str, YamlNode] = {}

    def document(self) -> Document:
        from ruamel.yaml.error import YAMLError  # loaded with the parser

        roots: list[YamlNode] = []
        try:
            for event in self._events:
                if type(event).__name__ == "DocumentStartEvent":
                    self._anchors = {}
                    roots.append(self._node(next(self._events), 0))
        except (YAMLError, ValueError, RecursionError) as error:
            return Document(tuple(roots), self._error(error))
        return Document(tuple(roots))

    def _error(self, error: Exception) -> YamlError:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        offset = mark.index if mark is not None else getattr(error, "position", 0)
        # Where the text ends too early, the last character is the place, not the line that is not there any more.
        offset = max(0, min(offset, len(str(self._text).rstrip()) - 1))
        reason = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "not valid YAML")
        # Parsers quote what they met ("found undefined alias 'x'"): syntax may be said, content may not.
        reason = _SYNTAX.sub(r"`\1`", reason)
        reason = re.sub(r"\s*(['\"]).*\1", "", reason, flags=re.DOTALL).split("\n", 1)[0].strip().rstrip(",")
        return YamlError(reason or "not valid YAML", self._text[offset : offset + 1])

    def _node(self, event: _Event, depth: int) -> YamlNode:
        kind = type(event).__name__
        if depth > _MAXIMAL_DEPTH:
            raise ValueError("nested too deeply")
        if kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise _refused(event, "found undefined alias")
            # An alias points to where the value was written: its anchor.
            return self._anchors[event.anchor]
        node: YamlNode
        if kind == "ScalarEvent":
            node = _scalar(self._text, event)
        elif kind == "SequenceStartEvent":
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, start: _Event, depth: int) -> Sequence:
        items = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            items.append(self._node(event, depth + 1))
        return Sequence(tuple(items), self._written(start, event), _tag(start))

    def _mapping(self, start: _Event, depth: int) -> Mapping:
        entries = []
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                key = Scalar(key.written[:0], key.written[:0], plain=False)
            entries.append(Entry(key, value))
        return Mapping(tuple(entries), self._written(start, event), _tag(start))

    def _written(self, start: _Event, end: _Event) -> Text:
        return self._text[start.start_mark.index : end.end_mark.index].rstrip()


def _refused(event: _Event, reason: str) -> Exception:
    from ruamel.yaml.composer import ComposerError

    error: Exception = ComposerError(None, None, reason, event.start_mark)
    return error


def _tag(event: _Event) -> str | None:
    tag = event.tag if hasattr(event, "tag") else None
    return str(tag) if tag else None


def _scalar(text: Text, event: _Event) -> Scalar:
    written = text[event.start_mark.index : event.end_mark.index]
    # The start mark of libyaml includes the anchor and the tag.
    properties = _PROPERTIES.match(str(written)) if event.anchor or event.tag else None
    if properties:
        written = written[properties.end() :]
    if not event.value.isascii() and re.search(r"[\ud800-\udfff]", event.value):
        # Half of a surrogate pair, which the pure parser lets pass.
        raise _refused(event, "found invalid Unicode character escape code")
    style = event.style or ""
    laid = layout.laid(written, event.value, style)
    return Scalar(laid, written.rstrip() if style in ("|", ">") else written, plain=style == "", tag=_tag(event))


# --- what K3s makes of a scalar ---------------------------------------------------------------------

_WORDS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), "true"),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), "false"),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ""),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), "NaN"),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), "+Inf"),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), "-Inf"),
}
_FLOAT = pattern(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = pattern(
    r"(?P<sign>[-+]?)"
    r"(?:0[xX](?P<hex>[0-9A-Fa-f]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*))"
)
_LONGEST_NUMBER = 400
"""Digits from which on a number is taken for text; a float of Go has fewer before it is infinite."""
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}


def arrives(node: YamlNode) -> Text:
    """Return what K3s receives for a value of its configuration: the text it hands to its flag parser.

    Where YAML 1.1 turns a scalar into something else (`0644` into 420, `on` into true) the result is a
    text of other characters at the scalar's place; of a mapping it is what Go prints, which no flag understands.
    Decoding as gopkg.in/yaml.v2 2.4.0 does it (resolve.go), printing as K3s does it
    (pkg/configfilearg/convert.go), which also trims blanks around the value.
    """
    if isinstance(node, Sequence) and not node.items:
        return node.written.stand_in("")
    if not isinstance(node, Scalar):
        return node.written.stand_in(_go_printed(node))
    value = resolve(str(node.text), plain=node.plain, tag=node.tag)
    if value.strip() == str(node.text).strip():
        return node.text.strip()
    return node.written.stand_in(value.strip())


def _go_printed(node: YamlNode) -> str:
    """Return what Go prints of a list or mapping, unless aliases make it too large or too deep to be printed."""
    try:
        return _printed(node) if _size(node, {}) <= _LARGEST_PRINTED else "[]"
    except RecursionError:
        return "[]"


_LARGEST_PRINTED = 10_000
"""Nodes from which on a mapping is not printed: aliases of aliases multiply."""


def _size(node: YamlNode, known: dict[int, int]) -> int:
    """Return how many nodes a tree has, those behind aliases counted each time."""
    if isinstance(node, Scalar):
        return 1
    if id(node) not in known:
        children = node.items if isinstance(node, Sequence) else [part for entry in node.entries for part in entry]
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def _printed(node: YamlNode) -> str:
    """Print a value as Go's `%v` does: `[{a b}]` for a mapping, whose nulls are `<nil>`."""
    if isinstance(node, Sequence):
        return f"[{' '.join(map(_printed, node.items))}]"
    if isinstance(node, Mapping):
        return f"[{' '.join(f'{{{_printed(key)} {_printed(value)}}}' for key, value in node.entries)}]"
    value = resolve(str(node.text), plain=node.plain, tag=node.tag)
    return "<nil>" if not value and node.plain else value


_TYPED_TAGS = frozenset({"bool", "float", "int", "null"})


def refusal(root: YamlNode) -> YamlError | None:
    """Return why the decoder of K3s refuses a tree that the parser accepts: the first tag that its scalar belies."""
    for scalar in _scalars(root):
        kind = _short_tag(scalar.tag)
        if kind in _TYPED_TAGS and (actual := _kind(str(scalar.text))) != kind and (kind, actual) != ("float", "int"):
            return YamlError(f"what is tagged !!{kind} is none", scalar.written)
        if kind == "binary" and _decoded(str(scalar.text)) is None:
            return YamlError("what is tagged !!binary is not base64", scalar.written)
    return None


def _scalars(root: YamlNode) -> Iterator[Scalar]:
    """Yield the scalars of a tree, each once however many aliases lead to it, in the order of the file."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Scalar):
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            children = node.items if isinstance(node, Sequence) else [part for entry in node.entries for part in entry]
            waiting.extend(reversed(children))


def _kind(value: str) -> str:
    """Return the type that a plain scalar has in YAML 1.1 as yaml.v2 reads it."""
    if value in _WORDS:
        return {"true": "bool", "false": "bool", "": "null"}.get(_WORDS[value], "float")
    if _number(value) is None:
        return "str"
    return "int" if _INTEGER.fullmatch(value.replace("_", "")) else "float"


def resolve(value: str, *, plain: bool, tag: str | None = None) -> str:
    """Return the characters a scalar becomes when K3s decodes it and prints it again."""
    kind = _short_tag(tag)
    if kind == "binary":
        decoded = _decoded(value)
        return value if decoded is None else decoded
    typed = plain or kind in ("int", "float", "bool", "null")
    if not typed or kind == "str" or (kind.startswith("!") and kind != "!"):
        return value
    if kind == "float" and _kind(value) == "int":
        return _go_float(_number(value) or value) or value
    return _WORDS[value] if value in _WORDS else _number(value) or value


def _short_tag(tag: str | None) -> str:
    return (tag or "").removeprefix("tag:yaml.org,2002:").removeprefix("!!")


def _decoded(value: str) -> str | None:
    from base64 import b64decode  # rare

    try:
        return b64decode(re.sub(r"[\r\n]", "", value), validate=True).decode("utf-8", "surrogateescape")
    except ValueError:
        return None


def _number(value: str) -> str | None:
    first = value[0]
    if first == ".":
        return _go_float(value) if _FLOAT.fullmatch(value) else None
    if first not in "+-0123456789":
        return None
    digits = value.replace("_", "")
    if len(digits) > _LONGEST_NUMBER:
        return None
    if match := _INTEGER.fullmatch(digits):
        base = next(name for name in _BASES if match[name] is not None)
        number = int(match["sign"] + match[base], _BASES[base])
        if -(1 << 63) <= number < (1 << 63 if match["sign"] else 1 << 64):
            return str(number)
    return _go_float(digits) if _FLOAT.fullmatch(digits) else None


def _go_float(digits: str) -> str | None:
    """Print a float as Go's `%v`: the shortest digits, with an exponent below -4 and from 6 digits on."""
    from decimal import Decimal  # rare

    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return None
    sign, figures, exponent = Decimal(repr(number)).normalize().as_tuple()
    shown = "".join(map(str, figures))
    power = len(shown) - 1 + int(exponent)
    minus = "-" if sign else ""
    if not -4 <= power < 6 and number:
        fraction = f".{shown[1:]}" if len(shown) > 1 else ""
        return f"{minus}{shown[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return minus + format(Decimal(shown).scaleb(int(exponent)), "f")
