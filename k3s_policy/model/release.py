"""Which release of K3s a container runs, by the tag of its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.template import is_substituted
from k3s_policy.k3s import program
from k3s_policy.k3s.version import Version
from k3s_policy.model.invocation import Input, Release, Unseen

if TYPE_CHECKING:
    from k3s_policy.text import Text

__all__ = ["release_of", "version_of"]

_MOVING = frozenset({"latest", "stable", "testing"})
"""Tags that are given to another image with the next release."""


def release_of(image: Text) -> Release | None:
    """Return what chooses the release in an image of K3s; None where a template fills it in."""
    name = str(image)
    match = program.image(name)
    if match is None or not image.known or is_substituted(name):
        return None
    if match["tag"] is None:
        return Release(image, "" if "@" in name else "an image without a tag is the latest one")
    tag = image.cut(match, "tag")
    moves = str(tag) in _MOVING and "@" not in name
    return Release(tag, f"the tag {tag} moves" if moves else "")


def version_of(image: Text) -> Version | Unseen | None:
    """Return the release of an image of K3s by its tag; that it is not seen, where the tag is a variable."""
    match = program.image(str(image))
    tag = image.cut(match, "tag") if match and match["tag"] else None
    if tag is not None and not tag.known:
        return Unseen(Input.VERSION, "the release is a variable", image)
    return Version.parse(str(tag or ""))
