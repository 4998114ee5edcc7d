"""What base64 stands for, and what gzip compressed, no further than anybody looks: a few bytes can mean gigabytes."""

from __future__ import annotations

import zlib
from binascii import a2b_base64

__all__ = ["decompressed", "from_base64", "is_compressed", "unpacked"]

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


def is_compressed(data: bytes) -> bool:
    """Whether bytes begin as gzip's do (RFC 1952, 2.3.1)."""
    return data[:2] == b"\x1f\x8b"


def unpacked(data: bytes) -> bytes:
    """Return what gzip compressed, and other bytes as they are. Raises ValueError as `decompressed`."""
    return decompressed(data) if is_compressed(data) else data


def from_base64(written: bytes) -> bytes:
    """Return what whole groups of base64 stand for, in one line or in several. Raises ValueError where it is broken."""
    joined = b"".join(written.split())
    return a2b_base64(joined[: len(joined) // 4 * 4])
