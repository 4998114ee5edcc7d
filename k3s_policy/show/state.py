"""Where a server, or the servers of a cluster, keep their state, as it may be shown: never a part of an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.datastore import datastores
from k3s_policy.model.invocation import Agent
from k3s_policy.model.membership import Kept, joined, kept

if TYPE_CHECKING:
    from k3s_policy.model.cluster import Cluster
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.invocation import Invocation

__all__ = ["State", "state_of", "state_of_cluster"]


class State(NamedTuple):
    """Where state is kept, and how well the way there is protected."""

    kept: Kept
    backend: str | None = None
    """Of an external datastore: `mysql`, `postgres`, `etcd`, `nats`; None where it is refused or not known."""
    tls: str | None = None
    """`off`, `unverified`, `ca-only` or `verified`; None where it cannot be told, or there is no connection."""
    falls_back: bool = False
    """Whether a later attempt goes without TLS."""
    refused: str | None = None
    """Why K3s refuses the endpoint."""

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.backend or 'endpoint'}, refused: {self.refused}"
        if self.backend is None or self.kept is Kept.SQLITE:
            return self.kept.value
        tls = f", TLS {self.tls.replace('-', ' ')}" if self.tls else ""
        return f"{self.backend}{tls}{' with fallback to plaintext' if self.falls_back else ''}"


def state_of(invocation: Invocation) -> State | None:
    """Return where a server keeps its state; None for an agent."""
    if isinstance(invocation, Agent):
        return None
    where = kept(invocation)
    found = list(datastores(invocation))
    return _external(found[0], where) if len(found) == 1 else State(where)


def _external(one: Datastore, where: Kept) -> State:
    refusal = one.refusal
    outcome = one.outcome if refusal is None else None
    return State(
        kept=where,
        backend=one.backend.value if one.backend is not None else None,
        tls=outcome.tls.value if outcome is not None else None,
        falls_back=outcome is not None and outcome.falls_back,
        refused=refusal.reason if refusal is not None else None,
    )


def state_of_cluster(cluster: Cluster) -> State | None:
    """Return where the servers that join no other keep their state; None where they do not agree."""
    firsts = [server for server in cluster.servers if joined(server.invocation) is None] or cluster.servers
    states = {state_of(server.invocation) for server in firsts}
    return states.pop() if len(states) == 1 else None
