"""Playbooks and lists of tasks: their variables, and what their tasks run and write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.model import role_variables as variables
from k3s_policy.readers.ansible import tasks
from k3s_policy.text.branch import ALWAYS, Branch, both
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Entry, YamlNode
    from k3s_policy.model.file import Found
    from k3s_policy.model.lower import Variable
    from k3s_policy.text.branch import When

__all__ = ["is_playbook", "is_task_list", "read"]

_TASKS_PATH = pattern(r"(?:^|/)(?:tasks|handlers)/")
_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers")
_BLOCKS = ("block", "rescue", "always")
_SIMPLE = pattern(r"(?!.*\b(?:and|or)\b).*$")
_DEEPEST = 20


def is_playbook(root: Sequence) -> bool:
    """Whether a list is one of plays."""
    plays = [item for item in root.items if isinstance(item, Mapping)]
    return any(
        play.last("import_playbook") is not None
        or play.last("ansible.builtin.import_playbook") is not None
        or (play.last("hosts") is not None and any(play.last(key) for key in (*_LISTS, "roles", "vars", "vars_files")))
        for play in plays
    )


def is_task_list(root: Sequence, path: str) -> bool:
    """Whether a list is one of tasks: it lies in a folder of tasks, or its items call a module that is read."""
    items = [item for item in root.items if isinstance(item, Mapping)]
    if _TASKS_PATH.search(path):
        return bool(items)
    return any(
        tasks.module(item) is not None and (item.last("name") is not None or item.last("when") is not None)
        for item in items
    ) or any(isinstance(item.last("block"), Sequence) for item in items)


class _Around(NamedTuple):
    """What plays and blocks give the tasks in them."""

    tasks_read: set[int]
    """The identities of the tasks of a file that were read, which aliases may repeat."""
    forks: dict[str, int]
    """Where each condition of a file was read first."""
    environment: tuple[Variable, ...] = ()
    when: When = ALWAYS
    conditions: frozenset[str] = frozenset()


def read(root: Sequence, path: str) -> Iterator[Found]:
    """Yield what a playbook, or a list of tasks, gives K3s; each play has hosts of its own."""
    items = [item for item in root.items if isinstance(item, Mapping)]
    if is_playbook(root):
        around = _Around(set(), {})
        # What an alias repeats says nothing new.
        for play in {id(play): play for play in items}.values():
            yield from _of_play(play, path, around)
    else:
        yield from _of_tasks(items, path, _Around(set(), {}))


def _of_play(play: Mapping, path: str, around: _Around) -> Iterator[Found]:
    yield from _variables(play.last("vars"), path)
    for role in play.items("roles"):
        if isinstance(role, Mapping):
            yield from _variables(role.last("vars"), path)
            # Parameters of a role may stand beside its name.
            own = tuple(entry for entry in role.entries if str(entry.key) not in _OF_A_ROLE)
            yield from _given(own, path)
    around = around._replace(environment=tuple(variables.environment(play.last("environment"))))
    items = [task for part in _LISTS for task in play.items(part) if isinstance(task, Mapping)]
    yield from _of_tasks(items, path, around)


_OF_A_ROLE = ("role", "name", "vars", "when", "tags", "become")


def _of_tasks(items: list[Mapping], path: str, around: _Around) -> Iterator[Found]:
    """Yield what the variables of tasks hold, and what the tasks do for one host."""
    found: list[tasks.Task] = []
    for item in items:
        yield from _of_task(item, path, around, found, 0)
    yield from tasks.read(found, path)


def _of_task(task: Mapping, path: str, around: _Around, found: list[tasks.Task], depth: int) -> Iterator[Found]:
    """Yield what the variables of a task hold, and collect it, or those of its block."""
    if depth > _DEEPEST or id(task) in around.tasks_read:
        return
    around.tasks_read.add(id(task))
    own = task.merged()
    yield from _variables(own.last("vars"), path)
    conditions = own.last("when")
    inner = _Around(
        tasks_read=around.tasks_read,
        forks=around.forks,
        environment=(*around.environment, *variables.environment(own.last("environment"))),
        when=both(around.when, _arms(conditions, around.forks)),
        conditions=around.conditions | {str(one) for one in _listed(conditions) if isinstance(one, Scalar)},
    )
    for block in (block for part in _BLOCKS for block in own.items(part)):
        if isinstance(block, Mapping):
            yield from _of_task(block, path, inner, found, depth + 1)
    called = tasks.module(own)
    if called is None:
        return
    if called.name == "set_fact":
        yield from _variables(called.value, path)
    found.append(
        tasks.Task(
            module=called.name,
            value=called.value,
            node=own,
            environment=inner.environment,
            when=inner.when,
            conditions=inner.conditions,
        )
    )


def _listed(node: YamlNode | None) -> tuple[YamlNode | None, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


def _variables(node: YamlNode | None, path: str) -> Iterator[Found]:
    if isinstance(node, Mapping):
        yield from _given(node.merged().entries, path)


def _given(entries: tuple[Entry, ...], path: str) -> Iterator[Found]:
    yield from variables.lowered(entries, path)
    yield from variables.overriding(entries, path)


# --- conditions -------------------------------------------------------------------------------------------


_TURNED = ((" != ", " == "), (" is not defined", " is defined"), (" is undefined", " is defined"))


def _arms(node: YamlNode | None, forks: dict[str, int]) -> Iterator[Branch]:
    """Yield the arms that conditions are: `when: x` and `when: not x` never hold together.

    A condition is named by its words and by where it was read first, so that those of two tasks are known as one.
    """
    for item in _listed(node):
        if isinstance(item, Scalar) and _SIMPLE.fullmatch(str(item).strip()):
            condition, arm = _condition(str(item).strip())
            if condition:
                place = forks.setdefault(condition, item.text.span.start)
                yield Branch(f"{item.text.span.source.path}: {condition}", place, arm)


def _condition(written: str) -> tuple[str, int]:
    """Return a condition without what turns it around, and which of the two it is."""
    if written.startswith("not "):
        return written.removeprefix("not ").strip().strip("()"), 1
    for turned, plain in _TURNED:
        if turned in written:
            return written.replace(turned, plain, 1), 1
    return written.strip("()"), 0
