"""What a server keeps the state of its cluster in, as K3s chooses it from its settings.

K3s pkg/cluster/managed.go, assignManagedDriver, on a host without etcd's data: a datastore-endpoint is used as it is;
without one, `cluster-init`, or a token beside `server`, makes embedded etcd; else it is SQLite. Nothing is concluded from
what was not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy import endpoint as grammar
from k3s_policy.branch import exclusive
from k3s_policy.effective import is_on
from k3s_policy.endpoint import Backend, Endpoint, Files, Outcome
from k3s_policy.finding import Confidence
from k3s_policy.model import CIPHERS, Agent, Origin
from k3s_policy.template import marked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.branch import When
    from k3s_policy.model import Invocation, Setting

__all__ = ["FILES", "Datastore", "Kept", "datastores", "joined", "kept", "token_sources"]

FILES = ("datastore-cafile", "datastore-certfile", "datastore-keyfile")
"""The flags that name files for TLS to the datastore."""
_KINDS = {Origin.CONFIG: "config", Origin.ARGUMENT: "arguments", Origin.ENVIRONMENT: "environment"}


@dataclass(frozen=True, eq=False)
class Datastore:
    """A datastore-endpoint that counts, with what stands beside it."""

    invocation: Invocation
    setting: Setting
    endpoint: Endpoint
    """Its parts; what a template or variable fills in is not known in them, and has no separators."""
    files: tuple[Setting, ...]
    """The settings of `FILES` that count beside it, in that order; empty ones are none."""

    @property
    def backend(self) -> Backend | None:
        """What keeps the state; None where the endpoint is refused, or its scheme is not known."""
        return self.endpoint.backend

    @property
    def given(self) -> Files:
        """Which of the files are given."""
        return Files(*(any(setting.flag.name == name for setting in self.files) for name in FILES))

    @property
    def outcome(self) -> Outcome | None:
        """What becomes of TLS; None where it cannot be told, or files may be given at a place that was not read."""
        if not any(self.given) and self.may_hide_files:
            return None
        return grammar.outcome(self.endpoint, self.given, self.invocation.version)

    @property
    def may_hide_files(self) -> bool:
        """Whether the place where the endpoint stands was not wholly read: the files may be named there too."""
        unseen = self.invocation.lacks(_KINDS[self.setting.origin])
        return unseen is not None and unseen.at is not None

    @property
    def confidence(self) -> Confidence:
        """How sure a conclusion is from what does not stand beside the endpoint."""
        return Confidence.HIGH if self.invocation.wholly_seen and self.endpoint.text.known else Confidence.MEDIUM


def datastores(invocation: Invocation) -> Iterator[Datastore]:
    """Yield each datastore-endpoint that counts, one for each branch of a script; an empty one is none."""
    for setting in invocation.all("datastore-endpoint"):
        if not str(setting.value) or invocation.last("datastore-endpoint", setting.when) is not setting:
            continue
        found = (invocation.last(name, setting.when) for name in FILES)
        files = tuple(one for one in found if one is not None and str(one.value))
        yield Datastore(invocation, setting, _parsed(setting), files)


def _parsed(setting: Setting) -> Endpoint:
    encrypted = str(setting.value).startswith(CIPHERS) or setting.tag is not None
    return grammar.parse(setting.value.unknown() if encrypted else marked(setting.value))


class Kept(Enum):
    """Where a server keeps the state of its cluster."""

    SQLITE = "SQLite"
    ETCD = "embedded etcd"
    EXTERNAL = "an external datastore"
    UNKNOWN = "not known"


def kept(invocation: Invocation) -> Kept:
    """Return where a server keeps its state, as far as what was seen of it tells."""
    found = list(datastores(invocation))
    if found:
        kinds = {one.backend for one in found}
        if kinds <= {Backend.SQLITE}:
            return Kept.SQLITE
        return Kept.EXTERNAL if None not in kinds and Backend.SQLITE not in kinds else Kept.UNKNOWN
    if any(_may_be_on(invocation, setting) for setting in invocation.all("cluster-init")):
        return Kept.ETCD if any(map(is_on, invocation.all("cluster-init"))) else Kept.UNKNOWN
    if joined(invocation) is not None:
        return Kept.ETCD if token_sources(invocation) else Kept.UNKNOWN
    return Kept.UNKNOWN if any(unseen.at is not None for unseen in invocation.unseen) else Kept.SQLITE


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
