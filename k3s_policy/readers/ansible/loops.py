"""Loops of Ansible's tasks: the parameters of each turn, where the list stands in the task itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Entry, Mapping, Scalar, Sequence
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as Given

    from k3s_policy.formats.tree import YamlNode

__all__ = ["in_turn"]

_LISTS = ("loop", "with_items")
_NAME = pattern(r"[A-Za-z_]\w*")
_LARGEST = 1 << 18
"""Characters of all turns of a loop."""
_MOST = 100
"""Turns of a loop: more of them nobody writes by hand."""


def in_turn(given: Given[str, YamlNode], task: Mapping) -> Iterator[Given[str, YamlNode]]:
    """Yield the parameters of a task for each turn of its loop, with the item filled in.

    They are yielded once, as they are, where there is no loop, or none of them names the item.
    """
    items = next((task.items(key) for key in _LISTS if task.items(key)), ())[:_MOST]
    named = task.scalar("loop_control", "loop_var")
    name = str(named) if named is not None and _NAME.fullmatch(str(named)) else "item"
    places = re.compile(
        rf"\{{\{{-?\s*{name}(?:\.(?P<key>\w+)|\[(?P<quote>['\"])(?P<word>[^'\"]+)(?P=quote)\])?\s*-?\}}\}}"
    )
    conditions = str(task.scalar("when") or "")
    size = sum(_size(value) for value in given.values())
    if re.search(rf"\b{name}\b", conditions) or size * len(items) > _LARGEST:
        yield given  # which turns there are, nobody knows; or they are too many to be meant
        return
    turns = [{key: _filled(value, item, places) for key, value in given.items()} for item in items]
    if not turns or all(turn[key] is value for turn in turns for key, value in given.items()):
        yield given
        return
    yield from turns


def _size(value: YamlNode) -> int:
    """Return how many characters and nodes a value has, counted no further than is of interest."""
    size = 0
    nodes = [value]
    while nodes and size <= _LARGEST:
        node = nodes.pop()
        size += 1 + (len(node.text) if isinstance(node, Scalar) else 0)
        nodes += node.items if isinstance(node, Sequence) else ()
        nodes += (one for _, one in node.entries) if isinstance(node, Mapping) else ()
    return size


def _filled(value: YamlNode, item: YamlNode, places: re.Pattern[str]) -> YamlNode:
    """Return a value with the item filled in; the same value where it does not name it."""
    if isinstance(value, Scalar):
        return _filled_scalar(value, item, places)
    if isinstance(value, Sequence):
        items = tuple(_filled(one, item, places) for one in value.items)
        same = all(new is old for new, old in zip(items, value.items, strict=True))
        return value if same else Sequence(items, value.written, value.tag)
    entries = tuple(Entry(key, _filled(one, item, places)) for key, one in value.entries)
    same = all(new.value is old.value for new, old in zip(entries, value.entries, strict=True))
    return value if same else Mapping(entries, value.written, value.tag)


def _filled_scalar(value: Scalar, item: YamlNode, places: re.Pattern[str]) -> YamlNode:
    text = value.text
    named = [(match, _meant(item, match["key"] or match["word"])) for match in places.finditer(str(text))]
    alone = next((meant for match, meant in named if match[0] == str(text).strip()), None)
    if alone is not None:
        # What is filled in alone keeps its type: a mode that is a number, a mapping.
        return alone
    filled = replaced(text, ((*match.span(), meant.text) for match, meant in named if isinstance(meant, Scalar)))
    return Scalar(filled, filled, plain=False, tag=value.tag) if filled is not text else value


def _meant(item: YamlNode, key: str | None) -> YamlNode | None:
    if key is None:
        return item
    return item.merged().last(key) if isinstance(item, Mapping) else None
