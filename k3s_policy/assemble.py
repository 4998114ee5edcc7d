"""Putting fragments together: which files make one Node, and which Nodes one Cluster.

Evidence, strongest first: `.k3s-policy.yaml`; a script that writes a file and starts K3s; a root, that is,
paths that end alike (`P/etc/rancher/k3s/config.yaml`, `P/etc/systemd/system/k3s.service`); one folder with at
most one file of each kind; a `server` URL that names another node. What belongs nowhere stays by itself, and
what was not seen is kept with the Invocation, so that nothing is concluded from its absence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from k3s_policy import credential, lower
from k3s_policy.branch import exclusive
from k3s_policy.flags import flags
from k3s_policy.fragment import (
    ConfigFile,
    EnvironmentFile,
    LooseOptions,
    Note,
    NotJudged,
    OtherCommand,
    Start,
    Unit,
)
from k3s_policy.model import Agent, Cluster, Credential, Form, Invocation, Node, Origin, Server, Setting, Unseen
from k3s_policy.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.fragment import Fragment
    from k3s_policy.model import Subject
    from k3s_policy.options import Options
    from k3s_policy.text import Text
    from k3s_policy.version import Version

__all__ = ["Assembly", "assemble"]

_CONFIG_AT = re.compile(r"^(?P<root>.*?)(?:^|/)?etc/rancher/k3s/(?:[^/]+)$")
_UNIT_AT = re.compile(r"^(?P<root>.*?)(?:^|/)?(?:etc|usr/lib|usr/local/lib|lib|run)/systemd/system/[^/]+$")
_ENVIRONMENT_AT = re.compile(
    r"^(?P<root>.*?)/?(?:^|(?<=/))etc/"
    r"(?:(?:default|sysconfig)/(?P<name>k3s[^/]*)|systemd/system/(?P<unit>k3s[^/]*)\.service\.env)$"
)
_DEFAULT_CONFIG = "/etc/rancher/k3s/config.yaml"


@dataclass
class Assembly:
    """What there is to judge."""

    nodes: tuple[Node, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    subjects: list[Subject] = field(default_factory=list)
    """Everything checks look at: invocations, clusters and what stands by itself."""
    notes: list[str] = field(default_factory=list)
    not_judged: list[str] = field(default_factory=list)


@dataclass(eq=False)
class _ConfigSet:
    """A main config file with its drop-ins, in the order K3s reads them."""

    path: str
    host: str | None
    main: list[ConfigFile] = field(default_factory=list)
    drop_ins: list[ConfigFile] = field(default_factory=list)

    @property
    def files(self) -> list[ConfigFile]:
        return [*self.main, *sorted(self.drop_ins, key=lambda file: file.path.rpartition("/")[2].encode())]


def assemble(fragments: Iterable[Fragment], options: Options, version: Version | None = None) -> Assembly:
    """Make nodes and clusters of fragments; `version` is the release asked for on the command line."""
    kinds = _Fragments(list(fragments))
    assembly = Assembly(notes=list(dict.fromkeys(note.message for note in kinds.of(Note))))
    assembly.not_judged = sorted({fragment.path for fragment in kinds.of(NotJudged)})
    started, broken = _unit_starts(kinds)
    sets = _config_sets(kinds.of(ConfigFile))
    taken: set[int] = set()
    nodes = []
    starts = [(start, "") for start in kinds.of(Start)] + started
    for start, path in starts:
        nodes.append(_started_node(start, path, sets, starts, taken, options, version))
    loose = _unread(kinds.of(EnvironmentFile), started)
    for one in sets:
        if id(one) not in taken:
            beside = _environments_of(one, loose)
            loose = [file for file in loose if file not in beside]
            nodes.append(_configured_node(one, beside, options, version))
    assembly.nodes = tuple(nodes)
    assembly.clusters = tuple(_clusters(nodes, options))
    assembly.subjects = [
        *(node.invocation for node in nodes),
        *_environments_alone(loose, options, version),
        *(_other(command) for command in kinds.of(OtherCommand)),
        *(_loose(loose, options, version) for loose in kinds.of(LooseOptions)),
        *assembly.clusters,
        *_replaced(sets),
        *kinds.subjects(),
        *broken,
    ]
    return assembly


_Kind = TypeVar("_Kind")


class _Fragments:
    """Fragments by kind."""

    def __init__(self, every: list[Fragment]) -> None:
        self._every = every

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        return [fragment for fragment in self._every if isinstance(fragment, kind)]

    def subjects(self) -> Iterator[Any]:
        from k3s_policy.model import BrokenFile, FileMode  # noqa: PLC0415  named here only

        return (fragment for fragment in self._every if isinstance(fragment, BrokenFile | Credential | FileMode))


# --- units ----------------------------------------------------------------------------------------------


def _unit_starts(kinds: _Fragments) -> tuple[list[tuple[Start, str]], list[Any]]:
    """Return what each unit with its drop-ins starts, with the unit's path, and what systemd refuses."""
    units = kinds.of(Unit)
    if not units:
        return [], []
    from k3s_policy.readers import unit as reader  # noqa: PLC0415  most scans meet no unit

    mains = {unit.path: unit for unit in units if not unit.drop_in}
    drop_ins: dict[str, list[Unit]] = {}
    for unit in units:
        if unit.drop_in:
            drop_ins.setdefault(unit.path.rpartition(".d/")[0], []).append(unit)
    starts: list[tuple[Start, str]] = []
    others: list[Any] = []
    for path in sorted({*mains, *drop_ins}):
        files = _environment_files(path, kinds.of(EnvironmentFile))
        for fragment in reader.starts(mains.get(path), drop_ins.get(path, []), files):
            if isinstance(fragment, Start):
                host = mains[path].host if path in mains else None
                starts.append((replace(fragment, host=fragment.host or host), path))
            else:
                others.append(fragment)
    return starts, others


class _Found(dict[str, Any]):
    """Environment files by the path a unit names, matched by root, else by base name in the unit's folder."""

    def __init__(self, unit_path: str, files: Sequence[EnvironmentFile]) -> None:
        super().__init__()
        self._root = _root(unit_path)
        self._folder = unit_path.rpartition("/")[0]
        self._files = {file.path: file for file in files}

    def get(self, path: str, default: Any = None) -> Any:  # noqa: ANN401
        host_path = path.lstrip("-")
        candidates = []
        if self._root is not None:
            candidates.append(f"{self._root}/{host_path.lstrip('/')}".lstrip("/"))
        base = host_path.rpartition("/")[2]
        candidates.extend((f"{self._folder}/{base}".lstrip("/"), host_path))
        return next((self._files[one] for one in candidates if one in self._files), default)


def _environment_files(unit_path: str, files: Sequence[EnvironmentFile]) -> dict[str, Any]:
    return _Found(unit_path, files)


def _root(path: str) -> str | None:
    """Return the folder that stands for `/` of the host a file lies on, by the end of its path."""
    for pattern in (_CONFIG_AT, _UNIT_AT):
        if match := pattern.match(path):
            return match["root"].rstrip("/")
    return None


# --- config files -----------------------------------------------------------------------------------------


def _config_sets(files: Iterable[ConfigFile]) -> list[_ConfigSet]:
    sets: dict[tuple[str, str | None], _ConfigSet] = {}
    for file in files:
        drop_in = re.search(r"(?i)^(?P<main>.*\.ya?ml)\.d/[^/]+$", file.path)
        main = drop_in["main"] if drop_in else file.path
        one = sets.setdefault((main, file.host), _ConfigSet(main, file.host))
        (one.drop_ins if drop_in else one.main).append(file)
    return list(sets.values())


def _config_of(
    start: Start, path: str, sets: Sequence[_ConfigSet], starts: Sequence[tuple[Start, str]]
) -> tuple[list[_ConfigSet], str]:
    """Find the config files of a start, and say by what."""
    if start.host is not None and (same := [one for one in sets if one.host == start.host]):
        return same, "a script writes the config and starts K3s"
    if start.alone or start.host is not None or not path:
        return [], ""
    loose = [one for one in sets if one.host is None]
    wanted = start.config or _DEFAULT_CONFIG
    root = _root(path)
    if root is not None:
        at = f"{root}/{wanted.lstrip('/')}".lstrip("/")
        if same := [one for one in loose if one.path == at]:
            return same, f"both lie below {root or '/'}"
    folder = path.rpartition("/")[0]
    beside = [one for one in loose if one.path.rpartition("/")[0] == folder]
    if start.config is not None:
        base = wanted.rpartition("/")[2]
        return [one for one in beside if one.path.rpartition("/")[2] == base], "the config named lies beside the unit"
    neighbours = [other for _, other in starts if other and other.rpartition("/")[0] == folder]
    if len(beside) == 1 and len(set(neighbours)) == 1:
        return beside, "config and unit lie side by side"
    return [], ""


# --- nodes ------------------------------------------------------------------------------------------------


def _started_node(  # noqa: PLR0913, PLR0917  what a node is made of
    start: Start,
    path: str,
    sets: Sequence[_ConfigSet],
    starts: Sequence[tuple[Start, str]],
    taken: set[int],
    options: Options,
    version: Version | None,
) -> Node:
    named = _named_config(start)
    configs, evidence = _config_of(replace(start, config=named), path, sets, starts)
    taken.update(id(one) for one in configs)
    unseen = list(start.unseen)
    if named is not None and not configs:
        unseen.append(Unseen("config", f"{named} is not in the repository"))
    elif not configs and not start.alone and any(one.host is None for one in sets):
        unseen.append(Unseen("config", "a config file of this repository may belong to it"))
    files = tuple(dict.fromkeys(file.text.span.source.path for one in configs for file in one.files))
    main = path or start.at.span.source.path
    files = tuple(dict.fromkeys((main, *files)))
    release = version or _declared_version(files, options) or start.version or options.version
    invocation = _invocation(start, configs, unseen, release, files)
    return Node(invocation, _root(main) or "", (evidence,) if evidence else ())


def _named_config(start: Start) -> str | None:
    """Return the config file a start names: K3S_CONFIG_FILE beats `--config` (K3s pkg/configfilearg/parser.go)."""
    for variable in start.variables:
        if str(variable.name) == "K3S_CONFIG_FILE" and variable.value:
            return str(variable.value)
    words = [str(argument.text) for argument in start.arguments]
    for position, word in enumerate(words):
        for option in ("--config", "-config", "-c"):
            if word.startswith(f"{option}="):
                return word[len(option) + 1 :]
            if word == option and position + 1 < len(words):
                return words[position + 1]
    return None


def _configured_node(
    configs: _ConfigSet, environments: Sequence[EnvironmentFile], options: Options, version: Version | None
) -> Node:
    """Make a node of config files that nothing seen starts, with the environment files of its host."""
    texts = [file.text for file in configs.files] + [file.text for file in environments]
    files = tuple(dict.fromkeys(text.span.source.path for text in texts))
    release = version or _declared_version(files, options) or options.version
    first = configs.files[0]
    variables = tuple(variable for file in environments for variable in file.variables)
    start = Start(first.text[:0], _role_of_keys(configs), (), Form.CONFIG, variables)
    if first.entries:
        start = replace(start, at=first.entries[0].key)
    unseen = [Unseen("arguments", "nothing in the repository starts K3s with this file")]
    invocation = _invocation(start, [configs], unseen, release, files)
    return Node(invocation, _root(first.path) or "")


def _role_of_keys(configs: _ConfigSet) -> str | None:
    """Return the role that alone has one of the flags set."""
    table = flags()
    found: set[str] = set()
    for file in configs.files:
        for entry in file.entries:
            flag = table.get(str(entry.key)) or table.removed(str(entry.key))
            if flag is not None and len(flag.roles) == 1:
                found |= flag.roles
    return found.pop() if len(found) == 1 else None


def _invocation(
    start: Start, configs: Sequence[_ConfigSet], unseen: list[Unseen], version: Version | None, files: tuple[str, ...]
) -> Invocation:
    table = flags().as_of(version)
    role = start.role or _role_of_arguments(start)
    files_of_config = [file for one in configs for file in one.files if not exclusive(file.when, start.when)]
    config = lower.from_config([file.entries for file in files_of_config], role, table)
    arguments = lower.from_arguments(start.arguments, role, table, start.form)
    environment = lower.from_environment(start.variables, role, table)
    unseen.extend(Unseen("arguments", "a variable may add arguments", word) for word in arguments.open)
    unseen.extend(
        Unseen("config", "a template may add settings", text) for file in files_of_config for text in file.open
    )
    kind = {"server": Server, "agent": Agent}.get(role or "", Invocation)
    settings = [*environment.settings, *config.settings, *arguments.settings]
    settings.extend(_addresses(start))
    unrecognised = (*config.unrecognised, *arguments.unrecognised)
    return kind(start.at, tuple(settings), unrecognised, tuple(unseen), version, files)


def _addresses(start: Start) -> Iterator[Setting]:
    """Yield the addresses a command gives its host from outside, as the node-ip they are to the cluster."""
    flag = flags().get("node-external-ip")
    if flag is not None:
        for address in start.addresses:
            yield Setting(flag, address, address, Origin.ENVIRONMENT, start.form)


def _role_of_arguments(start: Start) -> str | None:
    """Return the role that alone has one of the flags given as arguments."""
    table = flags()
    found: set[str] = set()
    for argument in start.arguments:
        word = str(argument.text)
        flag = table.get(word.lstrip("-").partition("=")[0]) if word.startswith("--") else None
        if flag is not None and len(flag.roles) == 1:
            found |= flag.roles
    return found.pop() if len(found) == 1 else None


def _unread(files: Iterable[EnvironmentFile], started: Sequence[tuple[Start, str]]) -> list[EnvironmentFile]:
    """Return the environment files that no unit read."""
    read = {id(variable.name) for start, _ in started for variable in start.variables}
    return [file for file in files if not any(id(variable.name) in read for variable in file.variables)]


def _environments_of(configs: _ConfigSet, files: Sequence[EnvironmentFile]) -> list[EnvironmentFile]:
    """Return the environment files below the same root, which the unit of the install script reads.

    A root with those of a server and of an agent is a folder for several hosts: nobody knows whose the config is.
    """
    root = _root(configs.path) if configs.host is None else None
    places = ((file, _ENVIRONMENT_AT.match(file.path)) for file in files)
    found = [(file, place["name"] or place["unit"]) for file, place in places if place and place["root"] == root]
    return [file for file, _ in found] if len({name for _, name in found}) == 1 else []


def _environments_alone(
    files: Iterable[EnvironmentFile], options: Options, version: Version | None
) -> Iterator[Invocation]:
    """Yield environment files that no unit read, so that what they hold is judged all the same."""
    for file in files:
        start = Start(file.text[:0], None, (), Form.ENVIRONMENT_FILE, file.variables)
        unseen = [Unseen("arguments", "nothing seen reads this file"), Unseen("config", "nothing seen reads this file")]
        path = file.text.span.source.path
        release = version or _declared_version((path,), options) or options.version
        yield _invocation(start, (), unseen, release, (path,))


def _replaced(sets: Iterable[_ConfigSet]) -> Iterator[Credential]:
    """Yield the credentials of config files that K3s never sees: a later key replaces them, and they are there."""
    table = flags()
    for one in sets:
        for entry in lower.replaced([file.entries for file in one.files]):
            flag = table.get(str(entry.key)) or table.removed(str(entry.key))
            if flag is None or not isinstance(entry.value, Scalar):
                continue
            for secret in credential.secrets(flag, entry.value.text):
                yield Credential(str(entry.key), entry.key, secret, Form.CONFIG, entry.value.tag)


def _other(command: OtherCommand) -> Invocation:
    """Lower a command such as `k3s token create`; only its credentials are judged."""
    known = flags().command(command.name)
    settings = []
    arguments = list(command.arguments)
    subcommand = str(arguments[0].text) if arguments and not arguments[0].text.startswith("-") else None
    for position, argument in enumerate(arguments):
        option, equals, value = argument.text.partition("=")
        flag = known.get(str(option).lstrip("-"), subcommand) if known and argument.text.startswith("-") else None
        if flag is None or not flag.kind.takes_value:
            continue
        if not equals:
            if position + 1 == len(arguments):
                continue
            value = arguments[position + 1].text
        settings.append(Setting(flag, option, value, Origin.ARGUMENT, Form.COMMAND, argument.when))
    return Invocation(command.at, tuple(settings), files=(command.at.span.source.path,))


def _loose(loose: LooseOptions, options: Options, version: Version | None) -> Invocation:
    """Lower options that stand in a variable: those of K3s count, the rest may be another program's."""
    table = flags().as_of(version or options.version)
    words = [argument for argument in loose.arguments if str(argument.text) not in ("server", "agent", "k3s")]
    lowered = lower.from_arguments(words, None, table, Form.VARIABLE)
    unseen = (
        Unseen("arguments", "nothing seen uses this variable"),
        Unseen("config", "nothing seen uses this variable"),
    )
    return Invocation(loose.at, tuple(lowered.settings), (), unseen, files=(loose.at.span.source.path,))


# --- clusters -----------------------------------------------------------------------------------------------


def _clusters(nodes: Sequence[Node], options: Options) -> Iterator[Cluster]:
    declared: set[int] = set()
    for cluster in options.clusters:
        named = [node for node in nodes if _belongs(node, cluster.servers)]
        servers = [node for node in named if not isinstance(node.invocation, Agent)]
        agents = [node for node in nodes if node not in servers and (node in named or _belongs(node, cluster.agents))]
        declared.update(id(node) for node in (*servers, *agents))
        if servers or agents:
            yield Cluster(cluster.name, tuple(servers), tuple(agents), True, "declared in .k3s-policy.yaml")  # noqa: FBT003
    yield from _linked([node for node in nodes if id(node) not in declared])


def _belongs(node: Node, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    matcher = _matcher(tuple(patterns))
    return any(matcher.match_file(path) for path in node.invocation.files)


_MATCHERS: dict[tuple[str, ...], Any] = {}


def _matcher(patterns: tuple[str, ...]) -> Any:  # noqa: ANN401
    if patterns not in _MATCHERS:
        import pathspec  # noqa: PLC0415  only repositories that declare clusters need it

        _MATCHERS[patterns] = pathspec.GitIgnoreSpec.from_lines(patterns)
    return _MATCHERS[patterns]


def _declared_version(files: Sequence[str], options: Options) -> Version | None:
    for cluster in options.clusters:
        if cluster.version is not None and any(
            _matcher((*cluster.servers, *cluster.agents)).match_file(path) for path in files
        ):
            return cluster.version
    return None


_URL_HOST = re.compile(r"^https?://(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:/\s]+))(?::\d+)?/?$")


def _linked(nodes: Sequence[Node]) -> Iterator[Cluster]:
    """Yield clusters that a `server` URL makes: it names the address or name of exactly one other node."""
    members: dict[int, list[Node]] = {}
    for node in nodes:
        host = _joined_host(node)
        if host is None:
            continue
        named = [
            other for other in nodes if other is not node and host in _names(other) and _joined_host(other) is None
        ]
        if len(named) == 1:
            members.setdefault(id(named[0]), [named[0]]).append(node)
    for group in members.values():
        first = group[0]
        servers = [node for node in group if isinstance(node.invocation, Server)]
        agents = [node for node in group if isinstance(node.invocation, Agent)]
        yield Cluster(first.name, tuple(servers), tuple(agents), False, f"joins through {_joined_host(group[1])}")  # noqa: FBT003


def _joined_host(node: Node) -> str | None:
    setting = node.invocation.last("server")
    if setting is None or not setting.known:
        return None
    match = _URL_HOST.match(str(setting.value))
    return (match["six"] or match["host"]) if match else None


def _names(node: Node) -> set[str]:
    """Return every address and name of a node that others may join it by."""
    settings = node.invocation.all("node-ip", "node-external-ip", "advertise-address", "tls-san", "node-name")
    return {part for setting in settings if setting.known for part in _parts(setting.value)}


def _parts(value: Text) -> Iterator[str]:
    return (part.strip() for part in str(value).split(",") if part.strip())
