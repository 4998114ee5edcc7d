"""Taskfiles: the commands of tasks, each for a shell of its own (https://taskfile.dev/reference/schema/).

Go's templates fill in `{{.NAME}}`: of `vars:`, one that is assigned a text, once in the file, has that value. Of the
rest nothing is known.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from k3s_policy.formats import template
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.model import Form, Unseen
from k3s_policy.model.lower import Variable
from k3s_policy.readers import environment
from k3s_policy.readers.workflow import variables
from k3s_policy.text.filling import Values, replaced
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Document, Node
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "read_document"]

_PATH = pattern(r"(?i)(?:^|/)[^/]*taskfile[^/]*\.ya?ml$|(?:^|/)\.?taskfiles?/")

_KEY = pattern(r"(\w+)['\"]?[ \t]*:")
_REFERENCE = pattern(r"\{\{-?[ \t]*\.(?P<name>\w+)[ \t]*-?\}\}")


def claims(document: Document, path: str) -> bool:
    """Whether a file is a Taskfile: by its path and its tasks."""
    root = document.root
    return _PATH.search(path) is not None and isinstance(root, Mapping) and isinstance(root.last("tasks"), Mapping)


def read_document(_: Text, document: Document, path: str) -> Iterator[Fragment]:
    """Read the commands of each task."""
    root = document.root
    tasks = root.last("tasks") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or not isinstance(tasks, Mapping):
        return
    given = tuple(_variables(root))
    named = list(_named(root))
    yield from environment.credentials_of_k3s(named)
    keys = Counter(_KEY.findall(root.written.span.source.content))
    values = Values({str(one.name): one.value for one in named if keys[str(one.name)] == 1})
    for name, task in tasks.entries:
        own = (*given, *_variables(task)) if isinstance(task, Mapping) else given
        yield from environment.credentials_of_k3s(own)
        if isinstance(task, Mapping):
            yield from environment.credentials_of_k3s(_named(task))
        for command in _commands(task):
            yield from _script(
                _with_values(command, values), own, f"{path}#{name.text.span.start}", tuple(_unseen(root, task))
            )


def _unseen(*nodes: Node) -> Iterator[Unseen]:
    """Say that files of variables are loaded: they are mostly not committed."""
    for node in nodes:
        files = node.last("dotenv") if isinstance(node, Mapping) else None
        if files is not None:
            yield Unseen("environment", "variables are taken from another file", files.written)


def _variables(node: Mapping) -> Iterator[Variable]:
    for one in variables(node.last("env")):
        yield one._replace(value=_filled(one.value), form=Form.VARIABLE)


def _named(node: Mapping) -> Iterator[Variable]:
    """Yield the variables of the templates that are texts."""
    named = node.last("vars")
    for key, value in named.merged().entries if isinstance(named, Mapping) else ():
        if isinstance(value, Scalar) and "{{" not in str(value):
            yield Variable(key.text, value.text, Form.VARIABLE)


def _with_values(text: Text, values: Values) -> Text:
    """Return a command with the values of variables; the rest is left for what it is."""
    parts = []
    for match in _REFERENCE.finditer(str(text)):
        value = values.take(match["name"])
        if value is not None:
            parts.append((match.start(), match.end(), value))
    return replaced(text, parts)


def _filled(text: Text) -> Text:
    return template.filled(text, template.JINJA) if "{{" in str(text) else text


def _commands(node: Node) -> Iterator[Text]:
    """Yield commands: a task may be one, or a list, or hold `cmd` or `cmds`, of texts or mappings with a `cmd`."""
    if isinstance(node, Scalar):
        yield node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _commands(item)
    elif isinstance(node, Mapping):
        for key in ("cmds", "cmd"):
            inner = node.last(key)
            if inner is not None:
                yield from _commands(inner)


def _script(command: Text, given: tuple[Variable, ...], host: str, unseen: tuple[Unseen, ...]) -> Iterator[Fragment]:
    from k3s_policy.readers import script  # noqa: PLC0415  tree-sitter is loaded only where a shell is met

    if script.concerns_k3s(str(command)):
        yield from script.read(_filled(command), given, host=host, unseen=unseen)
