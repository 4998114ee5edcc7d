"""registries.yaml, which K3s reads for containerd: `/etc/rancher/k3s/registries.yaml`, and such files elsewhere.

A file of this name counts where it has registries below the keys of the format, and one of another name where it has
nothing else.
RKE2 reads the same format: its file is mentioned and left alone, as its config is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.template import is_substituted
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s.embedded import secret_parts
from k3s_policy.k3s.places import ReadAs, belongs_to_rke2, of_path
from k3s_policy.model.fragment import NotJudged, OfRke2, UnreadFile
from k3s_policy.model.invocation import BrokenFile, Form
from k3s_policy.model.registries import AUTH, CONFIG, FILE, MIRROR
from k3s_policy.model.registries.decoding import decoded
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from k3s_policy.formats.tree import Entry, YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_NAME = pattern(r"(?i)(?:^|/)registries\.ya?ml$")
_KEY = pattern(r"(?m)^(?:mirrors|configs|auths):(?:[ \t]|\r?$)")
_HOST = pattern(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?|[\w.-]+:\d+|localhost|\[[0-9A-Fa-f:]+\](?::\d+)?|\*")
_SECRET = pattern(r"(?i)^auth$|tok(?:e?n)|pass|psk|pwd|secret|cred")
"""What people call the credential of a registry, below keys that K3s has no use for too."""
_PRIVATE_KEY = pattern(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")


def claims(seen: Seen) -> bool:
    """Whether a YAML file is a registries.yaml; one that cannot be read is by its name."""
    root, path = seen.document.root, seen.path
    named = _NAME.search(path) is not None
    if of_path(path) is ReadAs.REGISTRIES or (named and belongs_to_rke2(path)):
        return True
    if root is None:
        return named
    if not isinstance(root, Mapping) or root.last("apiVersion") is not None:
        return False
    if named:
        return any(_is_section(entry) for entry in root.entries) or _lacks_sections(root)
    return bool(root.entries) and all(map(_is_telling_section, root.entries))


def read(seen: Seen) -> Iterator[Found]:
    """Read a file that is claimed: what it means, its credentials, and why K3s refuses it."""
    text, document, path = seen.composed, seen.document, seen.path
    if belongs_to_rke2(path):
        yield OfRke2(seen.source)
        return
    root = document.root
    if root is None:
        yield from _unparsable(seen)
        return
    yield from _credentials(document.roots)
    if isinstance(root, Mapping):
        yield from _registries(seen, root)
    elif str(root.written).strip():
        flat = BrokenFile(root.written, "the top level must be a mapping", "K3s")
        yield NotJudged(seen.source) if _is_template(text) else flat
    source = text.span.source
    if source.flaw is not None and text.span.start <= source.flaw < text.span.end:
        yield BrokenFile(source.text[source.flaw : source.flaw + 1], "the file is not UTF-8", "K3s")


def _registries(seen: Seen, root: Mapping) -> Iterator[Found]:
    """Yield what a file means; where a variable holds a whole line, nobody knows what the lines below it belong to."""
    text, path = seen.composed, seen.path
    registries, refused = decoded(text, root, path, seen.file.host)
    if of_path(path) is ReadAs.REGISTRIES and path.endswith(".yml") and root.entries:
        yield UnreadFile(root.entries[0].key.text, path)
    if seen.document.open_places or "{%" in str(text):
        registries = replace(registries, is_open=True)
    if seen.written and not seen.file.text.known:
        # What a loop writes comes once for each turn, with the name of the variable in the place of its value.
        unknown = () if seen.hidden else registries.unknown
        registries = replace(registries, unknown=unknown, repeated=())
    yield registries
    yield from () if seen.hidden else refused


def _unparsable(seen: Seen) -> Iterator[Found]:
    error = seen.document.error
    text, placed = seen.composed, of_path(seen.path) is ReadAs.REGISTRIES
    if error is None or seen.hidden or not (placed or _KEY.search(str(text))):
        return
    yield NotJudged(seen.source) if _is_template(text) else BrokenFile(error.at, error.reason, "K3s")


def _is_template(text: Text) -> bool:
    return not text.known or is_substituted(str(text))


# --- what tells the format apart ----------------------------------------------------------------------


def _is_section(entry: Entry) -> bool:
    """Whether a key of the file has registries below it: by their names, or by a key of theirs."""
    members = entry.value.entries if isinstance(entry.value, Mapping) else ()
    if str(entry.key) not in FILE or not all(_is_empty(value) or isinstance(value, Mapping) for _, value in members):
        return False
    keys = MIRROR.keys() | CONFIG.keys() | AUTH.keys()
    return any(
        _is_name(name) or (isinstance(value, Mapping) and any(str(key) in keys for key, _ in value.entries))
        for name, value in members
    )


def _lacks_sections(root: Mapping) -> bool:
    """Whether registries stand at the top, so that `mirrors` or `configs` was forgotten."""
    return bool(root.entries) and all(
        isinstance(value, Mapping) and bool(value.entries) and _holds_only(value, MIRROR.keys() | CONFIG.keys())
        for _, value in root.entries
    )


def _is_telling_section(entry: Entry) -> bool:
    """Whether a key with what stands below it can be nothing else."""
    keys = {"mirrors": MIRROR.keys(), "configs": CONFIG.keys()}.get(str(entry.key))
    if keys is None or not isinstance(entry.value, Mapping):
        return False
    members = entry.value.entries
    known = all(_is_empty(value) or (isinstance(value, Mapping) and _holds_only(value, keys)) for _, value in members)
    named = all(_is_name(key) for key, _ in members)
    return known and named and any(isinstance(value, Mapping) and value.entries for _, value in members)


def _is_name(key: Scalar) -> bool:
    """Whether a key looks like the name of a registry: a host, or what something else fills in."""
    return is_substituted(str(key)) or _HOST.fullmatch(str(key)) is not None


def _holds_only(mapping: Mapping, keys: AbstractSet[str]) -> bool:
    return all(str(key) in keys for key, _ in mapping.entries)


def _is_empty(node: YamlNode) -> bool:
    return isinstance(node, Scalar) and not str(node)


# --- credentials --------------------------------------------------------------------------------------


def _credentials(roots: tuple[YamlNode, ...]) -> Iterator[Credential]:
    """Yield what logs in at a registry, wherever it stands: what K3s drops is committed all the same."""
    seen: set[int] = set()
    waiting: list[tuple[Scalar | None, YamlNode]] = [(None, root) for root in reversed(roots)]
    while waiting:
        key, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Scalar):
            yield from _in_scalar(key, node)
        elif isinstance(node, Sequence):
            waiting.extend((key, item) for item in reversed(node.items))
        else:
            for name, value in reversed(node.entries):
                # A mapping called `auth` holds a user's name too, and what is rewritten are names of images.
                if str(name) != "rewrite":
                    waiting.append((name if not isinstance(value, Mapping) else None, value))
                yield from _in_name(name)


def _in_name(name: Scalar) -> Iterator[Credential]:
    """Yield the password of a login that stands in front of a host, in the name of a registry."""
    if "@" in str(name):
        for secret in secret_parts(name.text):
            yield Credential(
                what="the name of a registry",
                at=name.text,
                value=secret,
                form=Form.CONFIG,
                tag=name.tag,
                is_whole=False,
            )


def _in_scalar(key: Scalar | None, node: Scalar) -> Iterator[Credential]:
    if key is not None and _SECRET.search(str(key)) and not str(key).lower().endswith("file"):
        if not (node.plain and str(node) in ("", "~")):
            name = f"auth.{key}" if str(key) in AUTH else str(key)
            yield Credential(what=name, at=key.text, value=node.text, form=Form.CONFIG, tag=node.tag)
    elif key is not None and _PRIVATE_KEY.search(str(node)):
        yield Credential(what=str(key), at=key.text, value=node.text, form=Form.CONFIG, tag=node.tag)
    elif "@" in str(node) and ("://" in str(node) or str(key) == "endpoint"):
        for secret in secret_parts(node.text):
            yield Credential(
                what="endpoint", at=node.text, value=secret, form=Form.CONFIG, tag=node.tag, is_whole=False
            )
