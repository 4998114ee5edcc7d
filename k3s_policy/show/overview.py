"""The nodes and clusters of a repository as they may be shown: every credential is masked here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy import credential
from k3s_policy.effective import effective, refusals, skipped
from k3s_policy.redact import credentials_of
from k3s_policy.reports.masking import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.assemble import Assembly
    from k3s_policy.effective import Effective
    from k3s_policy.model import Cluster, Invocation, Node, Setting, Unseen
    from k3s_policy.text import Text
    from k3s_policy.value import Value

__all__ = ["ClusterView", "Fatal", "Ignored", "NodeView", "NotSeen", "Overview", "Place", "SettingView", "overview"]


class Place(NamedTuple):
    """Where something is written, and by which of K3s's sources it comes."""

    path: str
    line: int
    column: int
    origin: str = ""
    """`config`, `argument` or `environment`; empty where that does not matter."""


class SettingView(NamedTuple):
    """A flag that is set."""

    flag: str
    value: Value | tuple[str, ...]
    masked: bool
    places: tuple[Place, ...]
    """One for each item of a list, else one."""


class Ignored(NamedTuple):
    """Something K3s passes over, and why."""

    argument: str
    why: str
    place: Place


class NotSeen(NamedTuple):
    """Something K3s reads and the scan did not."""

    kind: str
    why: str
    place: Place | None


class Fatal(NamedTuple):
    """Why K3s cannot read its configuration: `config` for a file, `flags` for its flag parser."""

    reason: str
    message: str
    place: Place


@dataclass(frozen=True)
class NodeView:
    """One host."""

    name: str
    root: str
    role: str | None
    because: str
    k3s_version: str | None
    files: tuple[str, ...]
    unseen: tuple[NotSeen, ...]
    argv: tuple[str, ...]
    settings: tuple[SettingView, ...]
    positional: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    fatal: Fatal | None


@dataclass(frozen=True)
class ClusterView:
    """Nodes that belong together, by the names of their views."""

    name: str
    declared: bool
    evidence: str
    servers: tuple[str, ...]
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """All there is to show."""

    nodes: tuple[NodeView, ...]
    clusters: tuple[ClusterView, ...]


def overview(assembly: Assembly, paths: frozenset[str] | None = None) -> Overview:
    """Return what the nodes become that are made of one of the files in `paths`; None stands for all."""
    shown = [node for node in assembly.nodes if paths is None or not paths.isdisjoint(node.invocation.files)]
    names = _names(shown)
    nodes = sorted((_node(node, names[id(node)]) for node in shown), key=lambda view: (view.files, view.name))
    clusters = (_cluster(cluster, names) for cluster in assembly.clusters)
    return Overview(tuple(nodes), tuple(cluster for cluster in clusters if cluster.servers or cluster.agents))


def _names(nodes: Sequence[Node]) -> dict[int, str]:
    """Give each node a name of its own: its first file, with the line where several start in one."""
    often = Counter(node.name for node in nodes)
    return {
        id(node): node.name if often[node.name] == 1 else f"{node.name}:{node.invocation.at.span.line}"
        for node in nodes
    }


def _cluster(cluster: Cluster, names: dict[int, str]) -> ClusterView:
    def named(nodes: Iterable[Node]) -> tuple[str, ...]:
        return tuple(names[id(node)] for node in nodes if id(node) in names)

    return ClusterView(cluster.name, cluster.declared, cluster.evidence, named(cluster.servers), named(cluster.agents))


def _node(node: Node, name: str) -> NodeView:
    invocation = node.invocation
    hidden = list(credentials_of(invocation))
    started = invocation.started
    return NodeView(
        name=name,
        root=node.root,
        role=invocation.role or None,
        because=invocation.because,
        k3s_version=str(invocation.version) if invocation.version else None,
        files=invocation.files,
        unseen=tuple(_not_seen(one) for one in invocation.unseen),
        argv=tuple(_word(word, hidden) for word in started.words) if started else (),
        settings=tuple(_setting(one) for one in effective(invocation)),
        positional=tuple(_word(word, hidden) for word in started.stray) if started else (),
        ignored=tuple(_ignored(invocation, hidden)),
        fatal=_fatal(invocation, hidden),
    )


def _not_seen(unseen: Unseen) -> NotSeen:
    return NotSeen(unseen.kind, unseen.why, _place(unseen.at) if unseen.at is not None else None)


def _setting(one: Effective) -> SettingView:
    secrets = [credential.secrets(setting.flag, setting.value) for setting in one.settings]
    shown = tuple(_without(setting.value, hidden) for setting, hidden in zip(one.settings, secrets, strict=True))
    as_text = one.value == str(one.settings[0].value)
    value = shown if isinstance(one.value, tuple) else shown[0] if as_text else one.value
    return SettingView(one.flag.name, value, any(secrets), tuple(_place_of(setting) for setting in one.settings))


def _place_of(setting: Setting) -> Place:
    """Return where a setting stands: an item of a list by itself, else the option."""
    place = _place(setting.value if setting.item else setting.at)
    return place._replace(origin=setting.origin.value)


def _place(text: Text) -> Place:
    span = text.span
    return Place(span.source.path, span.line, span.column)


def _word(word: Text, hidden: Iterable[Text]) -> str:
    """Return a word of a command line with the credentials that stand in it masked."""
    option, equals, value = word.partition("=") if word.startswith("-") else (word[:0], word[:0], word)
    inside = [text for text in hidden if _overlap(word, text)]
    return f"{_without(option, inside)}{equals}{_without(value, inside)}"


def _overlap(one: Text, other: Text) -> bool:
    return any(span.overlaps(told) for span in one.spans for told in other.spans)


def _without(text: Text, hidden: Iterable[Text]) -> str:
    """Return a text with credentials masked, and as it is written where a template or a variable makes it."""
    shown = _as_written(text)
    for secret in map(_as_written, hidden):
        shown = MASK if shown == secret else shown.replace(secret, MASK)
    return shown


def _as_written(text: Text) -> str:
    return "".join(run.text if run.known else run.source.content[run.start : run.end] for run in text.runs)


def _ignored(invocation: Invocation, hidden: Sequence[Text]) -> Iterator[Ignored]:
    for one in skipped(invocation):
        inside = [text for text in hidden if _overlap(one.at, text)]
        argument = one.argument
        for secret in inside:
            argument = argument.replace(str(secret), MASK)
        yield Ignored(argument, one.why, _place(one.at))


def _fatal(invocation: Invocation, hidden: Sequence[Text]) -> Fatal | None:
    """Return the first thing that K3s stops at; it reads the files before it parses flags."""
    for broken in invocation.unreadable:
        return Fatal("config", broken.reason, _place(broken.at))
    if not invocation.role:
        return None
    for refusal in refusals(invocation):
        message = refusal.message
        for secret in hidden:
            message = message.replace(str(secret), MASK)
        return Fatal("flags", message, _place(refusal.at))
    return None
