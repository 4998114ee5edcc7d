"""What descriptions of a host have in common: files that are written there, with permissions, and scripts that run.

cloud-init, Ignition, k3OS and Kairos each have their own keys for it. The files and scripts of one description belong
to one host, and so does the K3s that they configure and start.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.fragment import OfRke2, Start
from k3s_policy.model import FileMode, Unseen
from k3s_policy.pattern import pattern
from k3s_policy.readers import written
from k3s_policy.readers.written import WrittenFile
from k3s_policy.text import join
from k3s_policy.tree import arrives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Span, Text
    from k3s_policy.tree import Document, Scalar

__all__ = [
    "HostFile",
    "decoded",
    "host_of",
    "mode_of",
    "read_file",
    "read_files",
    "read_script",
    "unseen",
    "with_unseen",
]

_EXPRESSION = pattern(r"\$\{|\{\{|<%=")
_NUMBER = pattern(r"[0-9]{1,6}")
_GZIP = pattern(r"(?i)gz")
_BASE64 = pattern(r"(?i)(?:b64|base64)$")


class HostFile(NamedTuple):
    """A file that a description has written."""

    path: Text
    content: Text
    mode: Text | None
    """As `chmod` takes it; None where nothing is known of it."""
    default: str = ""
    """Whose default the mode is."""
    appends: bool = False


def host_of(text: Text) -> str:
    """Name the host that a text describes by the place of the text."""
    return f"{text.span.source.path}#{text.span.start}"


def read_files(files: Iterable[HostFile], host: str) -> Iterator[Fragment]:
    """Read files in the order they are written in: one that appends goes on with what is there."""
    kept: dict[str, HostFile] = {}
    for file in files:
        before = kept.get(str(file.path))
        if before is not None and file.appends:
            file = file._replace(content=join((before.content, file.content), ""))  # noqa: PLW2901  what it becomes
        kept[str(file.path)] = file
    for file in without_copies(kept.values()):
        yield from read_file(file, host)


def without_copies(files: Iterable[HostFile]) -> Iterator[HostFile]:
    """Leave out files whose content is an alias of another's: thousands of them would take as many times as long."""
    seen: set[Span] = set()
    for file in files:
        span = file.content.span
        if not file.content or span not in seen:
            seen.add(span)
            yield file


def read_file(file: HostFile, host: str) -> Iterator[Fragment]:
    """Read a file as the format that its path tells, or as a script, and say who may read it."""
    from k3s_policy.readers import script  # noqa: PLC0415  tree-sitter is loaded only where a shell may be met

    path = str(file.path)
    if script.claims(path, str(file.content)):
        yield from read_script(file.content, host)
        return
    fragments = list(written.read(WrittenFile(path, file.content), host))
    yield from fragments
    if file.mode is not None and any(not isinstance(fragment, OfRke2) for fragment in fragments):
        yield FileMode(file.path, file.mode, host, default=file.default)


def read_script(text: Text, host: str, files: Iterable[HostFile] = ()) -> Iterator[Fragment]:
    """Read a script that runs on a host, where it concerns K3s; `files` are those that the description writes."""
    from k3s_policy.readers import script  # noqa: PLC0415  likewise

    if script.concerns_k3s(str(text)):
        others = [str(file.path) for file in files if script.claims(str(file.path), str(file.content))]
        yield from script.read(text, host=host, others=others)


def with_unseen(fragments: Iterable[Fragment], document: Document) -> Iterator[Fragment]:
    """Say of what is started that a template may add files and commands, where one stands alone in a line."""
    opening = next((place for place in document.open if _EXPRESSION.match(str(place))), None)
    for fragment in fragments:
        if opening is not None and isinstance(fragment, Start):
            kinds = ("config", "environment")
            unseen = tuple(Unseen(kind, "a template may add files and commands", opening) for kind in kinds)
            yield replace(fragment, unseen=(*fragment.unseen, *unseen))
        else:
            yield fragment


def mode_of(value: Scalar) -> Text:
    """Return a mode as `chmod` takes it: a number of YAML's or JSON's stands for its bits, a text is octal."""
    arrived = arrives(value)
    if not value.plain or not value.text.known or not _NUMBER.fullmatch(str(arrived)):
        return value.text
    return value.text.stand_in(f"{int(str(arrived)):04o}")


def decoded(content: Text, encoding: str) -> Text:
    """Return what an encoded content stands for; what is compressed, or filled in by a template, is not seen."""
    if _GZIP.match(encoding):
        return unseen(content)
    if not _BASE64.match(encoding):
        return content
    from base64 import b64decode  # noqa: PLC0415  rare

    try:
        value = b64decode(re.sub(r"\s", "", str(content)), validate=True).decode()
    except ValueError:
        return unseen(content)
    return content.stand_in(value) if content.known else unseen(content)


def unseen(place: Text) -> Text:
    """Return a content of which nothing is known but where it is said."""
    return place.stand_in("x", known=False)
