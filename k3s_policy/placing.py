"""Files of the repository that scripts put in their place: `cp server.yaml /etc/rancher/k3s/config.yaml`.

What a command names is looked for as the script would find it: from its own folder, from the top of the repository, and
where it wrote the file itself before. A file that is not found is told as not seen to whatever K3s starts on that host.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.fragment import ConfigFile, EnvironmentFile, Placed, Placing, Unit
from k3s_policy.model import Unseen
from k3s_policy.place import folder_of, root_of, same_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.fragment import Fragment

__all__ = ["placing"]

_File: TypeAlias = ConfigFile | Unit | EnvironmentFile


def placing(fragments: Sequence[Fragment]) -> Placing:
    """Put files in their place."""
    commands = [fragment for fragment in fragments if isinstance(fragment, Placed)]
    if not commands:
        return Placing(list(fragments))
    files = [fragment for fragment in fragments if isinstance(fragment, _FILES)]
    result = Placing([])
    moved: set[int] = set()
    for command in commands:
        if command.address is not None:
            result.addresses[command.host] = command.address
        found = _found(command, files)
        for file in found:
            result.fragments.append(_at(file, command))
            # What lies below a root of its own has that as evidence, too.
            if root_of(file.path) is None or file.host is not None:
                moved.add(id(file))
        if not found:
            kind = _kind(command.path)
            why = f"{command.source} is not in the repository"
            result.unseen.setdefault(command.host, []).append(Unseen(kind, why, command.source))
            paths = tuple(_paths(command))
            if paths and kind != "arguments":
                result.wanted.append((kind, paths))
    result.fragments += (fragment for fragment in fragments if id(fragment) not in moved)
    return result


_FILES = (ConfigFile, Unit, EnvironmentFile)


def _kind(path: str) -> str:
    """Return what a file on a host holds of what K3s is started with: a unit its arguments."""
    if "/rancher/k3s/" in path:
        return "config"
    return "arguments" if path.endswith((".service", ".conf")) else "environment"


def _found(command: Placed, files: Iterable[_File]) -> list[_File]:
    """Return what a command names: a file it wrote before, else the likeliest of the repository."""
    named = str(command.source)
    every = list(files)
    own = [
        file
        for file in every
        if file.host is not None and file.host.startswith((f"{command.script}#", f"{command.script}@"))
    ]
    if written := [file for file in own if same_file(file.path, named)]:
        return written
    for path in _paths(command):
        if found := [file for file in every if file.host is None and file.path == path]:
            return found
    return []


def _paths(command: Placed) -> Iterator[str]:
    """Yield where a source may lie in the repository, likeliest first.

    A variable in front of the first `/` stands for the folder of the script, or the top of the repository.
    """
    source, folder = command.source, folder_of(command.script)
    if not source.known:
        _, slash, source = source.partition("/")
        if not slash or not source.known:
            return
    named = str(source).removeprefix("/vagrant/")
    if named.startswith("/"):
        return
    for start in dict.fromkeys((folder, "")):
        yield posixpath.normpath(posixpath.join(start, named))


def _at(file: _File, command: Placed) -> Fragment:
    if isinstance(file, ConfigFile):
        entries = tuple(entry._replace(when=(*command.when, *entry.when)) for entry in file.entries)
        when = (*command.when, *file.when)
        return replace(file, path=command.path, host=command.host, when=when, entries=entries)
    if isinstance(file, Unit):
        folder, _, name = command.path.rpartition("/")
        drop_in = folder.endswith(".d")
        own = folder.rpartition("/")[2].removesuffix(".d") if drop_in else name
        return replace(file, path=command.path, host=command.host, name=own, drop_in=drop_in)
    return replace(file, path=command.path, host=command.host)
