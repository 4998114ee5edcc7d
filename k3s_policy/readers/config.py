"""The K3s config file: `/etc/rancher/k3s/config.yaml`, its drop-ins, and such files under any other name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, refusal
from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import ReadAs, belongs_to_rke2, is_misplaced_drop_in
from k3s_policy.k3s.recognise import SHARED_NAMES, is_config, is_config_path, is_rke2
from k3s_policy.model.fragment import ConfigFile, NotJudged, OfRke2, UnreadFile
from k3s_policy.model.invocation import BrokenFile, Form
from k3s_policy.model.lower import config_entries
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Document
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_TEMPLATE = pattern(r"\{\{|\{%|<%|%\{|(?m:^[^\S\n]*\$\{)")
_KEY = pattern(r"(?m)^([a-z][a-z0-9]*(?:-[a-z0-9]+)+)\+?:(?:[ \t]|$)")


def claims(_: Seen) -> bool:
    """Whether a YAML file may be a config: what no other reader claims; what it holds decides while it is read."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read a YAML file as a K3s config where it is one; yields nothing where it is not."""
    path, text, document = seen.path, seen.composed, seen.document
    if is_misplaced_drop_in(path) and seen.file.read_as is not ReadAs.CONFIG:
        yield from _unread(document, path)
        return
    root = document.root
    mapping = root if isinstance(root, Mapping) else None
    claimed = seen.file.read_as is ReadAs.CONFIG or is_config_path(path)
    if root is None and document.error is not None:
        yield from _unparsable(seen, claimed=claimed)
    elif root is not None and mapping is None:
        if claimed and str(root.written).strip():
            yield from _flat(seen, root.written)
    elif claimed or (mapping is not None and _is_ours(text, mapping, path)):
        yield from _config(seen, mapping)


def _is_ours(text: Text, mapping: Mapping, path: str) -> bool:
    """Whether a mapping is a config of K3s's or RKE2's, by its path or its keys."""
    return (is_rke2(text, mapping, path) and belongs_to_rke2(path)) or is_config(mapping, path)


def _config(seen: Seen, mapping: Mapping | None) -> Iterator[Found]:
    text, path = seen.composed, seen.path
    if is_rke2(text, mapping, path):
        span = text.span
        yield OfRke2(span.source.path if span.start == 0 else f"{span.source.path}:{span.line}")
        return
    entries = [] if mapping is None else [entry for entry in config_entries(mapping) if str(entry.key) != "sops"]
    named = tuple(entry for entry in entries if entry.key.known)
    # A key that a template makes may be any.
    may_be_any = tuple(entry.key for entry in entries if not entry.key.known)
    error = None if seen.written and not seen.file.text.known else _refused(text, mapping)
    yield ConfigFile(
        text=text,
        entries=named,
        path=path,
        host=seen.file.host,
        open_places=(*seen.document.open_places, *may_be_any),
        error=error,
    )


def _flat(seen: Seen, written: Text) -> Iterator[Found]:
    """Say that the file is no mapping, unless a template fills it in."""
    template = _TEMPLATE.search(seen.content) is not None or not seen.file.text.known
    if template:
        yield NotJudged(seen.source)
    flat = BrokenFile(written, "the top level must be a mapping of flags to values", "K3s")
    text = seen.composed
    yield ConfigFile(text, (), seen.path, seen.file.host, open_places=(text[:0],), error=None if template else flat)


def _refused(text: Text, mapping: Mapping | None) -> BrokenFile | None:
    """Return why K3s cannot decode a file that has no syntax error."""
    source = text.span.source
    if source.flaw is not None and text.span.start <= source.flaw < text.span.end:
        return BrokenFile(source.text[source.flaw : source.flaw + 1], "the file is not UTF-8", "K3s")
    refused = None if mapping is None else refusal(mapping)
    return None if refused is None else BrokenFile(refused.at, refused.reason, "K3s")


def _unparsable(seen: Seen, *, claimed: bool) -> Iterator[Found]:
    text, document = seen.composed, seen.document
    content = str(text)
    if not claimed:
        table = flags()
        telling = {name for name in _KEY.findall(content) if name not in SHARED_NAMES and table.get(name)}
        claimed = len(telling) >= 2
    if not claimed or is_rke2(text, None, seen.path):
        return
    error = None
    if _TEMPLATE.search(content) or not seen.file.text.known or not text.known:
        yield NotJudged(seen.source)
    elif document.error is not None:
        error = BrokenFile(document.error.at, document.error.reason, "K3s")
    # What it would set is not known, which whoever concludes from absence has to ask.
    yield ConfigFile(text, (), seen.path, seen.file.host, open_places=(text[:0],), error=error)


def _unread(document: Document, path: str) -> Iterator[Found]:
    """Read what K3s does not: what it holds is not set, and committed all the same."""
    root = document.root
    if not isinstance(root, Mapping):
        return
    table = flags()
    entries = [entry for entry in config_entries(root) if table.get(str(entry.key)) or table.removed(str(entry.key))]
    if not entries or len(entries) * 2 < len(root.entries):
        return
    yield UnreadFile(entries[0].key, path)
    for key, value, *_ in entries:
        flag = table.get(str(key)) or table.removed(str(key))
        for secret in credential.secrets(flag, value.text) if isinstance(value, Scalar) else ():
            yield Credential(what=str(key), at=key, value=secret, form=Form.CONFIG, tag=value.tag)
