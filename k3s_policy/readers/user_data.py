"""User-data wherever it stands: in a script, a manifest, or a file of several parts.

What a cloud hands to a host is a cloud-config, a config for Ignition, a script, or several of these in one MIME message
(https://docs.cloud-init.io/en/latest/explanation/format.html), and says so in its first characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.pattern import pattern
from k3s_policy.readers import butane, cloud_init, k3os, kairos
from k3s_policy.readers.described import host_of, read_script
from k3s_policy.tree import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["read"]

_BEGINNING = pattern(r"\s*(?:##[^\n]*\n)?(?:#cloud-config\b|variant:[ \t]*[a-z]|k3os:[ \t\r]*\n)")
_MULTIPART = pattern(r"(?i)(?:MIME-Version:|Content-Type:[ \t]*multipart/)")
_BOUNDARY = pattern(r"(?im)^Content-Type:[ \t]*multipart/[^\n]*(?:\n[ \t]+[^\n]*)?boundary=\"?(?P<boundary>[^\"\s;]+)")
_BODY = pattern(r"\r?\n[ \t]*\r?\n")
_READERS = (butane, k3os, kairos, cloud_init)


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read user-data; all its parts are for one host."""
    where = host or host_of(text)
    content = str(text)
    if content.startswith("#!"):
        yield from read_script(text, where)
    elif _MULTIPART.match(content):
        for part in _parts(text):
            yield from read(part, path, where)
    elif _BEGINNING.match(content):
        document = read_yaml(text)
        for reader in _READERS:
            if reader.claims(document, path):
                yield from reader.read_document(text, document, path, host=where)
                return


def _parts(text: Text) -> Iterator[Text]:
    """Yield the bodies of a MIME message."""
    found = _BOUNDARY.search(str(text))
    if found is None:
        return
    for part in text.split(f"\n--{found['boundary']}")[1:]:
        body = _BODY.search(str(part))
        if body is not None:
            yield part[body.end() :]
