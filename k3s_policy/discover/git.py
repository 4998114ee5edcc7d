"""Asking git which files a work tree has, so that nothing the repository configures is run.

Imported when a folder of a work tree is entered: `subprocess` takes 8 ms to load, and a scan of single files
starts no program.
"""

from __future__ import annotations

import os
import subprocess

__all__ = ["GitRefusedError", "listing"]


class GitRefusedError(Exception):
    """Git is missing or will not list a work tree; says why, without absolute paths."""


# A repository's own configuration may name programs for git to run: a file system monitor at any listing, and a
# transport when a partial clone lacks the ignore file that a listing asks for. Neither may be run by a scan.
_OPTIONS = (
    *("--no-pager", "--no-optional-locks", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "safe.bareRepository=explicit"),
)
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_ABOUT_ONE_REPOSITORY = frozenset(
    {
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE"),
        *("GIT_GLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_NOGLOB_PATHSPECS"),
    }
)


def listing(tree: str, below: str, *, tracked: bool, index: str | None) -> list[str]:
    """Return the files, by absolute path, that git lists in a folder of a work tree; no link leads to one.

    `below` is the folder, relative to the top level `tree`; `index` is the index to read where it is another
    than the repository's own.
    """
    prefix = os.path.join(tree, "")
    real = {"": True}
    names = _names(tree, below, tracked=tracked, index=index)
    return [prefix + name for name in names if _really_inside(prefix, name.rpartition("/")[0], real)]


def _names(tree: str, below: str, *, tracked: bool, index: str | None) -> list[str]:
    """Return what git lists, relative to the top level."""
    program = _program()
    if not program:
        raise GitRefusedError("it is not installed")
    which = ("--cached",) if tracked else ("--cached", "--others", "--exclude-standard")
    command = (program, *_OPTIONS, "ls-files", "-z", *which, "--", below)
    answer = subprocess.run(  # noqa: S603 - git's absolute path and our own words; the folder stands behind "--"
        command, cwd=tree, env=_environment(index), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if answer.returncode:
        dubious = b"dubious ownership" in answer.stderr
        raise GitRefusedError("dubious ownership" if dubious else f"exit code {answer.returncode}")
    return [os.fsdecode(name) for name in answer.stdout.split(b"\0") if name]


def _program() -> str | None:
    """Return where git lies, which is never a folder relative to the one being scanned."""
    name = "git.exe" if os.name == "nt" else "git"
    for folder in os.get_exec_path():
        program = os.path.join(folder, name)
        if os.path.isabs(program) and os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return None


def _environment(index: str | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _ABOUT_ONE_REPOSITORY}
    environment |= _ENVIRONMENT
    if index:
        environment["GIT_INDEX_FILE"] = index
    return environment


def _really_inside(prefix: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether no part of a folder's path is a link, which may have taken the place of a folder that git knows."""
    inside = known.get(folder)
    if inside is None:
        inside = _really_inside(prefix, folder.rpartition("/")[0], known) and not os.path.islink(prefix + folder)
        known[folder] = inside
    return inside
