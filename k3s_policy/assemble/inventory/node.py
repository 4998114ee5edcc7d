"""What a role makes of one host: a start of K3s with the config that the host is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from k3s_policy.formats.template import is_substituted
from k3s_policy.formats.tree import Scalar
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.version import Version
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.role_variables import arguments, configuration, environment, without_templates
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.assemble.inventory.host import Host
    from k3s_policy.model.cluster import Group
    from k3s_policy.model.fragment import ConfigFile, Fragment
    from k3s_policy.text import Text

__all__ = ["PORT", "InventoryNode", "Variables", "joining_url", "keeps_outside", "used"]

_DATASTORE = pattern(r"datastore-endpoint|K3S_DATASTORE_ENDPOINT")

PORT = "6443"
"""Where servers listen unless a variable says otherwise."""


@dataclass(frozen=True, repr=False)
class Variables:
    """The names of the variables that a role sets up hosts of one kind by."""

    version: str
    token: str
    arguments: str = ""
    configs: tuple[str, ...] = ()
    """Of several the later ones win."""
    environment: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them but the release, which several hosts, and whatever stands by itself, may go by."""
        return (self.token, self.arguments, *self.configs, *self.environment)


@dataclass(frozen=True, eq=False, repr=False)
class InventoryNode:
    """A host as a role sets it up."""

    host: Host
    role: str
    group: Group
    variables: Variables
    added: tuple[Text, ...] = ()
    """Arguments that the role adds by itself."""

    def fragments(self) -> Iterator[Fragment]:
        """Yield the start, and the config it reads."""
        host, name = self.host, f"{self.group.name}@{self.host.name}"
        given = host.variables.get(self.variables.arguments)
        release = host.text(self.variables.version)
        version = Version.parse(str(release)) if release is not None else None
        hidden = release is not None and version is None and is_substituted(str(release))
        address = host.text("ansible_host")
        yield Start(
            at=host.name,
            role=self.role,
            role_reason=f"the inventory has it among the {self.role}s",
            arguments=(
                *(Argument(word) for word in self.added),
                *(word for word in (arguments(given.value) if given else ()) if str(word.text) != self.role),
            ),
            form=Form.VARIABLE,
            variables=tuple(self._variables()),
            version=version,
            unseen=(Unseen(Input.VERSION, "the release is a variable", release),) if hidden else (),
            host=name,
            isolated=True,
            addresses=tuple(one for one in (host.name, address) if one is not None and not is_substituted(str(one))),
            group=self.group,
        )
        for number, file in enumerate(self._files()):
            # Each mapping replaces keys of those before it, as a drop-in does.
            path = file.path if not number else f"{file.path}.d/{number}.yaml"
            yield replace(file, host=name, path=path)

    def _files(self) -> Iterator[ConfigFile]:
        for one in self.variables.configs:
            if one in self.host.variables:
                file = configuration(self.host.variables[one].value, self.group.name, claimed=True)
                if file is not None:
                    yield file

    def _variables(self) -> Iterator[Variable]:
        table = flags()
        for one in self.variables.environment:
            entry = self.host.variables.get(one)
            for variable in environment(entry.value if entry is not None else None):
                if table.by_environment(str(variable.name)):
                    yield variable
        key = self.host.variables.get(self.variables.token)
        value = self.host.text(self.variables.token)
        if key is not None and value is not None:
            tag = key.value.tag
            yield Variable(key.key.text.stand_in("K3S_TOKEN"), without_templates(value), Form.ANSIBLE, tag=tag)
        else:
            # The roles fetch the token that the first server made.
            at = self.host.name
            # What stands for the token has no characters in the file, or they would be masked.
            yield Variable(at.stand_in("K3S_TOKEN"), at.supplied("fetched"), Form.ANSIBLE)


def used(nodes: Sequence[InventoryNode]) -> set[int]:
    """Return the identities of the values that nodes are made of."""
    return {
        id(node.host.variables[name].value)
        for node in nodes
        for name in node.variables.names
        if name in node.host.variables
    }


def joining_url(at: Text, address: Text | None, first: Host, port: str | None = PORT) -> Text:
    """Return the `--server` that a role adds at a host; where the address is not written out, the first host stands."""
    if address is None or is_substituted(str(address)) or not str(address) or port is None:
        return at.stand_in("--server=") + first.name.stand_in(f"https://{first.name}:{PORT}", known=False)
    name = f"[{address}]" if ":" in str(address) else str(address)
    return at.stand_in(f"--server=https://{name}:{port}")


def keeps_outside(host: Host, *variables: str) -> bool:
    """Whether a host is given an external datastore, in its options, its config or its environment."""
    given = [host.variables[one].value for one in variables if one in host.variables]
    return any(
        _DATASTORE.search(str(value.text if isinstance(value, Scalar) else value.written)) is not None
        for value in given
    )
