"""Inventories of Ansible put together with the variables beside them, so that each host becomes a start of K3s.

What no host of a known role is given is told by itself, as variables in any other file are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.assemble.inventory.host import by_place, hosts, scopes
from k3s_policy.assemble.inventory.node import used
from k3s_policy.assemble.inventory.roles import nodes
from k3s_policy.k3s.roles import Use, sets_up
from k3s_policy.model.fragment import HostVariables, Inventory, Start
from k3s_policy.model.invocation import Input, Unseen
from k3s_policy.model.role_variables import lowered
from k3s_policy.readers import door

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.model.fragment import Fragment

__all__ = ["inventory_starts"]


def inventory_starts(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Put inventories and files of variables in terms of what they start."""
    inventories = [fragment for fragment in fragments if isinstance(fragment, Inventory)]
    given = [fragment for fragment in fragments if isinstance(fragment, HostVariables)]
    files = [file for file in given if not file.beats]
    unseen = tuple(_unseen(file for file in given if file.beats))
    made: list[Fragment] = [fragment for fragment in fragments if not isinstance(fragment, Inventory | HostVariables)]
    taken: set[int] = set()
    places = by_place(files)
    for inventory in inventories:
        found = nodes(inventory, hosts(inventory, places))
        taken |= used(found)
        for node in found:
            made += (_with(one, unseen) for one in node.fragments())
    together = [(scope, inventory.path) for inventory in inventories for scope in scopes(inventory)]
    for entries, path in (*together, *((file.entries, file.path) for file in files)):
        made += door.expand(lowered(entries, path, taken))
    return made


def _unseen(files: Iterable[HostVariables]) -> Iterator[Unseen]:
    """Say once for each kind where a play gives what an inventory may give otherwise: for which hosts is not known."""
    kinds: dict[Use, Unseen] = {}
    for entry in (entry for file in files for entry in file.entries):
        use = sets_up(str(entry.key))
        if use is not None:
            why = "a play, a task or a role gives variables of its own"
            kinds.setdefault(use, Unseen(_INPUTS[use], why, entry.key.text))
    yield from kinds.values()


_INPUTS = {
    Use.ARGUMENTS: Input.ARGUMENTS,
    Use.CONFIG: Input.CONFIG,
    Use.ENVIRONMENT: Input.ENVIRONMENT,
    # Most roles write a token into the environment of the unit.
    Use.CREDENTIAL: Input.ENVIRONMENT,
}


def _with(fragment: Fragment, unseen: tuple[Unseen, ...]) -> Fragment:
    return replace(fragment, unseen=(*fragment.unseen, *unseen)) if isinstance(fragment, Start) else fragment
