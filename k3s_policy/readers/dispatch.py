"""Which reader a file is for: by its name, and by what it holds.

Each Source is decoded and composed once, whatever number of readers look at it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.readers import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Source

__all__ = ["read"]

_YAML = (".yaml", ".yml", ".json")
_INGRESS_OF_OTHERS = re.compile(r"^#cloud-config\b")


def read(source: Source) -> Iterator[Fragment]:
    """Yield the fragments of a file; none where it holds nothing of K3s's."""
    path, content = source.path, source.content
    if path.lower().endswith(_YAML):
        yield from _yaml(source)
    elif _looks_like_unit(content):
        from k3s_policy.readers import unit  # noqa: PLC0415  loaded when a unit is met

        if unit.claims(path, content):
            yield from unit.read(source.text, path)
    elif "K3S_" in content and _named_environment(path):
        from k3s_policy.readers import environment  # noqa: PLC0415  likewise

        if environment.claims(path, content):
            yield from environment.read(source.text, path)
    elif _INGRESS_OF_OTHERS.match(content) is None and "k3s" in content.lower() or "--" in content:
        from k3s_policy.readers import script  # noqa: PLC0415  likewise

        if script.claims(path, content):
            yield from script.read(source.text)


def _yaml(source: Source) -> Iterator[Fragment]:
    from k3s_policy.tree import read_yaml  # noqa: PLC0415  loaded when YAML is met

    path = source.path
    if not config.path_claims(path) and config.may_be_skipped(source.content):
        return
    document = read_yaml(source.text)
    if document.root is not None:
        from k3s_policy.readers import manifest  # noqa: PLC0415  likewise

        if any(manifest.is_manifest(root) for root in document.roots):
            yield from manifest.read_document(document, path)
            return
    yield from config.read_document(source.text, document, path)


def _looks_like_unit(content: str) -> bool:
    return "[Service]" in content or "[Unit]" in content


def _named_environment(path: str) -> bool:
    name = path[path.rfind("/") + 1 :]
    return name.endswith(".env") or name.startswith((".env", "k3s"))
