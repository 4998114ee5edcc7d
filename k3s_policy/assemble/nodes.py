"""Nodes: what starts K3s with the config that it reads, and config files that nothing seen starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.assemble import declared, host_paths
from k3s_policy.assemble.host_paths import Purpose, Wanted
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import root_of
from k3s_policy.model import lower
from k3s_policy.model.cluster import Node
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import INPUT_OF, Agent, Form, Input, Invocation, Server, Started, Unseen
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.assemble.host_paths import ConfigSet
    from k3s_policy.assemble.scope import Scope
    from k3s_policy.k3s.flags import Flags
    from k3s_policy.model.fragment import ConfigFile, EnvironmentFile
    from k3s_policy.text import Text

__all__ = ["Launch", "configured_node", "invocation_of", "started_nodes"]


class Launch(NamedTuple):
    """A start with the unit it stands in, if any, and the files that unit is made of."""

    start: Start
    unit: str = ""
    files: tuple[str, ...] = ()
    environments: tuple[EnvironmentFile, ...] = ()

    @property
    def path(self) -> str:
        """The path of the unit, or of the file in which the command stands."""
        return self.unit or self.start.at.span.source.path


def started_nodes(
    launches: Sequence[Launch], sets: Sequence[ConfigSet], scope: Scope, wanted: list[Wanted]
) -> tuple[list[Node], list[ConfigSet]]:
    """Make a node of each start with its config, and return the configs that nothing starts.

    A config that a command names and nothing seen holds is added to `wanted`.
    """
    units = [launch.unit for launch in launches if launch.unit]
    loose = [one for one in sets if one.host is None]
    taken: list[ConfigSet] = []
    nodes = []
    for launch in launches:
        named = _named_config(launch.start)
        configs = _of_host(launch.start, named, sets)
        evidence = "a script writes the config and starts K3s"
        if not configs and _looks_in_repository(launch, named):
            configs, evidence = host_paths.configs_for(launch.path, named, loose, units)
            if named is not None and not configs:
                wanted.append(Wanted(Purpose.CONFIG, host_paths.named_paths(named, launch.path)))
        taken.extend(configs)
        unseen = _unseen_config(launch.start, named, may_be_loose=bool(loose)) if not configs else ()
        nodes.append(_started_node(launch, configs, (evidence,) if configs else (), unseen, scope))
    return nodes, [config for config in sets if config not in taken]


def _of_host(start: Start, named: str | None, sets: Iterable[ConfigSet]) -> list[ConfigSet]:
    """Return the configs on the host of a start: all of them, or the one that it names."""
    configs = [config for config in sets if start.host is not None and config.host == start.host]
    return configs if named is None else [config for config in configs if host_paths.same_file(config.path, named)]


def _looks_in_repository(launch: Launch, named: str | None) -> bool:
    """Whether a config file of the repository may be the one of a start: of a unit there, or of one that names it."""
    return not launch.start.isolated and (named is not None or bool(launch.unit and launch.start.host is None))


def _unseen_config(start: Start, named: str | None, *, may_be_loose: bool) -> tuple[Unseen, ...]:
    """Say what may configure a start for which no config was found."""
    if named is not None:
        return (Unseen(Input.CONFIG, f"{named} is not in the repository"),)
    if may_be_loose and not start.isolated:
        return (Unseen(Input.CONFIG, "a config file of this repository may belong to it"),)
    return ()


def _started_node(
    launch: Launch,
    configs: Sequence[ConfigSet],
    evidence: tuple[str, ...],
    unseen: Iterable[Unseen],
    scope: Scope,
) -> Node:
    start = launch.start
    own = launch.files or (start.at.span.source.path,)
    files = tuple(dict.fromkeys((*own, *_sources(configs))))
    return Node(
        invocation=invocation_of(start, configs, [*start.unseen, *unseen], files, scope),
        root=root_of(launch.unit) or "",
        evidence=evidence,
        addresses=start.addresses,
        copies=start.workload.copies if start.workload is not None else None,
        group=start.group,
    )


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


def configured_node(
    configs: ConfigSet, environments: Sequence[EnvironmentFile], scope: Scope, address: Text | None
) -> Node:
    """Make a node of config files that nothing seen starts, with the environment files of its host."""
    files = tuple(dict.fromkeys((*_sources([configs]), *(file.text.span.source.path for file in environments))))
    first = configs.files[0]
    at = first.entries[0].key if first.entries else first.text[:0]
    variables = tuple(variable for file in environments for variable in file.variables)
    role, because = _role_of_keys(configs)
    start = Start(at=at, role=role, arguments=(), form=Form.CONFIG, variables=variables, role_reason=because)
    unseen = [Unseen(Input.ARGUMENTS, "nothing in the repository starts K3s with this file")]
    addresses = () if address is None else (address,)
    return Node(invocation_of(start, [configs], unseen, files, scope), root_of(first.path) or "", addresses=addresses)


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


# --- invocations -----------------------------------------------------------------------------------------


def invocation_of(
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
    unseen.extend(Unseen(Input.ARGUMENTS, "a variable may add arguments", word) for word in arguments.open_places)
    for file in config_files:
        unseen.extend(Unseen(Input.CONFIG, _why_open(file), text) for text in file.open_places)
    if scope.partial:
        unseen.extend(Unseen(kind, "only some files are judged", start.at) for kind in INPUT_OF.values())
    kind = {"server": Server, "agent": Agent}.get(role or "", Invocation)
    return kind(
        at=start.at,
        settings=(*environment.settings, *config.settings, *arguments.settings),
        unrecognised=(*config.unrecognised, *arguments.unrecognised),
        unseen=tuple(unseen),
        version=version,
        files=files,
        started=_started(start, tuple(arguments.stray), role, table),
        unreadable=tuple(file.error for file in config_files if file.error is not None),
        role_reason=because,
        when=start.when,
        release=start.release,
    )


def _started(start: Start, stray: tuple[Text, ...], role: str | None, table: Flags) -> Started | None:
    """Return how K3s is started, None where that was not seen."""
    if not start.words:
        return None
    unread = [lower.Argument(word, start.when) for word in stray[1:]]
    return Started(
        form=start.form,
        words=start.words,
        stray=stray,
        lost=tuple(lower.from_arguments(unread, role, table, start.form).settings),
        source_words=start.source_words,
        environment={str(variable.name): variable.value for variable in start.variables},
        refused=start.refused,
    )


def _role(start: Start, files: Sequence[str], scope: Scope) -> tuple[str | None, str]:
    """Return the role of what is started, and why it is that."""
    if start.role is not None:
        return start.role, start.role_reason or "the command says so"
    role, because = _role_of_arguments(start)
    if role is None and (listed := declared.declared_role(files, scope.options)):
        return listed, "declared in .k3s-policy.yaml"
    return role, because


def _role_of_arguments(start: Start) -> tuple[str | None, str]:
    """Return the role that alone has one of the flags given as arguments, and why."""
    words = (str(argument.text) for argument in start.arguments)
    return _only_role(word.lstrip("-").partition("=")[0] for word in words if word.startswith("--"))


def _why_open(file: ConfigFile) -> str:
    if file.error is not None:
        return "the file cannot be read"
    return "this is added to a file that may hold more" if file.partial else "a template may add settings"
