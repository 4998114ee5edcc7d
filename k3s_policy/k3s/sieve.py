"""Whether something can concern K3s at all: the one question that is asked before anything is parsed.

It is asked of the bytes of each file of a repository, and of each file that another one writes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from k3s_policy.k3s.flags import flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["concerns", "concerns_text", "needles"]

_WORDS = (
    (b"k3", (b"k3s", b"k3d.io", b"k3os")),
    (b"K3S", (b"K3S",)),
    (b"rancher", (b"rancher",)),
    (b"KThrees", (b"KThrees",)),
    (b"helm.cattle.io", (b"helm.cattle.io",)),
    (b"\nconfigs:", (b"\nconfigs:",)),
    (b"client-key-data", (b"client-key-data",)),
    (b"::", (b"::server:", b"::node:")),
    # A key of registries.yaml, which anything may carry, at any indentation, and a data URL with its escape.
    (b"mirrors", (b"mirrors:", b"mirrors%3A")),
)
"""What tells K3s's files apart, besides its hyphenated flags: names, and what only a token of a cluster has.

Each behind a part of it that few other files have: what most of them lack is looked for once.
"""

# Each pattern begins with a literal, so that the search runs at the speed of memchr, and takes any hyphenated
# word, which a set then knows or not. For 10,000 manifests of 16 MB that is 0.03 s, where `needle in data` for
# each of 114 names in both forms takes 1.3 s, and 0.6 s if only their first parts are looked for.
_FLAGS = (
    re.compile(rb"--([a-z0-9]++-[a-z0-9-]++)"),
    re.compile(rb"\n[ \t\"'{]*+([a-z0-9]++-[a-z0-9-]++)"),
    # Behind the line breaks of a text that stands in one line, "a: b\nc: d", and at the beginning of one.
    re.compile(rb"\\n[ \t\"'{\\]*+([a-z0-9]++-[a-z0-9-]++)"),
    re.compile(rb"\"([a-z0-9]++-[a-z0-9-]++)[\"'\\]*+[ \t]*+:"),
)
"""What flags look like: as options of a command, and as keys of a config."""
_HYPHENATED = re.compile(rb"[a-z0-9]+-[a-z0-9-]+")

_ENCODED = (b"b64", b"base64", b"Base64", b"!!binary", b"binaryData")
"""What says beside a content that it is encoded: cloud-init, Kairos and k3OS, a data URL, KubeVirt, a tag of YAML's, a
ConfigMap. Every Secret is encoded, and most are somebody else's: only one that is called K3s's is looked into."""
_DEEPEST = 12
"""How often encoded content is looked for in encoded content."""


@cache
def _base64() -> re.Pattern[bytes]:
    """Return a pattern of what may be base64, in one line or in several."""
    return re.compile(rb"[A-Za-z0-9+/]{16,}+(?:\s++[A-Za-z0-9+/]{16,}+)*+(?:\s*+[A-Za-z0-9+/]++)?={0,2}")


@cache
def _flags() -> frozenset[bytes]:
    return needles(flags().hyphenated)


def needles(names: Iterable[str]) -> frozenset[bytes]:
    """Return what to look for in the content of files, given the names of all flags.

    Only hyphenated names tell K3s apart: `token` or `server` can be anyone's.
    """
    hyphenated = frozenset(name.encode() for name in names if "-" in name)
    for name in hyphenated:
        if not _HYPHENATED.fullmatch(name):
            raise ValueError(f"the search for flags does not find one that is spelled {name.decode()!r}")
    return hyphenated


def concerns(data: bytes, wanted: frozenset[bytes]) -> bool:
    """Whether UTF-8 holds a word of K3s's or one of its flags, be it encoded; `wanted` comes from `needles`."""
    return _concerns(data, wanted, 0)


def concerns_text(content: str) -> bool:
    """Whether a text holds a word of K3s's or one of its flags."""
    return _concerns(content.encode("utf-8", "replace"), _flags(), 0)


def _concerns(data: bytes, wanted: frozenset[bytes], depth: int) -> bool:
    lines = b"\n" + data
    if _tells(lines, wanted):
        return True
    # Most files end here: each word of `_ENCODED` has one of these two parts.
    if (b"64" not in lines and b"inary" not in lines) or not any(word in lines for word in _ENCODED):
        return False
    if depth == _DEEPEST:
        # Whoever opens it says that nothing is known of what lies deeper.
        return True
    return any(_concerns(found, wanted, depth + 1) for found in _decoded(lines))


def _tells(lines: bytes, wanted: frozenset[bytes]) -> bool:
    # Loops, since a generator takes a third longer, and this is done for every file of a repository.
    for part, words in _WORDS:
        if part in lines and any(word in lines for word in words):
            return True
    for keys in _FLAGS:  # noqa: SIM110  see above
        if not wanted.isdisjoint(keys.findall(lines)):
            return True
    return False


def _decoded(data: bytes) -> Iterator[bytes]:
    """Yield what stretches of base64 stand for, decompressed where they are."""
    from k3s_policy.formats.encoded import from_base64, unpacked  # few files are searched for it

    for match in _base64().finditer(data):
        try:
            yield unpacked(from_base64(match[0]))
        except ValueError:
            continue
