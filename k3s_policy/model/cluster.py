"""Nodes, and which of them belong together, with the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text


__all__ = ["Cluster", "Evidence", "EvidenceKind", "Group", "Node"]


@dataclass(frozen=True, eq=False, repr=False)
class Group:
    """What one file says of hosts that belong together: a k3d config, an inventory."""

    name: str
    """The same for all its members, and for nobody else: the path, with the place where the file has several."""
    reason: str
    """In words that fit into parentheses: `the servers of one k3d cluster`."""
    at: Text
    """Where it is said."""


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """An Invocation with the files it is made of and the reasons why they belong together."""

    invocation: Invocation
    root: str = ""
    """The folder that stands for `/` of this host."""
    evidence: tuple[str, ...] = ()
    addresses: tuple[Text, ...] = ()
    """What others call its host, as commands and manifests say: `ssh root@10.0.0.1`, the name of a Service."""
    copies: Text | None = None
    """How many of it a workload runs, where that is more than one."""
    group: Group | None = None
    """Which nodes one file says it belongs to."""
    alternative_of: Node | None = None
    """The node that this is one alternative of: a script starts the first server in one branch, others in another."""

    @property
    def name(self) -> str:
        """How a message calls this node: by the file it is configured in."""
        return self.invocation.files[0] if self.invocation.files else self.invocation.at.span.source.path


class EvidenceKind(Enum):
    """What tells that nodes are of one cluster, the firmest last."""

    SCRIPTS = "scripts"
    """Scripts start a first server and further ones."""
    REPLICAS = "replicas"
    """A workload runs one command several times."""
    SHARED = "shared"
    """Hosts keep their state in one external datastore."""
    JOINED = "joined"
    """One names the address or name of another in its `server`."""
    FILE = "file"
    """One file says that they belong together: a k3d config, an inventory."""
    DECLARED = "declared"
    """`.k3s-policy.yaml` says so."""


class Evidence(NamedTuple):
    """Why nodes belong to one cluster."""

    kind: EvidenceKind
    reason: str
    """In words that fit into parentheses: `joined through 10.0.0.1`."""
    at: Text | None = None
    """Where it is written."""
    firm: bool = True
    """Whether it can mean nothing else: a private address or a short name is used anew in the next environment."""


@dataclass(frozen=True, eq=False, repr=False)
class Cluster:
    """Nodes that belong together, with the evidence for it."""

    name: str
    servers: tuple[Node, ...]
    agents: tuple[Node, ...]
    evidence: tuple[Evidence, ...]
    """The firmest first; never empty."""

    @property
    def declared(self) -> bool:
        """Whether `.k3s-policy.yaml` says so."""
        return self.evidence_kind is EvidenceKind.DECLARED

    @property
    def evidence_kind(self) -> EvidenceKind:
        """The firmest kind of its evidence."""
        return self.evidence[0].kind

    @property
    def firm(self) -> bool:
        """Whether nothing but this cluster can be meant."""
        return self.evidence_kind is not EvidenceKind.SCRIPTS and all(evidence.firm for evidence in self.evidence)

    @property
    def reason(self) -> str:
        """The evidence in words."""
        return "; ".join(dict.fromkeys(evidence.reason for evidence in self.evidence))

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node, servers first."""
        yield from self.servers
        yield from self.agents
