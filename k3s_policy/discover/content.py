"""Opening a candidate: its text, unless its bytes say that it is none of K3s's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from k3s_policy.discover.encoding import decode, flaw
from k3s_policy.discover.failure import failure, is_absent
from k3s_policy.discover.sieve import tells, tells_program
from k3s_policy.model.finding import ScanError
from k3s_policy.text import Source

if TYPE_CHECKING:
    from k3s_policy.discover.candidate import Candidate

__all__ = ["read"]

_OPENING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NOT_FOLLOWING = _OPENING | getattr(os, "O_NOFOLLOW", 0)

_FIRST = 1 << 16
_FURTHER = 1 << 20
"""Bytes to ask for at once: most files are read whole by the first call."""


def read(candidate: Candidate, flags: frozenset[bytes]) -> Source | ScanError | None:
    """Read a file; None when it is binary or, unless named by the user, none of K3s's."""
    try:
        data = _content(candidate)
    except OSError as error:
        # What went between the listing and now is no problem.
        gone = is_absent(error) and not candidate.named
        return None if gone else ScanError(failure(error), candidate.path)
    if not (candidate.named or candidate.promising):
        worth = tells_program(data) if candidate.program else tells(data, flags)
        if not worth:
            return None
    content = decode(data)
    return None if content is None else Source(candidate.path, content, flaw(data, content))


def _content(candidate: Candidate) -> bytes:
    # Through os, which takes half the time of open(). Threads would make it slower, as the time goes into
    # Python itself. Should a link or a pipe have taken the file's place since it was listed, the flags make
    # that an error or an empty file, not a wait without end.
    descriptor = os.open(candidate.file, _OPENING if candidate.named else _NOT_FOLLOWING)
    try:
        data = piece = os.read(descriptor, _FIRST)
        if len(piece) == _FIRST:
            pieces = [piece]
            while piece := os.read(descriptor, _FURTHER):
                pieces.append(piece)
            data = b"".join(pieces)
        return data
    finally:
        os.close(descriptor)
