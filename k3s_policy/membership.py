"""What makes a node a member of a cluster: whom it joins, with what token, where it keeps its state.

K3s pkg/cluster/managed.go, assignManagedDriver, on a host without etcd's data: a datastore-endpoint is used as it
is; without one, `cluster-init`, or a token beside `server`, makes embedded etcd; else it is SQLite. Nothing is
concluded from what was not seen.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy.branch import exclusive
from k3s_policy.effective import is_on
from k3s_policy.finding import Confidence
from k3s_policy.model import Agent, Form, Ground

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.branch import When
    from k3s_policy.model import Cluster, Invocation, Node, Setting
    from k3s_policy.text import Text

__all__ = [
    "Kept",
    "called",
    "certainty",
    "is_scripted",
    "is_settled",
    "joined",
    "kept",
    "may_be_one_host",
    "settled",
    "some_may_be_one_host",
    "token_sources",
]


class Kept(Enum):
    """Where a server keeps the state of its cluster."""

    SQLITE = "SQLite"
    ETCD = "embedded etcd"
    EXTERNAL = "an external datastore"
    UNKNOWN = "not known"


def kept(invocation: Invocation) -> Kept:
    """Return where a server keeps its state, as far as what was seen of it tells."""
    if any(str(setting.value) for setting in invocation.all("datastore-endpoint")):
        return _kept_outside(invocation)
    if any(_may_be_on(invocation, setting) for setting in invocation.all("cluster-init")):
        return Kept.ETCD if any(map(is_on, invocation.all("cluster-init"))) else Kept.UNKNOWN
    if joined(invocation) is not None:
        return Kept.ETCD if token_sources(invocation) else Kept.UNKNOWN
    return Kept.UNKNOWN if any(unseen.at is not None for unseen in invocation.unseen) else Kept.SQLITE


def _kept_outside(invocation: Invocation) -> Kept:
    from k3s_policy.datastore import datastores  # noqa: PLC0415  few hosts have an endpoint
    from k3s_policy.endpoint import Backend  # noqa: PLC0415  likewise

    kinds = {one.backend for one in datastores(invocation)}
    if kinds == {Backend.SQLITE}:
        return Kept.SQLITE
    return Kept.EXTERNAL if None not in kinds and Backend.SQLITE not in kinds else Kept.UNKNOWN


def _may_be_on(invocation: Invocation, setting: Setting) -> bool:
    if invocation.last("cluster-init", setting.when) is not setting:
        return False  # a stronger one takes it back
    return not setting.known or is_on(setting)


def joined(invocation: Invocation, beside: When = ()) -> Setting | None:
    """Return the setting by which a node joins another, an empty one is none."""
    setting = invocation.last("server", beside)
    return setting if setting is not None and str(setting.value) else None


_TOKENS = ("token", "token-file", "agent-token", "agent-token-file", "cluster-secret")


def token_sources(invocation: Invocation, beside: When = ()) -> tuple[Setting, ...]:
    """Return the settings that give a token to join with; an agent also joins with an agent token."""
    names = _TOKENS if isinstance(invocation, Agent) else ("token", "token-file", "cluster-secret")
    return tuple(
        setting for setting in invocation.all(*names) if str(setting.value) and not exclusive(setting.when, beside)
    )


def settled(invocation: Invocation, name: str) -> Setting | None:
    """Return the setting of a flag that wins, if it is known and wins whichever branch of a script is taken."""
    setting = invocation.last(name)
    return setting if setting is not None and is_settled(invocation, setting) else None


def is_settled(invocation: Invocation, setting: Setting) -> bool:
    """Whether a setting is known, and stands in no other branch of a script than the one that is taken."""
    join = joined(invocation)
    taken = {*invocation.when, *(join.when if join is not None else ())}
    return setting.known and taken.issuperset(setting.when)


def certainty(cluster: Cluster, invocation: Invocation, *kinds: str) -> Confidence | None:
    """Return how sure it is that a node of a cluster sets no more than was seen; None where it may well.

    `kinds` are the places that matter: `arguments`, `config`, `environment`. Whoever declares a cluster by its config
    files means that they say it all.
    """
    unseen = [one for one in invocation.unseen if one.kind in kinds]
    if not unseen:
        return Confidence.MEDIUM if cluster.ground is Ground.SCRIPTS else Confidence.HIGH
    mild = all(one.kind == "arguments" and one.at is None for one in unseen)
    return Confidence.MEDIUM if mild and cluster.declared else None


def may_be_one_host(one: Node, other: Node) -> bool:
    """Whether two nodes may be one host: a config file that nothing seen starts, and a start without its config."""
    return any(
        configured.invocation.started is None and started.invocation.lacks("config")
        for configured, started in ((one, other), (other, one))
    )


def some_may_be_one_host(nodes: Iterable[Node]) -> bool:
    """Whether two of some nodes may be one host."""
    every = list(nodes)
    configured = [node for node in every if node.invocation.started is None]
    started = [node for node in every if node.invocation.lacks("config")] if configured else []
    return any(one is not other for one in configured[:2] for other in started[:2])


def is_scripted(invocation: Invocation) -> bool:
    """Whether a script starts it: on any host, and with what its caller has in the environment."""
    started = invocation.started
    return started is not None and started.form in (Form.INSTALLER, Form.COMMAND)


def called(node: Node, at: Text) -> str:
    """Say which node is meant: by its file, and by its line where what is reported stands in the same file."""
    span = node.invocation.at.span
    return f"{node.name}:{span.line}" if at.span.source is span.source else node.name
