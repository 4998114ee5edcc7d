"""What a search finds: Candidates, and the Discovery that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from k3s_policy.model.finding import ScanError

__all__ = ["Candidate", "Discovery"]


class Candidate(NamedTuple):
    """A file to open, unless its content says that it is none of K3s's."""

    path: str
    """As reports show it: relative to the top, with `/` between its parts, printable."""
    file: str
    """Absolute, to open it by."""
    named: bool = False
    """Whether the user named this very file: it is read whatever it is called and holds."""
    promising: bool = False
    """Whether its path alone makes it worth reading."""
    program: bool = False
    """Whether no reader reads it, and patterns are looked for in it."""


@dataclass(frozen=True, repr=False)
class Discovery:
    """What there is to read below the paths of a scan."""

    top: str
    """Absolute folder that report paths are relative to: the git top level, else the scanned folder."""
    candidates: tuple[Candidate, ...]
    """In the order of their paths."""
    seen: int
    """How many files there are, with those whose names rule them out."""
    problems: tuple[ScanError, ...] = ()
    notes: tuple[str, ...] = ()
