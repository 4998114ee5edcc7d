"""Nodes of one cluster have different tokens.

A server that joins embedded etcd shows its token to the other one and is refused where it is not the same (K3s
`pkg/cluster/bootstrap.go`, httpBootstrap). With an external datastore it cannot decrypt the keys of the cluster:
`bootstrap data already found and encrypted with different token` (K3s `pkg/cluster/storage.go`). An agent is
refused, and tries again for ever.

Compared is what K3s compares, the password: all of a short token, and of a full one
(`K10<hash>::server:<password>`) what stands behind the user (K3s `pkg/clientaccess/token.go`, parseToken). An agent
shows its token as the user `node`, whose password is the `agent-token` of the server where that is set, else the
server token (K3s `pkg/agent/run.go`, `pkg/daemons/control/deps/deps.go`). Here either of them will do. A server can
join with the server token alone: not with an `agent-token`, and not with a token that `k3s token create` has made,
which agents may use.

Values are never shown. Nothing is said of templates, encrypted values and files: `token-file` beats `token`, and
what it names is on the host.

Give all servers one token, in a file that is not in the repository.

```yaml wrong path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
token: 4f1c9a7be2d0836f5512cc
```

```yaml wrong path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://first.example.com:6443
token: 83b7d07c1e5aa90f21b6de
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

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.credential import Nature, Secret, nature
from k3s_policy.model.certainty import ANYWHERE, certainty, highest_confidence, label, must_agree
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Agent, Server
from k3s_policy.model.membership import Kept, joined, kept, settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Invocation, Setting

_HELP = "give every node the token of the cluster, by token-file or K3S_TOKEN"


class _Holder(NamedTuple):
    """A node whose token is written out."""

    node: Node
    setting: Setting
    password: Secret
    """What K3s compares of it."""


@rule(severity="high", see=("https://docs.k3s.io/cli/token", "https://docs.k3s.io/datastore/ha-embedded"))
def check(cluster: Cluster) -> Problems:
    """Report the servers and agents whose token is not the first server's."""
    servers = [node for node in cluster.servers if isinstance(node.invocation, Server)]
    holders = [holder for node in servers if (holder := _holder(node, "token"))]
    first = next((one for one in holders if joined(one.node.invocation) is None), holders[0] if holders else None)
    if first is None:
        return
    for holder in holders:
        if holder is not first and holder.password != first.password and must_agree(cluster, holder.node, first.node):
            yield _server_differs(cluster, holder, first)
    yield from _agents_differ(cluster, servers, first)


def _server_differs(cluster: Cluster, holder: _Holder, first: _Holder) -> Problem:
    name = label(first.node, holder.setting.at)
    agent_token = _holder(first.node, "agent-token")
    if agent_token is not None and agent_token.password == holder.password:
        message = f"K3s does not start: this is the agent-token of {name}, which lets no server join"
    elif kept(holder.node.invocation) is Kept.EXTERNAL:
        message = f"K3s does not start: its token cannot decrypt what {name} keeps in the datastore"
    else:
        message = f"K3s does not start: {name} has another token, and refuses this server"
    return _problem(cluster, holder, first, message, Confidence.HIGH)


def _agents_differ(cluster: Cluster, servers: list[Node], first: _Holder) -> Iterator[Problem]:
    """Report the agents that show none of the tokens the servers may take."""
    sure = [certainty(cluster, node.invocation, *ANYWHERE) for node in servers]
    accepted = {first.password}
    for node in servers:
        for name in ("token", "agent-token"):
            if holder := _holder(node, name):
                accepted.add(holder.password)
    if None in sure or any(_has_hidden_agent_token(node.invocation) for node in servers):
        return
    confidence = min(one for one in sure if one is not None)
    for node in cluster.agents:
        holder = _holder(node, "token") if isinstance(node.invocation, Agent) else None
        if holder is None or holder.password in accepted or _is_made_by_command(holder.password):
            continue
        if must_agree(cluster, node, first.node):
            message = f"{label(first.node, holder.setting.at)} has another token, and refuses this agent"
            yield _problem(cluster, holder, first, message, confidence)


def _is_made_by_command(password: Secret) -> bool:
    """Whether it is a token that `k3s token create` makes, which is looked up in the cluster."""
    return re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", password.value) is not None


def _problem(cluster: Cluster, holder: _Holder, first: _Holder, message: str, confidence: Confidence) -> Problem:
    sure = min(confidence, highest_confidence(cluster, (holder.node, first.node), *ANYWHERE))
    place = (first.setting.at, f"the token of this server is another ({cluster.reason})")
    return Problem(holder.setting.at, message, _HELP, confidence=sure, related=(place,))


def _has_hidden_agent_token(invocation: Invocation) -> bool:
    """Whether a server has an agent token that is not written out."""
    settings = invocation.all("agent-token", "agent-token-file")
    return bool(settings) and _literal(invocation, "agent-token") is None


def _holder(node: Node, name: str) -> _Holder | None:
    setting = _literal(node.invocation, name)
    return _Holder(node, setting, _password(str(setting.value))) if setting is not None else None


def _literal(invocation: Invocation, name: str) -> Setting | None:
    """Return the setting of a token that is written out; None where a file, a template or a branch decides."""
    setting = settled(invocation, name)
    if setting is None or any(str(file.value) for file in invocation.all(f"{name}-file")):
        return None
    return setting if nature(setting.value, setting.tag) is Nature.LITERAL else None


def _password(token: str) -> Secret:
    """Return what a server compares: without the hash of the authority and the user."""
    if not token.startswith("K10"):
        return Secret(token)
    creds = token.removeprefix("K10").partition("::")[2]
    return Secret(creds.partition(":")[2] or creds)
