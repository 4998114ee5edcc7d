"""What variables of the well-known roles mean: which of them K3s is given, and as what.

- k3s-io/k3s-ansible, roles/k3s_server/tasks/main.yml and roles/k3s_agent/tasks/main.yml: `server_config_yaml` and
  `agent_config_yaml` are texts of K3s's config, `extra_server_args` and `extra_agent_args` go to the install script,
  `extra_service_envs` into the environment file of the unit, `token` into the config of servers and the environment
  file of agents; `registries_config_yaml` becomes registries.yaml.
- techno-tim/k3s-ansible, after itwars/k3s-ansible, roles/k3s_server/defaults/main.yml and roles/*/templates:
  `server_init_args`, `extra_server_args` and `extra_agent_args` stand on the command lines of units; role
  k3s_custom_registries writes `custom_registries_yaml`.
- PyratLabs/ansible-role-k3s (xanmanning.k3s), vars/main.yml, k3s_runtime_config: `k3s_server` and `k3s_agent` are
  mappings of K3s's config; a server gets both, an agent only `k3s_agent`. `k3s_control_token` is written to a file.
- khuedoan/homelab, metal/roles/k3s/templates/config.yaml.j2: `k3s_server_config` is the config of servers.
- ednz-cloud/ansible-collection-k3s, roles/k3s/tasks/merge_variables.yml: `k3s_server_*_options` are parts of the config
  of servers, `k3s_agent_*_options` of agents; the rest of its variables has names that tell.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["TOKEN_USERS", "VERSIONS", "Meaning", "Use", "meaning", "sets_up", "tells"]


class Use(Enum):
    """What becomes of a variable."""

    CONFIG = "config"
    """A mapping of flags, or a text that holds one."""
    ARGUMENTS = "arguments"
    """Options in one text, or in a list; a mapping of them is a part of the config."""
    ENVIRONMENT = "environment"
    """Environment variables: a mapping, or a list of `NAME=value`."""
    CREDENTIAL = "credential"
    REGISTRIES = "registries"
    """A text that becomes `/etc/rancher/k3s/registries.yaml`."""


class Meaning(NamedTuple):
    """What a variable is used for, and for hosts of which role, where that is sure."""

    use: Use
    role: str | None = None


_MEANINGS = {
    "server_config_yaml": Meaning(Use.CONFIG, "server"),
    "agent_config_yaml": Meaning(Use.CONFIG, "agent"),
    "k3s_server": Meaning(Use.CONFIG, "server"),
    "k3s_agent": Meaning(Use.CONFIG),
    "k3s_server_config": Meaning(Use.CONFIG, "server"),
    "k3s_server_configuration": Meaning(Use.CONFIG, "server"),
    "k3s_agent_configuration": Meaning(Use.CONFIG, "agent"),
    "k3s_config": Meaning(Use.CONFIG),
    "k3s_configuration": Meaning(Use.CONFIG),
    "extra_server_args": Meaning(Use.ARGUMENTS, "server"),
    "extra_agent_args": Meaning(Use.ARGUMENTS, "agent"),
    "server_init_args": Meaning(Use.ARGUMENTS, "server"),
    "extra_service_envs": Meaning(Use.ENVIRONMENT),
    "extra_install_envs": Meaning(Use.ENVIRONMENT),
    "k3s_service_env_vars": Meaning(Use.ENVIRONMENT),
    "k3s_env_variables": Meaning(Use.ENVIRONMENT),
    "registries_config_yaml": Meaning(Use.REGISTRIES),
    "custom_registries_yaml": Meaning(Use.REGISTRIES),
}
_ARGUMENTS = pattern(
    r"k3s_(?:(?P<role>server|agent)_)?(?!\w*(?:kubectl|helm|curl|wget|ssh))(?:\w+_)?(?:args|arguments|flags|opts|options|exec)$"
)
_CREDENTIAL = pattern(
    r"(?:vault_|secret_)?k3s_(?:(?:cluster|server|agent|node|join|control|bootstrap|master)_){0,2}token$"
    r"|(?:vault_|secret_)?k3s_(?:cluster_)?secret$"
    r"|(?:vault_|secret_)?k3s_(?:datastore|database|db|mysql|mariadb|postgres(?:ql)?|etcd_s3)_(?:password|pass|secret_key|access_key)$"
    r"|(?:vault_|secret_)?k3s_datastore_endpoint$"
)
TOKEN_USERS = frozenset(
    {
        *("api_endpoint", "k3s_version", "server_config_yaml", "agent_config_yaml", "extra_server_args"),
        *("extra_agent_args", "k3s_server_location"),
    }
)
"""Variables of k3s-io/k3s-ansible: beside one of them `token` is K3s's."""
_DECIDING = frozenset(
    {
        *("use_external_database", "api_endpoint", "server_group", "agent_group"),
        *("apiserver_endpoint", "group_name_master", "k3s_node_ip"),
        *("k3s_etcd_datastore", "k3s_control_node", "k3s_primary_control_node", "k3s_registration_address"),
    }
)
"""Variables by which roles tell what a host is started as."""
VERSIONS = ("k3s_version", "k3s_release_version")
"""Variables that pin the release."""


def meaning(name: str, beside: Collection[str] = ()) -> Meaning | None:
    """Return what a variable is used for by a well-known role; `beside` are the names that stand with it."""
    if name in _MEANINGS:
        return _MEANINGS[name]
    if name == "token":
        return Meaning(Use.CREDENTIAL) if not TOKEN_USERS.isdisjoint(beside) else None
    if _CREDENTIAL.match(name):
        return Meaning(Use.CREDENTIAL)
    match = _ARGUMENTS.match(name)
    return Meaning(Use.ARGUMENTS, match["role"]) if match else None


def sets_up(name: str) -> Use | None:
    """Return what a variable adds to how K3s is started on a host; None where it adds nothing."""
    if name in _DECIDING:
        return Use.ARGUMENTS
    known = _MEANINGS.get(name)
    return known.use if known is not None and known.use is not Use.REGISTRIES else None


def tells(names: Collection[str]) -> bool:
    """Whether variables of these names are for a role that installs K3s."""
    return any(name in VERSIONS or (name.startswith("k3s_") and meaning(name)) for name in names) or (
        not {"server_config_yaml", "agent_config_yaml", "extra_server_args", "extra_agent_args"}.isdisjoint(names)
    )
