"""Where the files of one host lie, told by their paths.

Files whose paths end alike (`P/etc/rancher/k3s/config.yaml`, `P/etc/systemd/system/k3s.service`, `P/etc/default/k3s`)
share the root P, the folder that stands for `/` of a host. Side by side in one folder they belong together only where
there is one of each kind: ten configs in one folder are ten hosts.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.places import CONFIG, environment_place, root_of, unit_place
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from k3s_policy.model.fragment import ConfigFile, EnvironmentFile, Fragment, Unit
    from k3s_policy.model.invocation import Unseen
    from k3s_policy.text import Text

__all__ = [
    "ConfigSet",
    "CopiedFiles",
    "Purpose",
    "Wanted",
    "config_sets",
    "configs_for",
    "environment_files",
    "environment_words",
    "environments_below",
    "first_named",
    "folder_of",
    "matches",
    "named_paths",
    "same_file",
    "unit_groups",
]


class Purpose(Enum):
    """What a file is wanted for, which decides how it is read."""

    CONFIG = "config"
    """K3s reads it as its config."""
    ENVIRONMENT = "environment"
    """systemd or compose reads it for variables."""
    COPIED = "copied"
    """It is copied to where it has another name: read as what it is there."""
    OVERRIDE = "override"
    """Compose adds it to another file; it is only asked whether it is there."""


class Wanted(NamedTuple):
    """A file that a unit or a command names."""

    purpose: Purpose
    paths: tuple[str, ...]
    """Where in the repository it may lie, likeliest first."""
    target: str = ""
    """Of a file that is copied, where the host has it."""


class CopiedFiles(NamedTuple):
    """Fragments with every file where a script puts it, and what was learnt of the hosts by that."""

    fragments: tuple[Fragment, ...]
    unseen: tuple[tuple[str, Unseen], ...] = ()
    """What was not found, with the host it is put on."""
    addresses: Mapping[str, Text] = {}
    """What scripts call a host, by the name that fragments have for it."""
    wanted: tuple[Wanted, ...] = ()
    """The files that were not found."""


_DROP_IN = pattern(r"(?i)^(?P<main>.*\.ya?ml)\.d/[^/]+\.ya?ml$")


@dataclass(eq=False, repr=False)
class ConfigSet:
    """A main config file with its drop-ins."""

    path: str
    host: str | None
    main: list[ConfigFile] = field(default_factory=list)
    drop_ins: list[ConfigFile] = field(default_factory=list)

    @property
    def files(self) -> list[ConfigFile]:
        """The files in the order K3s reads them: drop-ins by the bytes of their names."""
        return [*self.main, *sorted(self.drop_ins, key=lambda file: file.path.rpartition("/")[2].encode())]


def config_sets(files: Iterable[ConfigFile]) -> list[ConfigSet]:
    """Put main files and the drop-ins in `<main file>.d/` together."""
    sets: dict[tuple[str, str | None], ConfigSet] = {}
    for file in files:
        drop_in = _DROP_IN.match(file.path)
        path = drop_in["main"] if drop_in else file.path
        one = sets.setdefault((path, file.host), ConfigSet(path, file.host))
        (one.drop_ins if drop_in else one.main).append(file)
    return list(sets.values())


def folder_of(path: str) -> str:
    """Return the folder a file lies in."""
    return path.rpartition("/")[0]


def environment_words(paths: Iterable[str]) -> frozenset[str]:
    """Return the words in paths that tell environments apart: `prod`, `staging`, `example`."""
    return frozenset(word[0].lower() for path in paths for word in _ENVIRONMENTS.finditer(path))


_ENVIRONMENTS = pattern(
    r"(?i)(?<![a-z])(?:dev|development|stag(?:e|ing)|prod|production|pre-?prod|test(?:ing|s)?|qa|uat|lab|demo|example|sample|doc)s?"
    r"(?![a-z])"
)


def same_file(path: str, named: str) -> bool:
    """Whether a script that writes `path` writes the file that a command names."""
    return posixpath.normpath(path).lstrip("/") == posixpath.normpath(named).lstrip("/")


def configs_for(
    unit: str, named: str | None, sets: Sequence[ConfigSet], units: Iterable[str]
) -> tuple[list[ConfigSet], str]:
    """Find the config that a unit's K3s reads, and say by what.

    `named` is the file its command names, else K3s reads the default one; `units` are the paths of all units.
    """
    if named is not None:
        found = _first_at(named_paths(named, unit), sets)
        return ([found] if found else []), "the command names the config"
    root = root_of(unit)
    if root is not None:
        at = f"{root}{CONFIG}".lstrip("/")
        if same := [one for one in sets if one.path == at]:
            return same, f"both lie below {root or '/'}"
    folder = folder_of(unit)
    beside = [one for one in sets if folder_of(one.path) == folder]
    if len(beside) == 1 and all(other == unit or folder_of(other) != folder for other in units):
        return beside, "config and unit lie side by side"
    return [], ""


def environment_files(path: str, unit: str, files: Iterable[EnvironmentFile]) -> list[EnvironmentFile]:
    """Find the file that EnvironmentFile= names, or all of them where the path has wildcards.

    A script may write several parts of one file, each in another branch.
    """
    by_path: dict[str, list[EnvironmentFile]] = {}
    for file in files:
        by_path.setdefault(file.path, []).append(file)
    return [file for one in first_named(named_paths(path, unit), by_path.keys()) for file in by_path[one]]


def first_named(names: Iterable[str], paths: Collection[str]) -> list[str]:
    """Return of some paths the first that is named; all that match where its name has wildcards."""
    for name in names:
        if not re.search(r"[*?[]", name):
            found = [name] if name in paths else []
        else:
            found = sorted(path for path in paths if matches(path, name))
        if found:
            return found
    return []


def matches(path: str, pattern: str) -> bool:
    """Whether each part of a path fits the part of a pattern: a wildcard does not reach over a `/`."""
    from fnmatch import fnmatchcase  # hardly a unit has such a path

    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def named_paths(path: str, unit: str) -> tuple[str, ...]:
    """Return where a file may lie that a unit or script names by its path on the host, likeliest first.

    Below the root of the unit, by its base name beside the unit, and at that path as a script writes it.
    """
    root = root_of(unit)
    below = [] if root is None else [f"{root}/{path.lstrip('/')}".lstrip("/")]
    folder = folder_of(unit)
    relative = [] if path.startswith("/") else [posixpath.normpath(f"{folder}/{path}" if folder else path)]
    return (*below, *relative, f"{folder}/{path.rpartition('/')[2]}".lstrip("/"), path)


def _first_at(paths: Iterable[str], sets: Iterable[ConfigSet]) -> ConfigSet | None:
    by_path = {one.path: one for one in sets}
    return next((by_path[path] for path in paths if path in by_path), None)


def environments_below(config: ConfigSet, files: Iterable[EnvironmentFile]) -> list[EnvironmentFile]:
    """Return the environment files below the root of a config, which the unit of the install script reads.

    A root with those of a server and of an agent is a folder for several hosts: nobody knows whose the config is.
    """
    root = root_of(config.path) if config.host is None else None
    places = ((file, environment_place(file.path)) for file in files)
    found = [(file, place.service) for file, place in places if place is not None and place.root == root]
    return [file for file, _ in found] if len({name for _, name in found}) == 1 else []


# --- units ----------------------------------------------------------------------------------------------


def unit_groups(units: Iterable[Unit]) -> list[tuple[str, list[Unit]]]:
    """Put each unit and the drop-ins that systemd adds to it together, with the path it stands at.

    Drop-ins whose unit is not here stand together by themselves.
    """
    hosts: dict[tuple[str | None, str], list[Unit]] = {}
    for unit in units:
        hosts.setdefault((unit.host, _unit_place(unit)[0]), []).append(unit)
    groups = [group for of_host in hosts.values() for group in _groups_of_host(of_host)]
    return sorted(groups, key=lambda group: group[0])


def _unit_place(unit: Unit) -> tuple[str, int]:
    """Return the folder that stands for `/` of a unit's host, or else that it lies in, and the rank of its tree."""
    if (found := unit_place(unit.path)) is not None:
        return found
    folder = folder_of(unit.path)
    return (folder_of(folder) if unit.drop_in else folder), 0


def _groups_of_host(units: Iterable[Unit]) -> Iterator[tuple[str, list[Unit]]]:
    ordered = sorted(units, key=lambda unit: (_unit_place(unit)[1], unit.path))
    drop_ins = [unit for unit in ordered if unit.drop_in]
    named: set[str] = set()
    taken: list[Unit] = []
    for main in _mains(ordered):
        # Of units of one name that of the strongest tree counts; the others are judged by themselves.
        own = [] if main.name in named else _added_to(main.name, drop_ins)
        named.add(main.name)
        taken.extend(own)
        yield main.path, [main, *own]
    alone = [unit for unit in drop_ins if unit not in taken]
    for name in dict.fromkeys(unit.name for unit in alone):
        of_name = [unit for unit in alone if unit.name == name]
        counting = _by_file_name(of_name)
        for group in (counting, *([unit] for unit in of_name if unit not in counting)):
            yield group[0].path.rpartition(".d/")[0], group


def _mains(units: Sequence[Unit]) -> Iterator[Unit]:
    """Yield the units that are no drop-ins; a template as each of its instances that has drop-ins of its own."""
    mains = [unit for unit in units if not unit.drop_in]
    names = {unit.name for unit in mains}
    for main in mains:
        prefix, template, suffix = main.name.partition("@.")
        instances = [
            replace(main, name=name)
            for name in dict.fromkeys(unit.name for unit in units if unit.drop_in)
            if template and name not in names and name.startswith(f"{prefix}@") and name.endswith(f".{suffix}")
        ]
        yield from instances or [main]


def _added_to(name: str, drop_ins: Sequence[Unit]) -> list[Unit]:
    """Return the drop-ins that systemd adds to a unit, in the order it reads them."""
    from k3s_policy.formats.systemd import drop_in_folders  # most scans meet no unit

    *own, of_type = drop_in_folders(name)
    of_name = {folder: [unit for unit in drop_ins if f"{unit.name}.d" == folder] for folder in (*own, of_type)}
    trees = dict.fromkeys(_unit_place(unit)[1] for unit in drop_ins)
    found = [unit for tree in trees for folder in own for unit in of_name[folder] if _unit_place(unit)[1] == tree]
    return _by_file_name([*found, *of_name[of_type]])


def _by_file_name(drop_ins: Iterable[Unit]) -> list[Unit]:
    """Keep the first drop-in of each file name, and put them in the byte order of these names."""
    found: dict[str, Unit] = {}
    for unit in drop_ins:
        found.setdefault(unit.path.rpartition("/")[2], unit)
    return [unit for _, unit in sorted(found.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))]
