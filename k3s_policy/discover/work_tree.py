"""Where a git work tree begins, told by its files alone: git is not started."""

from __future__ import annotations

import os

__all__ = ["holds_repository", "work_tree"]


def work_tree(folder: str) -> str | None:
    """Return the top level of the git work tree that a folder lies in."""
    while True:
        if holds_repository(folder):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def holds_repository(folder: str) -> bool:
    """Whether a folder is the top level of a work tree, of a linked one or of a submodule too."""
    mark = os.path.join(folder, ".git")
    # It is a file in worktrees and submodules. Git takes no folder of that name without a HEAD either.
    return os.path.lexists(os.path.join(mark, "HEAD")) or os.path.isfile(mark)
