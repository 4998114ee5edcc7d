"""cloud-init's user-data: files that are written to a host, and commands that run there.

`write_files` gives a file mode 0644 unless told otherwise (cloud-init `cc_write_files.py`, DEFAULT_PERMS). The items of
`runcmd` become one shell script, a list with each word in single quotes (cloud-init `util.py`, shellify), so that what
one item exports holds for the next; `bootcmd` likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.shell import command_line
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.readers.described import (
    HostFile,
    decoded,
    host_of,
    mode_of,
    read_files,
    read_script,
    unseen,
    with_unseen,
)
from k3s_policy.text import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Document, Node
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "commands", "files", "read_document", "read_host"]

_DEFAULT_MODE = "0644"
_TRUE = frozenset({"true", "1", "on", "yes"})


def claims(document: Document, _: str) -> bool:
    """Whether a file is user-data that writes files or runs commands, or an answer file of Ubuntu's with such."""
    return any(_writes_or_runs(root) for root in _user_data(document.root))


def read_document(text: Text, document: Document, _: str, host: str | None = None) -> Iterator[Fragment]:
    """Yield what the files hold and the commands start, all on one host."""
    for root in _user_data(document.root):
        yield from with_unseen(read_host(root, host or host_of(text)), document)


def read_host(root: Mapping, host: str, tool: str = "cloud-init") -> Iterator[Fragment]:
    """Read the keys of user-data; `tool` is who reads it, and whose default a mode is."""
    if (early := _script(root, "bootcmd")) is not None:
        yield from read_script(early, host)
    written = list(files(root.last("write_files"), tool))
    yield from read_files(written, host)
    for name in ("runcmd", "late-commands"):
        if (late := _script(root, name)) is not None:
            yield from read_script(late, host, written)


def _user_data(root: Node | None) -> Iterator[Mapping]:
    """Yield the mappings in which keys of user-data stand: the file itself, or those below `autoinstall`."""
    if not isinstance(root, Mapping):
        return
    yield root.merged()
    answers = root.last("autoinstall")
    if isinstance(answers, Mapping):
        yield answers
        nested = answers.last("user-data")
        if isinstance(nested, Mapping):
            yield nested.merged()


def _writes_or_runs(root: Mapping) -> bool:
    named = any(isinstance(item, Mapping) and item.last("path") is not None for item in root.items("write_files"))
    return named or any(isinstance(root.last(name), Sequence) for name in ("runcmd", "bootcmd", "late-commands"))


def files(node: Node | None, tool: str) -> Iterator[HostFile]:
    """Yield the files of `write_files`."""
    for item in node.items if isinstance(node, Sequence) else ():
        path = item.scalar("path") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or path is None:
            continue
        written, encoding, mode = item.scalar("content"), item.scalar("encoding"), item.scalar("permissions")
        if written is None:
            content = unseen(path.text) if item.last("source") is not None else path.text[:0]
        else:
            binary = (written.tag or "").endswith("binary")
            content = decoded(written.text, str(encoding or ("base64" if binary else "")))
        appends = str(item.scalar("append") or "").lower() in _TRUE
        if mode is None:
            yield HostFile(path.text, content, path.text.stand_in(_DEFAULT_MODE), tool, appends)
        else:
            yield HostFile(path.text, content, mode_of(mode), "", appends)


def _script(root: Mapping, name: str) -> Text | None:
    """Return the script that a list of commands becomes."""
    found = list(commands(root.last(name)))
    return join(found, "\n") if found else None


def commands(node: Node | None) -> Iterator[Text]:
    """Yield each command as a line of shell: a text as it is, a list with its words kept apart.

    What aliases repeat is read once.
    """
    for item in {id(item): item for item in node.items}.values() if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar):
            yield item.text
        elif isinstance(item, Sequence):
            words = [word.text for word in item.items if isinstance(word, Scalar)]
            if words:
                yield command_line(words)
