"""Putting nodes that belong together into one record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.model.cluster import Cluster
from k3s_policy.model.invocation import Agent, Server
from k3s_policy.model.membership import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k3s_policy.model.cluster import Evidence, Node

__all__ = ["cluster_of"]


def cluster_of(nodes: Sequence[Node], evidence: tuple[Evidence, ...]) -> Cluster:
    """Make a cluster of nodes. Of those without a role one that joins nothing is a server, since others join it."""
    servers = [
        node
        for node in nodes
        if isinstance(node.invocation, Server)
        or (not isinstance(node.invocation, Agent) and joined(node.invocation) is None)
    ]
    agents = [node for node in nodes if isinstance(node.invocation, Agent)]
    first = next((node for node in servers if joined(node.invocation) is None), nodes[0])
    return Cluster(first.name, tuple(servers), tuple(agents), evidence)
