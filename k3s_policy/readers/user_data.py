"""User-data wherever it is: in a script, a manifest, or a file of several parts.

What a cloud hands to a host is a cloud-config, a config for Ignition, a script, or several of these in one MIME message
(https://docs.cloud-init.io/en/latest/explanation/format.html), and says so in its first characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.user_data import decoded
from k3s_policy.formats.user_data_kind import is_cloud_config, is_description, is_message
from k3s_policy.k3s.places import ReadAs
from k3s_policy.model.file import File, Provenance, host_at
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_BOUNDARY = pattern(r"(?im)^Content-Type:[ \t]*multipart/[^\n]*(?:\n[ \t]+[^\n]*)?boundary=\"?(?P<boundary>[^\"\s;]+)")
_BODY = pattern(r"\r?\n[ \t]*\r?\n")
_CLOUD_CONFIG = pattern(r"(?im)^Content-Type:[ \t]*text/cloud-config\b")
_ENCODED = pattern(r"(?im)^Content-Transfer-Encoding:[ \t]*base64\b")
# Descriptions of hosts have any name, and not all of them begin as cloud-init wants it.
_KEYS = pattern(r"(?m)^(?:write_files|runcmd|k3os):[ \t\r]*$|\A\s*\{\s*\"(?:write_files|runcmd|k3os)\"")
_BOOT_HOOK = "#cloud-boothook"
"""The first line of a script that runs at every boot, early."""
_ANY_NAME = pattern(r"(?i)(?:^|/)[^./]*$|\.(?:cfg|cloud-config|conf|hcl|init|txt|user-?data)$")


def claims(seen: Seen) -> bool:
    """Whether a file without an ending of YAML is user-data, or says in its keys that it is the like."""
    if is_message(seen.content) or is_cloud_config(seen.content) or seen.content.startswith(_BOOT_HOOK):
        return True
    if seen.written and is_description(seen.content):
        return True
    return not seen.content.startswith("#!") and bool(_ANY_NAME.search(seen.path) and _KEYS.search(seen.content))


def read(seen: Seen) -> Iterator[Found]:
    """Hand back what it is; all its parts are for one host, which is another than that of whatever writes it."""
    text = seen.file.text if seen.written else _masked(seen)
    own = seen.file.read_as is ReadAs.USER_DATA and seen.file.host
    yield from _parts_of(text, seen, own or host_at(text))


def _masked(seen: Seen) -> Text:
    """Return the text of a file that may be a template: in a message its expressions are filled in, in YAML masked."""
    return seen.text if is_message(seen.content) else seen.file.text


def _parts_of(text: Text, seen: Seen, host: str) -> Iterator[Found]:
    content = str(text)
    if is_message(content):
        for part in _parts(text):
            yield from _part(part, seen, host)
    elif content.startswith(_BOOT_HOOK):
        yield _file(text[content.find("\n") + 1 :], seen, host, ReadAs.SCRIPT)
    elif content.startswith("#!"):
        yield _file(text, seen, host, ReadAs.SCRIPT)
    elif seen.file.read_as is not ReadAs.USER_DATA or is_description(content):
        yield _file(text, seen, host, ReadAs.DESCRIPTION)


def _part(part: Text, seen: Seen, host: str) -> Iterator[Found]:
    """Hand back a part of a MIME message as its headers say: what it is, and whether it is encoded."""
    begin = _BODY.search(str(part))
    if begin is None:
        return
    headers, body = str(part[: begin.start()]), part[begin.end() :]
    if _BOUNDARY.search(headers):
        body = part.lstrip()
    elif _ENCODED.search(headers):
        body = decoded(body.strip(), "base64")
    yield _file(body, seen, host, ReadAs.DESCRIPTION if _CLOUD_CONFIG.search(headers) else ReadAs.USER_DATA)


def _file(text: Text, seen: Seen, host: str, read_as: ReadAs) -> File:
    """Return a part to be read; the whole of a file of the repository keeps its name, which may tell a template."""
    whole = text is seen.file.text
    return File(
        text=text,
        path=seen.file.path if whole else "",
        provenance=seen.file.provenance if whole else Provenance.WRITTEN,
        read_as=read_as,
        host=host,
    )


def _parts(text: Text) -> Iterator[Text]:
    """Yield the parts of a MIME message, each with its headers."""
    found = _BOUNDARY.search(str(text))
    if found is not None:
        yield from text.split(f"\n--{found['boundary']}")[1:]
