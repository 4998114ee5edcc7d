"""What the paths of the command line are, and the folder that a report's paths are relative to."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.discover.failure import failure
from k3s_policy.discover.work_tree import work_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Argument", "common_top", "resolve", "starting_folder", "top_of"]


class Argument(NamedTuple):
    """A path of the command line: absolute, free of links but for the file's own, and what it is."""

    file: str
    folder: bool = False
    problem: str = ""


def top_of(paths: Sequence[str], directory: str | None = None) -> str:
    """Return the folder that the paths of a scan's report are relative to."""
    start = starting_folder(directory)
    return common_top([resolve(path, start) for path in paths], start)


def starting_folder(directory: str | None) -> str:
    """Return the absolute folder that relative paths start at: the working folder unless another is given."""
    return os.path.realpath(directory or os.getcwd())


def resolve(path: str, start: str) -> Argument:
    """Find out what a path leads to."""
    absolute = os.path.join(start, path)
    parent, name = os.path.split(absolute)
    file = os.path.join(os.path.realpath(parent), name)
    try:
        mode = os.stat(absolute).st_mode
    except OSError as error:
        return Argument(file, problem=failure(error))
    if not path:
        # Joined to the start it would be the whole folder, which an unset variable in a script does not mean.
        return Argument(file, problem="is an empty path")
    if stat.S_ISDIR(mode):
        return Argument(os.path.realpath(absolute), folder=True)
    # A pipe or a device would be waited for, perhaps for ever.
    return Argument(file, problem="" if stat.S_ISREG(mode) else "is not a regular file")


def common_top(arguments: Sequence[Argument], start: str) -> str:
    """Return the git top level of the first argument that has one, else what the arguments have in common."""
    folders = [argument.file if argument.folder else os.path.dirname(argument.file) for argument in arguments]
    for folder in folders:
        tree = work_tree(folder)
        if tree:
            return tree
    scanned = [argument.file for argument in arguments if argument.folder] or [start, *folders]
    top = os.path.commonpath(scanned)
    # K3s's own folder is known by its path, so the path has to keep it when the scan starts inside.
    root, found, _ = f"{top}/".partition("/etc/rancher/")
    return (root or "/") if found else top
