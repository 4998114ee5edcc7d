"""Descriptions of hosts: the files that they write, the commands that they run, encodings and modes.

cloud-init, Ignition, k3OS and Kairos each have their own keys for it, and much in common.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.encoded import decompressed
from k3s_policy.formats.shell import command_line
from k3s_policy.formats.tree import Mapping, Scalar, Sequence, arrives
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.text import Span, Text

__all__ = ["HostFile", "commands", "decoded", "files", "gathered", "mode_of", "script_of", "unseen", "without_copies"]

_NUMBER = pattern(r"[0-9]{1,6}")
_GZIP = pattern(r"(?i)gz(?:ip)?(?:\+|$)")
_BASE64 = pattern(r"(?i)(?:^|\+)(?:b64|base64)$")
_DEFAULT_MODE = "0644"
"""What cloud-init and k3OS give a file unless told otherwise (cloud-init cc_write_files.py, DEFAULT_PERMS)."""
_TRUE = frozenset({"true", "1", "on", "yes"})


class HostFile(NamedTuple):
    """A file that a description has written."""

    path: Text
    content: Text
    mode: Text | None
    """As `chmod` takes it; None where nothing is known of it."""
    default: str = ""
    """Whose default the mode is."""
    appends: bool = False


def files(node: YamlNode | None, tool: str) -> Iterator[HostFile]:
    """Yield the files of `write_files`; `tool` is who writes them, and whose default a mode is."""
    for item in node.items if isinstance(node, Sequence) else ():
        path = item.scalar("path") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or path is None:
            continue
        written, encoding, mode = item.scalar("content"), item.scalar("encoding"), item.scalar("permissions")
        if written is None:
            content = unseen(path.text) if item.last("source") is not None else path.text[:0]
        else:
            binary = "base64" if (written.tag or "").endswith("binary") else ""
            content = decoded(written.text, *(one for one in (binary, str(encoding or "")) if one))
        appends = str(item.scalar("append") or "").lower() in _TRUE
        if mode is None:
            yield HostFile(
                path=path.text, content=content, mode=path.text.stand_in(_DEFAULT_MODE), default=tool, appends=appends
            )
        else:
            yield HostFile(path=path.text, content=content, mode=mode_of(mode), default="", appends=appends)


def gathered(every: Iterable[HostFile]) -> Iterator[HostFile]:
    """Yield files as they are in the end, in the order in which they are written: one may go on with what is there."""
    kept: dict[str, HostFile] = {}
    for file in every:
        before = kept.get(str(file.path))
        if before is not None and file.appends:
            file = file._replace(content=join((before.content, file.content), ""))  # noqa: PLW2901  what it becomes
        kept[str(file.path)] = file
    yield from kept.values()


def without_copies(every: Iterable[HostFile]) -> Iterator[HostFile]:
    """Leave out files whose path and content are aliases of another's."""
    seen: set[tuple[Span, str]] = set()
    for file in every:
        key = (file.content.span, str(file.path))
        if key not in seen:
            seen.add(key)
            yield file


def script_of(root: Mapping, name: str) -> Text | None:
    """Return the script that a list of commands becomes (cloud-init util.py, shellify)."""
    found = list(commands(root.last(name)))
    return join(found, "\n") if found else None


def commands(node: YamlNode | None) -> Iterator[Text]:
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


def mode_of(value: Scalar) -> Text:
    """Return a mode as `chmod` takes it: a number of YAML's or JSON's stands for its bits, a text is octal."""
    arrived = arrives(value)
    if not value.plain or not value.text.known or not _NUMBER.fullmatch(str(arrived)):
        return value.text
    return value.text.stand_in(f"{int(str(arrived)):04o}")


def decoded(content: Text, *encodings: str) -> Text:
    """Return what a content stands for whose encodings are given, outermost first: `base64`, `gzip`, `gz+b64`.

    What is broken, or filled in by a template, is not seen; each character stands for the whole content.
    """
    base64 = any(map(_BASE64.search, encodings))
    gzip = any(map(_GZIP.match, encodings))
    if not base64 and not gzip:
        return content
    if not content.known or not base64:
        return unseen(content)
    try:
        data = a2b_base64(re.sub(r"\s", "", str(content)), strict_mode=True)
        return content.stand_in((decompressed(data) if gzip else data).decode())
    except ValueError:
        return unseen(content)


def unseen(place: Text) -> Text:
    """Return a content of which nothing is known but where it is said."""
    return place.stand_in("x", known=False)
