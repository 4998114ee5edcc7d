"""What the commands of a script write to files, and what becomes of those."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.file import File
from k3s_policy.readers.script.printing import Output, installed_input, joined
from k3s_policy.text.branch import both, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.readers.script.call import Call
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["Target", "WrittenFiles", "targets"]

_INTO = frozenset({">", ">>", ">|"})
_ELSEWHERE = ">&"
_MOST_VERSIONS = 50
"""Of one file: behind so many branches nobody says which of them go together."""


class Target(NamedTuple):
    """A file that a command writes to."""

    path: Text
    """As seen from the folder that the script begins in."""
    appends: bool
    redirection: object
    """The same for all commands whose output goes through one redirection, one after the other."""


def targets(call: Call) -> list[Target]:
    """Return the files that a command writes what it prints or is fed to."""
    return [Target(call.located(path), appends, path) for path, appends in (*_redirected(call), *_named(call))]


def _redirected(call: Call) -> list[tuple[Text, bool]]:
    """Return where the output of a command goes, and whether it is appended there: of several, the last one tells."""
    redirects = [one for one in call.command.redirects if one.operator in _INTO or one.operator == _ELSEWHERE]
    if not redirects or redirects[-1].operator == _ELSEWHERE or redirects[-1].target is None:
        return []
    return [(redirects[-1].target.text, redirects[-1].operator == ">>")]


def _named(call: Call) -> Iterator[tuple[Text, bool]]:
    """Yield the files that a command writes its input to."""
    words = [word.text for word in call.words[1:]]
    if call.name in ("tee", "sponge"):
        appends = any(str(word) in ("-a", "--append") for word in words)
        yield from ((word, appends) for word in words if not word.startswith("-"))
    elif call.name == "dd":
        appends = any(str(word) in ("oflag=append", "conv=notrunc") for word in words)
        yield from ((word[len("of=") :], appends) for word in words if word.startswith("of="))
    yield from ((target, False) for target in installed_input(call))


class _Piece(NamedTuple):
    """A piece of a file, and those before it."""

    output: Output
    before: _Piece | None

    def outputs(self) -> list[Output]:
        """Return all pieces, the first one first."""
        found = []
        piece: _Piece | None = self
        while piece is not None:
            found.append(piece.output)
            piece = piece.before
        return found[::-1]


@dataclass(frozen=True, repr=False)
class _Version:
    """A file as it is where some branches of a script are taken."""

    path: str
    when: When
    last: _Piece
    known: bool
    """Whether the script says a piece of it."""
    extends: bool
    """Whether it begins with what was there before the script."""
    partial: bool = False
    """Whether a branch may have added more to it."""

    def added(self, output: Output, *, partial: bool = False) -> _Version:
        """Return the file with another piece."""
        known = self.known or output.text is not None
        return replace(self, last=_Piece(output, self.last), known=known, partial=self.partial or partial)


class WrittenFiles:
    """The files that the commands of a script have written to one host so far."""

    def __init__(self) -> None:
        self._versions: dict[str, list[_Version]] = {}
        self._redirections: dict[str, object] = {}

    def write(self, target: Target, output: Output) -> None:
        """Write a piece: a `>` starts the file anew, `>>` goes on, and so do the commands of one redirection.

        What is appended to a file that nobody has written is a piece of it.
        """
        path = posixpath.normpath(str(target.path))
        versions = self._versions.setdefault(path, [])
        goes_on = self._redirections.get(path) is target.redirection
        if goes_on or target.appends:
            versions[:] = _gone_on(versions, str(target.path), output, begun=goes_on)
        else:
            _replace(versions, [_version(str(target.path), output, extends=False)])
        self._redirections[path] = target.redirection

    def copy(self, source: str, path: str, when: When, *, moves: bool) -> bool:
        """Copy or move a file where branches are taken; say whether it is one of those written here."""
        versions = self._versions.get(posixpath.normpath(source), [])
        # Nothing but what the script made itself is put in another file's place.
        copied = [
            replace(one, path=path, when=both(when, one.when), extends=False)
            for one in versions
            if not exclusive(one.when, when)
        ]
        if not copied:
            return False
        if moves:
            versions[:] = [one for one in versions if not set(when) <= set(one.when)]
        _replace(self._versions.setdefault(posixpath.normpath(path), []), copied)
        self._redirections.pop(posixpath.normpath(path), None)
        return True

    def files(self) -> Iterator[File]:
        """Yield what is known of the files, each as often as branches make it another one."""
        for versions in self._versions.values():
            for one in versions:
                if one.known:
                    yield _file(one)

    def unknown(self) -> Iterator[str]:
        """Yield the paths of files of which nothing is known but that they are written."""
        for versions in self._versions.values():
            yield from (one.path for one in versions if not one.known)


def _version(path: str, output: Output, *, extends: bool, partial: bool = False) -> _Version:
    return _Version(
        path=path,
        when=output.when,
        last=_Piece(output, None),
        known=output.text is not None,
        extends=extends,
        partial=partial,
    )


def _replace(versions: list[_Version], by: list[_Version]) -> None:
    """Put versions of a file in place of those that they overwrite: wherever these are, one of them is."""
    versions[:] = [one for one in versions if not any(set(new.when) <= set(one.when) for new in by)] + by


def _gone_on(versions: list[_Version], path: str, output: Output, *, begun: bool) -> Iterator[_Version]:
    """Yield the versions of a file with a piece more; `begun` says that the same redirection wrote those before it.

    The piece is added to the version it goes on with; of the others that it may be added to, it is said.
    """
    when = set(output.when)
    if len(versions) >= _MOST_VERSIONS:
        yield from versions
        yield _version(path, output, extends=True, partial=True)
        return
    same = any(set(one.when) == when for one in versions)
    around = [one for one in versions if set(one.when) < when]
    beside = any(_is_beside(one, output.when) for one in versions)
    for one in versions:
        if set(one.when) >= when:
            yield one.added(output, partial=beside and set(one.when) == when)
        elif _is_beside(one, output.when) or (set(one.when) < when and not same):
            yield replace(one, partial=True)
        else:
            yield one
    if around and not same:
        yield replace(around[-1].added(output, partial=beside or not around[-1].known), when=output.when)
    elif not any(set(one.when) >= when for one in versions):
        yield _version(path, output, extends=not begun, partial=beside)


def _is_beside(version: _Version, when: When) -> bool:
    """Whether branches may be taken together with those of a version, and neither hold the others."""
    one, other = set(version.when), set(when)
    return not (one <= other or other <= one or exclusive(version.when, when))


def _file(version: _Version) -> File:
    pieces = version.last.outputs()
    partial = version.extends or version.partial or not all(piece.text is not None and piece.sure for piece in pieces)
    return File(text=joined(pieces), path=version.path, when=version.when, may_go_on=True, partial=partial)
