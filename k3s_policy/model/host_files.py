"""What descriptions of hosts come to: Files to be read on one host, and what nobody sees of that host."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from k3s_policy.formats.template import is_substituted
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.formats.user_data import gathered, without_copies
from k3s_policy.k3s.places import ReadAs, may_lead_to_k3s
from k3s_policy.model.file import File, Mode
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.tree import Document, YamlNode
    from k3s_policy.formats.user_data import HostFile
    from k3s_policy.text import Text

__all__ = ["file_of", "files_of", "said_of", "script_file"]

_EXPRESSION = pattern(r"\$\{|\{\{|<%=")


def said_of(at: Text, document: Document, others: Iterable[tuple[str, Text]] = ()) -> Start | None:
    """Say of whatever is started on a described host what nobody sees of its files; None where all is seen.

    A template may add files and commands where an expression stands alone in a line, and a file whose path it makes may
    be the config; `others` are more such reasons, with their places.
    """
    reasons = [*others]
    opening = next((place for place in document.open_places if _EXPRESSION.match(str(place))), None)
    if opening is not None:
        reasons.append(("a template may add files and commands", opening))
    elif (path := _hidden_file(document.root)) is not None:
        reasons.append(("a file may be the config whose path is a variable", path))
    unseen = tuple(Unseen(kind, why, at) for why, at in reasons for kind in (Input.CONFIG, Input.ENVIRONMENT))
    return Start.without_words(at, Form.CONFIG, unseen=unseen) if unseen else None


def files_of(every: Iterable[HostFile], host: str, said: Start | None = None) -> Iterator[File]:
    """Yield the files that the description of a host writes."""
    for one in without_copies(gathered(every)):
        yield file_of(one, host, said)


def file_of(one: HostFile, host: str, said: Start | None = None) -> File:
    """Return a file that a description writes, with its permissions."""
    mode = Mode(one.path, one.mode, one.default) if one.mode is not None else None
    return File(text=one.content, path=str(one.path), host=host, said=said, mode=mode)


def script_file(text: Text, host: str, said: Start | None = None, files: Iterable[HostFile] = ()) -> File:
    """Return a script that runs on a described host; `files` are those that the description writes."""
    others = frozenset(str(file.path) for file in files if file.content.known and _is_script(file))
    return File(text=text, path="", read_as=ReadAs.SCRIPT, host=host, said=said, others=others)


def _is_script(file: HostFile) -> bool:
    """Whether a file is a script that is read by itself, so that running it says nothing new."""
    return file.content.startswith("#!") or str(file.path).endswith(".sh")


def _hidden_file(root: YamlNode | None) -> Text | None:
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


def _holds(file: Mapping) -> bool:
    return any(file.last(name) is not None for name in ("content", "contents", "source"))


def _is_made(text: Text) -> bool:
    return not text.known or is_substituted(str(text))


def _may_be_of_k3s(path: Text) -> bool:
    """Whether a variable in a path may lead where K3s looks."""
    if not _is_made(path):
        return False
    known = "".join(run.text for run in takewhile(lambda run: run.known, path.runs))
    return may_lead_to_k3s(re.split(r"[$<{]", known, maxsplit=1)[0])
