"""What K3s's decoder makes of a registries.yaml, and what it refuses.

K3s decodes with gopkg.in/yaml.v2 into the types of rancher/wharfie `pkg/registries/types.go`, without asking for
known keys: what the types do not have is dropped without a word. What has the wrong type is refused, and K3s does
not start (`pkg/agent/containerd/config_linux.go` hands the error on). A key that stands twice in a mapping with
given names is set twice, field by field; of mirrors and configs the later one of a name replaces the earlier, while
the mappings themselves grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeGuard

from k3s_policy.formats.template import is_substituted, marked, restored
from k3s_policy.formats.tree import Mapping, Scalar, Sequence, resolve
from k3s_policy.model.fragment import Registries
from k3s_policy.model.invocation import BrokenFile
from k3s_policy.model.registries import AUTH, CONFIG, FILE, MIRROR, TLS, Config, Given, Mirror, Repeated, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.text import Text

__all__ = ["decoded"]


def decoded(text: Text, root: Mapping, path: str, host: str | None) -> tuple[Registries, tuple[BrokenFile, ...]]:
    """Return what K3s makes of a file, and everything for which it refuses it."""
    decoder = _Decoder()
    decoder.file(root)
    found = Registries(
        text=text,
        path=path,
        host=host,
        mirrors=tuple(decoder.mirrors.values()),
        configs=tuple(decoder.configs.values()),
        unknown=(*(one for one in decoder.unknown if not decoder.is_anchor(one.value)), *decoder.unused),
        repeated=tuple(decoder.repeated),
    )
    return found, tuple(decoder.refused)


# --- decoding as yaml.v2 does it into Go's types ----------------------------------------------------------

_MOST = 20_000
"""Values that aliases bring from which on nothing more is decoded: they multiply, and yaml.v2 refuses that."""
_NULLS = ("", "~", "null", "Null", "NULL")
_NEEDED = {
    "map": "a mapping of registries",
    "registry": "a mapping",
    "auth": "a mapping",
    "tls": "a mapping",
    "list": "a list",
    "texts": "a mapping of patterns to texts",
    "text": "text",
    "item": "a list of texts",
    "rewritten": "a mapping of patterns to texts",
    "truth": "true or false without quotes",
}


class _Entry(NamedTuple):
    key: Scalar
    value: YamlNode
    merged: bool


class _Place(NamedTuple):
    """As `Unknown` has it."""

    name: str
    within: Text | None


_Values: TypeAlias = dict[str, Given]


class _Decoder:
    """Sets fields in the order of the file; one use, one file."""

    def __init__(self) -> None:
        self.mirrors: dict[str, Mirror] = {}
        self.configs: dict[str, Config] = {}
        self.unknown: list[Unknown] = []
        self.unused: list[Unknown] = []
        self.repeated: list[Repeated] = []
        self.refused: list[BrokenFile] = []
        self._left = _MOST
        self._met: set[int] = set()
        """The nodes whose parts were decoded: whatever comes again comes through an alias."""
        self._holding: dict[int, bool] = {}
        """Whether a node is used, or a part of it."""
        self._used: set[int] = set()
        """The nodes that were decoded: what else holds one of them is the home of an anchor."""

    def file(self, root: Mapping) -> None:
        before: dict[str, dict[str, _Entry]] = {name: {} for name in FILE}
        for entry in self._fields(root, FILE, _Place("", None), {}):
            name = str(entry.key)
            if not self._fits(entry, "map"):
                continue
            if _is_null(entry.value) and name == "mirrors":
                self.mirrors.clear()
            elif _is_null(entry.value) and name == "configs":
                self.configs.clear()
            elif name == "auths":
                self.unused.append(Unknown(entry.key.text, entry.value, "", None))
            for one in self._members(entry.value, before[name]):
                if name == "mirrors":
                    self._mirror(one)
                elif name == "configs":
                    self._config(one)
                else:
                    self._fits(one, "registry")

    def is_anchor(self, node: YamlNode) -> bool:
        """Whether a node, or a part of it, is used elsewhere through an alias."""
        waiting = [(node, False)]
        while waiting:
            one, parts_known = waiting.pop()
            if parts_known:
                self._holding[id(one)] = any(self._holding[id(part)] for part in _parts(one))
            elif id(one) not in self._holding:
                self._holding[id(one)] = id(one) in self._used
                if not self._holding[id(one)]:
                    waiting.append((one, True))
                    waiting.extend((part, False) for part in _parts(one))
        return self._holding[id(node)]

    def _mirror(self, entry: _Entry) -> None:
        endpoints: tuple[Text, ...] = ()
        if self._fits(entry, "registry") and not _is_null(entry.value):
            rewrites: dict[str, _Entry] = {}
            for field in self._fields(entry.value, MIRROR, _Place("mirrors", entry.key.text), {}):
                kind = MIRROR[str(field.key)]
                if not self._fits(field, kind):
                    continue
                if kind == "list":
                    items = field.value.items if isinstance(field.value, Sequence) else ()
                    if self._comes_again(field.value):
                        items = items[: self._left]
                        self._left -= len(items)
                    endpoints = tuple(_text(item) for item in items if self._is_text(item, field, "item"))
                else:
                    for one in self._members(field.value, rewrites):
                        self._is_text(one.value, field, "rewritten")
        self.mirrors[_name(entry.key)] = Mirror(_text(entry.key), endpoints)

    def _config(self, entry: _Entry) -> None:
        auth: _Values = {}
        tls: _Values = {}
        before: dict[str, dict[str, _Entry]] = {name: {} for name in CONFIG}
        if self._fits(entry, "registry") and not _is_null(entry.value):
            for field in self._fields(entry.value, CONFIG, _Place("configs", entry.key.text), {}):
                name = str(field.key)
                values, keys = (auth, AUTH) if name == "auth" else (tls, TLS)
                if _is_null(field.value):
                    values.clear()
                elif self._fits(field, name):
                    leaves = self._fields(field.value, keys, _Place(name, entry.key.text), before[name])
                    self._set(leaves, keys, values)
        self.configs[_name(entry.key)] = Config(_text(entry.key), tuple(auth.values()), tuple(tls.values()))

    def _set(self, leaves: Iterable[_Entry], keys: dict[str, str], values: _Values) -> None:
        for leaf in leaves:
            name = str(leaf.key)
            if not self._fits(leaf, keys[name]) or not isinstance(leaf.value, Scalar):
                continue
            if _is_null(leaf.value) or not str(leaf.value) or (keys[name] == "truth" and not _truth(leaf.value)):
                values.pop(name, None)
            else:
                values[name] = Given(leaf.key.text, leaf.value.text)

    def _fields(
        self, node: YamlNode, keys: dict[str, str], place: _Place, before: dict[str, _Entry]
    ) -> Iterator[_Entry]:
        """Yield the entries that a type of Go has fields for, and keep the others as unknown."""
        for entry in self._counted(node):
            name = str(entry.key)
            if name not in keys:
                self.unknown.append(Unknown(marked(entry.key.text), entry.value, place.name, place.within))
                continue
            self._note(before, entry, grows=keys[name] in ("map", "texts", "auth", "tls"))
            self._used.add(id(entry.value))
            yield entry

    def _members(self, node: YamlNode, before: dict[str, _Entry]) -> Iterator[_Entry]:
        """Yield the entries of a mapping whose keys are names."""
        for entry in self._counted(node):
            if not (entry.key.plain or entry.key.written):
                # What is a list or a mapping itself; the tree keeps its place. `{{ name }}` without quotes is one.
                if not is_substituted(str(node.written)):
                    self.refused.append(BrokenFile(entry.key.written, "a name has to be text", "K3s"))
                continue
            self._note(before, entry, grows=False)
            self._used.add(id(entry.value))
            yield entry

    def _counted(self, node: YamlNode) -> Iterator[_Entry]:
        again = self._comes_again(node)
        for entry in _entries(node):
            if again or entry.merged:
                if self._left <= 0:
                    return
                self._left -= 1
            yield entry

    def _comes_again(self, node: YamlNode) -> bool:
        known = id(node) in self._met
        self._met.add(id(node))
        return known

    def _note(self, before: dict[str, _Entry], entry: _Entry, *, grows: bool) -> None:
        earlier = before.get(str(entry.key))
        if earlier is not None and not earlier.merged and not entry.merged:
            lost = _is_null(entry.value) if grows else _written(earlier.value) != _written(entry.value)
            if lost or grows:
                lost = lost and not _is_null(earlier.value)
                self.repeated.append(Repeated(entry.key.text, earlier.key.text, lost))
        before[str(entry.key)] = entry

    def _is_text(self, node: YamlNode, entry: _Entry, kind: str) -> TypeGuard[Scalar]:
        return self._fits(entry._replace(value=node), kind) and isinstance(node, Scalar)

    def _fits(self, entry: _Entry, kind: str) -> bool:
        """Whether yaml.v2 takes a value for a type; one that a template fills in may become anything."""
        node = entry.value
        if _is_null(node) or _suits(node, kind):
            return True
        if not is_substituted(str(node.written)) and node.written.known:
            reason = f"{_told(entry)} has to be {_NEEDED[kind]}"
            self.refused.append(BrokenFile(node.written, reason, "K3s"))
        return False


def _text(scalar: Scalar) -> Text:
    return scalar.written.stand_in("") if _is_null(scalar) else marked(restored(scalar.text))


def _name(key: Scalar) -> str:
    return str(_text(key))


def _told(entry: _Entry) -> str:
    """Return how a message calls a key: by its name where the types have it, since others may hold anything."""
    name = str(entry.key)
    return f"`{name}`" if any(name in keys for keys in (FILE, MIRROR, CONFIG, AUTH, TLS)) else "the value of a registry"


def _suits(node: YamlNode, kind: str) -> bool:
    if kind in ("text", "item", "rewritten"):
        return isinstance(node, Scalar)
    if kind == "list":
        return isinstance(node, Sequence)
    if kind == "truth":
        return isinstance(node, Scalar) and _truth(node) is not None
    # `{{ tls }}` without quotes is a mapping in a mapping until it is filled in.
    return isinstance(node, Mapping) and not node.written.startswith("{{")


def _truth(node: Scalar) -> bool | None:
    """Return what a scalar is as a boolean; in quotes it is none."""
    if not node.plain and not (node.tag or "").endswith("bool"):
        return None
    return {"true": True, "false": False}.get(resolve(str(node), plain=node.plain, tag=node.tag))


def _is_null(node: YamlNode) -> bool:
    return isinstance(node, Scalar) and node.plain and node.tag is None and str(node) in _NULLS


def _written(node: YamlNode) -> str:
    return str(node) if isinstance(node, Scalar) else "".join(str(node.written).split())


def _entries(node: YamlNode) -> Iterator[_Entry]:
    """Yield the entries of a mapping with those that `<<` brings in, at its place, as yaml.v2 sets them."""
    if isinstance(node, Mapping):
        yield from _merging(node, merged=False, seen={id(node)})


def _merging(mapping: Mapping, *, merged: bool, seen: set[int]) -> Iterator[_Entry]:
    for entry in mapping.entries:
        if str(entry.key) != "<<" or not entry.key.plain:
            yield _Entry(entry.key, entry.value, merged)
            continue
        homes = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        for home in reversed(homes):
            if isinstance(home, Mapping) and id(home) not in seen:
                seen.add(id(home))
                yield from _merging(home, merged=True, seen=seen)


def _parts(node: YamlNode) -> Iterator[YamlNode]:
    if isinstance(node, Sequence):
        yield from node.items
    elif isinstance(node, Mapping):
        yield from (part for entry in node.entries for part in entry)
