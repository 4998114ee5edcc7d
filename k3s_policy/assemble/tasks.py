"""Tasks of Ansible that are for one host: what they write belongs to what they start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.k3s.places import configures
from k3s_policy.model import FileMode, Unseen
from k3s_policy.model.fragment import ConfigFile, EnvironmentFile, HeldCredential, Placed, Start, TaskList, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k3s_policy.model.fragment import Fragment

__all__ = ["on_their_hosts"]

_OnHost: TypeAlias = ConfigFile | EnvironmentFile | FileMode | HeldCredential | Placed | Unit


def on_their_hosts(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Put what the tasks of a list write on the host of what they start.

    A file that is written belongs to the one command that starts K3s, if that runs wherever the file is written; of
    several commands nobody knows which reads it.
    """
    lists = [_Tasks(one) for one in fragments if isinstance(one, TaskList)]
    by_host = {host: tasks for tasks in lists for host in tasks.conditions}
    every = [one for one in fragments if not isinstance(one, TaskList)]
    for one in every:
        if isinstance(one, Start | ConfigFile | Placed | Unit) and one.host in by_host:
            by_host[one.host].take(one)
    return [
        by_host[one.host].placed(one) if isinstance(one, Start | _OnHost) and one.host in by_host else one
        for one in every
    ]


class _Tasks:
    """The tasks of one list, with what they start and write."""

    def __init__(self, tasks: TaskList) -> None:
        self.conditions = dict(tasks.conditions)
        self._starting: list[str] = []
        self._writing: list[str] = []

    def take(self, one: Start | ConfigFile | Placed | Unit) -> None:
        """Take note of what is started, and of the files that decide how."""
        if one.host is None:
            return
        if isinstance(one, Start):
            self._starting += () if one.alone else (one.host,)
        elif not isinstance(one, Placed) or configures(one.path):
            self._writing.append(one.host)

    def placed(self, one: Start | _OnHost) -> Fragment:
        """Return a fragment on its host; of a start, what is not seen of its config is said."""
        if not isinstance(one, Start):
            return replace(one, host=self._starting[0]) if self._runs_wherever(one.host) else one
        if self._writing and all(map(self._runs_wherever, self._writing)):
            return one
        why = "a task writes the config" if self._writing else "another task may write the config"
        return replace(one, unseen=(*one.unseen, Unseen("config", why, one.at)))

    def _runs_wherever(self, host: str | None) -> bool:
        """Whether a task runs on no host but those on which the only one that starts K3s does."""
        if len(self._starting) != 1 or host is None:
            return False
        return self.conditions[host] <= self.conditions[self._starting[0]]
