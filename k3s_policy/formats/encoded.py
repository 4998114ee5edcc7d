"""What gzip compressed, no further than anybody looks: a few bytes can stand for gigabytes."""

from __future__ import annotations

import zlib

__all__ = ["decompressed"]

_LARGEST = 1 << 20
"""Bytes: as many as the largest file that is read."""


def decompressed(data: bytes) -> bytes:
    """Return what gzip compressed. Raises ValueError where that is broken, cut off, or larger than 1 MiB."""
    stream = zlib.decompressobj(31)
    try:
        found = stream.decompress(data, _LARGEST)
    except zlib.error as error:
        raise ValueError("broken") from error
    if not stream.eof:
        raise ValueError("cut off or too large")
    return found
