"""More than one server of a cluster starts it, so there are several clusters.

A server with `cluster-init` and without `server` starts a cluster on embedded etcd; a second such server does not
find the first, but starts another one, with its own data, its own certificates and its own copy of everything that
is deployed (K3s `pkg/cluster/bootstrap.go`, shouldBootstrapLoad; every release with embedded etcd). Agents and
clients see the one or the other, whichever the address leads to.

`cluster-init` beside `server` does no harm: such a server joins. Nor does it to a host that has etcd's data
already, which K3s looks at first; a host that is made anew from the same configuration starts a cluster of its own,
though.

Which servers belong together is known from `.k3s-policy.yaml` or, of the replicas of a workload, from the manifest.
Two arms of a script that exclude each other are alternatives.

Keep `cluster-init` on the first server, and give the others its URL as `server`.

```yaml wrong path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
token-file: /etc/rancher/k3s/token
```

```yaml wrong path=second/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
token-file: /etc/rancher/k3s/token
```

```yaml right path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
token-file: /etc/rancher/k3s/token
```

```yaml right path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://first.example.com:6443
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.certainty import ANYWHERE, certainty, label, side_by_side
from k3s_policy.model.cluster import EvidenceKind
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Server
from k3s_policy.model.membership import Kept, cluster_init, is_scripted, joined, kept
from k3s_policy.text.branch import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

_HELP = "keep cluster-init on the first server, and give the others its URL as server"


class _Start(NamedTuple):
    """A server that starts a cluster, and how sure that is."""

    node: Node
    at: Text
    when: When
    says_so: bool
    """Whether `cluster-init` is given; else it runs SQLite."""
    confidence: Confidence


@rule(severity="high", see=("https://docs.k3s.io/datastore/ha-embedded",))
def check(cluster: Cluster) -> Problems:
    """Report each further server that starts a cluster."""
    starts = [start for node in cluster.servers for start in _starts(cluster, node)]
    first = next((start for start in starts if start.says_so), None)
    if first is None:
        return  # all of them on SQLite are another rule's
    if cluster.evidence_kind is EvidenceKind.REPLICAS:
        at = cluster.evidence[0].at or first.at
        place = (first.at, f"cluster-init makes each of them the first server ({cluster.reason})")
        message = "each replica of this server starts a cluster of its own"
        yield Problem(at, message, _HELP, confidence=first.confidence, related=(place,))
        return
    for start in starts:
        if start is first or not side_by_side(start.node, first.node, start.when, first.when):
            continue
        what = "a cluster of its own" if start.says_so else "a cluster of its own on SQLite"
        message = f"this server starts {what} instead of joining that of {label(first.node, start.at)}"
        place = (first.at, f"this server starts the cluster ({cluster.reason})")
        confidence = min(start.confidence, first.confidence)
        yield Problem(start.at, message, _HELP, confidence=confidence, related=(place,))


def _starts(cluster: Cluster, node: Node) -> Iterator[_Start]:
    """Yield how a server starts a cluster, if it is sure that it does."""
    invocation = node.invocation
    sure = certainty(cluster, invocation, *ANYWHERE)
    if joined(invocation) is not None or sure is None or not isinstance(invocation, Server):
        return
    if is_scripted(invocation):
        sure = min(sure, Confidence.MEDIUM)
    keeps, begins = kept(invocation), cluster_init(invocation)
    if keeps is Kept.ETCD and begins is not None:
        yield _Start(node, begins.place, begins.when, says_so=True, confidence=sure)
    elif keeps is Kept.SQLITE and invocation.wholly_seen:
        yield _Start(node, invocation.at, ALWAYS, says_so=False, confidence=sure)
