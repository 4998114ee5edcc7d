"""The search: from the paths of the command line to candidates, by git's listing or by a walk."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from k3s_policy.discover.arguments import common_top, resolve, starting_folder
from k3s_policy.discover.candidate import Candidate, Discovery
from k3s_policy.discover.failure import failure, is_absent
from k3s_policy.discover.sieve import LARGEST, config_folder, folders_of_k3s, may_be_read, may_be_searched, promising
from k3s_policy.discover.work_tree import holds_repository, work_tree
from k3s_policy.k3s.places import is_config_link
from k3s_policy.model.finding import ScanError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Search", "discover"]

_SKIPPED = frozenset({".git", ".hg", ".svn", ".terraform", ".tox", ".venv", "__pycache__", "node_modules"})
"""What a walk passes over: nobody keeps configuration there, and git would hardly list it either."""


def discover(
    paths: Sequence[str], *, tracked: bool = False, files_only: bool = False, directory: str | None = None
) -> Discovery:
    """Find what is to be read below some paths.

    `tracked` leaves out what git does not track. With `files_only` every path has to be a file. Relative
    paths start at `directory`, the working folder unless given.
    """
    start = starting_folder(directory)
    arguments = [resolve(path, start) for path in paths]
    search = Search(common_top(arguments, start), start, tracked=tracked)
    for argument in arguments:
        if argument.problem:
            search.problem(argument.problem, argument.file)
        elif not argument.folder:
            search.name(argument.file)
        elif files_only:
            search.problem("is a folder, and only files are read", argument.file)
        else:
            search.enter(argument.file)
    return search.result()


class Search:
    """Collects what the paths of a scan lead to."""

    def __init__(self, top: str, start: str, *, tracked: bool) -> None:
        self._top = top
        self._prefix = os.path.join(top, "")
        self._start = start
        self._tracked = tracked
        self._named: set[str] = set()
        self._sizes: dict[str, int] = {}
        self._nested: set[str] = set()
        self._links: set[str] = set()
        self._problems: dict[ScanError, None] = {}
        self._notes: dict[str, None] = {}

    def problem(self, message: str, file: str) -> None:
        """Note what keeps a path from being judged."""
        self._problems[ScanError(message, self.shown(file))] = None

    def name(self, file: str) -> None:
        """Take a file that the user named."""
        self._named.add(file)
        self._sizes[file] = 0

    def enter(self, folder: str) -> None:
        """Take what lies below a folder."""
        tree = work_tree(folder)
        if not tree:
            self._walk(folder, within_tree=False)
            return
        from k3s_policy.discover import git  # a scan of single files starts nothing; see there

        # The variables that git hands to a hook are about the repository it runs in, and no other.
        index = os.environ.get("GIT_INDEX_FILE") if work_tree(self._start) == tree else None
        try:
            files = git.listing(tree, os.path.relpath(folder, tree), tracked=self._tracked, index=index)
        except git.GitRefusedError as refusal:
            self._notes[f"git does not list the files ({refusal}): all are read, those that it ignores too"] = None
            self._walk(folder, within_tree=True)
            return
        for file in files:
            self._look(file)

    def _walk(self, folder: str, *, within_tree: bool) -> None:
        """Look at every file below a folder; within a work tree, repositories inside it are not entered."""
        folders = [folder]
        while folders:
            entered = folders.pop()
            try:
                with os.scandir(entered) as listing:
                    entries = list(listing)
            except OSError as error:
                self.problem(f"cannot be listed: {error.strerror or 'unknown error'}", entered)
                continue
            for entry in entries:
                if entry.name in _SKIPPED:
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    self._look(entry.path)
                elif within_tree and holds_repository(entry.path):
                    self._nested.add(entry.path)
                else:
                    folders.append(entry.path)

    def _look(self, file: str) -> None:
        """Take a file of a listing, unless it is gone, a link or something else that is not read."""
        try:
            status = os.lstat(file)
        except OSError as error:
            if not is_absent(error):
                self.problem(failure(error), file)
            return
        if stat.S_ISREG(status.st_mode):
            self._sizes.setdefault(file, status.st_size)
        elif stat.S_ISLNK(status.st_mode) and is_config_link(file):
            self._links.add(file)
        elif stat.S_ISDIR(status.st_mode) and holds_repository(file):
            self._nested.add(file.rstrip("/"))

    def result(self) -> Discovery:
        """Return what was found, in an order that depends on nothing but the paths."""
        shown = {file: self.shown(file) for file in self._sizes}
        of_k3s = folders_of_k3s(shown.values())
        candidates = []
        large = 0
        for file, path in shown.items():
            named = file in self._named
            program = not may_be_read(path)
            if program and not named and not may_be_searched(path):
                continue
            telling = not program and (promising(path) or config_folder(path) in of_k3s)
            if named or self._sizes[file] <= LARGEST:
                candidates.append(Candidate(path=path, file=file, named=named, promising=telling, program=program))
            elif telling:
                large += 1
        candidates.sort()
        return Discovery(
            self._top,
            tuple(candidates),
            seen=len(shown),
            problems=tuple(sorted(self._problems, key=lambda problem: (problem.path or "", problem.message))),
            notes=tuple(self._all_notes(large)),
        )

    def _all_notes(self, large: int) -> Iterator[str]:
        yield from self._notes
        if self._nested:
            nested = ", ".join(sorted(self.shown(folder) for folder in self._nested))
            yield f"left out, being repositories of their own: {nested}"
        if self._links:
            links = ", ".join(sorted(self.shown(link) for link in self._links))
            yield f"left out, being links, whose targets are read where they lie: {links}"
        if large:
            yield f"left out, being larger than 1 MiB: {large} file{'s' if large > 1 else ''} with a name of K3s's"

    def shown(self, file: str) -> str:
        """Return the path of a file as reports show it: printable, and the same in any locale."""
        path = file[len(self._prefix) :] if file.startswith(self._prefix) else os.path.relpath(file, self._top)
        if os.sep != "/":
            path = path.replace(os.sep, "/")
        return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")
