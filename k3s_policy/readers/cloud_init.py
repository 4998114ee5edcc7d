"""cloud-init's user-data: files that are written to a host, and commands that run there.

`write_files` gives a file mode 0644 unless told otherwise (cloud-init `cc_write_files.py`, DEFAULT_PERMS). The items of
`runcmd` become one shell script, a list with each word in single quotes (cloud-init `util.py`, shellify), so that what
one item exports holds for the next; `bootcmd` likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Sequence
from k3s_policy.formats.user_data import files, script_of
from k3s_policy.model.host_files import files_of, said_of, script_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]


def claims(seen: Seen) -> bool:
    """Whether a file is user-data that writes files or runs commands, or an answer file of Ubuntu's with such."""
    return any(_writes_or_runs(root) for root in _user_data(seen.document.root))


def read(seen: Seen) -> Iterator[Found]:
    """Hand back the files and the commands, in the order in which cloud-init takes them, all on one host."""
    said = said_of(seen.composed[:0], seen.document)
    for root in _user_data(seen.document.root):
        if (early := script_of(root, "bootcmd")) is not None:
            yield script_file(early, seen.described_host, said)
        written = list(files(root.last("write_files"), "cloud-init"))
        yield from files_of(written, seen.described_host, said)
        for name in ("runcmd", "late-commands"):
            if (late := script_of(root, name)) is not None:
                yield script_file(late, seen.described_host, said, written)


def _user_data(root: YamlNode | None) -> Iterator[Mapping]:
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
