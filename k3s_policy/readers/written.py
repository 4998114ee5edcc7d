"""Files that a script, or a description of a host, writes there: read as the format that their path tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import read_yaml
from k3s_policy.model import BrokenFile, Credential, Form
from k3s_policy.model.fragment import ConfigFile, EnvironmentFile, HeldCredential, Registries
from k3s_policy.readers import config, environment
from k3s_policy.readers.beginning import is_description, is_message
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["WrittenFile", "read"]

_UNIT = pattern(r"k3s[^/]*\.service(?:\.d/[^/]+\.conf)?$")
_ENVIRONMENT = pattern(r"(?:default|sysconfig)/k3s[^/]*$|k3s[^/]*\.service\.env$|rancher/k3s/[^/]*\.env$")
_REGISTRIES = pattern(r"(?:^|/)registries\.ya?ml$")
_OPENRC = pattern(r"etc/(?:init|conf)\.d/k3s[^/]*$")
_YAML = pattern(r"\.(?:ya?ml|json)$")
_TOKEN = pattern(r"rancher/k3s/(?:[^/]+/)*(?:[^/]*[-_.])?token$")
_OBJECTS = ("helm.cattle.io/", "upgrade.cattle.io/", "k3d.io/")
"""Words of what is no config of K3s's and is read all the same: charts and Plans that it applies, configs of k3d's."""


@dataclass(frozen=True, eq=False)
class WrittenFile:
    """What a file on a host holds in the end."""

    path: str
    content: Text
    when: When = ALWAYS


def read(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read a written file as the format that its path tells, or else its content."""
    by_path = next((reader for named, reader in _BY_PATH if named.search(file.path)), None)
    if by_path is not None:
        yield from by_path(file, host)
    elif is_description(str(file.content)) or is_message(str(file.content)):
        from k3s_policy.readers import user_data  # noqa: PLC0415  few files hold any

        yield from user_data.read(file.content, file.path)
    elif _YAML.search(file.path):
        holds_objects = any(word in str(file.content) for word in _OBJECTS)
        yield from _objects(file) if holds_objects else _config(file, host)


def _unit(file: WrittenFile, host: str) -> Iterator[Fragment]:
    from k3s_policy.readers import unit  # noqa: PLC0415  loaded when a unit is met

    yield from unit.read(file.content, file.path, host)


def _openrc(file: WrittenFile, host: str) -> Iterator[Fragment]:
    from k3s_policy.readers import openrc  # noqa: PLC0415  likewise

    yield from openrc.read(file.content, file.path, host)


def _environment(file: WrittenFile, host: str) -> Iterator[Fragment]:
    for fragment in environment.read(file.content, file.path, host):
        if isinstance(fragment, EnvironmentFile):
            variables = tuple(one._replace(when=(*file.when, *one.when)) for one in fragment.variables)
            yield replace(fragment, variables=variables)
        else:
            yield fragment


def _token(file: WrittenFile, host: str) -> Iterator[Fragment]:
    if token := file.content.strip():
        yield Credential(file.path, token, token, Form.CONFIG)
        yield HeldCredential("the token", token, file.path, host, file.when)


def _objects(file: WrittenFile) -> Iterator[Fragment]:
    from k3s_policy.readers import k3d, manifest  # noqa: PLC0415  few scripts write such files

    document = read_yaml(file.content)
    reader = k3d if k3d.claims(document, file.path) else manifest
    yield from reader.read_document(file.content, document, file.content.span.source.path)


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


def _registries(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read registries; where a variable holds a whole line, nobody knows what the lines below it belong to."""
    from k3s_policy.readers import registries  # noqa: PLC0415  few scripts write them

    lines = list(file.content.lines())
    shown = [line for line in lines if any(run.known and run.text.strip() for run in line.runs) or not line.strip()]
    content = join(shown, "\n") if shown else file.content[:0]
    whole = len(shown) == len(lines)
    document = read_yaml(content)
    if registries.claims(document, file.path):
        for fragment in registries.read_document(content, document, file.path, host):
            if isinstance(fragment, Registries):
                # What a loop writes comes once for each turn, with the name of the variable in the place of its value.
                repeated = fragment.repeated if content.known else ()
                yield replace(fragment, open=not whole, unknown=fragment.unknown if whole else (), repeated=repeated)
            elif whole or not isinstance(fragment, BrokenFile):
                yield fragment


def _without_hidden_lines(content: Text) -> tuple[Text, tuple[Text, ...]]:
    """Take out the lines that a variable makes, and return them too: any setting may hide there."""
    if content.known:
        return content, ()
    lines = list(content.lines())
    hidden = tuple(line for line in lines if not all(run.known for run in line.lstrip().runs[:1]))
    shown = [line for line in lines if line not in hidden]
    return (join(shown, "\n") if shown else content[:0]), hidden


_BY_PATH = (
    (_UNIT, _unit),
    (_ENVIRONMENT, _environment),
    (_OPENRC, _openrc),
    (_REGISTRIES, _registries),
    (_TOKEN, _token),
)
"""Whose paths tell their format, whatever they hold."""
