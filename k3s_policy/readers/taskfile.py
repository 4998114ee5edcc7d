"""Taskfiles: the commands of tasks, each for a shell of its own (https://taskfile.dev/reference/schema/).

Go's templates fill in `{{.NAME}}`: of `vars:`, one that is assigned a text, once in the file, has that value. Of the
rest nothing is known.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from k3s_policy.formats import template
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s.places import ReadAs
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import TOO_MUCH, Start, Unfollowed
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.job import variables
from k3s_policy.model.lower import Variable
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import Values, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_PATH = pattern(r"(?i)(?:^|/)[^/]*taskfile[^/]*\.ya?ml$|(?:^|/)\.?taskfiles?/")

_KEY = pattern(r"\b(\w+)['\"]?[ \t]*:")
_REFERENCE = pattern(r"\{\{-?[ \t]*\.(?P<name>\w+)[ \t]*-?\}\}")


def claims(seen: Seen) -> bool:
    """Whether a file is a Taskfile: by its path and its tasks."""
    root = seen.document.root
    return _PATH.search(seen.path) is not None and isinstance(root, Mapping) and isinstance(root.last("tasks"), Mapping)


def read(seen: Seen) -> Iterator[Found]:
    """Read the commands of each task."""
    root = seen.document.root
    tasks = root.last("tasks") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or not isinstance(tasks, Mapping):
        return
    given = tuple(_variables(root))
    named = list(_named(root))
    yield from credentials_of_k3s(named)
    keys = Counter(_KEY.findall(root.written.span.source.content))
    values = Values({str(one.name): one.value for one in named if keys[str(one.name)] == 1})
    for name, task in tasks.entries:
        own = (*given, *_variables(task)) if isinstance(task, Mapping) else given
        yield from credentials_of_k3s(own)
        if isinstance(task, Mapping):
            yield from credentials_of_k3s(_named(task))
        said = Start.without_words(name.text[:0], Form.COMMAND, unseen=tuple(_unseen(root, task)))
        for command in _commands(task):
            yield File(
                text=_filled(_with_values(command, values)),
                path="",
                read_as=ReadAs.SCRIPT,
                host=host_at(name.text),
                given=own,
                said=said,
            )
    if values.spent:
        yield Unfollowed.at(seen.text, TOO_MUCH)


def _unseen(*nodes: YamlNode) -> Iterator[Unseen]:
    """Say that files of variables are loaded: they are mostly not committed."""
    for node in nodes:
        files = node.last("dotenv") if isinstance(node, Mapping) else None
        if files is not None:
            yield Unseen(Input.ENVIRONMENT, "variables are taken from another file", files.written)


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
    return template.substituted(text, template.JINJA) if "{{" in str(text) else text


def _commands(node: YamlNode) -> Iterator[Text]:
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
