"""What is mounted into a container of K3s: a part of the repository, or what nobody sees."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from k3s_policy.k3s.places import REGISTRIES
from k3s_policy.model.fragment import Copy
from k3s_policy.model.invocation import Input, Unseen
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.text import Text

__all__ = ["mounted"]

_CONFIG_FOLDER = pattern(r"/etc/rancher(?:/k3s(?:/(?!registries\.ya?ml$).*)?)?")
"""Where a mount brings settings along: the registries are none."""


def mounted(source: Text | None, target: Text, host: str, path: str) -> Copy | Unseen | None:
    """Return what is mounted where a container of K3s has its configuration: a part of the repository, or not seen."""
    place = str(target).rstrip("/")
    if place == REGISTRIES and source is not None and source.startswith("."):
        return Copy(source, place, host, path)
    if not _CONFIG_FOLDER.fullmatch(place):
        return None
    if source is None or not source.startswith("."):
        return Unseen(Input.CONFIG, f"a volume is mounted at {target}")
    folder = posixpath.splitext(place)[1] not in (".yaml", ".yml")
    return Copy(source, place, host, path, folder=folder)
