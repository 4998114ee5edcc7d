"""What descriptions of a host have in common: files that are written there, with permissions, and scripts that run.

cloud-init, Ignition, k3OS and Kairos each have their own keys for it. The files and scripts of one description belong
to one host, and so does the K3s that they configure and start.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import fills_in
from k3s_policy.formats.tree import Mapping, Scalar, Sequence, arrives
from k3s_policy.model import FileMode, Unseen
from k3s_policy.model.fragment import Missing, OfRke2, Start, Unit
from k3s_policy.readers import written
from k3s_policy.readers.written import WrittenFile
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.tree import Document, Node
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Span, Text

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

    content = str(text)
    if script.concerns_k3s(content) or "/etc/rancher" in content or "/var/lib/rancher" in content:
        others = [str(file.path) for file in files if script.claims(str(file.path), str(file.content))]
        yield from script.read(text, host=host, others=others)


def with_unseen(
    fragments: Iterable[Fragment], document: Document, others: Iterable[tuple[str, Text]] = ()
) -> Iterator[Fragment]:
    """Say of the hosts on which something is started what nobody sees of their files.

    A template may add files and commands where an expression stands alone in a line, and a file whose path it makes may
    be the config; `others` are more such reasons, with their places.
    """
    reasons = [*others]
    opening = next((place for place in document.open if _EXPRESSION.match(str(place))), None)
    if opening is not None:
        reasons.append(("a template may add files and commands", opening))
    elif (path := _hidden_file(document.root)) is not None:
        reasons.append(("a file may be the config whose path is a variable", path))
    unseen = tuple(Unseen(kind, why, at) for why, at in reasons for kind in ("config", "environment"))
    hosts: dict[str, None] = {}
    for fragment in fragments:
        if isinstance(fragment, Start) and fragment.host is None:
            yield replace(fragment, unseen=(*fragment.unseen, *unseen))
            continue
        if isinstance(fragment, Start | Unit) and fragment.host is not None:
            hosts.setdefault(fragment.host)
        yield fragment
    yield from (Missing(host, one) for host in hosts for one in unseen)


def _hidden_file(root: Node | None) -> Text | None:
    """Return the path of a file that may be K3s's config or environment, as a variable is in it; None without one."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Sequence):
            waiting.extend(node.items)
        elif isinstance(node, Mapping):
            path = node.scalar("path")
            if path is not None and _holds(node) and _may_be_of_k3s(path.text):
                return path.text
            for key, value in node.entries:
                listed = (value, *(value.items if isinstance(value, Sequence) else ())) if str(key) in _FILES else ()
                if made := next((one for one in listed if isinstance(one, Scalar) and _is_made(one.text)), None):
                    return made.text
                waiting.append(value)
    return None


_FILES = ("write_files", "files")
_K3S_FOLDERS = ("/etc/rancher/k3s/", "/etc/default/", "/etc/sysconfig/", "/etc/systemd/system/")


def _holds(file: Mapping) -> bool:
    return any(file.last(name) is not None for name in ("content", "contents", "source"))


def _is_made(text: Text) -> bool:
    return not text.known or fills_in(str(text))


def _may_be_of_k3s(path: Text) -> bool:
    """Whether a variable in a path may lead where K3s looks."""
    if not _is_made(path):
        return False
    known = "".join(run.text for run in takewhile(lambda run: run.known, path.runs))
    begins = re.split(r"[$<{]", known, maxsplit=1)[0]
    return any(folder.startswith(begins) or begins.startswith(folder) for folder in _K3S_FOLDERS)


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
