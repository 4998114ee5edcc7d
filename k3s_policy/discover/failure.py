"""What a user is told of a file that the system does not give."""

from __future__ import annotations

import errno

__all__ = ["failure", "is_absent"]

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


def failure(error: OSError) -> str:
    """Return what to say of a file: without its absolute path, which the error's own words hold."""
    if is_absent(error):
        return "does not exist"
    return f"cannot be read: {error.strerror or 'unknown error'}"


def is_absent(error: OSError) -> bool:
    """Whether there is no such file; editors and builds make files come and go while a scan runs."""
    return error.errno in _ABSENT
