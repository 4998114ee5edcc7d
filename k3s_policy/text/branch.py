"""Branches of templates and scripts: what stands in two arms of one fork never meets.

`{% if first %}cluster-init: true{% else %}server: ...{% endif %}` is one healthy cluster, and so is a
script whose `if` starts the first server and whose `else` joins it. Readers mark what they read with the
arms it stands in, and rules ask whether two things can be true together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ALWAYS", "Branch", "When", "both", "exclusive", "possible"]


class Branch(NamedTuple):
    """One arm of a fork (`if`, `case`, `{% if %}`), named by the place of the fork and the arm's number."""

    path: str
    fork: int
    arm: int


When: TypeAlias = tuple[Branch, ...]
"""The arms something stands in, outermost first; empty where it always holds."""

ALWAYS: When = ()


def possible(when: Iterable[Branch]) -> bool:
    """Whether all these arms can be taken in one run, that is, no fork is taken two ways."""
    taken: dict[tuple[str, int], int] = {}
    return all(taken.setdefault((branch.path, branch.fork), branch.arm) == branch.arm for branch in when)


def both(*conditions: Iterable[Branch]) -> When:
    """Return all arms that several conditions ask for."""
    return tuple(dict.fromkeys(branch for when in conditions for branch in when))


def exclusive(one: When, other: When) -> bool:
    """Whether two things in these arms can never hold together."""
    return not possible((*one, *other))
