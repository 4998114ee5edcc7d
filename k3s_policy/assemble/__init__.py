"""Putting fragments together: which files make one Node, and what stands by itself.

Evidence, strongest first: a script that writes a file and starts K3s; a root, that is, paths that end alike; one
folder with one file of each kind. What belongs nowhere stays by itself, and what was not seen is kept with the
Invocation, so that nothing is concluded from its absence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from k3s_policy.assemble import alone, declared, host_paths
from k3s_policy.assemble.host_paths import CopiedFiles
from k3s_policy.assemble.nodes import Launch, configured_node, started_nodes
from k3s_policy.assemble.reached import databases, name_nodes, with_host_facts
from k3s_policy.model.fragment import (
    Chart,
    ConfigFile,
    Copy,
    Database,
    EnvironmentFile,
    HostName,
    HostVariables,
    Inventory,
    NotJudged,
    OfRke2,
    OtherCommand,
    Override,
    Registries,
    S3Secret,
    Service,
    Start,
    TaskList,
    Unfollowed,
    Unit,
    UnreadFile,
    UnusedOptions,
    Upgrade,
)
from k3s_policy.model.invocation import BrokenFile
from k3s_policy.model.subjects import ClusterSecret, Credential, Download, FileMode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from k3s_policy.assemble.host_paths import ConfigSet, Wanted
    from k3s_policy.assemble.options import Options
    from k3s_policy.assemble.scope import Scope
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.fragment import Fragment, Judged
    from k3s_policy.model.invocation import Invocation, Unseen
    from k3s_policy.model.subjects import CredentialFile

__all__ = ["Assembly", "assemble"]


@dataclass(repr=False)
class Assembly:
    """What there is to judge."""

    nodes: tuple[Node, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    subjects: list[Judged] = field(default_factory=list)
    """Everything checks look at: invocations, clusters, what stands by itself, and single files."""
    notes: list[str] = field(default_factory=list)
    not_judged: list[str] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    """Files that are named and were not among the fragments."""


_Kind = TypeVar("_Kind")
_BY_ITSELF = (
    BrokenFile, Chart, ClusterSecret, ConfigFile, Credential, Download, EnvironmentFile, FileMode, Registries, S3Secret,
    Unit, UnreadFile, Upgrade,
)  # fmt: skip
"""What checks look at as it was read."""


class _Fragments(tuple["Fragment", ...]):
    """All fragments, in their order."""

    __slots__ = ()

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """Return those of one kind."""
        return [fragment for fragment in self if isinstance(fragment, kind)]


def assemble(fragments: Iterable[Fragment], scope: Scope) -> Assembly:
    """Make nodes and clusters of fragments, and collect what stands by itself."""
    of_tasks, unseen = _of_tasks(_of_inventories(list(fragments)))
    copied = _copied(_mounted(of_tasks))
    copied = copied._replace(unseen=(*copied.unseen, *unseen))
    every = _Fragments(copied.fragments)
    wanted = [*copied.wanted]
    launches, of_units = _launches(every, copied, wanted)
    sets = host_paths.config_sets(every.of(ConfigFile))
    nodes, loose_sets = started_nodes(launches, sets, scope, wanted)
    unread = alone.unread(every.of(EnvironmentFile), launches)
    for one in loose_sets:
        beside = host_paths.environments_below(one, unread)
        unread = [file for file in unread if file not in beside]
        nodes.append(configured_node(one, beside, scope, copied.addresses.get(one.host or "")))
    if hosts := every.of(HostName):
        nodes = name_nodes(nodes, hosts)
    clusters = () if scope.partial else _clusters(nodes, scope.options)
    invocations = [
        *(node.invocation for node in nodes),
        *(alone.of_environment(file, scope) for file in unread),
        *(alone.of_command(command, scope) for command in every.of(OtherCommand)),
        *(alone.of_options(options, scope) for options in every.of(UnusedOptions)),
    ]
    read_by_units = {id(file) for launch in launches for file in launch.environments}
    return Assembly(
        nodes=tuple(nodes),
        clusters=clusters,
        subjects=[
            *invocations,
            *_datastores(invocations),
            *clusters,
            *databases(nodes, every.of(Database), every.of(Service)),
            *_of_files(every, sets, loose_sets),
            *(_as_read(one, read_by_units) for one in (*every, *of_units) if isinstance(one, _BY_ITSELF)),
        ],
        notes=list(_notes((*every, *of_units), nodes, scope)),
        not_judged=sorted({one.path for one in (*every, *of_units) if isinstance(one, NotJudged)}),
        wanted=wanted,
    )


def _launches(every: _Fragments, copied: CopiedFiles, wanted: list[Wanted]) -> tuple[list[Launch], list[Fragment]]:
    """Return everything that starts K3s, with what else was found in units."""
    environments, services = every.of(EnvironmentFile), every.of(Service)
    of_units: list[Launch] = []
    others: list[Fragment] = []
    if units := every.of(Unit):
        from k3s_policy.assemble.units import launches  # most scans meet no unit

        of_units, others = launches(units, environments, wanted)
    started = [
        one._replace(start=with_host_facts(one.start, copied, services))
        for one in (*(Launch(start) for start in every.of(Start)), *of_units)
    ]
    if any(one.start.interpolates for one in started):
        started = _with_compose_files(started, environments, {one.path for one in every.of(Override)}, wanted)
    return started, others


def _of_files(every: _Fragments, sets: Sequence[ConfigSet], loose_sets: Sequence[ConfigSet]) -> Iterator[Judged]:
    """Yield what is judged of files as they are, whoever reads them."""
    yield from alone.replaced_credentials(sets)
    yield from alone.misnamed(loose_sets)
    yield from _credential_files(every)
    yield from (file.error for file in every.of(ConfigFile) if file.error is not None)


def _notes(every: Iterable[Fragment], nodes: Sequence[Node], scope: Scope) -> Iterator[str]:
    found = _Fragments(every)
    yield from _left_alone([one.place for one in found.of(OfRke2)])
    yield from _not_followed(found.of(Unfollowed))
    if scope.whole_repository:
        yield from declared.remarks(nodes, scope.options)


def _as_read(one: Judged, named: Collection[int]) -> Judged:
    """Say of an environment file that is among those `named` by units that systemd reads it."""
    return replace(one, systemd=True) if isinstance(one, EnvironmentFile) and id(one) in named else one


def _left_alone(places: Sequence[str]) -> Iterator[str]:
    """Say once which files are RKE2's."""
    if places:
        every = list(dict.fromkeys(places))
        others = len(every) - _NAMED
        more = f" and {others} more" if others > 0 else ""
        yield f"left alone, being RKE2's: {', '.join(every[:_NAMED])}{more}"


def _not_followed(found: Iterable[Unfollowed]) -> Iterator[str]:
    """Say which texts were not read to their end, and for which limit."""
    places = dict.fromkeys(f"{one.place} ({one.reason})" for one in found)
    if places:
        yield f"not judged to the end: {', '.join(places)}"


_NAMED = 3
"""How many files a note names."""


# What few repositories have is loaded where it is met: a hook on one config file has no cluster.


def _of_inventories(fragments: list[Fragment]) -> list[Fragment]:
    if not any(isinstance(fragment, Inventory | HostVariables) for fragment in fragments):
        return fragments
    from k3s_policy.assemble.inventory import inventory_starts

    return inventory_starts(fragments)


def _of_tasks(fragments: list[Fragment]) -> tuple[list[Fragment], list[tuple[str, Unseen]]]:
    if not any(isinstance(fragment, TaskList) for fragment in fragments):
        return fragments, []
    from k3s_policy.assemble.tasks import on_their_hosts

    return on_their_hosts(fragments)


def _mounted(fragments: list[Fragment]) -> list[Fragment]:
    """Leave out the mounts of containers that start nothing."""
    if not any(isinstance(fragment, Copy) and fragment.only_if_started for fragment in fragments):
        return fragments
    started = {fragment.host for fragment in fragments if isinstance(fragment, Start)}
    return [one for one in fragments if not isinstance(one, Copy) or not one.only_if_started or one.host in started]


def _copied(fragments: list[Fragment]) -> CopiedFiles:
    if not any(isinstance(fragment, Copy) for fragment in fragments):
        return CopiedFiles(tuple(fragments))
    from k3s_policy.assemble.copies import put_in_place

    return put_in_place(fragments)


def _with_compose_files(
    started: Iterable[Launch], files: Iterable[EnvironmentFile], overrides: Collection[str], wanted: list[Wanted]
) -> list[Launch]:
    from k3s_policy.assemble.compose_files import fill_compose

    by_path = {file.path: file for file in files}
    return [
        one._replace(start=fill_compose(one.start, by_path, overrides, wanted)) if one.start.interpolates else one
        for one in started
    ]


def _credential_files(fragments: Sequence[Fragment]) -> Iterator[CredentialFile]:
    if any(isinstance(fragment, FileMode) and fragment.host is not None for fragment in fragments):
        from k3s_policy.assemble.permission import credential_files

        yield from credential_files(fragments)


def _clusters(nodes: Sequence[Node], options: Options) -> tuple[Cluster, ...]:
    if len(nodes) < _SEVERAL and not options.clusters and not any(map(_may_be_several, nodes)):
        return ()
    from k3s_policy.assemble.cluster import clusters

    return tuple(clusters(nodes, options))


_SEVERAL = 2


def _may_be_several(node: Node) -> bool:
    """Whether one node makes a cluster by itself: its replicas, or the branches of its script."""
    return node.copies is not None or any(setting.when for setting in node.invocation.all("server"))


def _datastores(invocations: Iterable[Invocation]) -> Iterator[Datastore]:
    for invocation in invocations:
        if invocation.all("datastore-endpoint"):
            from k3s_policy.model.datastore import datastores

            yield from datastores(invocation)
