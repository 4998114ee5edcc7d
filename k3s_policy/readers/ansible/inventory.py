"""Inventories of Ansible, in YAML and in its own ini format: groups, hosts and their variables.

As Ansible's plugins `yaml` and `ini` read them (lib/ansible/plugins/inventory/): in ini, sections are groups,
`name:children` lists groups and `name:vars` gives variables; a host's own stand behind it; `node[1:3]` are three hosts.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

from k3s_policy.formats.shell import split_words
from k3s_policy.formats.tree import Entry, Mapping, Scalar
from k3s_policy.model.fragment import HostGroup, Inventory
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.text import Text

__all__ = ["claims", "is_inventory", "of_mapping", "read"]

_DEEPEST = 50
_PARTS = frozenset({"hosts", "children", "vars"})
_PATH = pattern(r"(?i)(?:\.ini|(?:^|/)[^/.]*(?:hosts|inventory)[^/.]*|(?:^|/)inventor(?:y|ies)/(?:[^/]+/)*[^/.]+)$")
_SECTION = pattern(r"\[(?P<group>[^\s:\]]+)(?::(?P<kind>vars|children|hosts))?\][ \t]*(?:[#;].*)?$")
_VARIABLE = pattern(r"(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?P<value>.*)$")
_RANGE = pattern(
    r"\[(?:(?P<first>\d{0,9}):(?P<last>\d{1,9})|(?P<from>[A-Za-z]):(?P<to>[A-Za-z]))(?::(?P<step>0*[1-9]\d{0,8}))?\]"
)
_UNREAD_RANGE = pattern(r"\[(?![^\]]*::)[^\]]*:[^\]]*\]")
"""What Ansible refuses, or nobody means; an address of IPv6 may stand in brackets, too."""
_MOST = 101
"""Hosts of one name with ranges: more of them nobody counts."""
_MOST_RANGES = 4
_MOST_OF_ALL = 20_000
"""Members of all groups of an inventory that K3s could be meant for."""


# --- YAML -------------------------------------------------------------------------------------------------


def is_inventory(root: YamlNode | None) -> bool:
    """Whether a YAML file is an inventory: every key is a group, and a group has hosts or children."""
    if not isinstance(root, Mapping) or not root.entries:
        return False
    groups = [value for _, value in root.entries if not _is_empty(value)]
    parts = [{str(key) for key, _ in group.entries} for group in groups if isinstance(group, Mapping)]
    return len(parts) == len(groups) and all(one <= _PARTS for one in parts) and any(one - {"vars"} for one in parts)


def _is_empty(value: YamlNode) -> bool:
    return isinstance(value, Scalar) and value.plain and str(value) in ("", "~", "null")


def of_mapping(root: Mapping, path: str) -> Inventory:
    """Return the inventory that a YAML file is."""
    found = _Found()
    for name, group in root.entries:
        found.collect(str(name), group, 0)
    few = found.members <= _MOST_OF_ALL
    return Inventory(
        root.entries[0].key.text, path, tuple(found.groups) if few else (), tuple(found.hosts) if few else ()
    )


class _Found:
    """What an inventory in YAML holds; what an alias repeats is read once."""

    def __init__(self) -> None:
        self.groups: list[HostGroup] = []
        self.hosts: list[tuple[str, tuple[Entry, ...]]] = []
        self.members = 0
        self._read: set[tuple[str, int]] = set()
        self._hosts_of: dict[int, tuple[Text, ...]] = {}

    def collect(self, name: str, node: YamlNode, depth: int) -> None:
        """Add a group, and those below it."""
        if not isinstance(node, Mapping) or depth > _DEEPEST:
            self.groups.append(HostGroup(name))
            return
        if (name, id(node)) in self._read or self.members > _MOST_OF_ALL:
            return
        self._read.add((name, id(node)))
        children = _entries(node.last("children"))
        names = tuple(str(child.key) for child in children)
        self.groups.append(HostGroup(name, self._of_group(node.last("hosts")), names, _entries(node.last("vars"))))
        for child, group in children:
            self.collect(str(child), group, depth + 1)

    def _of_group(self, members: YamlNode | None) -> tuple[Text, ...]:
        if id(members) not in self._hosts_of:
            expanded = [(one, entry.value) for entry in _entries(members) for one in _expanded(entry.key.text)]
            self._hosts_of[id(members)] = tuple(host for host, _ in expanded)
            self.hosts += [(str(host), _entries(value)) for host, value in expanded]
        self.members += len(self._hosts_of[id(members)])
        return self._hosts_of[id(members)]


def _entries(node: YamlNode | None) -> tuple[Entry, ...]:
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
        if len(hosts) > _MOST_OF_ALL:
            return
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
    """Yield the hosts that a name with ranges stands for: `node[01:03]`; nothing where a range cannot be read."""
    ranges = list(_RANGE.finditer(str(name)))
    if not ranges:
        if not _UNREAD_RANGE.search(str(name)):
            yield name
        return
    begins = (0, *(match.end() for match in ranges))
    between = [name[begin : match.start()] for begin, match in zip(begins, ranges, strict=False)]
    rest = name[ranges[-1].end() :]
    if len(ranges) > _MOST_RANGES or any(_UNREAD_RANGE.search(str(part)) for part in (*between, rest)):
        return
    for middles in islice(product(*map(_members, ranges)), _MOST):
        made = [before + name.cut(one).stand_in(x) for before, one, x in zip(between, ranges, middles, strict=True)]
        yield join([*made, rest], "")


def _members(match: re.Match[str]) -> list[str]:
    """Return what stands in the place of a range."""
    step = int(match["step"] or 1)
    if match["from"]:
        return [chr(code) for code in range(ord(match["from"]), ord(match["to"]) + 1, step)]
    first = match["first"] or "0"
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}d}" for number in range(int(first), int(match["last"]) + 1, step)[:_MOST]]
