"""Which files are worth reading: by their names, before they are opened, and by their bytes, before they are parsed."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from k3s_policy.discover.encoding import BYTE_ORDER_MARK, UTF_16
from k3s_policy.k3s.sieve import concerns
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "HOOK_FILES",
    "LARGEST",
    "SEARCHED_FILES",
    "SEARCHED_SUFFIXES",
    "UNREAD_NAMES",
    "UNREAD_SUFFIXES",
    "config_folder",
    "folders_of_k3s",
    "may_be_read",
    "may_be_searched",
    "promising",
    "tells",
    "tells_program",
    "worth_reading",
]


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Which files no reader has a use for. Everything else may hold K3s configuration, as people keep it under any
# name (`docker-compose.yml-org`, `conf.d/k3s`, `user-data`), so the tables say what is left out.

_DOCUMENTS = _words(
    "adoc asc asciidoc bib csv htm html ipynb log markdown md mdown mdx org pdf po pot rst tex textile tsv xhtml xml"
    " doc docx odp ods odt ppt pptx rtf xls xlsx"
)
_PROGRAMS = _words(
    "asm awk bat c cc cjs clj cljs cmake cmd cpp cs css cu cxx d dart el elm erl ex exs f90 fs gd go gradle groovy h"
    " hpp hs hxx java jl js jsx kt kts less lisp lua m mjs ml mm mod mts nim pas php pl pm proto ps1 psm1 py pyi r rb"
    " rs sass scala scss sol sql styl svelte swift ts tsx v vb vhd vue zig"
)
_MEDIA = _words(
    "ai avi avif bmp drawio eot eps flac gif gz heic ico jpeg jpg m4a mkv mov mp3 mp4 mpeg ogg otf png ps psd puml svg"
    " tif tiff ttf wav webm webp woff woff2"
)
_ARCHIVES_AND_BUILDS = _words(
    "7z a bin bz2 class crt cer db deb der dll dylib exe gpg img iso jar jks ko lz4 map o p12 parquet pem pfx pub pyc"
    " pyd qcow2 rar rpm so sqlite sqlite3 tar tgz txz vmdk war wasm whl xz zip zst"
)
_GENERATED = _words("diff lock patch sum timer")

UNREAD_SUFFIXES = _DOCUMENTS | _PROGRAMS | _MEDIA | _ARCHIVES_AND_BUILDS | _GENERATED
"""Ends of names, without the dot and in lower case, that are never read unless the user names the file."""

UNREAD_NAMES = frozenset({".terraform.lock.hcl", "npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml"})
"""Names of generated files whose ends would not tell."""

SEARCHED_SUFFIXES = _words("cjs cts go hcl js jsx mjs mts py rb tf tfvars ts tsx")
"""Ends of the names of programs that start K3s: no reader reads them, and patterns find the stretches that one can."""


def _all_but(suffixes: Iterable[str]) -> str:
    """Return a pattern of every path but those with some suffixes, and generated ones."""
    names = "|".join(re.escape(name) for name in sorted(UNREAD_NAMES))
    return rf"(?is)^(?!(?:.*/)?(?:{names})\Z)(?!.*\.(?:{'|'.join(sorted(suffixes))})\Z)"


HOOK_FILES = _all_but(UNREAD_SUFFIXES)
"""The `files:` of our pre-commit hooks: every path that may be read. Broad, since content decides too."""

SEARCHED_FILES = _all_but(UNREAD_SUFFIXES - SEARCHED_SUFFIXES)
"""The `files:` of the hook that brings Semgrep along: programs too."""

LARGEST = 1 << 20
"""Bytes. Larger files are dumps and bundles, not configuration that someone keeps."""

_REGISTRIES = frozenset({"registries.yaml", "registries.yml"})
_CONFIGS = frozenset({"config.yaml", "config.yml"})


def may_be_read(path: str) -> bool:
    """Whether a file of this name can hold K3s configuration at all."""
    name = path[path.rfind("/") + 1 :].lower()
    _, dot, suffix = name.rpartition(".")
    return not (dot and suffix in UNREAD_SUFFIXES) and name not in UNREAD_NAMES


# What tests expect of a program is no configuration, and made up; what is vendored is kept elsewhere. Terraform has
# tests too, but they start real hosts. `.pkrtpl.hcl` is any text that Packer fills in.
_NOT_SEARCHED = pattern(
    r"(?:^|/)(?:vendor|third_party|node_modules|testdata|tests?|__tests__|e2e|spec)/"
    r"|(?:_test\.(?:go|py|rb)|_spec\.rb|\.(?:test|spec)\.[cm]?[jt]sx?|\.d\.ts|\.min\.js|\.pkrtpl\.hcl)$|(?:^|/)test_[^/]*\.py$"
)
_ALWAYS_SEARCHED = frozenset({"hcl", "tf", "tfvars"})


def may_be_searched(path: str, *, named: bool = False) -> bool:
    """Whether a file of this name can be a program that starts K3s; a test is one where the user named it."""
    name = path[path.rfind("/") + 1 :].lower()
    suffix = name.rpartition(".")[2]
    if suffix not in SEARCHED_SUFFIXES or name in UNREAD_NAMES:
        return False
    return named or _NOT_SEARCHED.search(name if suffix in _ALWAYS_SEARCHED else path.lower()) is None


def promising(path: str) -> bool:
    """Whether a path alone makes a file worth reading."""
    lower = path.lower()
    name = lower[lower.rfind("/") + 1 :]
    known = (
        name in _REGISTRIES
        or name == "node-token"
        or name.startswith(("docker-compose", "hosts", "inventory"))
        or "server/tls/" in lower
        # What hosts of an inventory are given counts, though no word of it may be K3s's.
        or "group_vars/" in lower
        or "host_vars/" in lower
    )
    return known or "k3s" in lower or "rancher" in lower


def folders_of_k3s(paths: Iterable[str]) -> set[str]:
    """Return the folders of files whose very names are K3s's, so that a config.yaml beside them is too."""
    folders = set()
    for path in paths:
        folder, _, name = path.lower().rpartition("/")
        if ("k3s" in name or name in _REGISTRIES) and may_be_read(name):
            folders.add(folder)
    return folders


def config_folder(path: str) -> str | None:
    """Return where a file lies that is called as K3s calls its config and drop-ins, None for other files."""
    folder, _, name = path.lower().rpartition("/")
    if name in _CONFIGS:
        return folder
    above, _, below = folder.rpartition("/")
    return above if below == "config.yaml.d" and name.endswith((".yaml", ".yml")) else None


def worth_reading(path: str, data: bytes, flags: frozenset[bytes]) -> bool:
    """Whether a file can be one of K3s's, by its path or by its bytes; `flags` come from `needles`."""
    return may_be_read(path) and (promising(path) or tells(data, flags))


# What patterns in rules/ look for in programs. Far stricter than for configuration: every program that talks to a
# cluster has a flag of the one or the other name.
@cache
def _starts() -> re.Pattern[bytes]:
    return re.compile(
        rb"get\.k3s\.io|github\.com/(?:k3s-io|rancher)/k3s/releases/|K3S_[A-Z]+|rancher/k3s/[\w.]*\.ya?ml|k3s[\"'`]?,?\s+\[?[\"'`]?(?:server|agent)\b|k3sup\s"
        rb"|--(?:datastore-|etcd-s3|etcd-snapshot-|flannel-|write-kubeconfig|cluster-init|no-deploy|disable-agent"
        rb"|disable-cloud-controller|kube-apiserver-arg)"
    )


def tells_program(data: bytes) -> bool:
    """Whether the bytes of a program name K3s, and hold what starts it."""
    return (b"k3s" in data or b"K3S" in data) and _starts().search(data) is not None


def tells(data: bytes, flags: frozenset[bytes]) -> bool:
    """Whether the bytes of a file hold a word of K3s's or one of its flags."""
    if data[:2] in UTF_16:
        data = data.decode(UTF_16[data[:2]], "replace").encode("utf-8", "replace")[len(BYTE_ORDER_MARK) :]
    return concerns(data.removeprefix(BYTE_ORDER_MARK), flags)
