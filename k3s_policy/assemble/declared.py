"""Clusters that `.k3s-policy.yaml` declares: a node belongs where one of its files lies under a pattern."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from k3s_policy.model.cluster import Cluster, Evidence, EvidenceKind
from k3s_policy.model.invocation import Agent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.assemble.options import Options
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.cluster import Node

__all__ = ["declared", "declared_role", "declared_version", "remarks"]


def declared(nodes: Sequence[Node], options: Options) -> Iterator[Cluster]:
    """Yield the declared clusters that have nodes."""
    for cluster in options.clusters:
        servers, agents = [], []
        for node in nodes:
            named = _belongs(node, cluster.servers)
            if named and not isinstance(node.invocation, Agent):
                servers.append(node)
            elif named or _belongs(node, cluster.agents):
                agents.append(node)
        if servers or agents:
            evidence = Evidence(EvidenceKind.DECLARED, "declared in .k3s-policy.yaml")
            yield Cluster(cluster.name, tuple(servers), tuple(agents), (evidence,))


def remarks(nodes: Sequence[Node], options: Options) -> Iterator[str]:
    """Yield what is odd about the declared clusters: patterns without a node, and nodes of two roles."""
    for cluster in options.clusters:
        for files in (*cluster.servers, *cluster.agents):
            if not any(_belongs(node, (files,)) for node in nodes):
                yield f"the cluster {cluster.name} of .k3s-policy.yaml: {files} matches no K3s configuration"
        for node in nodes:
            if _belongs(node, cluster.servers) and _belongs(node, cluster.agents):
                yield f"the cluster {cluster.name} of .k3s-policy.yaml: {node.name} is under servers and under agents"


def declared_version(files: Sequence[str], options: Options) -> Version | None:
    """Return the release that the options state for the cluster one of the files belongs to."""
    for cluster in options.clusters:
        patterns = (*cluster.servers, *cluster.agents)
        if cluster.version is not None and any(_matcher(patterns).match_file(path) for path in files):
            return cluster.version
    return None


def declared_role(files: Sequence[str], options: Options) -> str | None:
    """Return the role that the options give the node of some files; None where they give none, or both."""
    patterns = {
        "server": tuple(files for cluster in options.clusters for files in cluster.servers),
        "agent": tuple(files for cluster in options.clusters for files in cluster.agents),
    }
    roles = [role for role, of_role in patterns.items() if of_role and any(map(_matcher(of_role).match_file, files))]
    return roles[0] if len(roles) == 1 else None


def _belongs(node: Node, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and any(_matcher(patterns).match_file(path) for path in node.invocation.files)


@cache
def _matcher(patterns: tuple[str, ...]) -> Any:  # noqa: ANN401  named where it is imported
    import pathspec  # only repositories that declare clusters need it

    return pathspec.GitIgnoreSpec.from_lines(patterns)
