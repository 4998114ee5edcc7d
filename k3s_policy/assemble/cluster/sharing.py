"""Clusters of servers that keep their state in one external datastore: whoever shares it is one cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.assemble.cluster.names import is_unique
from k3s_policy.assemble.host_paths import environment_words
from k3s_policy.model.cluster import Cluster, Evidence, EvidenceKind
from k3s_policy.model.invocation import Agent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from k3s_policy.assemble.options import Options
    from k3s_policy.model.cluster import Node
    from k3s_policy.model.datastore import Datastore

    _Database: TypeAlias = tuple[str, tuple[tuple[str, str], ...], str, frozenset[str]]

__all__ = ["sharing"]


def sharing(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield clusters of hosts whose endpoints name one database across a network.

    Only folders that stand for a host each are taken for hosts: several scripts may set up the same one.
    """
    hosts: dict[_Database, dict[str, tuple[Node, Datastore]]] = {}
    for node in nodes:
        if node.root and not isinstance(node.invocation, Agent) and (found := _only_datastore(node)):
            database = _database(found)
            if database is not None:
                environment = environment_words(node.invocation.files)
                hosts.setdefault((*database, environment), {}).setdefault(node.root, (node, found))
    for (backend, addresses, _name, _environment), members in hosts.items():
        if len(members) > 1:
            servers = tuple(node for node, _ in members.values())
            where = ", ".join(host for host, _ in addresses)
            first = next(iter(members.values()))[1]
            firm = all(is_unique(host) for host, _ in addresses)
            why = f"they share the {backend} datastore of {where}"
            yield Cluster(servers[0].name, servers, (), (Evidence(EvidenceKind.SHARED, why, first.at, firm),))


def _only_datastore(node: Node) -> Datastore | None:
    if not node.invocation.all("datastore-endpoint"):
        return None
    from k3s_policy.model.datastore import datastores  # few hosts have an endpoint

    found = list(datastores(node.invocation))
    return found[0] if len(found) == 1 else None


def _database(one: Datastore) -> tuple[str, tuple[tuple[str, str], ...], str] | None:
    """Return what tells a database apart, None where a part of that is not known, or nothing crosses a network."""
    endpoint = one.endpoint
    parts = [endpoint.database, *(part for address in endpoint.addresses for part in (address.host, address.port))]
    if one.backend is None or endpoint.refusal is not None or endpoint.is_local or endpoint.is_open:
        return None
    if not endpoint.addresses or not all(part.known for part in parts):
        return None
    addresses = tuple(sorted((str(host).lower(), str(port)) for host, port, _ in endpoint.addresses))
    return one.backend.value, addresses, str(endpoint.database).lower() or "kubernetes"
