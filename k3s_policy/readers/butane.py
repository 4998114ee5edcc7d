"""Butane and Ignition: what Fedora CoreOS, Flatcar and their kind are made of at their first boot.

Butane's YAML becomes Ignition's JSON; both have `storage.files` and `systemd.units`. A mode is a number: YAML's `0644`
is octal, JSON has 420 for it. Without a mode a file gets 0644 (https://coreos.github.io/butane/config-fcos-v1_6/).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from k3s_policy.formats.tree import Mapping
from k3s_policy.formats.user_data import HostFile, decoded, mode_of, unseen
from k3s_policy.k3s.places import UNIT_FOLDER, configures
from k3s_policy.model.fragment import Copy
from k3s_policy.model.host_files import files_of, said_of
from k3s_policy.model.subjects import FileMode
from k3s_policy.text import Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.model.fragment import Fragment, Start
    from k3s_policy.text import Run

__all__ = ["claims", "read"]

_VARIANTS = frozenset({"fcos", "flatcar", "openshift", "r4e", "fiot"})
_DATA = pattern(r"data:(?P<type>[^,;]*(?:;[^,;=]+=[^,;]*)*)(?P<base64>;base64)?,")
_ESCAPES = pattern(r"(?:%[0-9A-Fa-f]{2})+")
_DEFAULT_MODE = "0644"


def claims(seen: Seen) -> bool:
    """Whether a file is for Ignition, by its variant, its version or its name, and has files or units."""
    root = seen.document.root
    if not isinstance(root, Mapping) or not (root.last("storage") or root.last("systemd")):
        return False
    variant = str(root.scalar("variant") or "")
    named = seen.path.endswith((".bu", ".butane", ".fcc", ".ign"))
    return named or variant in _VARIANTS or root.scalar("ignition", "version") is not None or _is_container_linux(root)


def _is_container_linux(root: Mapping) -> bool:
    """Whether units are listed as Butane's forerunner did, which knew no variants."""
    return any(
        isinstance(unit, Mapping)
        and unit.scalar("name") is not None
        and (unit.last("contents") or unit.last("dropins")) is not None
        for unit in root.items("systemd", "units")
    )


def read(seen: Seen) -> Iterator[Found]:
    """Yield what files and units hold, all on one host."""
    root = seen.document.root
    if isinstance(root, Mapping):
        said = said_of(seen.composed[:0], seen.document, _others(root))
        yield from _read(root, seen.described_host, seen.source, said)


def _others(root: Mapping) -> Iterator[tuple[str, Text]]:
    """Yield why more files may come to the host than stand here, with the place that says so."""
    for names, why in (
        (("storage", "trees"), "a tree of files is copied too"),
        (("ignition", "config", "merge"), "another config is merged into this one"),
        (("ignition", "config", "replace"), "another config replaces this one"),
    ):
        node = root.get(*names)
        if node is not None and str(node.written).strip("[]{} \n"):
            yield why, node.written


def _read(root: Mapping, host: str, source: str, said: Start | None) -> Iterator[Found]:
    for directory in root.items("storage", "directories"):
        target = directory.scalar("path") if isinstance(directory, Mapping) else None
        mode = directory.scalar("mode") if isinstance(directory, Mapping) else None
        if target is not None and mode is not None and "/rancher" in str(target):
            yield FileMode(target.text, mode_of(mode), host)
    every = [file for file in root.items("storage", "files") if isinstance(file, Mapping)]
    yield from files_of((one for file in every if (one := _file(file)) is not None), host, said)
    for file in every:
        yield from _placed(file, host, source)
    units: list[HostFile] = []
    for unit in root.items("systemd", "units"):
        name = unit.scalar("name") if isinstance(unit, Mapping) else None
        if isinstance(unit, Mapping) and name is not None:
            units += _unit(unit, name.text)
            local = unit.scalar("contents_local")
            if local is not None and "k3s" in str(name):
                yield Copy(local.text, f"{UNIT_FOLDER}{name}", host, source)
    yield from files_of(units, host, said)


def _file(file: Mapping) -> HostFile | None:
    """Return a file with what it holds, None where that lies beside the description."""
    target = file.scalar("path")
    if target is None or file.scalar("contents", "local") is not None:
        return None
    parts = [file.last("contents"), *file.items("append")]
    contents = [_content(part) for part in parts if isinstance(part, Mapping)]
    content = contents[0] if len(contents) == 1 else unseen(target.text) if contents else target.text[:0]
    mode = _mode(file, target.text)
    return HostFile(target.text, content, mode.mode, mode.default)


def _placed(file: Mapping, host: str, path: str) -> Iterator[Fragment]:
    """Yield that a file of the repository gets its place and its mode."""
    target, local = file.scalar("path"), file.scalar("contents", "local")
    if target is not None and local is not None and configures(str(target)):
        yield Copy(local.text, str(target), host, path)
        yield replace(_mode(file, target.text), host=host)


def _mode(file: Mapping, target: Text) -> FileMode:
    mode = file.scalar("mode")
    if mode is None:
        return FileMode(target, target.stand_in(_DEFAULT_MODE), default="Ignition")
    return FileMode(target, mode_of(mode))


def _content(contents: Mapping) -> Text:
    """Return what a file holds: written there, in a data URL, or not seen."""
    inline, source = contents.scalar("inline"), contents.scalar("source")
    if inline is not None:
        return inline.text
    compression = str(contents.scalar("compression") or "")
    if source is None or compression not in ("", "gzip"):
        return unseen(contents.written)
    match = _DATA.match(str(source))
    if match is None:
        return unseen(source.text)
    data = source.text[match.end() :]
    if match["base64"]:
        written = data.stand_in(unquote_to_bytes(str(data)).decode("ascii", "replace"))
        return decoded(written, *(one for one in ("base64", compression) if one))
    return unseen(data) if compression else _unescaped(data)


def _unescaped(data: Text) -> Text:
    """Return what percent-encoded text stands for, each character at its escape."""
    runs: list[Run] = []
    position = 0
    for escapes in _ESCAPES.finditer(str(data)):
        escaped = data.cut(escapes)
        characters = unquote_to_bytes(escapes[0]).decode("utf-8", "replace")
        runs += data[position : escapes.start()].runs
        if len(characters) * 3 == len(escapes[0]):
            for number, character in enumerate(characters):
                runs += escaped[3 * number : 3 * number + 3].stand_in(character).runs
        else:
            runs += escaped.stand_in(characters).runs
        position = escapes.end()
    return Text((*runs, *data[position:].runs))


def _unit(unit: Mapping, name: Text) -> Iterator[HostFile]:
    """Yield a unit and its drop-ins."""
    contents = [(unit.scalar("contents"), f"{UNIT_FOLDER}{name}")]
    contents += (
        (drop_in.scalar("contents"), f"{UNIT_FOLDER}{name}.d/{drop_in.scalar('name') or ''}")
        for drop_in in unit.items("dropins")
        if isinstance(drop_in, Mapping)
    )
    for content, path in contents:
        if content is not None:
            yield HostFile(name.stand_in(path), content.text, None)
