"""What the well-known roles make of the hosts of an inventory, each told by variables that only it has.

Nothing is concluded where no role is told, where a template decides what it does, or where an inventory is of several
clusters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.assemble.inventory.host import is_on
from k3s_policy.assemble.inventory.node import PORT, InventoryNode, Variables, joining_url, keeps_outside
from k3s_policy.formats.template import is_substituted
from k3s_policy.formats.tree import Mapping
from k3s_policy.model.cluster import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from k3s_policy.assemble.inventory.host import Host
    from k3s_policy.model.fragment import Inventory
    from k3s_policy.text import Text

__all__ = ["nodes"]

_WHY = "hosts of one inventory"


_Role: TypeAlias = "Callable[[Inventory, Sequence[Host]], list[InventoryNode]]"
"""What makes nodes of the hosts of an inventory; none where the inventory is for another role."""


def nodes(inventory: Inventory, hosts: Sequence[Host]) -> list[InventoryNode]:
    """Return what the role that an inventory is for makes of its hosts; nothing where none is told."""
    roles: tuple[_Role, ...] = (_k3s_ansible, _techno_tim, _pyratlabs)
    return next((found for role in roles if (found := role(inventory, hosts))), [])


# --- k3s-io/k3s-ansible -----------------------------------------------------------------------------------

_ENVIRONMENT = ("extra_service_envs", "extra_install_envs")
_SERVER = Variables(
    version="k3s_version",
    token="token",  # noqa: S106  the name of a variable
    arguments="extra_server_args",
    configs=("server_config_yaml",),
    environment=_ENVIRONMENT,
)
_AGENT = replace(_SERVER, arguments="extra_agent_args", configs=("agent_config_yaml",))


def _k3s_ansible(inventory: Inventory, hosts: Sequence[Host]) -> list[InventoryNode]:
    """Roles k3s_server and k3s_agent, tasks/main.yml.

    Of several servers the first one gets `cluster-init`, the others `server`, unless `use_external_database`; all get
    `token`, and `api_endpoint` among their `tls-san`.
    """
    known = [host for host in hosts if {"k3s_version", "api_endpoint"} <= host.variables.keys()]
    servers = _in(known, "server_group", "server")
    agents = [one for one in _in(known, "agent_group", "agent") if one not in servers]
    external = {is_on(host.literal("use_external_database", "false")) for host in servers}
    if not servers or len(external) > 1 or None in external or _are_several(known, servers, "api_endpoint", "token"):
        return []
    first, group = servers[0], Group(inventory.path, _WHY, servers[0].name)
    outside = any(keeps_outside(host, "extra_server_args", "server_config_yaml", *_ENVIRONMENT) for host in servers)
    several = len(servers) > 1 and external == {False} and not outside
    found = []
    for host in servers:
        endpoint = host.text("api_endpoint")
        added = [] if endpoint is None else [endpoint.stand_in("--tls-san"), endpoint]
        if several:
            added.append(_first_or_joining(host, first, endpoint, host.literal("api_port", PORT)))
        found.append(InventoryNode(host=host, role="server", group=group, variables=_SERVER, added=tuple(added)))
    for host in agents:
        url = joining_url(host.name, host.text("api_endpoint"), first, host.literal("api_port", PORT))
        found.append(InventoryNode(host=host, role="agent", group=group, variables=_AGENT, added=(url,)))
    return found


def _in(hosts: Sequence[Host], variable: str, default: str) -> list[Host]:
    """Return the hosts of a group whose name a variable gives."""
    group = hosts[0].literal(variable, default) if hosts else None
    return [host for host in hosts if group in host.groups]


def _are_several(known: Sequence[Host], servers: Sequence[Host], address: str, token: str) -> bool:
    """Whether hosts are of several clusters: their address or a group's token differs, or servers have no common group.

    A token that one host alone is given may be a mistake.
    """
    addresses = {str(text) for host in known if (text := host.text(address)) is not None}
    tokens = {str(text) for host in known if token not in host.own and (text := host.text(token)) is not None}
    together = set.intersection(*(set(host.groups) for host in servers)) - {"all"}
    return len(addresses) > 1 or len(tokens) > 1 or (len(servers) > 1 and not together)


def _first_or_joining(host: Host, first: Host, address: Text | None, port: str | None = PORT) -> Text:
    return host.name.stand_in("--cluster-init") if host is first else joining_url(host.name, address, first, port)


# --- techno-tim/k3s-ansible -------------------------------------------------------------------------------

_MASTER = Variables("k3s_version", "k3s_token", "extra_server_args")
_WORKER = Variables("k3s_version", "k3s_token", "extra_agent_args")


def _techno_tim(inventory: Inventory, hosts: Sequence[Host]) -> list[InventoryNode]:
    """Role k3s_server, defaults/main.yml, server_init_args, and role k3s_agent, templates/k3s.service.j2.

    Of several masters the first one gets `--cluster-init`, the others `--server`, and all `--token`.
    """
    known = [host for host in hosts if {"k3s_token", "apiserver_endpoint"} <= host.variables.keys()]
    servers = _in(known, "group_name_master", "master")
    agents = [one for one in known if "node" in one.groups and one not in servers]
    if not servers or any("server_init_args" in host.variables for host in known):
        return []
    if _are_several(known, servers, "apiserver_endpoint", "k3s_token"):
        return []
    first, group = servers[0], Group(inventory.path, _WHY, servers[0].name)
    several = len(servers) > 1 and not any(keeps_outside(host, "extra_server_args") for host in servers)
    address = first.text("k3s_node_ip")
    found = []
    for host in servers:
        added = (_first_or_joining(host, first, address),) if several else ()
        found.append(InventoryNode(host=host, role="server", group=group, variables=_MASTER, added=added))
    for host in agents:
        url = joining_url(host.name, host.text("apiserver_endpoint"), first)
        found.append(InventoryNode(host=host, role="agent", group=group, variables=_WORKER, added=(url,)))
    return found


# --- PyratLabs/ansible-role-k3s ---------------------------------------------------------------------------

_OF_PYRATLABS = frozenset(
    {"k3s_control_node", "k3s_control_token", "k3s_registration_address", "k3s_etcd_datastore", "k3s_release_version"}
)
_OF_BOTH = ("k3s_release_version", "k3s_control_token", "")
_CONTROL_NODE = Variables(*_OF_BOTH, ("k3s_server", "k3s_agent"), ("k3s_service_env_vars",))
_OTHER_NODE = Variables(*_OF_BOTH, ("k3s_agent",), ("k3s_service_env_vars",))


def _pyratlabs(inventory: Inventory, hosts: Sequence[Host]) -> list[InventoryNode]:
    """Known as xanmanning.k3s: vars/main.yml, templates/config.yaml.j2 and templates/k3s.service.j2.

    Hosts with `k3s_control_node` are servers. With `k3s_etcd_datastore` the first of them, or the one with
    `k3s_primary_control_node`, gets `cluster-init`, the others `--server`; without it several servers need a
    `datastore-endpoint`, and the role refuses everything else (tasks/pre_checks_control_node_count.yml).
    """
    known = [host for host in hosts if not _OF_PYRATLABS.isdisjoint(host.variables)]
    servers = [host for host in known if _is_control_node(host)]
    if not servers or not _builds_one_cluster(known, servers):
        return []
    embedded = {is_on(host.literal("k3s_etcd_datastore", "false")) for host in servers} == {True}
    if len(servers) > 1 and not embedded and not all(map(_keeps_outside, servers)):
        return []
    primary = [host for host in servers if is_on(host.literal("k3s_primary_control_node", "false"))]
    first, group = (primary or servers)[0], Group(inventory.path, _WHY, servers[0].name)
    found, port = [], _port(first)
    for host in known:
        address = host.text("k3s_registration_address")
        if not _is_control_node(host):
            url = joining_url(host.name, address, first, port)
            found.append(InventoryNode(host=host, role="agent", group=group, variables=_OTHER_NODE, added=(url,)))
            continue
        joins = embedded and not _keeps_outside(host)
        added = (_first_or_joining(host, first, address, port),) if joins else ()
        found.append(InventoryNode(host=host, role="server", group=group, variables=_CONTROL_NODE, added=added))
    return found


def _is_control_node(host: Host) -> bool | None:
    """Whether a host is a server; None where that is a template."""
    return is_on(host.literal("k3s_control_node", "false"))


def _builds_one_cluster(known: Sequence[Host], servers: Sequence[Host]) -> bool:
    """Whether the role of each host is known, and the role makes one cluster of them."""
    if any(_is_control_node(host) is None or not is_on(host.literal("k3s_build_cluster", "true")) for host in known):
        return False
    return not _are_several(known, servers, "k3s_registration_address", "k3s_control_token")


def _keeps_outside(host: Host) -> bool:
    return keeps_outside(host, *_CONTROL_NODE.configs, *_CONTROL_NODE.environment)


def _port(first: Host) -> str | None:
    """Return where the role has the first server listen; None where a template says it."""
    given = first.variables.get("k3s_server")
    port = given.value.scalar("https-listen-port") if given is not None and isinstance(given.value, Mapping) else None
    usual = PORT if port is None else str(port)
    found = first.literal("k3s_control_plane_port", usual)
    return None if found is None or is_substituted(found) else found
