"""Several servers, but the first one keeps its data in SQLite, which no other server can share.

Without `datastore-endpoint` and without `cluster-init` a first server runs the embedded SQLite (K3s
`pkg/cluster/managed.go`, assignManagedDriver). A second server that joins it is refused: `etcd disabled`,
400 or 401 on `/v1-k3s/server-bootstrap` (K3s `pkg/server/handlers/handlers.go`). One that has no token or no
`server` does not even try: it becomes a cluster of its own, with its own data.

Start the first server with `cluster-init: true` (embedded etcd), or give every server the same
`datastore-endpoint`.

Which servers belong together is known from `.k3s-policy.yaml`; from a `server` URL that names another node's address,
name or tls-san; from the replicas of a workload; from scripts that start a first server and further ones. The message
says which of these it was. Nothing is concluded where the first server's arguments were not seen.

```yaml wrong path=first/etc/rancher/k3s/config.yaml cluster=edge
node-ip: 10.0.0.1
token-file: /etc/rancher/k3s/token
```

```yaml wrong path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://10.0.0.1:6443
token-file: /etc/rancher/k3s/token
```

```yaml right path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
node-ip: 10.0.0.1
token-file: /etc/rancher/k3s/token
```

```yaml right path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://10.0.0.1:6443
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.certainty import label
from k3s_policy.model.cluster import EvidenceKind
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Input
from k3s_policy.model.membership import Kept, joined, kept

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Invocation

_HELP = "start the first server with cluster-init: true, or give every server the same datastore-endpoint"


@rule(severity="high", see=("https://docs.k3s.io/datastore/ha-embedded", "https://docs.k3s.io/datastore/ha"))
def check(cluster: Cluster) -> Problems:
    """Report the second server of a cluster whose first one keeps its data in SQLite."""
    firsts = [node for node in cluster.servers if joined(node.invocation) is None]
    joiners = [(node, join) for node in cluster.servers if (join := joined(node.invocation)) is not None]
    if len(cluster.servers) < 2 or not firsts or not all(_on_sqlite(node, cluster) for node in firsts):
        return
    if any(_has_datastore(node) for node, _ in joiners):
        return  # whichever of them is right, the servers do not agree
    first = firsts[0]
    confidence = _confidence(cluster, firsts)
    place = (
        first.invocation.at,
        f"the first server has neither cluster-init nor datastore-endpoint ({cluster.reason})",
    )
    if joiners:
        _, join = joiners[0]
        message = f"this server cannot join {label(first, join.at)}, which runs the embedded SQLite"
        yield Problem(join.place, message, _HELP, confidence=confidence, related=(place,))
    elif cluster.evidence_kind is EvidenceKind.REPLICAS:
        at = cluster.evidence[0].at or first.invocation.at
        message = "each replica of this server starts a cluster of its own on SQLite"
        yield Problem(at, message, _HELP, confidence=confidence, related=(place,))
    elif second := next((node for node in firsts[1:] if _alike(node.invocation, first.invocation)), None):
        at = second.invocation.at
        message = f"this server of {cluster.name} starts a cluster of its own on SQLite, and so does {label(first, at)}"
        yield Problem(at, message, _HELP, confidence=confidence, related=(place,))


def _on_sqlite(first: Node, cluster: Cluster) -> bool:
    """Whether a first server runs SQLite, as far as it may be concluded: all of it was seen, or it is declared."""
    return kept(first.invocation) is Kept.SQLITE and (cluster.declared or first.invocation.wholly_seen)


def _has_datastore(joiner: Node) -> bool:
    """Whether a server that joins has a datastore of its own all the same."""
    return joiner.invocation.last("datastore-endpoint") is not None


def _confidence(cluster: Cluster, firsts: list[Node]) -> Confidence:
    sure = cluster.firm and all(node.invocation.wholly_seen for node in firsts)
    return Confidence.HIGH if sure else Confidence.MEDIUM


def _alike(one: Invocation, other: Invocation) -> bool:
    """Whether both are started by something seen, or neither is: a config and the script beside it may be one host."""
    return bool(one.lacks(Input.ARGUMENTS)) == bool(other.lacks(Input.ARGUMENTS))
