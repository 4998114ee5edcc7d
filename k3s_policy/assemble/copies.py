"""Files of the repository that scripts put in their place: `cp server.yaml /etc/rancher/k3s/config.yaml`.

What a command names is looked for as the script would find it: from its own folder, from the top of the repository, and
where it wrote the file itself before. A file that is not found is told as not seen to whatever K3s starts on that host.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.assemble.host_paths import CopiedFiles, Purpose, Wanted, folder_of, same_file
from k3s_policy.formats.template import without_suffix
from k3s_policy.k3s.places import CONFIG, REGISTRIES, ReadAs, configures, of_path, root_of
from k3s_policy.model.file import source_of
from k3s_policy.model.fragment import ConfigFile, Copy, EnvironmentFile, Registries, Unit
from k3s_policy.model.invocation import Input, Unseen
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.model.fragment import Fragment

__all__ = ["put_in_place"]

_File: TypeAlias = ConfigFile | Unit | EnvironmentFile | Registries
_FILES = (ConfigFile, Unit, EnvironmentFile, Registries)


def put_in_place(fragments: Sequence[Fragment]) -> CopiedFiles:
    """Put files in their place."""
    files = [fragment for fragment in fragments if isinstance(fragment, _FILES)]
    commands = _that_count(fragment for fragment in fragments if isinstance(fragment, Copy))
    made: list[Fragment] = []
    moved: set[int] = set()
    unseen: list[tuple[str, Unseen]] = []
    wanted: list[Wanted] = []
    for command in commands:
        found = list(_found(command, files))
        wanted += _wanted(command, found)
        if not (command.folder or configures(command.path)):
            continue  # what it becomes may tell what it is; where it is put decides nothing
        made += (_at(file, path, command) for file, path in found)
        # What lies below a root of its own has that as evidence, too.
        moved |= {id(file) for file, _ in found if root_of(_lies_at(file)) is None or file.host is not None}
        if not found and (kind := _kind(command)) is not None:
            why = f"{_told(command)} is not in the repository"
            unseen.append((command.host, Unseen(kind, why, command.source)))
    return CopiedFiles(
        (*made, *(fragment for fragment in fragments if id(fragment) not in moved)),
        tuple(unseen),
        {command.host: command.address for command in commands if command.address is not None},
        tuple(wanted),
    )


def _wanted(command: Copy, found: Sequence[tuple[_File, str]]) -> Iterator[Wanted]:
    """Yield what a command names and was not found."""
    if command.folder:
        yield from _wanted_below(command, found)
    elif not found and (paths := tuple(_paths(command))):
        yield Wanted(Purpose.COPIED, paths, command.path)


def _wanted_below(command: Copy, found: Sequence[tuple[_File, str]]) -> Iterator[Wanted]:
    """Yield what K3s looks for below a folder that is put in place: the name alone does not make it K3s's elsewhere."""
    for path in (CONFIG, REGISTRIES):
        if path.startswith(f"{command.path.rstrip('/')}/") and all(place != path for _, place in found):
            below = path[len(command.path.rstrip("/")) + 1 :]
            yield Wanted(Purpose.COPIED, tuple(posixpath.join(folder, below) for folder in _paths(command)), path)


def _that_count(commands: Iterable[Copy]) -> list[Copy]:
    """Leave out what a later command puts another file in the place of."""
    kept: dict[tuple[str, str], list[Copy]] = {}
    for command in commands:
        place = (command.host, command.path)
        kept[place] = [one for one in kept.get(place, ()) if exclusive(one.when, command.when)] + [command]
    return [command for of_place in kept.values() for command in of_place]


def _kind(command: Copy) -> Input | None:
    """Return what a file holds of what K3s is started with, a unit its arguments; None where it holds nothing of it."""
    if command.folder:
        return Input.CONFIG
    kinds = {ReadAs.UNIT: Input.ARGUMENTS, ReadAs.ENVIRONMENT: Input.ENVIRONMENT, ReadAs.CONFIG: Input.CONFIG}
    place = of_path(command.path)
    return kinds.get(place) if place is not None else None


def _told(command: Copy) -> str:
    """Say what a command copies; what is no plain path may hold anything."""
    source = str(command.source)
    return source if re.fullmatch(r"[\w./${}*-]+", source) else "what this command copies"


def _found(command: Copy, files: Sequence[_File]) -> Iterator[tuple[_File, str]]:
    """Yield what a command names, with the path it gets: what it wrote before, else the likeliest of the repository."""
    if command.folder:
        yield from _in_folder(command, files)
        return
    own = (f"{command.script}#", f"{command.script}@")
    written = [
        file
        for file in files
        if file.host is not None and file.host.startswith(own) and same_file(file.path, str(command.source))
    ]
    for path in () if written else _paths(command):
        written = [file for file in files if file.host is None and path in (_lies_at(file), source_of(file.text))]
        if written:
            break
    yield from ((file, command.path) for file in written)


def _in_folder(command: Copy, files: Sequence[_File]) -> Iterator[tuple[_File, str]]:
    for folder in _paths(command):
        inside = [file for file in files if file.host is None and _lies_at(file).startswith(f"{folder}/")]
        if inside:
            yield from ((file, posixpath.join(command.path, _lies_at(file)[len(folder) + 1 :])) for file in inside)
            return


def _lies_at(file: _File) -> str:
    """Return where a file lies in the repository, called as what a template becomes."""
    return without_suffix(source_of(file.text))


def _paths(command: Copy) -> Iterator[str]:
    """Yield where a source may lie in the repository, likeliest first.

    A variable in front of the first `/` stands for the folder of the script, or the top of the repository.
    """
    source, folder = command.source, folder_of(command.script)
    if not source.known:
        _, slash, source = source.partition("/")
        if not slash or not source.known:
            return
    named = str(source).removeprefix("/vagrant/")
    if not named or named.startswith("/"):
        return
    for start in dict.fromkeys((*command.folders, folder, "")):
        path = posixpath.normpath(posixpath.join(start, named))
        # A template is called as what it becomes; one whose ending tells no format is still looked for.
        yield from dict.fromkeys((without_suffix(path), path))


def _at(file: _File, path: str, command: Copy) -> Fragment:
    if isinstance(file, ConfigFile):
        entries = tuple(entry._replace(when=(*command.when, *entry.when)) for entry in file.entries)
        return replace(file, path=path, host=command.host, when=(*command.when, *file.when), entries=entries)
    if isinstance(file, Registries):
        return replace(file, path=path, host=command.host)
    if isinstance(file, Unit):
        folder, _, name = path.rpartition("/")
        drop_in = folder.endswith(".d")
        own = folder.rpartition("/")[2].removesuffix(".d") if drop_in else name
        return replace(file, path=path, host=command.host, name=own, drop_in=drop_in)
    variables = tuple(variable._replace(when=(*command.when, *variable.when)) for variable in file.variables)
    return replace(file, path=path, host=command.host, variables=variables)
