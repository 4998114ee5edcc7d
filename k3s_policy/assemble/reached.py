"""Under what names and addresses hosts are reached: as commands, Services and hosts files call them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.assemble.host_paths import environment_words
from k3s_policy.model.invocation import Form
from k3s_policy.model.subjects import DatabaseImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.assemble.host_paths import CopiedFiles
    from k3s_policy.model.cluster import Node
    from k3s_policy.model.fragment import Database, HostName, Service, Start, Workload
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text

__all__ = ["databases", "name_nodes", "with_host_facts"]


def with_host_facts(start: Start, copied: CopiedFiles, services: Iterable[Service]) -> Start:
    """Add to a start what commands elsewhere say of its host: files that were not found, and its names."""
    unseen = (*start.unseen, *(one for host, one in copied.unseen if host == start.host))
    addresses = [*start.addresses]
    if not addresses and start.host is not None and start.host in copied.addresses:
        addresses.append(copied.addresses[start.host])
    if start.workload is not None:
        addresses += reached(start.workload, services)
    return replace(start, unseen=unseen, addresses=tuple(addresses))


def name_nodes(nodes: Iterable[Node], hosts: Iterable[HostName]) -> list[Node]:
    """Add to nodes the addresses that hosts files of their environment give their names.

    Where two of them differ about a name, neither counts.
    """
    addresses: dict[tuple[frozenset[str], str], dict[str, Text]] = {}
    for host in hosts:
        of_name = addresses.setdefault((environment_words([host.address.span.source.path]), host.name), {})
        of_name.setdefault(str(host.address), host.address)
    named = []
    for node in nodes:
        own = {str(setting.value).lower() for setting in node.invocation.all("node-name") if setting.known}
        environment = environment_words(node.invocation.files)
        found = [of_name for name in sorted(own) if len(of_name := addresses.get((environment, name), {})) == 1]
        added = [address for of_name in found for address in of_name.values()]
        named.append(replace(node, addresses=(*node.addresses, *added)) if added else node)
    return named


def reached(workload: Workload, services: Iterable[Service]) -> Iterator[Text]:
    """Yield the names under which the pods of a workload are reached in their cluster."""
    environment = environment_words([workload.name.span.source.path])
    for service in services:
        near = not (service.namespace and workload.namespace) or service.namespace == workload.namespace
        near = near and environment_words([service.name.span.source.path]) == environment
        if near and service.selector <= workload.labels:
            for pod in ("", f"{workload.name}-0."):
                namespace = service.namespace or workload.namespace
                tails = ["", *(f".{namespace}{tail}" for tail in _DOMAINS if namespace)]
                yield from (service.name.stand_in(f"{pod}{service.name}{tail}") for tail in tails)


_DOMAINS = ("", ".svc", ".svc.cluster.local")
"""What may stand behind the namespace in the name of a Service."""


def databases(
    nodes: Iterable[Node], found_databases: Iterable[Database], services: Sequence[Service]
) -> Iterator[DatabaseImage]:
    """Yield the images of databases that run beside a server, where its endpoint names their Service."""
    # A host knows no Service by its name.
    containers = [invocation for node in nodes if _is_container(invocation := node.invocation)]
    images: dict[str, dict[str, Text]] = {}
    for database in found_databases if containers else ():
        for name in reached(database.workload, services) if database.workload is not None else ():
            images.setdefault(str(name).lower(), {})[str(database.image)] = database.image
    if not images:
        return
    from k3s_policy.model.datastore import datastores  # few repositories run a database beside K3s

    for invocation in containers:
        for datastore in datastores(invocation):
            for address in datastore.endpoint.addresses:
                found = [*images.get(str(address.host).lower(), {}).values()] if address.host.known else []
                if len(found) == 1 and datastore.backend is not None:
                    yield DatabaseImage(found[0], address.host, datastore.backend.value, invocation.version)


def _is_container(invocation: Invocation) -> bool:
    return invocation.started is not None and invocation.started.form is Form.CONTAINER
