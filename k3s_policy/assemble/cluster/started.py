"""Clusters that one file or folder starts or describes: k3d configs, replicas of a workload, scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.assemble.cluster.members import cluster_of
from k3s_policy.assemble.cluster.names import may_mean
from k3s_policy.k3s.credential import Nature, Secret, nature
from k3s_policy.model.cluster import Cluster, Evidence, EvidenceKind
from k3s_policy.model.invocation import Server
from k3s_policy.model.membership import is_scripted, joined, token_sources
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from k3s_policy.assemble.options import Options
    from k3s_policy.model.cluster import Node

__all__ = ["from_scripts", "replicated", "scripted"]


def from_scripts(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield the clusters that single files describe: a k3d config, an inventory."""
    groups: dict[str, list[Node]] = {}
    for node in nodes:
        if node.group is not None:
            groups.setdefault(node.group.name, []).append(node)
    for members in groups.values():
        group = members[0].group
        if len(members) > 1 and group is not None:
            yield cluster_of(members, (Evidence(EvidenceKind.FILE, group.reason, group.at),))


def replicated(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield a cluster for each workload that runs one server several times."""
    for node in nodes:
        if node.copies is not None and isinstance(node.invocation, Server) and joined(node.invocation) is None:
            why = f"one workload runs {node.copies} replicas"
            yield Cluster(node.name, (node, node), (), (Evidence(EvidenceKind.REPLICAS, why, node.copies),))


def scripted(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield clusters that scripts start: exactly one first server, and further ones that join a server.

    They stand in one script, or in scripts of one folder that give the same literal token.
    """
    started = [node for node in nodes if is_scripted(node.invocation)]
    taken: set[int] = set()
    for group in _grouped(started, _file):
        if _is_one(group):
            taken.update(map(id, group))
            yield cluster_of(group, (_scripts(group, "one script starts a first server and others that join"),))
    left = [node for node in started if id(node) not in taken and _token(node) is not None]
    for group in _grouped(left, lambda node: (_file(node).rpartition("/")[0], _token(node))):
        if _is_one(group):
            why = "scripts of one folder start a first server and others that join, with one token"
            yield cluster_of(group, (_scripts(group, why),))


def _file(node: Node) -> str:
    return node.invocation.at.span.source.path


def _token(node: Node) -> Secret | None:
    """Return the token that is written out: a variable of another script may hold another one."""
    sources = [one for one in token_sources(node.invocation) if one.flag.name == "token"]
    literal = sources and nature(sources[-1].value, sources[-1].tag) is Nature.LITERAL
    return Secret(str(sources[-1].value)) if literal else None


def _grouped(nodes: Iterable[Node], key: Callable[[Node], Hashable]) -> list[list[Node]]:
    groups: dict[Hashable, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return list(groups.values())


def _is_one(nodes: Sequence[Node]) -> bool:
    """Whether there is one first server and a further one, whose URL could mean it."""
    servers = [node for node in nodes if isinstance(node.invocation, Server)]
    firsts = [node for node in servers if joined(node.invocation) is None]
    joins = {str(join.value): join for node in servers if (join := joined(node.invocation)) is not None}
    if len(firsts) != 1 or len(joins) != 1:
        return False
    (join,) = joins.values()
    apart = exclusive(firsts[0].invocation.when, join.when) and firsts[0].alternative_of is None
    return may_mean(join.value, firsts[0]) and not (apart and not _is_for_others(firsts[0]))


def _is_for_others(first: Node) -> bool:
    """Whether a server is made to be joined: a mode of a script for a single server gives none of these."""
    started = first.invocation
    return bool(token_sources(started) or started.all("cluster-init", "datastore-endpoint"))


def _scripts(nodes: Sequence[Node], why: str) -> Evidence:
    joins = (join for node in nodes if (join := joined(node.invocation)) is not None)
    return Evidence(EvidenceKind.SCRIPTS, why, next(joins).at)
