"""Commands that put a file made elsewhere in its place: `cp`, `install`, `mv`, `ln`, `scp`, `rsync`."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from k3s_policy.fragment import Placed
from k3s_policy.pattern import pattern
from k3s_policy.readers.script.call import without_options

if TYPE_CHECKING:
    from k3s_policy.readers.script.call import Call
    from k3s_policy.shell import Word
    from k3s_policy.text import Text

__all__ = ["address_of", "placed", "remote_host"]

_OPTIONS_WITH_VALUE = {"cp": "tS", "mv": "tS", "ln": "tS", "install": "mogtS", "scp": "cDFiJloPS", "rsync": "eMf"}
"""Letters of the options that take the next word, by program."""
_REMOTE = pattern(r"(?P<login>[^/:\s@]*@)?(?P<host>[^/:\s@]+|\[[^\]]+\]):(?P<path>.*)")
_K3S_FILE = pattern(
    r"(?:^|/)etc/(?:rancher/k3s/[^/]+\.ya?ml(?:\.d/[^/]+\.ya?ml)?|(?:default|sysconfig)/k3s[^/]*"
    r"|systemd/system/k3s[^/]*\.service(?:\.env|\.d/[^/]+\.conf)?)$"
)
_HAS_SUFFIX = pattern(r"\.(?:ya?ml|service|conf|env)$|(?:^|/)(?:default|sysconfig)/k3s[^/]*$")


def placed(call: Call, host: str, script: str) -> list[Placed]:
    """Return each file that a command puts where K3s or systemd reads it, on this host or another."""
    letters = _OPTIONS_WITH_VALUE.get(call.name)
    if letters is None:
        return []
    operands, folder = _operands(call, letters)
    target = folder.text if folder is not None else operands.pop().text if len(operands) > 1 else None
    if target is None:
        return []
    address, path = _host_and_path(target) if call.name in ("scp", "rsync") else (None, target)
    found = []
    for word in operands:
        destination = _destination(path, word.text, several=len(operands) > 1 or folder is not None)
        if destination is not None:
            where = host if address is None else remote_host(script, address)
            found.append(Placed(word.text, destination, where, script, address, call.command.when))
    return found


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


def _destination(path: Text, source: Text, *, several: bool) -> str | None:
    """Return the file that a source becomes, None where it is none of K3s's, or its path is not known."""
    written = str(path)
    if not path.known or written.startswith("-"):
        return None
    if several or written.endswith("/") or not _HAS_SUFFIX.search(written):
        written = posixpath.join(written, posixpath.basename(str(source)))
    return written if _K3S_FILE.search(written) else None
