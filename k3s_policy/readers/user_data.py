"""User-data wherever it stands: in a script, a manifest, or a file of several parts.

What a cloud hands to a host is a cloud-config, a config for Ignition, a script, or several of these in one MIME message
(https://docs.cloud-init.io/en/latest/explanation/format.html), and says so in its first characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import read_yaml
from k3s_policy.readers import butane, cloud_init, k3os, kairos
from k3s_policy.readers.beginning import is_description, is_message
from k3s_policy.readers.described import decoded, host_of, read_script
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["read"]

_BOUNDARY = pattern(r"(?im)^Content-Type:[ \t]*multipart/[^\n]*(?:\n[ \t]+[^\n]*)?boundary=\"?(?P<boundary>[^\"\s;]+)")
_BODY = pattern(r"\r?\n[ \t]*\r?\n")
_NESTED = pattern(r"(?im)^Content-Type:[ \t]*multipart/")
_CLOUD_CONFIG = pattern(r"(?im)^Content-Type:[ \t]*text/cloud-config\b")
_ENCODED = pattern(r"(?im)^Content-Transfer-Encoding:[ \t]*base64\b")
_READERS = (butane, k3os, kairos, cloud_init)
_DEEPEST = 3


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read user-data; all its parts are for one host."""
    yield from _read(text, path, host or host_of(text), 0)


def _read(text: Text, path: str, host: str, depth: int) -> Iterator[Fragment]:
    content = str(text)
    if content.startswith("#!"):
        yield from read_script(text, host)
    elif is_message(content):
        yield from _message(text, path, host, depth)
    elif is_description(content):
        yield from _described(text, path, host)


def _described(text: Text, path: str, host: str) -> Iterator[Fragment]:
    document = read_yaml(text)
    for reader in _READERS:
        if reader.claims(document, path):
            yield from reader.read_document(text, document, path, host=host)
            return


def _message(text: Text, path: str, host: str, depth: int) -> Iterator[Fragment]:
    """Read the parts of a MIME message as their headers say: what one is, and whether it is encoded."""
    for part in _parts(text) if depth < _DEEPEST else ():
        begin = _BODY.search(str(part))
        if begin is None:
            continue
        headers, body = str(part[: begin.start()]), part[begin.end() :]
        if _NESTED.search(headers):
            yield from _message(part, path, host, depth + 1)
            continue
        if _ENCODED.search(headers):
            body = decoded(body.strip(), "base64")
        if _CLOUD_CONFIG.search(headers):
            yield from _described(body, path, host)
        else:
            yield from _read(body, path, host, depth + 1)


def _parts(text: Text) -> Iterator[Text]:
    """Yield the parts of a MIME message, each with its headers."""
    found = _BOUNDARY.search(str(text))
    if found is not None:
        yield from text.split(f"\n--{found['boundary']}")[1:]
