"""What makes a node a member of a cluster: whom it joins, with what token, where it keeps its state.

K3s pkg/cluster/managed.go, assignManagedDriver, on a host without etcd's data: a datastore-endpoint is used as it
is; without one, `cluster-init`, or a token beside `server`, makes embedded etcd; else it is SQLite. Nothing is
concluded from what was not seen.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy.k3s.version import Version
from k3s_policy.model.effective import is_on
from k3s_policy.model.invocation import Agent, Form
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text.branch import When

__all__ = [
    "READS_TOKEN",
    "TOKENS",
    "Kept",
    "cluster_init",
    "is_scripted",
    "is_settled",
    "joined",
    "kept",
    "settled",
    "speaks_of",
    "token_sources",
]

TOKENS = ("token", "token-file", "cluster-secret")
"""Flags that give a token to join with."""
_OF_AGENTS = (*TOKENS, "agent-token", "agent-token-file")
READS_TOKEN = (Version(1, 19, 13), Version(1, 20, 9), Version(1, 21, 3))
"""The first release of each line in which a server reads its token before it starts (k3s-io/k3s#3422)."""


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
        return Kept.ETCD if cluster_init(invocation) is not None else Kept.UNKNOWN
    if joined(invocation) is not None:
        return Kept.ETCD if token_sources(invocation) else Kept.UNKNOWN
    return Kept.UNKNOWN if any(unseen.at is not None for unseen in invocation.unseen) else Kept.SQLITE


def _kept_outside(invocation: Invocation) -> Kept:
    from k3s_policy.k3s.endpoint import Backend  # likewise
    from k3s_policy.model.datastore import datastores  # few hosts have an endpoint

    kinds = {one.backend for one in datastores(invocation)}
    if kinds == {Backend.SQLITE}:
        return Kept.SQLITE
    return Kept.EXTERNAL if None not in kinds and Backend.SQLITE not in kinds else Kept.UNKNOWN


def cluster_init(invocation: Invocation) -> Setting | None:
    """Return the `cluster-init` by which a server starts a cluster on embedded etcd: the strongest that is on."""
    return next((setting for setting in reversed(invocation.all("cluster-init")) if is_on(setting)), None)


def _may_be_on(invocation: Invocation, setting: Setting) -> bool:
    if invocation.last("cluster-init", setting.when) is not setting:
        return False  # a stronger one takes it back
    return not setting.known or is_on(setting)


def joined(invocation: Invocation, beside: When = ()) -> Setting | None:
    """Return the setting by which a node joins another, an empty one is none."""
    setting = invocation.last("server", beside)
    return setting if setting is not None and str(setting.value) else None


def token_sources(invocation: Invocation, beside: When = ()) -> tuple[Setting, ...]:
    """Return the settings that give a token to join with; an agent also joins with an agent token."""
    names = _OF_AGENTS if isinstance(invocation, Agent) else TOKENS
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


def is_scripted(invocation: Invocation) -> bool:
    """Whether a script starts it: on any host, and with what its caller has in the environment."""
    started = invocation.started
    return started is not None and started.form in (Form.INSTALLER, Form.COMMAND)


def speaks_of(invocation: Invocation, *words: str) -> bool:
    """Whether a file in which something of an invocation stands has one of some words, wherever that may be."""
    sources = {setting.at.span.source for setting in invocation.settings} | {invocation.at.span.source}
    # What stands in base64 is not to be seen in the file.
    texts = (*(source.content for source in sources), *(str(setting.at) for setting in invocation.settings))
    return any(word in text for text in texts for word in words)
