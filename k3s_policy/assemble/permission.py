"""Who may read the files that are written to a host with credentials of K3s in them.

Whatever gives a file its permissions (`chmod`, cloud-init, Ansible) is a FileMode; they take effect in the order in
which they were read. What a script writes without saying a mode goes by its umask, of which nothing is concluded.
"""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats.tree import Scalar
from k3s_policy.k3s import credential
from k3s_policy.k3s.credential import Nature
from k3s_policy.k3s.flags import flags
from k3s_policy.model.fragment import ConfigFile, EnvironmentFile, HeldCredential, Registries
from k3s_policy.model.subjects import CredentialFile, FileMode
from k3s_policy.text.branch import ALWAYS, exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.k3s.flags import Flag
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.model.registries import Given
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["credential_files"]

_File: TypeAlias = ConfigFile | EnvironmentFile | HeldCredential | Registries

_OCTAL = pattern(r"0?o?[0-7]{1,5}")
_CLAUSE = pattern(r"(?P<who>[ugoa]*)(?P<change>(?:[-+=][rwxXst]*)+)")
_CHANGE = pattern(r"([-+=])([rwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


def credential_files(fragments: Sequence[Fragment]) -> Iterator[CredentialFile]:
    """Yield each file with credentials whose permissions are said, and what says them in the end."""
    hosts: dict[str, _Changes] = {}
    for one in fragments:
        if isinstance(one, FileMode) and one.host is not None:
            hosts.setdefault(one.host, _Changes()).add(one)
    for file in fragments:
        changes = hosts.get(file.host or "") if isinstance(file, _File) else None
        if not isinstance(file, _File) or changes is None or not (held := tuple(_held(file))):
            continue
        path = posixpath.normpath(file.path)
        result = _result(path, [one for one in changes.about(path) if not exclusive(one.when, _when(file))])
        if result is not None:
            yield CredentialFile(file.path, held, result.change, result.permissions)


class _Changes:
    """What changes permissions on one host, in order, found by the path that it names."""

    def __init__(self) -> None:
        self._every: list[FileMode] = []
        self._by_path: dict[str, list[int]] = {}
        self._by_beginning: dict[str, list[tuple[str, int]]] = {}
        """Those whose path has wildcards, by what stands in front of the first, with what stands behind the last."""

    def add(self, change: FileMode) -> None:
        path = posixpath.normpath(str(change.path))
        beginning, *others = _WILDCARD.split(path)
        if others:
            self._by_beginning.setdefault(beginning, []).append((others[-1], len(self._every)))
        else:
            self._by_path.setdefault(path, []).append(len(self._every))
        self._every.append(change)

    def about(self, path: str) -> Iterator[FileMode]:
        """Yield the changes of a file, and of the folders it lies in."""
        numbers = [
            number
            for length in range(len(path) + 1)
            for ending, number in self._by_beginning.get(path[:length], ())
            if path.endswith(ending)
        ]
        while path not in ("", "/", "."):
            numbers += self._by_path.get(path, ())
            path = posixpath.dirname(path)
        yield from (self._every[number] for number in sorted(numbers))


_WILDCARD = pattern(r"[*?]|\[.*\]?")


def _when(file: _File) -> When:
    if isinstance(file, EnvironmentFile):
        return file.variables[0].when if file.variables else ALWAYS
    return ALWAYS if isinstance(file, Registries) else file.when


def _held(file: _File) -> Iterator[tuple[str, Text]]:
    """Yield the credentials that a file holds, or will when a template is filled in, by the names of their settings."""
    table = flags()
    if isinstance(file, HeldCredential):
        if credential.nature(file.at) not in _NONE:
            yield file.what, file.at
    elif isinstance(file, Registries):
        for config in file.configs:
            yield from ((f"auth.{given.key}", given.key) for given in config.auth if _is_secret(given))
    elif isinstance(file, ConfigFile):
        for entry in file.entries:
            flag = table.get(str(entry.key)) or table.removed(str(entry.key))
            if isinstance(entry.value, Scalar) and _is_credential(flag, entry.value.text, entry.value.tag):
                yield str(entry.key), entry.key
    else:
        for variable in file.variables:
            name = str(variable.name)
            if any(_is_credential(flag, variable.value, variable.tag) for flag in table.by_environment(name)):
                yield name, variable.name


def _is_secret(given: Given) -> bool:
    return str(given.key) != "username" and credential.nature(given.value) not in _NONE


_NONE = frozenset({Nature.EMPTY, Nature.ENCRYPTED})


def _is_credential(flag: Flag | None, value: Text, tag: str | None) -> bool:
    return any(credential.nature(secret, tag) not in _NONE for secret in credential.secrets(flag, value))


class _Result(NamedTuple):
    change: FileMode
    permissions: int


def _result(path: str, changes: Iterable[FileMode]) -> _Result | None:
    """Return what a file's permissions are after all changes; None where nothing says them, or a folder hides it."""
    result = None
    hidden: set[str] = set()
    for change in changes:
        target = posixpath.normpath(str(change.path))
        before = result.permissions if result else 0
        permissions = _changed(change.mode, before)
        if target == path or fnmatchcase(path, target):
            if permissions is None:
                result = None
            else:
                # What others were given before is the matter of whatever gave it.
                opens = permissions & ~before & 0o007
                result = _Result(result.change if result and not opens else change, permissions)
        elif path.startswith(f"{target}/"):
            closed = permissions is not None and not permissions & _OTHERS_ENTER
            (hidden.add if closed else hidden.discard)(target)
    return None if hidden else result


_OTHERS_ENTER = 0o001


def _changed(mode: Text, before: int) -> int | None:
    """Return permissions after `chmod`, None where that is not known."""
    written = str(mode)
    if not mode.known:
        return None
    if _OCTAL.fullmatch(written):
        return int(written.lower().replace("o", ""), 8) & 0o777
    for clause in written.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            return None
        classes = [_SHIFTS[one] for one in match["who"] if one in _SHIFTS] if "a" not in match["who"] else []
        for sign, letters in _CHANGE.findall(match["change"]):
            for shift in classes or _SHIFTS.values():
                bits = sum(_BITS.get(letter, 0) for letter in set(letters)) << shift
                kept = before & ~(0o7 << shift) if sign == "=" else before
                before = kept & ~bits if sign == "-" else kept | bits
    return before
