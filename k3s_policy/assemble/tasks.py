"""Tasks of Ansible that are for one host: what they write belongs to what they start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.k3s.places import ReadAs, configures, is_drop_in, of_path
from k3s_policy.model.fragment import (
    ConfigFile,
    Copy,
    EnvironmentFile,
    HeldCredential,
    Registries,
    Start,
    TaskList,
    Unit,
)
from k3s_policy.model.invocation import Input, Unseen
from k3s_policy.model.subjects import FileMode
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.model.fragment import Fragment

__all__ = ["on_their_hosts"]

_OnHost: TypeAlias = ConfigFile | EnvironmentFile | FileMode | HeldCredential | Copy | Registries | Unit
_STARTING = pattern(r"\b(?:server|agent)\b")


def on_their_hosts(fragments: Sequence[Fragment]) -> tuple[list[Fragment], list[tuple[str, Unseen]]]:
    """Put what the tasks of a list write on the host of what they start; with what is not seen of hosts.

    A file that is written belongs to the one command that starts K3s wherever the file is written; of several commands
    nobody knows which reads it. Where no command does, the one unit that the tasks put in its place starts K3s; and
    where there is none, a config still has its drop-ins.
    """
    lists = [_Tasks(one) for one in fragments if isinstance(one, TaskList)]
    by_host = {host: tasks for tasks in lists for host in tasks.conditions}
    every = [one for one in fragments if not isinstance(one, TaskList)]
    for one in every:
        if isinstance(one, Start | ConfigFile | Copy | Unit) and one.host in by_host:
            by_host[one.host].take(one)
    return [
        by_host[one.host].placed(one) if isinstance(one, Start | _OnHost) and one.host in by_host else one
        for one in every
    ], [one for tasks in lists for one in tasks.unseen()]


class _Tasks:
    """The tasks of one list, with what they start and write."""

    def __init__(self, tasks: TaskList) -> None:
        self.conditions = dict(tasks.conditions)
        self._starting: list[str] = []
        self._units: dict[tuple[str, frozenset[str]], str] = {}
        """The host of each unit that starts K3s, by its path and its conditions: pieces of one are one."""
        self._configs: dict[tuple[str, frozenset[str]], str] = {}
        """The same of configs that are no drop-ins."""
        self._configuring: list[str] = []
        """The hosts of configs and their drop-ins."""
        self._writing: list[str] = []

    def take(self, one: Start | ConfigFile | Copy | Unit) -> None:
        """Take note of what is started, and of the files that decide how."""
        if one.host is None:
            return
        if isinstance(one, Start):
            self._starting += () if one.isolated else (one.host,)
        elif not isinstance(one, Copy) or configures(one.path):
            self._writing.append(one.host)
            place = one.path, self.conditions[one.host]
            if _is_unit(one):
                self._units.setdefault(place, one.host)
            elif of_path(one.path) is ReadAs.CONFIG:
                self._configuring.append(one.host)
                if not is_drop_in(one.path):
                    self._configs.setdefault(place, one.host)

    def placed(self, one: Start | _OnHost) -> Fragment:
        """Return a fragment on its host; of a start, what is not seen of its config is said."""
        starter = self._starter(one.host)
        if not isinstance(one, Start):
            return replace(one, host=starter) if starter is not None else one
        if self._writing and all(self._starter(host) == one.host for host in self._writing):
            return one
        why = "a task writes the config" if self._writing else "another task may write the config"
        return replace(one, unseen=(*one.unseen, Unseen(Input.CONFIG, why, one.at)))

    def unseen(self) -> Iterator[tuple[str, Unseen]]:
        """Yield the hosts of units that may have a config of which nobody knows whose it is."""
        if any(self._starter(host) is None for host in self._configuring):
            yield from ((host, Unseen(Input.CONFIG, "a task writes the config")) for host in self._units.values())

    def _starter(self, host: str | None) -> str | None:
        """Return the host of the only start that runs nowhere but where a task does; None where none or several do.

        Where nothing starts K3s it is that of what a start would read.
        """
        if host is None:
            return None
        starting = self._starting or [*(self._units or self._configs).values()]
        found = [one for one in starting if self.conditions[host] <= self.conditions[one]]
        return found[0] if len(found) == 1 else None


def _is_unit(one: ConfigFile | Copy | Unit) -> bool:
    """Whether a file is a unit that starts K3s, and no drop-in; of one that is put in place the name tells."""
    if isinstance(one, Copy):
        return of_path(one.path) is ReadAs.UNIT and one.path.endswith(".service")
    return isinstance(one, Unit) and not one.drop_in and _starts_k3s(one)


def _starts_k3s(unit: Unit) -> bool:
    """Whether a command of a unit may be one that starts K3s, and not `k3s etcd-snapshot` or the like."""
    commands = [one.value for one in unit.file.directives if str(one.key) == "ExecStart"]
    return any(not command.known or _STARTING.search(str(command)) for command in commands)
