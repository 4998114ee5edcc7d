"""Which reader a file is for: by its name, and by what it holds.

Each Source is decoded and composed once, whatever number of readers look at it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy import comments, template
from k3s_policy.fragment import Database, HostName, Note, NotJudged
from k3s_policy.readers import config, environment, hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Source

__all__ = ["read", "read_named"]

_NOT_OF_K3S = (Note, NotJudged, HostName, Database)
_YAML = (".yaml", ".yml", ".json")
_CLOUD_CONFIG = re.compile(r"\ufeff?#cloud-config\b")


def read(source: Source) -> Iterator[Fragment]:
    """Yield the fragments of a file; none where it holds nothing of K3s's."""
    fragments = list(_by_format(source))
    yield from fragments
    if "#" in source.content and any(not isinstance(one, _NOT_OF_K3S) for one in fragments):
        yield from comments.read(source.text)


def read_named(source: Source, kind: str) -> Iterator[Fragment]:
    """Yield the fragments of a file that a unit or a command names, whatever it is called and holds.

    `kind` is `config`, `environment` or `registries`.
    """
    if kind == "config":
        yield from config.read(source.text, source.path)
    elif kind == "registries":
        from k3s_policy.readers import registries  # noqa: PLC0415  loaded when one is named

        yield from registries.read(source.text, source.path)
    else:
        yield from environment.read(source.text, source.path)
    yield from comments.read(source.text)


def _by_format(source: Source) -> Iterator[Fragment]:
    path, content = source.path, source.content
    if path.lower().endswith(_YAML) or config.passed_over(path):
        yield from _yaml(source)
    elif _is_unit(path, content):
        from k3s_policy.readers import unit  # noqa: PLC0415  loaded when a unit is met

        yield from unit.read(source.text, path)
    elif environment.claims(path, content):
        yield from environment.read(source.text, path)
    elif hosts.claims(path, content):
        yield from hosts.read(source.text)
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


def _may_be_registries(path: str, content: str) -> bool:
    lines = "\n" + content.removeprefix("\ufeff")
    return (
        path.lower().endswith(("registries.yaml", "registries.yml")) or "\nmirrors:" in lines or "\nconfigs:" in lines
    )


def _yaml(source: Source) -> Iterator[Fragment]:
    from k3s_policy.tree import read_yaml  # noqa: PLC0415  loaded when YAML is met

    path = source.path
    of_registries = _may_be_registries(path, source.content)
    if not of_registries and "k3s" not in path.lower() and config.may_be_skipped(source.content):
        return
    document = read_yaml(source.text)
    if document.root is not None:
        from k3s_policy.readers import manifest  # noqa: PLC0415  likewise

        if any(manifest.is_manifest(root) for root in document.roots):
            yield from manifest.read_document(document, path)
            return
    if of_registries:
        from k3s_policy.readers import registries  # noqa: PLC0415  likewise

        if registries.claims(path, document.root):
            yield from registries.read_document(source.text, document, path)
            return
    yield from config.read_document(source.text, document, path)
