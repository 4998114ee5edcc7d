"""Commands that put a file made elsewhere in its place: `cp`, `install`, `mv`, `ln`, `scp`, `rsync`."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.places import ReadAs, configures, holds_configuration, of_path
from k3s_policy.model.fragment import Copy
from k3s_policy.readers.script.call import without_options
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.formats.shell import Word
    from k3s_policy.readers.script.call import Call
    from k3s_policy.text import Text

__all__ = ["Copying", "address_of", "configuration_copies", "copying", "remote_host"]

_OPTIONS_WITH_VALUE = {"cp": "tS", "mv": "tS", "ln": "tS", "install": "mogtS", "scp": "cDFiJloPS", "rsync": "eMf"}
"""Letters of the options that take the next word, by program."""
_REMOTE = pattern(r"(?P<login>[^/:\s@]*@)?(?P<host>[^/:\s@]+|\[[^\]]+\]):(?P<path>.*)")
_RECURSIVE = pattern(r"-[A-Za-z]*[rRa]|--(?:recursive|archive)$")
_HAS_SUFFIX = pattern(r"\.(?:ya?ml|service|conf|env)$|(?:^|/)(?:default|sysconfig)/k3s[^/]*$")


class Copying(NamedTuple):
    """A command that puts files elsewhere, as far as its words tell."""

    files: tuple[Text, ...]
    """As the command names them."""
    target: Text
    """A file or a folder, without the host."""
    address: Text | None
    """What the command calls the host, where that is another one."""
    into_folder: bool
    """Whether the target is a folder for certain."""

    @property
    def copies(self) -> list[tuple[Text, str]]:
        """Each file with the path that it gets, where that is known."""
        paths = ((file, _destination(self.target, file, into_folder=self.into_folder)) for file in self.files)
        return [(file, path) for file, path in paths if path is not None]


def copying(call: Call) -> Copying | None:
    """Read a command that puts files elsewhere; None for others."""
    letters = _OPTIONS_WITH_VALUE.get(call.name)
    if letters is None:
        return None
    operands, folder = _operands(call, letters)
    if folder is None and len(operands) < 2:
        return None
    target = folder.text if folder is not None else operands.pop().text
    address, path = _host_and_path(target) if call.name in ("scp", "rsync") else (None, target)
    return Copying(
        files=tuple(word.text for word in operands),
        target=call.located(path) if address is None else path,
        address=address,
        into_folder=folder is not None or len(operands) > 1,
    )


def configuration_copies(found: Copying, call: Call, host: str, script: str) -> list[Copy]:
    """Return each file or folder that a command puts where K3s or systemd reads it, on this host or another."""
    address = found.address
    where = host if address is None else remote_host(script, address)
    if found.target.known and _is_recursive(call) and holds_configuration(str(found.target)):
        folders = (_in_folder(found.target, file) for file in found.files)
        return [
            Copy(source=one, path=at, host=where, script=script, address=address, when=call.command.when, folder=True)
            for one, at in folders
        ]
    return [
        Copy(source=one, path=at, host=where, script=script, address=address, when=call.command.when)
        for one, at in found.copies
        if configures(at) or of_path(at) is ReadAs.TOKEN
    ]


def _is_recursive(call: Call) -> bool:
    return any(_RECURSIVE.match(str(word.text)) for word in call.words[1:])


def _in_folder(target: Text, source: Text) -> tuple[Text, str]:
    """Return a folder and where it is put: with a `/` behind its name, what is in it is."""
    name = str(source)
    if not name.endswith(("/", "/.")):
        return source, posixpath.join(str(target), posixpath.basename(name))
    return source[: len(name.removesuffix(".").rstrip("/"))], str(target)


def remote_host(script: str, address: Text) -> str:
    """Name another host that a script works on by what the script calls it."""
    return f"{script}@{address}"


def address_of(target: Text) -> Text:
    """Return what `ssh` dials: `user@host` without the user."""
    return target.rpartition("@")[2]


def _operands(call: Call, letters: str) -> tuple[list[Word], Word | None]:
    """Return the words that are files, and the folder that `-t` names."""
    words = list(call.words[1:])
    operands: list[Word] = []
    folder = None
    while words:
        kept = list(without_options(words, letters))
        taken = words[: len(words) - len(kept)]
        for number, word in enumerate(taken):
            if "t" in letters and str(word.text) in ("-t", "--target-directory") and number + 1 < len(taken):
                folder = taken[number + 1]
        if kept:
            operands.append(kept.pop(0))
        words = kept
    return operands, folder


def _host_and_path(target: Text) -> tuple[Text | None, Text]:
    match = _REMOTE.fullmatch(str(target))
    if match is None:
        return None, target
    return target.cut(match, "host").strip("[]"), target.cut(match, "path")


def _destination(path: Text, source: Text, *, into_folder: bool) -> str | None:
    """Return the file that a source becomes, None where its path is not known."""
    written = str(path)
    if not path.known or written.startswith("-"):
        return None
    within = posixpath.join(written, posixpath.basename(str(source)))
    if into_folder or written.endswith("/"):
        return within
    # Nobody knows whether a name without a suffix is that of a folder: it is where K3s looks into it.
    return written if _HAS_SUFFIX.search(written) or not configures(within) else within
