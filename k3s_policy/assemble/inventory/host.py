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

from k3s_policy.formats.template import is_substituted
from k3s_policy.formats.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from k3s_policy.formats.tree import Entry
    from k3s_policy.model.fragment import HostVariables, Inventory
    from k3s_policy.text import Text

__all__ = ["Host", "by_place", "hosts", "is_on", "scopes"]


@dataclass(frozen=True, eq=False, repr=False)
class Host:
    """A host of an inventory."""

    name: Text
    """Where the inventory names it first."""
    groups: tuple[str, ...]
    """The groups it belongs to, those of its groups included."""
    variables: Mapping[str, Entry]
    """What it is given in the end, by name."""
    own: frozenset[str] = frozenset()
    """Which of them are for it alone, and for no group."""

    def text(self, name: str) -> Text | None:
        """Return the text of a variable that is a scalar."""
        entry = self.variables.get(name)
        return entry.value.text if entry is not None and isinstance(entry.value, Scalar) else None

    def literal(self, name: str, default: str = "") -> str | None:
        """Return what a variable holds; None where a template makes it."""
        text = self.text(name)
        if text is None:
            return default if name not in self.variables else None
        return None if is_substituted(str(text)) else str(text)


def is_on(value: str | None) -> bool | None:
    """Return what Ansible's `bool` makes of a text; None where that is not known."""
    return None if value is None else value.lower() in ("true", "yes", "on", "1", "y", "t")


def hosts(inventory: Inventory, files: Mapping[str, Sequence[tuple[Entry, ...]]]) -> list[Host]:
    """Return the hosts of an inventory in its order, with their variables; `files` as `by_place` has them."""
    names: dict[str, Text] = {}
    for group in inventory.groups:
        for host in group.hosts:
            names.setdefault(str(host), host)
    given = _Given(inventory, files)
    return [given.host(text) for text in names.values()]


def scopes(inventory: Inventory) -> Iterator[tuple[Entry, ...]]:
    """Yield the variables of an inventory, those that stand together at once."""
    yield from (group.variables for group in inventory.groups if group.variables)
    yield from (entries for _, entries in inventory.hosts if entries)


class _Given:
    """What the hosts of one inventory are given; what is asked for each of them is looked up."""

    def __init__(self, inventory: Inventory, files: Mapping[str, Sequence[tuple[Entry, ...]]]) -> None:
        self._folders = list(_folders(inventory.path))
        self._files = files
        self._parents = _parents(inventory)
        self._depths = _depths(inventory, self._parents)
        self._of_groups: dict[str, list[tuple[Entry, ...]]] = {}
        self._groups: dict[str, set[str]] = {}
        for group in inventory.groups:
            if group.variables:
                self._of_groups.setdefault(group.name, []).append(group.variables)
            for host in group.hosts:
                self._groups.setdefault(str(host), set()).add(group.name)
        self._of_hosts: dict[str, list[tuple[Entry, ...]]] = {}
        for name, entries in inventory.hosts:
            self._of_hosts.setdefault(name, []).append(entries)
        self._known: dict[frozenset[str], tuple[tuple[str, ...], dict[str, Entry]]] = {}

    def host(self, name: Text) -> Host:
        """Return a host with its variables."""
        direct = frozenset(self._groups.get(str(name), ()))
        if direct not in self._known:
            groups = self._above(direct)
            self._known[direct] = groups, _last(self._by_groups(groups))
        groups, of_groups = self._known[direct]
        own = _last((*self._of_hosts.get(str(name), ()), *self._in_files(f"host_vars/{name}")))
        return Host(name, groups, {**of_groups, **own}, frozenset(own))

    def _by_groups(self, groups: tuple[str, ...]) -> Iterator[tuple[Entry, ...]]:
        """Yield what hosts of some groups are given, the weakest first."""
        for group in groups:
            yield from self._of_groups.get(group, ())
        for of_group in (groups[:1], groups[1:]):
            for folder in self._folders:
                for group in of_group:
                    yield from self._files.get(f"{folder}group_vars/{group}", ())

    def _in_files(self, place: str) -> Iterator[tuple[Entry, ...]]:
        for folder in self._folders:
            yield from self._files.get(f"{folder}{place}", ())

    def _above(self, direct: Iterable[str]) -> tuple[str, ...]:
        """Return some groups and those above them, the weakest first."""
        found: set[str] = set()
        queue = list(direct)
        while queue:
            group = queue.pop()
            if group not in found:
                found.add(group)
                queue.extend(self._parents.get(group, ()))
        return ("all", *sorted(found - {"all"}, key=lambda group: (self._depths.get(group, 0), group)))


def _last(given: Iterable[Iterable[Entry]]) -> dict[str, Entry]:
    """Return what counts in the end of what is given, the weakest first."""
    return {str(entry.key): entry for entries in given for entry in entries}


def _folders(path: str) -> Iterator[str]:
    """Yield where folders of variables may lie: beside the inventory, and in the folders above, where playbooks lie."""
    folder = posixpath.dirname(path)
    while folder.strip("/"):
        yield f"{folder}/"
        folder = posixpath.dirname(folder)
    yield folder


def by_place(files: Iterable[HostVariables]) -> dict[str, list[tuple[Entry, ...]]]:
    """Return what files hold by the names they may be found by: their own, with or without suffix, or a folder's."""
    found: dict[str, list[tuple[Entry, ...]]] = {}
    for file in sorted(files, key=lambda one: one.path):
        folders = (folder.rstrip("/") for folder in _folders(file.path))
        for place in {file.path, posixpath.splitext(file.path)[0], *folders}:
            found.setdefault(place, []).append(file.entries)
    return found


def _parents(inventory: Inventory) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {}
    for group in inventory.groups:
        for child in group.children:
            parents.setdefault(child, set()).add(group.name)
    return parents


def _depths(inventory: Inventory, parents: Mapping[str, set[str]]) -> dict[str, int]:
    """Return how many groups lie above each, by the longest way; of groups in a circle, which Ansible refuses, none."""
    children: dict[str, set[str]] = {group.name: set() for group in inventory.groups}
    for child, above in parents.items():
        for group in above:
            children[group].add(child)
    waiting = {group: len(above) for group, above in parents.items()}
    depths = {group: 1 for group in children if group not in waiting}
    queue = list(depths)
    while queue:
        group = queue.pop()
        for child in children.get(group, ()):
            depths[child] = max(depths.get(child, 0), depths[group] + 1)
            waiting[child] -= 1
            if not waiting[child]:
                queue.append(child)
    return depths
