"""Putting fragments together: which files make one Node, and what stands by itself.

Evidence, strongest first: a script that writes a file and starts K3s; a root, that is, paths that end alike; one
folder with one file of each kind. What belongs nowhere stays by itself, and what was not seen is kept with the
Invocation, so that nothing is concluded from its absence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from k3s_policy.assemble import declared, place
from k3s_policy.assemble.place import PlacedFiles, Wanted
from k3s_policy.assemble.reached import called, databases, told
from k3s_policy.formats.tree import Scalar
from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import is_misnamed_config, root_of
from k3s_policy.model import (
    INPUT_OF,
    Agent,
    BrokenFile,
    Cluster,
    ClusterSecret,
    Credential,
    Download,
    FileMode,
    Form,
    Input,
    Invocation,
    Node,
    Origin,
    Server,
    Setting,
    Started,
    Unseen,
    lower,
)
from k3s_policy.model.fragment import (
    Chart,
    ConfigFile,
    Database,
    EnvironmentFile,
    HostName,
    HostVariables,
    Inventory,
    LooseOptions,
    NotJudged,
    OfRke2,
    OtherCommand,
    Override,
    Placed,
    Registries,
    S3Secret,
    Service,
    Start,
    TaskList,
    Unfollowed,
    Unit,
    UnreadFile,
    Upgrade,
)
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from k3s_policy.assemble.options import Options
    from k3s_policy.assemble.place import ConfigSet
    from k3s_policy.k3s.version import Version
    from k3s_policy.model import CredentialFile
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.fragment import Fragment, Judged
    from k3s_policy.text import Text

__all__ = ["Assembly", "Scope", "assemble"]


@dataclass(frozen=True)
class Scope:
    """What holds for a whole scan."""

    options: Options
    version: Version | None = None
    """The release asked for on the command line."""
    whole: bool = field(default=False, kw_only=True)
    """Whether all of the repository is judged, so that what the options name has to be there."""
    partial: bool = field(default=False, kw_only=True)
    """Whether only some files of a repository are judged, so that nothing may be concluded from absence."""

    def version_of(self, files: Sequence[str], own: Version | None = None) -> Version | None:
        """Return the release that files are for; `own` is the one they name themselves."""
        return self.version or declared.declared_version(files, self.options) or own or self.options.version


@dataclass
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


class _Started(NamedTuple):
    """A start with the unit it stands in, if any, and the files that unit is made of."""

    start: Start
    unit: str = ""
    files: tuple[str, ...] = ()
    environments: tuple[EnvironmentFile, ...] = ()


_Kind = TypeVar("_Kind")
_BY_ITSELF = (
    BrokenFile, Chart, ClusterSecret, ConfigFile, Credential, Download, EnvironmentFile, FileMode, Registries, S3Secret,
    Unit, UnreadFile, Upgrade,
)  # fmt: skip
"""What checks look at as it was read."""


def assemble(fragments: Iterable[Fragment], scope: Scope) -> Assembly:
    """Make nodes and clusters of fragments, and collect what stands by itself."""
    of_tasks, unseen = _of_tasks(_of_inventories(list(fragments)))
    placed = _placed(_mounted(of_tasks))
    placed = placed._replace(unseen=(*placed.unseen, *unseen))
    every = placed.fragments

    def of(kind: type[_Kind]) -> list[_Kind]:
        return [fragment for fragment in every if isinstance(fragment, kind)]

    environments = of(EnvironmentFile)
    wanted = [*placed.wanted]
    from_units, others = _unit_starts(of(Unit), environments, wanted)
    services = of(Service)
    started = [
        one._replace(start=told(one.start, placed, services))
        for one in (*(_Started(start) for start in of(Start)), *from_units)
    ]
    if any(one.start.interpolates for one in started):
        started = _with_given(started, environments, {one.path for one in of(Override)}, wanted)
    sets = place.config_sets(of(ConfigFile))
    nodes, loose_sets = _started_nodes(started, sets, scope, wanted)
    unread = _unread(environments, started)
    named = {id(file) for one in from_units for file in one.environments}
    for one in loose_sets:
        beside = place.environments_below(one, unread)
        unread = [file for file in unread if file not in beside]
        nodes.append(_configured_node(one, beside, scope, placed.addresses.get(one.host or "")))
    if hosts := of(HostName):
        nodes = called(nodes, hosts)
    clusters = () if scope.partial else _clusters(nodes, scope.options)
    invocations = [
        *(node.invocation for node in nodes),
        *(_environment_alone(file, scope) for file in unread),
        *(_other(command, scope) for command in of(OtherCommand)),
        *(_loose(options, scope) for options in of(LooseOptions)),
    ]
    return Assembly(
        nodes=tuple(nodes),
        clusters=clusters,
        subjects=[
            *invocations,
            *_datastores(invocations),
            *clusters,
            *databases(nodes, of(Database), services),
            *_replaced(sets),
            *_misnamed(loose_sets),
            *_credential_files(every),
            *(file.error for file in of(ConfigFile) if file.error is not None),
            *(_as_read(one, named) for one in (*every, *others) if isinstance(one, _BY_ITSELF)),
        ],
        notes=[
            *_left_alone([one.place for one in of(OfRke2)]),
            *_not_followed(of(Unfollowed)),
            *(declared.remarks(nodes, scope.options) if scope.whole else ()),
        ],
        not_judged=sorted({fragment.path for fragment in of(NotJudged)}),
        wanted=wanted,
    )


# What few repositories have is loaded where it is met: a hook on one config file has no cluster.


def _of_inventories(fragments: list[Fragment]) -> list[Fragment]:
    if not any(isinstance(fragment, Inventory | HostVariables) for fragment in fragments):
        return fragments
    from k3s_policy.assemble.inventory import described  # noqa: PLC0415

    return described(fragments)


def _of_tasks(fragments: list[Fragment]) -> tuple[list[Fragment], list[tuple[str, Unseen]]]:
    if not any(isinstance(fragment, TaskList) for fragment in fragments):
        return fragments, []
    from k3s_policy.assemble.tasks import on_their_hosts  # noqa: PLC0415

    return on_their_hosts(fragments)


def _mounted(fragments: list[Fragment]) -> list[Fragment]:
    """Leave out the mounts of containers that start nothing."""
    if not any(isinstance(fragment, Placed) and fragment.only_if_started for fragment in fragments):
        return fragments
    started = {fragment.host for fragment in fragments if isinstance(fragment, Start)}
    return [one for one in fragments if not isinstance(one, Placed) or not one.only_if_started or one.host in started]


def _placed(fragments: list[Fragment]) -> PlacedFiles:
    if not any(isinstance(fragment, Placed) for fragment in fragments):
        return PlacedFiles(tuple(fragments))
    from k3s_policy.assemble.placing import placing  # noqa: PLC0415

    return placing(fragments)


def _with_given(
    started: Iterable[_Started], files: Iterable[EnvironmentFile], overrides: Collection[str], wanted: list[Wanted]
) -> list[_Started]:
    from k3s_policy.assemble.given import given  # noqa: PLC0415

    by_path = {file.path: file for file in files}
    return [
        one._replace(start=given(one.start, by_path, overrides, wanted)) if one.start.interpolates else one
        for one in started
    ]


def _credential_files(fragments: Sequence[Fragment]) -> Iterator[CredentialFile]:
    if any(isinstance(fragment, FileMode) and fragment.host is not None for fragment in fragments):
        from k3s_policy.assemble.permission import credential_files  # noqa: PLC0415

        yield from credential_files(fragments)


def _clusters(nodes: Sequence[Node], options: Options) -> tuple[Cluster, ...]:
    if len(nodes) < _SEVERAL and not options.clusters and not any(map(_may_be_several, nodes)):
        return ()
    from k3s_policy.assemble.cluster import clusters  # noqa: PLC0415

    return tuple(clusters(nodes, options))


_SEVERAL = 2


def _may_be_several(node: Node) -> bool:
    """Whether one node makes a cluster by itself: its replicas, or the branches of its script."""
    return node.copies is not None or any(setting.when for setting in node.invocation.all("server"))


def _datastores(invocations: Iterable[Invocation]) -> Iterator[Datastore]:
    for invocation in invocations:
        if invocation.all("datastore-endpoint"):
            from k3s_policy.model.datastore import datastores  # noqa: PLC0415

            yield from datastores(invocation)


# --- units ----------------------------------------------------------------------------------------------


def _unit_starts(
    units: Sequence[Unit], files: Sequence[EnvironmentFile], wanted: list[Wanted]
) -> tuple[list[_Started], list[Fragment]]:
    """Return what each unit with its drop-ins starts, and what else was found in units."""
    if not units:
        return [], []
    from k3s_policy.assemble import units as reader  # noqa: PLC0415  most scans meet no unit

    starts: list[_Started] = []
    others: list[Fragment] = []
    for path, group in place.unit_groups(units):
        found: list[EnvironmentFile] = []
        of_host = [file for file in files if file.host in (None, group[0].host)]

        def find(
            name: str,
            path: str = path,
            found: list[EnvironmentFile] = found,
            of_host: list[EnvironmentFile] = of_host,
        ) -> list[EnvironmentFile]:
            named = place.environment_files(name, path, of_host)
            found.extend(named)
            if not named:
                wanted.append(Wanted("environment", place.named_paths(name, path)))
            return named

        for fragment in list(reader.starts(group, find)):
            if isinstance(fragment, Start):
                texts = [unit.text for unit in group] + [file.text for file in found]
                files_read = tuple(dict.fromkeys(text.span.source.path for text in texts))
                starts.append(_Started(replace(fragment, host=group[0].host), path, files_read, tuple(found)))
            else:
                others.append(fragment)
    return starts, others


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


def _not_followed(found: Sequence[Unfollowed]) -> Iterator[str]:
    """Say which files within files were not opened."""
    if found:
        yield f"not judged to the end: {', '.join(dict.fromkeys(f'{one.place} ({one.why})' for one in found))}"


_NAMED = 3
"""How many files a note names."""


# --- nodes ------------------------------------------------------------------------------------------------


def _started_nodes(
    started: Sequence[_Started], sets: Sequence[ConfigSet], scope: Scope, wanted: list[Wanted]
) -> tuple[list[Node], list[ConfigSet]]:
    """Make a node of each start with its config, and return the configs that nothing starts."""
    units = [one.unit for one in started if one.unit]
    loose = [one for one in sets if one.host is None]
    taken: list[ConfigSet] = []
    nodes = []
    for one in started:
        start, unit = one.start, one.unit
        named = _named_config(start)
        configs = [config for config in sets if start.host is not None and config.host == start.host]
        if named is not None:
            configs = [config for config in configs if place.same_file(config.path, named)]
        evidence = "a script writes the config and starts K3s"
        if not configs and not start.alone and ((unit and start.host is None) or named is not None):
            starter = unit or start.at.span.source.path
            configs, evidence = place.configs_for(starter, named, loose, units)
            if named is not None and not configs:
                wanted.append(Wanted("config", place.named_paths(named, starter)))
        taken.extend(configs)
        unseen = list(start.unseen)
        if named is not None and not configs:
            unseen.append(Unseen(Input.CONFIG, f"{named} is not in the repository"))
        elif loose and not configs and not start.alone:
            unseen.append(Unseen(Input.CONFIG, "a config file of this repository may belong to it"))
        own = one.files or (start.at.span.source.path,)
        files = tuple(dict.fromkeys((*own, *_sources(configs))))
        invocation = _invocation(start, configs, unseen, files, scope)
        copies = start.workload.copies if start.workload is not None else None
        reasons = (evidence,) if configs else ()
        nodes.append(
            Node(
                invocation=invocation,
                root=root_of(unit) or "",
                evidence=reasons,
                addresses=start.addresses,
                copies=copies,
                group=start.group,
            )
        )
    return nodes, [config for config in sets if config not in taken]


def _sources(configs: Iterable[ConfigSet]) -> Iterator[str]:
    return (file.text.span.source.path for one in configs for file in one.files)


def _named_config(start: Start) -> str | None:
    """Return the config file a start names: K3S_CONFIG_FILE beats `--config` (K3s pkg/configfilearg/parser.go)."""
    for variable in reversed(start.variables):
        if str(variable.name) == "K3S_CONFIG_FILE" and variable.value:
            return str(variable.value)
    words = [str(argument.text) for argument in start.arguments]
    for position, word in enumerate(words):
        for option in ("--config", "-c"):
            if word.startswith(f"{option}="):
                return word[len(option) + 1 :]
            if word == option and position + 1 < len(words):
                return words[position + 1]
    return None


def _configured_node(
    configs: ConfigSet, environments: Sequence[EnvironmentFile], scope: Scope, address: Text | None
) -> Node:
    """Make a node of config files that nothing seen starts, with the environment files of its host."""
    files = tuple(dict.fromkeys((*_sources([configs]), *(file.text.span.source.path for file in environments))))
    first = configs.files[0]
    at = first.entries[0].key if first.entries else first.text[:0]
    variables = tuple(variable for file in environments for variable in file.variables)
    role, because = _role_of_keys(configs)
    start = Start(at=at, role=role, arguments=(), form=Form.CONFIG, variables=variables, because=because)
    unseen = [Unseen(Input.ARGUMENTS, "nothing in the repository starts K3s with this file")]
    addresses = () if address is None else (address,)
    return Node(_invocation(start, [configs], unseen, files, scope), root_of(first.path) or "", addresses=addresses)


def _role_of_keys(configs: ConfigSet) -> tuple[str | None, str]:
    """Return the role that alone has one of the flags set, and why."""
    return _only_role(str(entry.key) for file in configs.files for entry in file.entries)


def _only_role(names: Iterable[str]) -> tuple[str | None, str]:
    table = flags()
    found: dict[str, str] = {}
    for name in names:
        flag = table.get(name) or table.removed(name)
        if flag is not None and len(flag.roles) == 1:
            found.setdefault(next(iter(flag.roles)), name)
    if len(found) != 1:
        return None, ""
    ((role, name),) = found.items()
    return role, f"{name} is a flag of {role}s alone"


def _why_open(file: ConfigFile) -> str:
    if file.error is not None:
        return "the file cannot be read"
    return "this is added to a file that may hold more" if file.partial else "a template may add settings"


def _invocation(
    start: Start, configs: Sequence[ConfigSet], unseen: list[Unseen], files: tuple[str, ...], scope: Scope
) -> Invocation:
    """Lower everything a start is made of, in K3s's own order."""
    version = scope.version_of(files, start.version)
    table = flags().as_of(version)
    role, because = _role(start, files, scope)
    config_files = [file for one in configs for file in one.files if not exclusive(file.when, start.when)]
    environment = lower.from_environment(start.variables, role, table)
    config = lower.from_config([file.entries for file in config_files], role, table)
    arguments = lower.from_arguments(start.arguments, role, table, start.form)
    unseen.extend(Unseen(Input.ARGUMENTS, "a variable may add arguments", word) for word in arguments.open)
    for file in config_files:
        unseen.extend(Unseen(Input.CONFIG, _why_open(file), text) for text in file.open)
    if scope.partial:
        unseen.extend(Unseen(kind, "only some files are judged", start.at) for kind in INPUT_OF.values())
    settings = (*environment.settings, *config.settings, *arguments.settings)
    unrecognised = (*config.unrecognised, *arguments.unrecognised)
    kind = {"server": Server, "agent": Agent}.get(role or "", Invocation)
    started = None
    if start.words:
        unread = [lower.Argument(word, start.when) for word in arguments.stray[1:]]
        lost = lower.from_arguments(unread, role, table, start.form).settings
        values = {str(variable.name): variable.value for variable in start.variables}
        started = Started(
            form=start.form,
            words=start.words,
            stray=tuple(arguments.stray),
            lost=tuple(lost),
            written=start.written,
            environment=values,
            refused=start.refused,
        )
    broken = tuple(file.error for file in config_files if file.error is not None)
    return kind(
        start.at,
        settings,
        unrecognised,
        tuple(unseen),
        version,
        files,
        started,
        broken,
        because,
        start.when,
        start.release,
    )


def _role(start: Start, files: Sequence[str], scope: Scope) -> tuple[str | None, str]:
    """Return the role of what is started, and why it is that."""
    if start.role is not None:
        return start.role, start.because or "the command says so"
    role, because = _role_of_arguments(start)
    if role is None and (listed := declared.declared_role(files, scope.options)):
        return listed, "declared in .k3s-policy.yaml"
    return role, because


def _role_of_arguments(start: Start) -> tuple[str | None, str]:
    """Return the role that alone has one of the flags given as arguments, and why."""
    words = (str(argument.text) for argument in start.arguments)
    return _only_role(word.lstrip("-").partition("=")[0] for word in words if word.startswith("--"))


# --- what stands by itself --------------------------------------------------------------------------------


def _unread(files: Iterable[EnvironmentFile], started: Sequence[_Started]) -> list[EnvironmentFile]:
    """Return the environment files that no unit read."""
    read = {id(variable.name) for one in started for variable in one.start.variables}
    return [file for file in files if not any(id(variable.name) in read for variable in file.variables)]


def _environment_alone(file: EnvironmentFile, scope: Scope) -> Invocation:
    """Lower an environment file that no unit read, so that what it holds is judged all the same."""
    start = Start(at=file.text[:0], role=None, arguments=(), form=Form.ENVIRONMENT_FILE, variables=file.variables)
    unseen = [Unseen(kind, "nothing seen reads this file") for kind in (Input.ARGUMENTS, Input.CONFIG)]
    return replace(_invocation(start, (), unseen, (file.text.span.source.path,), scope), variables_of=file.path)


def _replaced(sets: Iterable[ConfigSet]) -> Iterator[Credential]:
    """Yield the credentials of config files that K3s never sees: a later key replaces them, and they are there."""
    table = flags()
    for one in sets:
        for entry in lower.replaced([file.entries for file in one.files]):
            flag = table.get(str(entry.key)) or table.removed(str(entry.key))
            if flag is None or not isinstance(entry.value, Scalar):
                continue
            for secret in credential.secrets(flag, entry.value.text):
                yield Credential(what=str(entry.key), at=entry.key, value=secret, form=Form.CONFIG, tag=entry.value.tag)


def _misnamed(sets: Iterable[ConfigSet]) -> Iterator[UnreadFile]:
    """Yield the configs called `config.yml` that no command names: K3s looks for `config.yaml`."""
    for one in sets:
        if one.host is None and is_misnamed_config(one.path):
            yield from (UnreadFile(file.entries[0].key, one.path) for file in one.main if file.entries)


def _other(command: OtherCommand, scope: Scope) -> Invocation:
    """Lower a command such as `k3s token create`, as far as its flags are known."""
    known = flags().command(command.name)
    settings = []
    arguments = list(command.arguments)
    subcommand = str(arguments[0].text) if arguments and not arguments[0].text.startswith("-") else None
    for position, argument in enumerate(arguments):
        option, equals, value = argument.text.partition("=")
        flag = known.get(str(option).lstrip("-"), subcommand) if known and argument.text.startswith("-") else None
        if flag is None:
            continue
        if not equals:
            if flag.kind.takes_value and position + 1 == len(arguments):
                continue
            value = arguments[position + 1].text if flag.kind.takes_value else option.stand_in("true")
        settings.append(
            Setting(flag=flag, at=option, value=value, origin=Origin.ARGUMENT, form=command.form, when=argument.when)
        )
    path = command.at.span.source.path
    return Invocation(command.at, tuple(settings), version=scope.version_of((path,)), files=(path,))


def _loose(loose: LooseOptions, scope: Scope) -> Invocation:
    """Lower options that stand in a variable: those of K3s count, the rest may be another program's."""
    path = loose.at.span.source.path
    words = [argument for argument in loose.arguments if str(argument.text) not in ("server", "agent", "k3s")]
    version = scope.version_of((path,), loose.version)
    lowered = lower.from_arguments(words, None, flags().as_of(version), Form.VARIABLE)
    unseen = (Unseen(kind, "nothing seen uses this variable") for kind in (Input.ARGUMENTS, Input.CONFIG))
    return Invocation(
        at=loose.at,
        settings=tuple(lowered.settings),
        unrecognised=(),
        unseen=(*loose.unseen, *unseen),
        version=version,
        files=(path,),
    )
