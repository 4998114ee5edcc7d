"""The nodes and clusters of a repository as they may be shown: every credential is masked here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.judge.redact import Hidden, credentials_of
from k3s_policy.k3s import credential
from k3s_policy.model.effective import effective, refusals, skipped
from k3s_policy.model.invocation import Input, Origin, Unseen
from k3s_policy.model.masking import MASK
from k3s_policy.show.state import State, state_of, state_of_cluster
from k3s_policy.text import Span
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from k3s_policy.assemble import Assembly
    from k3s_policy.k3s.value import Value
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.effective import Effective
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Run, Source, Text

__all__ = [
    "ClusterView",
    "Fatal",
    "Ignored",
    "NodeView",
    "NotSeen",
    "Overview",
    "Place",
    "Proof",
    "SettingView",
    "overview",
]


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
    reason: str
    place: Place


class NotSeen(NamedTuple):
    """Something K3s reads and the scan did not."""

    kind: str
    reason: str
    place: Place | None


class Fatal(NamedTuple):
    """Why K3s cannot read its configuration: `config` for a file, `flags` for its flag parser."""

    reason: str
    message: str
    place: Place


class Proof(NamedTuple):
    """Why nodes belong to one cluster, and where that is written."""

    kind: str
    reason: str
    place: Place | None


@dataclass(frozen=True, repr=False)
class NodeView:
    """One host."""

    name: str
    root: str
    role: str | None
    role_reason: str
    k3s_version: str | None
    files: tuple[str, ...]
    unseen: tuple[NotSeen, ...]
    argv: tuple[str, ...]
    settings: tuple[SettingView, ...]
    positional: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    fatal: Fatal | None
    state: State | None
    """Where a server keeps its state; None for an agent."""


@dataclass(frozen=True, repr=False)
class ClusterView:
    """Nodes that belong together, by the names of their views."""

    name: str
    declared: bool
    evidence: tuple[Proof, ...]
    servers: tuple[str, ...]
    agents: tuple[str, ...]
    state: State | None
    """Where its servers keep their state; None where they do not agree."""


@dataclass(frozen=True, repr=False)
class Overview:
    """All there is to show."""

    nodes: tuple[NodeView, ...]
    clusters: tuple[ClusterView, ...]


def overview(assembly: Assembly, paths: frozenset[str] | None = None) -> Overview:
    """Return what the nodes become that are made of one of the files in `paths`; None stands for all."""
    shown = [node for node in assembly.nodes if paths is None or not paths.isdisjoint(node.invocation.files)]
    names = _names(shown)
    mask = _Mask(Hidden(assembly.subjects))
    nodes = sorted((_node(node, names[id(node)], mask) for node in shown), key=lambda view: (view.files, view.name))
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
        shown = (names.get(id(node.alternative_of or node)) for node in nodes)
        return tuple(dict.fromkeys(name for name in shown if name))

    evidence = tuple(
        Proof(one.kind.value, one.reason, _place(one.at) if one.at is not None else None) for one in cluster.evidence
    )
    servers, agents = named(cluster.servers), named(cluster.agents)
    return ClusterView(
        name=cluster.name,
        declared=cluster.declared,
        evidence=evidence,
        servers=servers,
        agents=agents,
        state=state_of_cluster(cluster),
    )


def _node(node: Node, name: str, mask: _Mask) -> NodeView:
    invocation = _really_started(node.invocation)
    started = invocation.started
    owners = _owners(invocation)
    return NodeView(
        name=name,
        root=node.root,
        role=invocation.role or None,
        role_reason=invocation.role_reason,
        k3s_version=str(invocation.version) if invocation.version else None,
        files=invocation.files,
        unseen=tuple(_not_seen(one) for one in invocation.unseen),
        argv=tuple(_word(word, owners, mask) for word in started.words) if started else (),
        settings=tuple(_setting(one, mask) for one in effective(invocation)),
        positional=tuple(mask.shown(word, suspected=True) for word in started.stray) if started else (),
        ignored=tuple(
            Ignored(mask.told(one.argument, invocation), one.reason, _place(one.at)) for one in skipped(invocation)
        ),
        fatal=_fatal(invocation, mask),
        state=state_of(invocation),
    )


def _really_started(invocation: Invocation) -> Invocation:
    """Leave out a command that systemd refuses: rules judge what is meant by it, and K3s never gets it."""
    if invocation.started is None or not invocation.started.refused:
        return invocation
    return replace(
        invocation,
        started=None,
        settings=tuple(setting for setting in invocation.settings if setting.origin is not Origin.ARGUMENT),
        unrecognised=tuple(option for option in invocation.unrecognised if option.origin is not Origin.ARGUMENT),
        unseen=(*invocation.unseen, Unseen(Input.ARGUMENTS, "systemd refuses the command", invocation.at)),
    )


def _not_seen(unseen: Unseen) -> NotSeen:
    why = _USER_INFORMATION.sub(f"://{MASK}@", unseen.reason)
    return NotSeen(unseen.kind.value, why, _place(unseen.at) if unseen.at is not None else None)


_USER_INFORMATION = pattern(r"://[^/\s]*@")


def _setting(one: Effective, mask: _Mask) -> SettingView:
    shown = tuple(
        mask.shown(setting.value, _secrets(setting), suspected=_may_hold_one(setting)) for setting in one.settings
    )
    masked = any(value != _as_written(setting.value) for value, setting in zip(shown, one.settings, strict=True))
    as_text = one.value == str(one.settings[0].value)
    value = shown if isinstance(one.value, tuple) else shown[0] if as_text or masked else one.value
    return SettingView(one.flag.name, value, masked, tuple(_place_of(setting) for setting in one.settings))


_NAMED_LIKE_A_CREDENTIAL = pattern(r"(?i)(?:token|passw(?:or)?d|secret|credentials?|key)$")


def _secrets(setting: Setting) -> list[Text]:
    """Return the credentials in a value; of `NAME=VALUE` for a component all of it where the name tells."""
    name, equals, value = setting.value.partition("=")
    if equals and _NAMED_LIKE_A_CREDENTIAL.search(str(name)):
        return [value]
    return credential.secrets(setting.flag, setting.value)


def _may_hold_one(setting: Setting) -> bool:
    """Whether what looks like a credential in a value is taken for one: not where the flag's own name does it."""
    return not setting.flag.name.endswith(("-secret", "-file"))


_Owners: TypeAlias = "dict[tuple[Source, int], list[Setting]]"


def _owners(invocation: Invocation) -> _Owners:
    """Return the settings by where their options and values begin."""
    owners: _Owners = {}
    for setting in invocation.settings:
        for text in (setting.at, setting.value):
            span = text.span
            owners.setdefault((span.source, span.start), []).append(setting)
    return owners


def _word(word: Text, owners: _Owners, mask: _Mask) -> str:
    """Return a word of a command; one that belongs to a flag of K3s holds what the flag holds."""
    own = owners.get((word.span.source, word.span.start), [])
    secrets = [secret for setting in own for secret in _secrets(setting)]
    return mask.shown(word, secrets, suspected=not own or any(map(_may_hold_one, own)))


def _place_of(setting: Setting) -> Place:
    """Return where a setting stands: an item of a list by itself, else the option."""
    place = _place(setting.value if setting.item else setting.at)
    return place._replace(origin=setting.origin.value)


def _place(text: Text) -> Place:
    span = text.span
    return Place(span.source.path, span.line, span.column)


def _fatal(invocation: Invocation, mask: _Mask) -> Fatal | None:
    """Return the first thing that K3s stops at; it reads the files before it parses flags."""
    for broken in invocation.unreadable:
        return Fatal("config", broken.reason, _place(broken.at))
    if not invocation.role:
        return None
    for refusal in refusals(invocation):
        return Fatal("flags", mask.told(refusal.message, invocation), _place(refusal.at))
    return None


# --- masking ------------------------------------------------------------------------------------------------


class _Mask:
    """Hides credentials: where they are written, and where words repeat them."""

    def __init__(self, hidden: Hidden) -> None:
        self._hidden = hidden

    def shown(self, text: Text, secrets: Iterable[Text] = (), *, suspected: bool = False) -> str:
        """Return a text as it is written, a credential in it as `MASK`.

        `secrets` are known to be some; with `suspected`, what only looks like one is hidden too.
        """
        told = [span for secret in secrets for span in secret.spans]
        spans = self._hidden.suspected if suspected else self._hidden.known
        grouped = groupby(_letters(text, told, spans), key=itemgetter(0))
        return "".join(MASK if secret else "".join(letter for _, letter in group) for secret, group in grouped)

    def told(self, words: str, invocation: Invocation) -> str:
        """Return words of ours with the credentials that they repeat masked."""
        for secret in credentials_of(invocation):
            words = words.replace(str(secret), MASK)
        return words


def _letters(
    text: Text, told: Sequence[Span], hidden: Callable[[Source], tuple[Span, ...]]
) -> Iterator[tuple[bool, str]]:
    """Yield each stretch of a text that is shown or hidden as one, and whether it is hidden."""
    for run in text.runs:
        within = Span(run.source, run.start, max(run.end, run.start + 1))
        spans = [span for span in (*told, *hidden(run.source)) if span.overlaps(within)]
        if not run.verbatim:
            yield bool(spans), _run_as_written(run)
            continue
        for offset, letter in enumerate(_run_as_written(run), run.start):
            yield any(span.start <= offset < span.end for span in spans), letter


def _as_written(text: Text) -> str:
    return "".join(map(_run_as_written, text.runs))


def _run_as_written(run: Run) -> str:
    """Return the characters of a run, or what stands in the file where a template or a variable makes them."""
    return run.text if run.known else run.source.content[run.start : run.end]
