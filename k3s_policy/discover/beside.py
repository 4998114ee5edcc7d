"""Which files K3s reads together with those that a user names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from k3s_policy.discover.candidate import Candidate
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["neighbours"]

_INVENTORY = pattern(r"(?i)\.ini$|(?:hosts|inventory)[^/]*$|(?:^|/)inventor(?:y|ies)/")
_OF_HOSTS = ("group_vars", "host_vars")
"""Folders of variables beside an inventory of Ansible, or in a folder above it."""
_WITH_DROP_INS = (".yaml", ".yml", ".service")


def neighbours(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the files that are read together with files the user named: a config's or a unit's drop-ins.

    For a drop-in these are its main file and the other drop-ins, for an inventory what its hosts are given. Candidates
    themselves are left out.
    """
    listed = {candidate.file for candidate in candidates}
    found = {}
    for candidate in candidates:
        if candidate.named:
            for name in (*_names(candidate.file), *_of_hosts(candidate)):
                file = os.path.normpath(os.path.join(os.path.dirname(candidate.file), name))
                path = os.path.normpath(os.path.join(os.path.dirname(candidate.path), name)).replace(os.sep, "/")
                if file not in listed and os.path.isfile(file) and not os.path.islink(file):
                    found[file] = Candidate(path, file, promising=True)
    return tuple(sorted(found.values()))


def _names(file: str) -> Iterator[str]:
    """Yield the names of a file's main file and drop-ins, relative to its folder."""
    folder, base = os.path.split(file)
    if base.lower().endswith(_WITH_DROP_INS) and os.path.isdir(f"{file}.d"):
        yield from (f"{base}.d/{name}" for name in os.listdir(f"{file}.d"))
    main = os.path.basename(folder)[: -len(".d")]
    if folder.endswith(".d") and main.lower().endswith(_WITH_DROP_INS):
        yield f"../{main}"
        yield from os.listdir(folder)


def _of_hosts(candidate: Candidate) -> Iterator[str]:
    """Yield the names of the files of variables for an inventory of that name, relative to its folder.

    They lie beside it, or in a folder above it within the scan.
    """
    folder = os.path.dirname(candidate.file)
    if not _INVENTORY.search(candidate.path):
        return
    for level in range(candidate.path.count("/") + 1):
        for kind in _OF_HOSTS:
            top = os.path.normpath(os.path.join(folder, *[".."] * level, kind))
            for base, _, names in os.walk(top):
                yield from (os.path.relpath(os.path.join(base, name), folder) for name in names)
