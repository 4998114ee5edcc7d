"""Where the files of one host lie, told by their paths.

Files whose paths end alike (`P/etc/rancher/k3s/config.yaml`, `P/etc/systemd/system/k3s.service`, `P/etc/default/k3s`)
share the root P, the folder that stands for `/` of a host. Side by side in one folder they belong together only where
there is one of each kind: ten configs in one folder are ten hosts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from k3s_policy.fragment import ConfigFile, EnvironmentFile

__all__ = ["ConfigSet", "config_sets", "configs_for", "environment_file", "environments_below", "folder_of", "root_of"]

DEFAULT_CONFIG = "/etc/rancher/k3s/config.yaml"
"""Where K3s looks for its config file (K3s pkg/cli/cmds/config.go)."""

_ROOTS = (
    re.compile(r"^(?P<root>.*?)(?:^|/)?etc/rancher/k3s/[^/]+$"),
    re.compile(r"^(?P<root>.*?)(?:^|/)?(?:etc|usr/lib|usr/local/lib|lib|run)/systemd/system/[^/]+$"),
)
_ENVIRONMENT = re.compile(
    r"^(?P<root>.*?)/?(?:^|(?<=/))etc/"
    r"(?:(?:default|sysconfig)/(?P<name>k3s[^/]*)|systemd/system/(?P<unit>k3s[^/]*)\.service\.env)$"
)
_DROP_IN = re.compile(r"(?i)^(?P<main>.*\.ya?ml)\.d/[^/]+\.ya?ml$")


@dataclass(eq=False)
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


def root_of(path: str) -> str | None:
    """Return the folder that stands for `/` of the host a file lies on, None where its path does not say."""
    for pattern in _ROOTS:
        if match := pattern.match(path):
            return match["root"].rstrip("/")
    return None


def folder_of(path: str) -> str:
    """Return the folder a file lies in."""
    return path.rpartition("/")[0]


def configs_for(
    unit: str, named: str | None, sets: Sequence[ConfigSet], units: Iterable[str]
) -> tuple[list[ConfigSet], str]:
    """Find the config that a unit's K3s reads, and say by what.

    `named` is the file its command names, else K3s reads the default one; `units` are the paths of all units.
    """
    wanted = named or DEFAULT_CONFIG
    root = root_of(unit)
    if root is not None:
        at = f"{root}/{wanted.lstrip('/')}".lstrip("/")
        if same := [one for one in sets if one.path == at]:
            return same, f"both lie below {root or '/'}"
    beside = [one for one in sets if folder_of(one.path) == folder_of(unit)]
    if named is not None:
        base = wanted.rpartition("/")[2]
        return [one for one in beside if one.path.rpartition("/")[2] == base], "the config named lies beside the unit"
    neighbours = {other for other in units if folder_of(other) == folder_of(unit)}
    if len(beside) == 1 and len(neighbours) == 1:
        return beside, "config and unit lie side by side"
    return [], ""


def environment_file(path: str, unit: str, files: Iterable[EnvironmentFile]) -> EnvironmentFile | None:
    """Find the file that EnvironmentFile= names: below the unit's root, else by its base name beside the unit."""
    root = root_of(unit)
    candidates = [] if root is None else [f"{root}/{path.lstrip('/')}".lstrip("/")]
    candidates.extend((f"{folder_of(unit)}/{path.rpartition('/')[2]}".lstrip("/"), path))
    by_path = {file.path: file for file in files}
    return next((by_path[candidate] for candidate in candidates if candidate in by_path), None)


def environments_below(config: ConfigSet, files: Iterable[EnvironmentFile]) -> list[EnvironmentFile]:
    """Return the environment files below the root of a config, which the unit of the install script reads.

    A root with those of a server and of an agent is a folder for several hosts: nobody knows whose the config is.
    """
    root = root_of(config.path) if config.host is None else None
    places = ((file, _ENVIRONMENT.match(file.path)) for file in files)
    found = [(file, place["name"] or place["unit"]) for file, place in places if place and place["root"] == root]
    return [file for file, _ in found] if len({name for _, name in found}) == 1 else []
