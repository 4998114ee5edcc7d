"""Several servers, but the first one keeps its data in SQLite, which no other server can share.

Without `datastore-endpoint` and without `cluster-init` a first server runs the embedded SQLite (K3s
`pkg/cluster/managed.go`, assignManagedDriver). A second server that joins it is refused: `etcd disabled`,
400 or 401 on `/v1-k3s/server-bootstrap` (K3s `pkg/server/handlers/handlers.go`). One that has no token or no
`server` does not even try: it becomes a cluster of its own, with its own data.

Start the first server with `cluster-init: true` (embedded etcd), or give every server the same
`datastore-endpoint`.

Which servers belong together is known from `.k3s-policy.yaml` or from a `server` URL that names another node's
address, name or tls-san. Nothing is concluded where the first server's arguments were not seen.

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

from k3s_policy import endpoint
from k3s_policy.finding import Confidence
from k3s_policy.rule import Problem, rule

if TYPE_CHECKING:
    from k3s_policy.model import Cluster, Invocation, Node, Setting
    from k3s_policy.rule import Problems

_HELP = "start the first server with cluster-init: true, or give every server the same datastore-endpoint"


@rule(severity="high", see=("https://docs.k3s.io/datastore/ha-embedded", "https://docs.k3s.io/datastore/ha"))
def check(cluster: Cluster) -> Problems:
    """Report the second server of a cluster whose servers all run, or join, SQLite."""
    if len(cluster.servers) < 2 or any(_shares(node.invocation) for node in cluster.servers):
        return
    firsts = [node for node in cluster.servers if _join(node.invocation) is None]
    joiners = [(node, join) for node in cluster.servers if (join := _join(node.invocation)) is not None]
    if not firsts or (not cluster.declared and not all(_seen(node.invocation) for node in firsts)):
        return
    confidence = Confidence.HIGH if all(_seen(node.invocation) for node in firsts) else Confidence.MEDIUM
    first = firsts[0]
    place = (
        first.invocation.at,
        f"the first server has neither cluster-init nor datastore-endpoint ({cluster.why})",
    )
    if joiners:
        _, join = joiners[0]
        message = f"this server cannot join {_name(first, join)}, which runs the embedded SQLite"
        yield Problem(join.place, message, _HELP, confidence=confidence, related=(place,))
    elif second := next((node for node in firsts[1:] if _alike(node.invocation, first.invocation)), None):
        message = f"this server of {cluster.name} starts a cluster of its own on SQLite, and so does {first.name}"
        yield Problem(second.invocation.at, message, _HELP, confidence=confidence, related=(place,))


def _alike(one: Invocation, other: Invocation) -> bool:
    """Whether both are started by something seen, or neither is: a config and the script beside it may be one host."""
    return bool(one.lacks("arguments")) == bool(other.lacks("arguments"))


def _name(first: Node, join: Setting) -> str:
    """Say which server is meant: by its file, and by its line where the other stands in the same file."""
    span = first.invocation.at.span
    return f"{first.name}:{span.line}" if join.at.span.source is span.source else first.name


def _join(invocation: Invocation) -> Setting | None:
    """Return the setting that makes a server join another."""
    setting = invocation.last("server")
    return setting if setting is not None and str(setting.value) else None


def _shares(invocation: Invocation) -> bool:
    """Whether a server has, or may have, a datastore that others can share."""
    for setting in invocation.all("cluster-init"):
        if invocation.last("cluster-init", setting.when) is not setting:
            continue  # a stronger one takes it back
        if not setting.known or str(setting.value).lower() in ("true", "t", "1"):
            return True
    for setting in invocation.all("datastore-endpoint"):
        if invocation.last("datastore-endpoint", setting.when) is not setting:
            continue
        parsed = endpoint.parse(setting.value)
        if str(setting.value) and parsed.backend is not endpoint.Backend.SQLITE:
            return True
    return any(unseen.at is not None for unseen in invocation.unseen)


def _seen(invocation: Invocation) -> bool:
    """Whether arguments, config and environment were all read."""
    return invocation.wholly_seen
