"""Which nodes make one cluster, and by what evidence.

Each source of evidence is a function that finds clusters among the nodes that no firmer one has taken:
`.k3s-policy.yaml` says it; one file describes it; a `server` URL names the address or name of another node; hosts share
an external datastore; a workload has replicas; scripts start a first server and further ones. A new source is one more
function, in its place among `_SOURCES`. Neither sibling folders nor an equal token make a cluster by themselves: dev,
staging and production lie side by side too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.assemble.cluster.linked import linked
from k3s_policy.assemble.cluster.sharing import sharing
from k3s_policy.assemble.cluster.started import from_scripts, replicated, scripted
from k3s_policy.assemble.declared import declared
from k3s_policy.model.membership import joined
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from k3s_policy.assemble.options import Options
    from k3s_policy.model.cluster import Cluster, Node

__all__ = ["clusters"]

_Source: TypeAlias = "Callable[[Sequence[Node], Options], Iterable[Cluster]]"
_SOURCES: tuple[_Source, ...] = (declared, from_scripts, linked, sharing, replicated, scripted)
"""Where clusters come from, the firmest evidence first."""


def clusters(nodes: Iterable[Node], options: Options) -> Iterator[Cluster]:
    """Yield the clusters that each source finds, the firmest first; a node belongs to those of one source."""
    left = [alternative for node in nodes for alternative in _alternatives(node)]
    for find in _SOURCES:
        found = list(find(left, options))
        yield from found
        taken = {id(node) for cluster in found for node in cluster.nodes}
        left = [node for node in left if id(node) not in taken]


def _alternatives(node: Node) -> Iterator[Node]:
    """Yield a node for each kind of server that the branches of a script make of one command.

    `--server` in one branch alone makes a further server there, and a first one in the others.
    """
    join = joined(node.invocation)
    arm = set(join.when) - set(node.invocation.when) if join is not None else set()
    if join is None or not arm:
        yield node
        return
    settings = node.invocation.settings
    elsewhere = tuple(setting for setting in settings if not arm <= set(setting.when))
    there = tuple(setting for setting in settings if not exclusive(setting.when, join.when))
    for kept in (elsewhere, there):
        yield replace(node, invocation=replace(node.invocation, settings=kept), alternative_of=node)
