"""An even number of servers keeps etcd, which bears no more failures than one less.

etcd needs more than half of its members to agree: with 2 members both have to run, so that the cluster stops when
either fails, and with 4 no more than 1 may fail, as with 3. A member more is one more to fail and one more to write
to, for nothing. K3s counts no members and says nothing about it; its documentation asks for an odd number, three or
more.

Every server on embedded etcd is a member, the first with `cluster-init` and all that join it, except for one with
`disable-etcd`. Servers on an external datastore are none: any number of them is fine.

The servers that `.k3s-policy.yaml` declares are all there are, and so are those of a file that describes the whole
cluster, such as a config of k3d's. Where a cluster is known by its `server` URLs only,
more servers may be configured elsewhere: the confidence is less. Templates, and scripts that run on any host, are
not counted, since nobody can tell how many hosts they make.

Have 3 servers, or 5 where two may fail at once; or let one server of the cluster run with `disable-etcd`. A cluster
that need not outlive a failure is better off with 1 server than with 2.

```yaml wrong path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
token-file: /etc/rancher/k3s/token
```

```yaml wrong path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://first.example.com:6443
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

```yaml right path=third/etc/rancher/k3s/config.yaml cluster=edge
server: https://first.example.com:6443
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.certainty import some_may_be_one_host
from k3s_policy.model.cluster import EvidenceKind
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Input, Server
from k3s_policy.model.membership import Kept, cluster_init, is_scripted, joined, kept, settled

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node

_HELP = "have an odd number of servers, 3 or 5; a server with disable-etcd is no member"
_NAMING = ("node-ip", "node-external-ip", "advertise-address", "node-name")
"""Flags that one host alone can have."""


@rule(severity="medium", see=("https://docs.k3s.io/datastore/ha-embedded",))
def check(cluster: Cluster) -> Problems:
    """Report the first server of a cluster with an even number of members."""
    members = _members(cluster)
    confidence = _confidence(cluster)
    if members is None or confidence is None:
        return
    first, *others = members
    begins = cluster_init(first.invocation)
    number = sum(map(_copies, members))
    if begins is None or number == 0 or number % 2:
        return
    joins = (join.place for node in others if (join := joined(node.invocation)))
    places = ((place, "this server is a member, too") for place in joins if place.span != begins.place.span)
    if number == 2:
        message = f"etcd has 2 members and stops when either fails ({cluster.reason})"
    else:
        message = f"etcd has {number} members and bears no more failures than with {number - 1} ({cluster.reason})"
    yield Problem(begins.place, message, _HELP, confidence=confidence, related=tuple(places))


def _members(cluster: Cluster) -> list[Node] | None:
    """Return the members of etcd, the first server first; None where it is not sure who they are."""
    firsts = [node for node in cluster.servers if joined(node.invocation) is None]
    if len(firsts) != 1 or kept(firsts[0].invocation) is not Kept.ETCD:
        return None  # another rule's, or the first server is not among the files
    members = list(firsts)
    # Nodes that have an address or name in common are one host, which two scripts set up.
    names = _names(firsts[0])
    for node in cluster.servers:
        invocation = node.invocation
        join = joined(invocation)
        if join is None:
            continue
        without_etcd = settled(invocation, "disable-etcd")
        if invocation.last("datastore-endpoint") or (without_etcd is None and invocation.all("disable-etcd")):
            return None
        own = _names(node)
        if not is_on(without_etcd) and names.isdisjoint(own):
            members.append(node)
            names |= own
    apart = not some_may_be_one_host(cluster.servers)
    return members if apart and all(_is_counted(node) for node in members) else None


def _is_counted(node: Node) -> bool:
    """Whether it is known how many hosts are made of a node: not of a template, or of a script that runs anywhere."""
    invocation = node.invocation
    if not isinstance(invocation, Server) or node.alternative_of is not None or invocation.when:
        return False
    if not str(node.copies or 1).isdigit():
        return False
    if any(unseen.at is not None and unseen.kind is not Input.VERSION for unseen in invocation.unseen):
        return False
    if node.group is not None:
        return True  # its file says how many there are
    if is_scripted(invocation):
        return _is_named(node)
    return all(setting.known or setting.flag.sensitive for setting in invocation.settings)


def _is_named(node: Node) -> bool:
    """Whether a node has an address or name written out, so that it is one host."""
    return bool(_names(node))


def _names(node: Node) -> set[str]:
    settings = (one.value for one in node.invocation.all(*_NAMING) if one.known)
    return {name for name in map(str, (*settings, *node.addresses)) if not set(name) & set("${")}


def _copies(node: Node) -> int:
    return int(str(node.copies)) if node.copies is not None else 1


def _confidence(cluster: Cluster) -> Confidence | None:
    """Say how sure it is that there are no further servers; None where nobody can tell."""
    if cluster.evidence_kind in (EvidenceKind.DECLARED, EvidenceKind.FILE):
        return Confidence.HIGH
    if cluster.evidence_kind is not EvidenceKind.JOINED:
        return None
    further = [node for node in cluster.servers if joined(node.invocation) is not None]
    if all(map(_is_named, further)):
        return Confidence.MEDIUM
    # A file that joins and has no folder of one host may be meant for several.
    return Confidence.LOW if all(node.root or _is_named(node) for node in further) else None
