"""Inventories of Ansible put together with the variables beside them, so that each host becomes a start of K3s.

What no host of a known role is given is told by itself, as variables in any other file are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.fragment import HostVariables, Inventory
from k3s_policy.inventory.host import by_place, hosts, scopes
from k3s_policy.inventory.node import used
from k3s_policy.inventory.roles import nodes
from k3s_policy.readers.ansible.variables import lowered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k3s_policy.fragment import Fragment

__all__ = ["described"]


def described(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Put inventories and files of variables in terms of what they start."""
    inventories = [fragment for fragment in fragments if isinstance(fragment, Inventory)]
    files = [fragment for fragment in fragments if isinstance(fragment, HostVariables)]
    made: list[Fragment] = [fragment for fragment in fragments if not isinstance(fragment, Inventory | HostVariables)]
    taken: set[int] = set()
    places = by_place(files)
    for inventory in inventories:
        found = nodes(inventory, hosts(inventory, places))
        taken |= used(found)
        for node in found:
            made += node.fragments()
    together = [(scope, inventory.path) for inventory in inventories for scope in scopes(inventory)]
    for entries, path in (*together, *((file.entries, file.path) for file in files)):
        made += lowered(entries, path, taken)
    return made
