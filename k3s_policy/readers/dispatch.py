"""Which reader a file is for: by its name, and by what it holds.

Each Source is decoded and composed once, whatever number of readers look at it. A reader is loaded when a file has a
word that every file of its format has.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from k3s_policy import comments, template
from k3s_policy.fragment import Database, HostName, HostVariables, Inventory, Note, NotJudged
from k3s_policy.pattern import pattern
from k3s_policy.readers import config, environment, hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Source, Text
    from k3s_policy.tree import Document

__all__ = ["read", "read_named"]

_NOT_OF_K3S = (Note, NotJudged, HostName, Database, Inventory, HostVariables)
_YAML = re.compile(r"(?i)\.(?:ya?ml|json)$")
_INVENTORY = pattern(r"(?i)\.ini$|(?:^|/)(?:hosts|inventory)[^/]*$|(?:^|/)inventor(?:y|ies)/(?:[^/]+/)*[^/.]+$")
_CLOUD_CONFIG = re.compile(r"\ufeff?(?:##[^\n]*\n)?#cloud-config\b")


class _Format(NamedTuple):
    """A format, and what its files are known by before its reader is loaded."""

    reader: str
    """The module in `k3s_policy.readers`: it has `claims`, which decides, and `read_document` for YAML, else `read`."""
    words: tuple[str, ...] = ()
    """One of these stands in every such file."""
    path: str = ""
    """A regular expression that the path of every such file meets."""

    def may_be(self, path: str, content: str) -> bool:
        """Whether a file may be in this format."""
        if self.path and not re.search(self.path, path):
            return False
        return not self.words or any(word in content for word in self.words)


_YAML_FORMATS = (
    _Format("manifest", ("apiVersion",)),
    _Format("compose", ("services:", '"services"')),
    _Format("ansible", path=r"(?:^|/)(?:group_vars|host_vars|vars|defaults|tasks|handlers|molecule)/"),
    _Format(
        "ansible",
        ("hosts:", "children:", "ansible.builtin.", "_playbook:", "tasks:", "_args:", "_config_yaml:", "k3s_"),
    ),
)
"""YAML and JSON; the first reader that claims a file has it. What none claims may be a config of K3s's."""


def read(source: Source) -> Iterator[Fragment]:
    """Yield the fragments of a file; none where it holds nothing of K3s's."""
    fragments = list(_by_format(source))
    yield from fragments
    if "#" in source.content and any(not isinstance(one, _NOT_OF_K3S) for one in fragments):
        yield from comments.read(source.text)


def read_named(source: Source, kind: str) -> Iterator[Fragment]:
    """Yield the fragments of a file that a unit or a command names, whatever it is called and holds.

    `kind` is `config` or `environment`.
    """
    if kind == "config":
        text, document = _composed(source)
        yield from config.read_document(text, document, template.without_suffix(source.path), claimed=True)
    else:
        yield from environment.read(source.text, source.path)
    yield from comments.read(source.text)


def _by_format(source: Source) -> Iterator[Fragment]:
    path, content = template.without_suffix(source.path), source.content
    if _YAML.search(path) or config.passed_over(path):
        yield from _yaml(source, path)
    elif _is_unit(path, content):
        from k3s_policy.readers import unit  # noqa: PLC0415  loaded when a unit is met

        yield from unit.read(source.text, source.path)
    elif environment.claims(path, content):
        yield from environment.read(source.text, path)
    elif hosts.claims(path, content):
        yield from hosts.read(source.text)
    elif "[" in content and _INVENTORY.search(path):
        from k3s_policy.readers.ansible import inventory  # noqa: PLC0415  loaded when an inventory may be met

        if inventory.claims(path, content):
            yield from inventory.read(source.text, path)
    elif _CLOUD_CONFIG.match(content) is None:
        yield from _script(source)


def _is_unit(path: str, content: str) -> bool:
    if "service" not in path or ("[Service]" not in content and "[Unit]" not in content):
        return False
    from k3s_policy.readers import unit  # noqa: PLC0415  likewise

    return unit.claims(path, content)


def _script(source: Source) -> Iterator[Fragment]:
    from k3s_policy.readers import script  # noqa: PLC0415  likewise

    path, content = source.path, source.content
    if script.claims(path, content) and script.concerns_k3s(content):
        syntax = template.syntax_of(path, content) if script.is_template(path, content) else None
        yield from script.read(template.filled(source.text, syntax) if syntax else source.text)


# --- YAML -------------------------------------------------------------------------------------------------


def _yaml(source: Source, path: str) -> Iterator[Fragment]:
    """Read a YAML file; `path` is that of what it becomes where it is a template."""
    formats = [one for one in _YAML_FORMATS if one.may_be(path, source.content)]
    if "k3s" not in path.lower() and config.may_be_skipped(source.content) and not _INVENTORY.search(path):
        return
    text, document = _composed(source)
    for one in formats:
        reader: Any = import_module(f"k3s_policy.readers.{one.reader}")
        if reader.claims(document, path):
            yield from reader.read_document(text, document, path)
            return
    yield from config.read_document(text, document, path)


def _composed(source: Source) -> tuple[Text, Document]:
    """Compose a file: as it stands, or, where it is a template or does not parse for one, with the template masked."""
    from k3s_policy.tree import read_yaml  # noqa: PLC0415  loaded when YAML is met

    text = source.text
    named = template.is_template(source.path)
    document = None if named else read_yaml(text)
    if document is not None and document.error is None:
        return text, document
    syntax = template.syntax_of(source.path, source.content)
    if syntax is None:
        return text, document or read_yaml(text)
    masked = template.masked(text, syntax)
    return masked.text, replace(read_yaml(masked.text), open=masked.open)
