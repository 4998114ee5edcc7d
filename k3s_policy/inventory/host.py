"""What each host of an inventory is given, by the precedence of Ansible.

Weakest first: the inventory's own variables of `all`, of groups, then the files `group_vars/all`, those of groups, the
inventory's own variables of the host, the files `host_vars`; beside the inventory before beside the playbook. A parent
group is weaker than its children, and of two equals the later name wins
(https://docs.ansible.com/ansible/latest/reference_appendices/general_precedence.html,
ansible lib/ansible/vars/manager.py and lib/ansible/inventory/group.py).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.template import fills_in
from k3s_policy.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from k3s_policy.fragment import HostVariables, Inventory
    from k3s_policy.text import Text
    from k3s_policy.tree import Entry

__all__ = ["Host", "hosts", "is_on", "scopes"]


@dataclass(frozen=True, eq=False)
class Host:
    """A host of an inventory."""

    name: Text
    """Where the inventory names it first."""
    groups: tuple[str, ...]
    """The groups it belongs to, those of its groups included."""
    variables: Mapping[str, Entry]
    """What it is given in the end, by name."""

    def text(self, name: str) -> Text | None:
        """Return the text of a variable that is a scalar."""
        entry = self.variables.get(name)
        return entry.value.text if entry is not None and isinstance(entry.value, Scalar) else None

    def literal(self, name: str, default: str = "") -> str | None:
        """Return what a variable holds; None where a template makes it."""
        text = self.text(name)
        if text is None:
            return default if name not in self.variables else None
        return None if fills_in(str(text)) else str(text)


def is_on(value: str | None) -> bool | None:
    """Return what Ansible's `bool` makes of a text; None where that is not known."""
    return None if value is None else value.lower() in ("true", "yes", "on", "1", "y", "t")


def hosts(inventory: Inventory, files: Sequence[HostVariables]) -> list[Host]:
    """Return the hosts of an inventory in its order, with their variables."""
    names: dict[str, Text] = {}
    for group in inventory.groups:
        for host in group.hosts:
            names.setdefault(str(host), host)
    parents = _parents(inventory)
    return [_host(text, _groups_of(name, inventory, parents), inventory, files) for name, text in names.items()]


def scopes(inventory: Inventory) -> Iterator[tuple[Entry, ...]]:
    """Yield the variables of an inventory, those that stand together at once."""
    yield from (group.variables for group in inventory.groups if group.variables)
    yield from (entries for _, entries in inventory.hosts if entries)


def _host(name: Text, groups: Sequence[str], inventory: Inventory, files: Sequence[HostVariables]) -> Host:
    given: dict[str, Entry] = {}
    for entries in _given(str(name), groups, inventory, files):
        given.update((str(entry.key), entry) for entry in entries)
    return Host(name, tuple(groups), given)


def _given(
    host: str, groups: Sequence[str], inventory: Inventory, files: Sequence[HostVariables]
) -> Iterator[Iterable[Entry]]:
    """Yield what a host is given, the weakest first."""
    folders = list(_folders(inventory.path))
    for group in groups:
        yield from (part.variables for part in inventory.groups if part.name == group)
    for of_group in (groups[:1], groups[1:]):
        for folder in folders:
            yield from (_in_files(files, f"{folder}group_vars/{group}") for group in of_group)
    yield from (entries for known, entries in inventory.hosts if known == host)
    yield from (_in_files(files, f"{folder}host_vars/{host}") for folder in folders)


def _folders(path: str) -> Iterator[str]:
    """Yield where folders of variables may lie: beside the inventory, and in the folders above, where playbooks lie."""
    folder = posixpath.dirname(path)
    while True:
        yield f"{folder}/" if folder else ""
        if not folder:
            return
        folder = posixpath.dirname(folder)


def _in_files(files: Iterable[HostVariables], place: str) -> Iterator[Entry]:
    """Yield what stands in a file of that name, or in the files of a folder of that name."""
    for file in sorted(files, key=lambda one: one.path):
        stem = posixpath.splitext(file.path)[0]
        if place in (stem, file.path) or file.path.startswith(f"{place}/"):
            yield from file.entries


def _parents(inventory: Inventory) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {}
    for group in inventory.groups:
        for child in group.children:
            parents.setdefault(child, set()).add(group.name)
    return parents


def _groups_of(host: str, inventory: Inventory, parents: Mapping[str, set[str]]) -> list[str]:
    """Return the groups of a host, the weakest first."""
    depths: dict[str, int] = {}

    def depth(group: str, seen: frozenset[str]) -> int:
        if group not in depths:
            above = [depth(one, seen | {group}) for one in parents.get(group, ()) if one not in seen]
            depths[group] = max(above, default=0) + 1
        return depths[group]

    found: set[str] = set()
    queue = [group.name for group in inventory.groups if any(str(one) == host for one in group.hosts)]
    while queue:
        group = queue.pop()
        if group not in found:
            found.add(group)
            queue.extend(parents.get(group, ()))
    ordered = sorted(found - {"all"}, key=lambda group: (depth(group, frozenset()), group))
    return ["all", *ordered]
