"""Clusters that `server` URLs make: each names the address or name of another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.cluster.members import cluster_of
from k3s_policy.cluster.names import names_of, shown, url_host
from k3s_policy.membership import joined
from k3s_policy.model import Evidence, Ground

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from k3s_policy.model import Cluster, Node
    from k3s_policy.options import Options
    from k3s_policy.text import Text

__all__ = ["linked"]


def linked(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield clusters of nodes that join each other.

    A host links those that join through it with those it names, if the latter are one node or are linked already:
    the name of a load balancer stands in the tls-san of each server, and only one of them joins no other.
    """
    owners = _owners(nodes)
    groups = list(range(len(nodes)))
    reasons: dict[int, list[Evidence]] = {}
    for host, members in _joining(nodes).items():
        firsts = {_group(groups, number) for number in owners.get(host, ()) if number not in members}
        if len(firsts) != 1:
            continue
        first = firsts.pop()
        for number in members:
            groups[_group(groups, number)] = first
        reasons.setdefault(first, []).append(_evidence(host, nodes, members[0], owners))
    together: dict[int, list[int]] = {}
    for number in range(len(nodes)):
        together.setdefault(_group(groups, number), []).append(number)
    for group, numbers in together.items():
        evidence = tuple(one for root, found in reasons.items() if _group(groups, root) == group for one in found)
        if evidence:
            yield cluster_of([nodes[number] for number in numbers], evidence)


def _owners(nodes: Sequence[Node]) -> dict[str, list[int]]:
    """Return the numbers of the nodes that have a name."""
    owners: dict[str, list[int]] = {}
    for number, node in enumerate(nodes):
        for name in names_of(node):
            owners.setdefault(name, []).append(number)
    return owners


def _joining(nodes: Sequence[Node]) -> dict[str, list[int]]:
    """Return the numbers of the nodes that join through a host."""
    joining: dict[str, list[int]] = {}
    for number, node in enumerate(nodes):
        join = joined(node.invocation)
        if join is not None and (host := url_host(join.value)):
            joining.setdefault(host, []).append(number)
    return joining


def _group(groups: list[int], number: int) -> int:
    while groups[number] != number:
        number = groups[number]
    return number


def _evidence(host: str, nodes: Sequence[Node], member: int, owners: Mapping[str, list[int]]) -> Evidence:
    join = joined(nodes[member].invocation)
    why = f"joined through {shown(host)}"
    addresses = (address for number in owners[host] for address in nodes[number].addresses if str(address) == host)
    if path := next(filter(None, map(_hosts_file, addresses)), None):
        why += f", whose name {path} tells"
    return Evidence(Ground.JOINED, why, join.at if join is not None else None)


def _hosts_file(address: Text) -> str | None:
    path = address.span.source.path
    return path if path.rpartition("/")[2] == "hosts" else None
