"""Two nodes of one cluster have the same name.

A node's name is its identity. Of two servers with embedded etcd the second one exits: `duplicate node name found,
please use a unique name for this node` (K3s `pkg/etcd/etcd.go`, since v1.21.6 and v1.22.3; in older releases the two
replace each other in turn). Any other node is refused by the server it asks: `Node password rejected, duplicate
hostname` (K3s `pkg/nodepassword`, `pkg/agent/config/config.go`).

`with-node-id` appends to the name what K3s draws once for a host, so that agents, and servers on an external datastore,
may share a `node-name`. Members of embedded etcd are named without it, and two of them still must not. K3s compares
names in small letters.

Nodes belong together where `.k3s-policy.yaml` says so, where one joins the address or name of another, where scripts
start them together, and as replicas of a workload.

Give each node a name of its own, or leave `node-name` out where the hosts' names differ.

```yaml wrong path=one/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
node-name: server
token-file: /etc/rancher/k3s/token
```

```yaml wrong path=two/etc/rancher/k3s/config.yaml cluster=edge
server: https://10.0.0.1:6443
node-name: server
token-file: /etc/rancher/k3s/token
```

```yaml right path=one/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
node-name: server-1
token-file: /etc/rancher/k3s/token
```

```yaml right path=two/etc/rancher/k3s/config.yaml cluster=edge
server: https://10.0.0.1:6443
node-name: server-2
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import marked
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.certainty import label, side_by_side
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence
from k3s_policy.model.membership import Kept, kept
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Setting
    from k3s_policy.text.branch import When

_HELP = "give each node a name of its own"
_HELP_PODS = "leave node-name out: the pods have names of their own"


class _Named(NamedTuple):
    """A node and the setting that names it."""

    node: Node
    setting: Setting

    @property
    def name(self) -> str:
        """The name as K3s has it."""
        return str(self.setting.value).lower()

    @property
    def gets_id(self) -> bool:
        """Whether something of the host may be appended to the name."""
        return any(is_on(one) or not one.known for one in self.node.invocation.all("with-node-id"))

    @property
    def runs_etcd(self) -> bool:
        """Whether it is a server that surely is a member of embedded etcd."""
        server = self.node.invocation
        return server.role == "server" and kept(server) is Kept.ETCD and not server.all("disable-etcd")


@rule(severity="high", see=("https://docs.k3s.io/installation/requirements", "https://docs.k3s.io/cli/agent"))
def check(cluster: Cluster) -> Problems:
    """Report each node that has the name of an earlier one."""
    nodes = {id(node): node for node in cluster.nodes}.values()
    found = [named for node in nodes for named in _names(node)]
    of_name: dict[str, list[_Named]] = {}
    for later in found:
        if later.node.copies is not None and not later.gets_id:
            related = ((later.node.copies, "the number of replicas"),)
            message = f"each replica is a node called {later.setting.value}, and a cluster takes one of that name"
            yield Problem(later.setting.place, message, _HELP_PODS, related=related)
        before = of_name.setdefault(later.name, [])
        earlier = next((one for one in before if _clash(one, later)), None)
        before.append(later)
        if earlier is not None:
            yield _problem(cluster, earlier, later)


def _names(node: Node) -> Iterator[_Named]:
    """Yield the names that are wholly known."""
    for setting in node.invocation.all("node-name"):
        counts = node.invocation.last("node-name", setting.when) is setting
        if counts and str(setting.value) and not _is_filled_in(setting):
            yield _Named(node, setting)


def _is_filled_in(setting: Setting) -> bool:
    """Whether a name is not known, or a placeholder such as `<name>` and `HOSTNAME`."""
    return not setting.known or not marked(setting.value).known or str(setting.value).isupper()


def _clash(one: _Named, other: _Named) -> bool:
    """Whether two nodes that surely are two, and run side by side, have one name."""
    if exclusive(_when(one), _when(other)) or not side_by_side(one.node, other.node):
        return False
    return not (one.gets_id or other.gets_id) or (one.runs_etcd and other.runs_etcd)


def _when(named: _Named) -> When:
    return (*named.node.invocation.when, *named.setting.when)


def _problem(cluster: Cluster, earlier: _Named, later: _Named) -> Problem:
    at, name = later.setting.place, later.setting.value
    other = label(earlier.node, at)
    with_id = earlier.gets_id or later.gets_id
    if earlier.runs_etcd and later.runs_etcd:
        why = ", and with-node-id does not count for members of etcd" if with_id else ""
        message = f"this server does not join: {other} is called {name} too{why}"
    else:
        message = f"this node is refused: {other} is called {name} too"
    related = ((earlier.setting.place, f"the other node of that name ({cluster.reason})"),)
    sure = cluster.firm and not with_id
    return Problem(at, message, _HELP, confidence=Confidence.HIGH if sure else Confidence.MEDIUM, related=related)
