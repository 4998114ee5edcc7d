"""Ansible: inventories, files of variables, playbooks and tasks, in YAML; inventories in ini format as well.

Where most people keep what K3s is given: in variables of a role that installs it, or in tasks of their own. What they
mean for a host is told where inventories are put together with the variables beside them (`assemble.inventory`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Sequence
from k3s_policy.k3s import roles
from k3s_policy.k3s.recognise import is_config
from k3s_policy.model import role_variables as variables
from k3s_policy.model.fragment import HostVariables
from k3s_policy.readers.ansible import inventory, plays
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_OF_HOSTS = pattern(r"(?:^|/)(?:group_vars|host_vars)/")
_OF_ROLES = pattern(r"(?:^|/)(?:vars|defaults)/[^/]+\.ya?ml$|(?:^|/)molecule/.*/(?:overrides|vars)\.ya?ml$")
_WEAKEST = pattern(r"(?:^|/)(?:defaults|molecule)/")
"""Defaults of roles, which inventories beat, and scenarios with hosts of their own."""
_YAML = pattern(r"(?i)\.(?:ya?ml|json)$")
_MOLECULE = pattern(r"(?:^|/)molecule\.ya?ml$")


def claims(seen: Seen) -> bool:
    """Whether a file is one of Ansible's, by its shape, by the folder it lies in, or by variables of a known role."""
    if _is_ini(seen):
        return inventory.claims(seen.path, seen.content)
    root, path = seen.document.root, seen.path
    if isinstance(root, Sequence):
        return plays.is_playbook(root) or plays.is_task_list(root, path)
    if not isinstance(root, Mapping):
        return False
    if inventory.is_inventory(root) or _MOLECULE.search(path):
        return True
    if is_config(root, path):
        return False
    return bool(_OF_HOSTS.search(path) or _OF_ROLES.search(path)) or roles.tells([str(key) for key, _ in root.entries])


def read(seen: Seen) -> Iterator[Found]:
    """Yield what a file gives K3s, or, of an inventory and what belongs to one, what has to be put together first."""
    if _is_ini(seen):
        yield from inventory.read(seen.file.text, seen.beside)
        return
    root, path = seen.document.root, seen.beside
    if isinstance(root, Sequence):
        yield from plays.read(root, path)
    elif isinstance(root, Mapping) and inventory.is_inventory(root):
        yield inventory.of_mapping(root, path)
    elif isinstance(root, Mapping) and _MOLECULE.search(path):
        yield from _molecule(root, path)
    elif isinstance(root, Mapping) and _OF_HOSTS.search(path):
        yield HostVariables(path, root.merged().entries)
    elif isinstance(root, Mapping):
        yield from variables.lowered(root.merged().entries, path)
        if not _WEAKEST.search(path):
            yield from variables.overriding(root.merged().entries, path)


def _is_ini(seen: Seen) -> bool:
    """Whether a file is an inventory in Ansible's own ini format, if any: its name is none of YAML's."""
    return _YAML.search(seen.path) is None


def _molecule(root: Mapping, path: str) -> Iterator[Found]:
    """Read the variables that a test scenario of Molecule gives its hosts (molecule.yml, provisioner.inventory)."""
    for part in ("group_vars", "host_vars"):
        given = root.get("provisioner", "inventory", part)
        for _, value in given.entries if isinstance(given, Mapping) else ():
            if isinstance(value, Mapping):
                yield from variables.lowered(value.merged().entries, path)
