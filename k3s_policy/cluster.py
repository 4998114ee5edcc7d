"""Which nodes make one cluster, and by what evidence.

`.k3s-policy.yaml` says it, or a `server` URL that names the address or name of exactly one other node. Neither
sibling folders nor an equal token make a cluster: dev, staging and production lie side by side too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from k3s_policy.model import Agent, Cluster, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.model import Node
    from k3s_policy.options import Options
    from k3s_policy.text import Text
    from k3s_policy.version import Version

__all__ = ["clusters", "declared_version", "unmatched"]


def clusters(nodes: Sequence[Node], options: Options) -> Iterator[Cluster]:
    """Yield the declared clusters, then those that links between the other nodes make."""
    declared: set[int] = set()
    for cluster in options.clusters:
        named = [node for node in nodes if _belongs(node, cluster.servers)]
        servers = [node for node in named if not isinstance(node.invocation, Agent)]
        agents = [node for node in nodes if node not in servers and (node in named or _belongs(node, cluster.agents))]
        declared.update(id(node) for node in (*servers, *agents))
        if servers or agents:
            evidence = "declared in .k3s-policy.yaml"
            yield Cluster(cluster.name, tuple(servers), tuple(agents), declared=True, evidence=evidence)
    yield from _linked([node for node in nodes if id(node) not in declared])


def unmatched(nodes: Sequence[Node], options: Options) -> Iterator[str]:
    """Yield a remark for each pattern of a declared cluster that no node belongs to."""
    for cluster in options.clusters:
        for pattern in (*cluster.servers, *cluster.agents):
            if not any(_belongs(node, (pattern,)) for node in nodes):
                yield f"the cluster {cluster.name} of .k3s-policy.yaml: {pattern} matches no K3s configuration"


def declared_version(files: Sequence[str], options: Options) -> Version | None:
    """Return the release that the options state for the cluster one of the files belongs to."""
    for cluster in options.clusters:
        patterns = (*cluster.servers, *cluster.agents)
        if cluster.version is not None and any(_matcher(patterns).match_file(path) for path in files):
            return cluster.version
    return None


def _belongs(node: Node, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and any(_matcher(patterns).match_file(path) for path in node.invocation.files)


@cache
def _matcher(patterns: tuple[str, ...]) -> Any:  # noqa: ANN401  named where it is imported
    import pathspec  # noqa: PLC0415  only repositories that declare clusters need it

    return pathspec.GitIgnoreSpec.from_lines(patterns)


_URL_HOST = re.compile(r"^https?://(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:/\s]+))(?::\d+)?/?$")


def _linked(nodes: Sequence[Node]) -> Iterator[Cluster]:
    """Yield clusters that a `server` URL makes: it names the address or name of exactly one other node."""
    hosts = {id(node): _joined_host(node) for node in nodes}
    named: dict[str, list[Node]] = {}
    for node in nodes:
        if hosts[id(node)] is None:
            for name in _names(node):
                named.setdefault(name, []).append(node)
    members: dict[int, list[Node]] = {}
    for node in nodes:
        firsts = named.get(hosts[id(node)] or "", [])
        if len(firsts) == 1:
            members.setdefault(id(firsts[0]), [firsts[0]]).append(node)
    for first, *joined in members.values():
        servers = [node for node in (first, *joined) if isinstance(node.invocation, Server)]
        agents = [node for node in (first, *joined) if isinstance(node.invocation, Agent)]
        evidence = f"joined through {hosts[id(joined[0])]}"
        yield Cluster(first.name, tuple(servers), tuple(agents), declared=False, evidence=evidence)


def _joined_host(node: Node) -> str | None:
    setting = node.invocation.last("server")
    if setting is None or not setting.known:
        return None
    match = _URL_HOST.match(str(setting.value))
    return (match["six"] or match["host"]) if match else None


def _names(node: Node) -> set[str]:
    """Return every address and name of a node that others may join it by."""
    settings = node.invocation.all("node-ip", "node-external-ip", "advertise-address", "tls-san", "node-name")
    return {part for setting in settings if setting.known for part in _parts(setting.value)}


def _parts(value: Text) -> Iterator[str]:
    return (part.strip() for part in str(value).split(",") if part.strip())
