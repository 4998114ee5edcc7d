"""Inventories of Ansible, in YAML and in its own ini format: groups, hosts and their variables.

As Ansible's plugins `yaml` and `ini` read them (lib/ansible/plugins/inventory/): in ini, sections are groups,
`name:children` lists groups and `name:vars` gives variables; a host's own stand behind it; `node[1:3]` are three hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.fragment import HostGroup, Inventory
from k3s_policy.pattern import pattern
from k3s_policy.shell import split_words
from k3s_policy.tree import Entry, Mapping, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text
    from k3s_policy.tree import Node

__all__ = ["claims", "is_inventory", "of_mapping", "read"]

_PARTS = frozenset({"hosts", "children", "vars"})
_PATH = pattern(r"(?i)(?:\.ini|(?:^|/)[^/.]*(?:hosts|inventory)[^/.]*|(?:^|/)inventor(?:y|ies)/(?:[^/]+/)*[^/.]+)$")
_SECTION = pattern(r"\[(?P<group>[^\s:\]]+)(?::(?P<kind>vars|children|hosts))?\][ \t]*(?:[#;].*)?$")
_VARIABLE = pattern(r"(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?P<value>.*)$")
_RANGE = pattern(r"\[(?P<first>\d+|[a-z]):(?P<last>\d+|[a-z])\]")
_MOST = 100
"""Hosts of one range from which on nobody writes them by hand."""


# --- YAML -------------------------------------------------------------------------------------------------


def is_inventory(root: Node | None) -> bool:
    """Whether a YAML file is an inventory: every key is a group, and a group has hosts or children."""
    if not isinstance(root, Mapping) or not root.entries:
        return False
    groups = [value for _, value in root.entries if not _is_empty(value)]
    parts = [{str(key) for key, _ in group.entries} for group in groups if isinstance(group, Mapping)]
    return len(parts) == len(groups) and all(one <= _PARTS for one in parts) and any(one - {"vars"} for one in parts)


def _is_empty(value: Node) -> bool:
    return isinstance(value, Scalar) and value.plain and str(value) in ("", "~", "null")


def of_mapping(root: Mapping, path: str) -> Inventory:
    """Return the inventory that a YAML file is."""
    groups: list[HostGroup] = []
    hosts: list[tuple[str, tuple[Entry, ...]]] = []
    for name, group in root.entries:
        _collect(str(name), group, groups, hosts, 0)
    return Inventory(root.entries[0].key.text, path, tuple(groups), tuple(hosts))


def _collect(
    name: str, node: Node, groups: list[HostGroup], hosts: list[tuple[str, tuple[Entry, ...]]], depth: int
) -> None:
    if not isinstance(node, Mapping) or depth > 50:
        groups.append(HostGroup(name))
        return
    members = _entries(node.last("hosts"))
    children = _entries(node.last("children"))
    expanded = [(one, entry.value) for entry in members for one in _expanded(entry.key.text)]
    groups.append(
        HostGroup(
            name,
            tuple(host for host, _ in expanded),
            tuple(str(child.key) for child in children),
            _entries(node.last("vars")),
        )
    )
    hosts.extend((str(host), _entries(value)) for host, value in expanded)
    for child, group in children:
        _collect(str(child), group, groups, hosts, depth + 1)


def _entries(node: Node | None) -> tuple[Entry, ...]:
    return node.merged().entries if isinstance(node, Mapping) else ()


# --- ini --------------------------------------------------------------------------------------------------


def claims(path: str, content: str) -> bool:
    """Whether a file is an inventory in ini format: it has groups, and a fitting name."""
    return _PATH.search(path) is not None and any(_SECTION.match(line.strip()) for line in content.splitlines())


def read(text: Text, path: str) -> Iterator[Inventory]:
    """Read an inventory; nothing where it has no host, as a file of settings in this format."""
    groups: list[HostGroup] = []
    hosts: list[tuple[str, tuple[Entry, ...]]] = []
    section, kind = "ungrouped", "hosts"
    for line in (line.strip() for line in text.lines()):
        if not line or line.startswith(("#", ";")):
            continue
        if match := _SECTION.match(str(line)):
            section, kind = match["group"], match["kind"] or "hosts"
            groups.append(HostGroup(section))
        elif kind == "children":
            groups.append(HostGroup(section, children=(str(line).split()[0],)))
        elif kind == "vars":
            if match := _VARIABLE.match(str(line)):
                groups.append(
                    HostGroup(section, variables=(_entry(line.cut(match, "name"), line.cut(match, "value")),))
                )
        else:
            _host_line(line, section, groups, hosts)
    if hosts:
        yield Inventory(text[:0], path, tuple(groups), tuple(hosts))


def _host_line(line: Text, section: str, groups: list[HostGroup], hosts: list[tuple[str, tuple[Entry, ...]]]) -> None:
    words = split_words(line) or []
    if not words or "=" in str(words[0]):
        return
    given = []
    for word in words[1:]:
        if word.startswith("#"):
            break
        name, equals, value = word.partition("=")
        if equals:
            given.append(_entry(name, value))
    for host in _expanded(words[0]):
        groups.append(HostGroup(section, (host,)))
        hosts.append((str(host), tuple(given)))


def _entry(name: Text, value: Text) -> Entry:
    written = value.strip()
    content = (
        written[1:-1]
        if len(written) > 1 and str(written)[0] == str(written)[-1] and str(written)[0] in ("'", '"')
        else written
    )
    return Entry(Scalar(name, name, plain=True), Scalar(content, written, plain=content is written))


# --- both -------------------------------------------------------------------------------------------------


def _expanded(name: Text) -> Iterator[Text]:
    """Yield the hosts that a name with a range stands for: `node[01:03]`."""
    match = _RANGE.search(str(name))
    if match is None:
        yield name
        return
    first, last = match["first"], match["last"]
    before, after = name[: match.start()], name[match.end() :]
    if first.isdigit() and last.isdigit():
        numbers = range(int(first), min(int(last), int(first) + _MOST) + 1)
        middles = [f"{number:0{len(first)}d}" for number in numbers]
    else:
        middles = [chr(code) for code in range(ord(first[0]), ord(last[0]) + 1)]
    for middle in middles:
        yield from _expanded(before + name.cut(match).stand_in(middle) + after)
