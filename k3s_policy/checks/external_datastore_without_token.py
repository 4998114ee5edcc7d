"""Several servers share an external datastore, and one of them has no token.

K3s keeps the keys of the cluster in the datastore, encrypted with the server token. A server that has no token on a
new host makes one at random; the next one makes another, cannot read what the first has stored, and ends with
`bootstrap data already found and encrypted with different token` (K3s `pkg/cluster/storage.go`). The same happens
to a server without a token beside one that has it. By then it has written certificates of its own, which have to be
removed before it can join (k3s-io/k3s#3888, #12388).

So it is since v1.19.13, v1.20.9 and v1.21.3; older releases stored the keys under an empty token, for everybody who
reaches the datastore to read. A host that ran before has its token in `server/token` of its data directory, and
starts without one in its configuration: whoever adds a server has to find that file first.

A finding is made where everything the servers are started with was seen: config, arguments and environment.

Give all servers one token: `token-file`, or `K3S_TOKEN` in an environment file of mode 0600.

```ini wrong path=first/etc/systemd/system/k3s.service cluster=edge
[Service]
ExecStart=/usr/local/bin/k3s server --datastore-endpoint=https://etcd.example.com:2379
```

```ini wrong path=second/etc/systemd/system/k3s.service cluster=edge
[Service]
ExecStart=/usr/local/bin/k3s server --datastore-endpoint=https://etcd.example.com:2379
```

```ini right path=first/etc/systemd/system/k3s.service cluster=edge
[Service]
ExecStart=/usr/local/bin/k3s server --datastore-endpoint=https://etcd.example.com:2379 --token-file=/etc/k3s/token
```

```ini right path=second/etc/systemd/system/k3s.service cluster=edge
[Service]
ExecStart=/usr/local/bin/k3s server --datastore-endpoint=https://etcd.example.com:2379 --token-file=/etc/k3s/token
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.version import has_come
from k3s_policy.model.certainty import label, side_by_side
from k3s_policy.model.cluster import EvidenceKind
from k3s_policy.model.datastore import datastores
from k3s_policy.model.finding import Confidence
from k3s_policy.model.membership import READS_TOKEN, Kept, is_scripted, kept, speaks_of, token_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Setting
    from k3s_policy.text import Text

_HELP = "give every server the same token: add token-file, or set K3S_TOKEN"


class _Sharing(NamedTuple):
    """A server on an external datastore."""

    node: Node
    endpoint: Setting

    @property
    def has_token(self) -> bool:
        """Whether a token is given, whatever it is."""
        return bool(token_sources(self.node.invocation, self.endpoint.when))

    @property
    def place(self) -> Text:
        """Where the datastore is given; the value may hold a password."""
        return self.endpoint.at


@rule(severity="high", see=("https://docs.k3s.io/datastore/ha", "https://docs.k3s.io/cli/token"))
def check(cluster: Cluster) -> Problems:
    """Report the servers without a token, and of servers that all have none the second."""
    sharing = list(_sharing(cluster))
    if len(sharing) < 2:
        return
    lacking = [one for one in sharing if not one.has_token and has_come(READS_TOKEN, one.node.invocation.version)]
    if cluster.evidence_kind is EvidenceKind.REPLICAS:
        yield from (_of_replicas(cluster, one) for one in lacking[:1] if one.node.invocation.wholly_seen)
        return
    first = next((one for one in sharing if one.has_token), sharing[0])
    if not first.has_token and not first.node.invocation.wholly_seen:
        return
    others = [one for one in lacking if one is not first and side_by_side(one.node, first.node, one.endpoint.when)]
    seen = [one for one in others if one.node.invocation.wholly_seen and not _fed(one)]
    # Of servers that all have no token, one finding is enough.
    yield from (_beside(cluster, one, first) for one in (seen if first.has_token else seen[:1]))


def _sharing(cluster: Cluster) -> Iterator[_Sharing]:
    for node in cluster.servers:
        if kept(node.invocation) is Kept.EXTERNAL:
            yield _Sharing(node, next(datastores(node.invocation)).setting)


def _beside(cluster: Cluster, one: _Sharing, first: _Sharing) -> Problem:
    name = label(first.node, one.place)
    if first.has_token:
        message = f"K3s does not start: without a token it cannot read what {name} keeps in the datastore"
        related = f"this server of the datastore has a token ({cluster.reason})"
    else:
        message = f"K3s does not start: it has no token to read what {name} keeps in the datastore"
        related = f"this server makes a token of its own, too ({cluster.reason})"
    sure = _confidence(cluster, one)
    return Problem(one.place, message, _HELP, confidence=sure, related=((first.endpoint.at, related),))


def _of_replicas(cluster: Cluster, one: _Sharing) -> Problem:
    message = "K3s does not start: each replica makes a token of its own, and the first one's encrypts the datastore"
    at = cluster.evidence[0].at or one.place
    place = (one.place, f"all of them share this datastore ({cluster.reason})")
    return Problem(at, message, _HELP, related=(place,))


def _fed(one: _Sharing) -> bool:
    """Whether a script speaks of a token, so that its caller may hand one over."""
    return is_scripted(one.node.invocation) and speaks_of(one.node.invocation, "TOKEN")


def _confidence(cluster: Cluster, one: _Sharing) -> Confidence:
    return Confidence.HIGH if cluster.firm and not is_scripted(one.node.invocation) else Confidence.MEDIUM
