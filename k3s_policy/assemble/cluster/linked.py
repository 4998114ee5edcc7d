"""Clusters that `server` URLs make: each names the address or name of another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.assemble.cluster.members import cluster_of
from k3s_policy.assemble.cluster.names import is_unique, names_of, shown, url_host
from k3s_policy.assemble.host_paths import environment_words, folder_of
from k3s_policy.model.cluster import Evidence, EvidenceKind
from k3s_policy.model.membership import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.assemble.options import Options
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.text import Text

__all__ = ["linked"]


def linked(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield clusters of nodes that join each other.

    A host links those that join through it with those it names, if the latter are one node or are linked already:
    the name of a load balancer stands in the tls-san of each server, and only one of them joins no other.
    """
    owners = _owners(nodes)
    groups = list(range(len(nodes)))
    reasons: list[tuple[int, Evidence]] = []
    for host, joining in _joining(nodes).items():
        for members, firsts in _of_one_environment(host, joining, owners.get(host, ()), nodes):
            roots = {_root(groups, number) for number in firsts}
            if len(roots) != 1:
                continue
            first = roots.pop()
            for number in members:
                groups[_root(groups, number)] = first
            reasons.append((first, _evidence(host, nodes, members[0], firsts)))
    evidence: dict[int, list[Evidence]] = {}
    for number, reason in reasons:
        evidence.setdefault(_root(groups, number), []).append(reason)
    together: dict[int, list[Node]] = {}
    for number, node in enumerate(nodes):
        together.setdefault(_root(groups, number), []).append(node)
    for root, found in evidence.items():
        yield cluster_of(together[root], tuple(sorted(found, key=lambda one: not one.firm)))


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


def _of_one_environment(
    host: str, joining: Iterable[int], owners: Iterable[int], nodes: Sequence[Node]
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield those that join through a host with those it names; a name that is used anew elsewhere, by environment."""
    unique = is_unique(host)

    def by_environment(numbers: Iterable[int]) -> dict[frozenset[str], list[int]]:
        grouped: dict[frozenset[str], list[int]] = {}
        for number in numbers:
            environment = frozenset() if unique else environment_words(nodes[number].invocation.files)
            grouped.setdefault(environment, []).append(number)
        return grouped

    firsts = by_environment(owners)
    for environment, members in by_environment(joining).items():
        yield members, sorted(set(firsts.get(environment, ())).difference(members))


def _root(groups: list[int], number: int) -> int:
    """Return the number that stands for a group, and shorten the way there."""
    root = number
    while groups[root] != root:
        root = groups[root]
    while groups[number] != root:
        groups[number], number = root, groups[number]
    return root


def _evidence(host: str, nodes: Sequence[Node], member: int, firsts: Sequence[int]) -> Evidence:
    join = joined(nodes[member].invocation)
    why = f"joined through {shown(host)}"
    addresses = (address for number in firsts for address in nodes[number].addresses if str(address) == host)
    if path := next(filter(None, map(_hosts_file, addresses)), None):
        why += f", whose name {path} tells"
    firm = is_unique(host) or any(_lie_together(nodes[member], nodes[number]) for number in firsts)
    return Evidence(EvidenceKind.JOINED, why, join.at if join is not None else None, firm)


def _lie_together(one: Node, other: Node) -> bool:
    """Whether two nodes stand in one file, or in folders of one folder."""
    return one.name == other.name or folder_of(_home(one)) == folder_of(_home(other))


def _home(node: Node) -> str:
    return node.root or folder_of(node.name)


def _hosts_file(address: Text) -> str | None:
    path = address.span.source.path
    return path if path.rpartition("/")[2] == "hosts" else None
