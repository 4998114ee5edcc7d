"""Files that a script, or a description of a host, writes there: read as the format that their path tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from k3s_policy.branch import ALWAYS
from k3s_policy.fragment import ConfigFile
from k3s_policy.pattern import pattern
from k3s_policy.readers import config, environment
from k3s_policy.text import join
from k3s_policy.tree import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.branch import When
    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["WrittenFile", "read"]

_UNIT = pattern(r"k3s[^/]*\.service(?:\.d/[^/]+\.conf)?$")
_ENVIRONMENT = pattern(r"(?:default|sysconfig)/k3s[^/]*$|k3s[^/]*\.service\.env$|rancher/k3s/[^/]*\.env$")
_OPENRC = pattern(r"etc/(?:init|conf)\.d/k3s[^/]*$")
_YAML = pattern(r"\.ya?ml$")


@dataclass(frozen=True, eq=False)
class WrittenFile:
    """What a file on a host holds in the end."""

    path: str
    content: Text
    when: When = ALWAYS


def read(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read a written file as the format that its path tells."""
    if _UNIT.search(file.path):
        from k3s_policy.readers import unit  # noqa: PLC0415  loaded when a unit is met

        yield from unit.read(file.content, file.path, host)
    elif _ENVIRONMENT.search(file.path):
        yield from environment.read(file.content, file.path, host)
    elif _OPENRC.search(file.path):
        from k3s_policy.readers import openrc  # noqa: PLC0415  likewise

        yield from openrc.read(file.content, file.path, host)
    elif _YAML.search(file.path):
        yield from _config(file, host)


def _config(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read a config of which variables may hold lines, or all: what they hold is not judged."""
    content, hidden = _without_hidden_lines(file.content)
    for fragment in config.read_document(content, read_yaml(content), file.path, host=host):
        if isinstance(fragment, ConfigFile):
            entries = tuple(entry._replace(when=file.when) for entry in fragment.entries)
            error = fragment.error if content.known else None
            yield replace(fragment, entries=entries, when=file.when, open=(*fragment.open, *hidden), error=error)
        else:
            yield fragment


def _without_hidden_lines(content: Text) -> tuple[Text, tuple[Text, ...]]:
    """Take out the lines that a variable makes, and return them too: any setting may hide there."""
    if content.known:
        return content, ()
    lines = list(content.lines())
    hidden = tuple(line for line in lines if not all(run.known for run in line.lstrip().runs[:1]))
    shown = [line for line in lines if line not in hidden]
    return (join(shown, "\n") if shown else content[:0]), hidden
