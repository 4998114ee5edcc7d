"""From the bytes of a file to its text."""

from __future__ import annotations

import re

__all__ = ["BYTE_ORDER_MARK", "UTF_16", "decode", "flaw"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""The mark of UTF-8, which changes nothing."""

UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
"""Encodings by the marks that announce them."""

_NOT_UTF_8 = re.compile("[\udc80-\udcff]")


def decode(data: bytes) -> str | None:
    r"""Return the text of a file, None when it is binary.

    UTF-8, or UTF-16 when a byte-order mark says so; the mark stays, as `\ufeff`. Each byte that is not
    UTF-8 becomes one U+FFFD, so that the rest of a Latin-1 file can be judged, with the columns an editor
    shows; K3s refuses such a YAML file, and a reader can tell by that character.
    """
    encoding = UTF_16.get(data[:2])
    if encoding:
        text = data.decode(encoding, "replace")
        return None if "\0" in text else text
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        # errors="replace" would make one character of several bytes that begin a sequence.
        return _NOT_UTF_8.sub("\ufffd", data.decode(errors="surrogateescape"))


def flaw(data: bytes, text: str) -> int | None:
    """Return the offset of the first character of a decoded text that is not in its bytes, None where there is none."""
    if "\ufffd" not in text or data[:2] in UTF_16:
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return len(data[: error.start].decode())
    return None
