"""`.k3s-policy.yaml`: what a repository tells k3s-policy about itself.

The file is checked by hand rather than by a JSON Schema validator: a message then names the line and the
nearest key, and a hook does not wait for the validator to be imported. `schemas/k3s-policy.json` describes the
same keys for editors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence, read_yaml
from k3s_policy.k3s.version import Version
from k3s_policy.model.finding import PROFILES
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.text import Text

__all__ = ["FILE_NAME", "ClusterOptions", "Options", "OptionsError", "load"]

FILE_NAME = ".k3s-policy.yaml"
_MISNAMED = (".k3s-policy.yml", "k3s-policy.yaml", "k3s-policy.yml")


@dataclass(frozen=True, repr=False)
class ClusterOptions:
    """One declared cluster: gitignore-style patterns of its nodes' files, and its version."""

    name: str
    servers: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    version: Version | None = None


@dataclass(frozen=True, repr=False)
class Options:
    """Everything `.k3s-policy.yaml` can say."""

    clusters: tuple[ClusterOptions, ...] = ()
    version: Version | None = None
    profile: str = PROFILES[0]
    """Which rules judge, where the command line does not say."""
    semgrep_rules: tuple[str, ...] = ()
    """Files and folders of the user's own Semgrep rules, relative to the file."""


class OptionsError(Exception):
    """The options cannot be used; says why, and where."""

    def __init__(self, message: str, at: Text) -> None:
        super().__init__(message)
        self.at = at


def load(top: str) -> Options:
    """Read the options of the repository at `top`; the defaults where it has none.

    Raises OptionsError on anything that is not understood, also on a file that is nearly named so and
    would be silently ignored, and OSError where the file cannot be read.
    """
    path = os.path.join(top, FILE_NAME)
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
    except FileNotFoundError:
        for name in _MISNAMED:
            if os.path.exists(os.path.join(top, name)):
                raise OptionsError(f"this file is not read: call it {FILE_NAME}", Source(name, "").text) from None
        return Options()
    except UnicodeDecodeError:
        raise OptionsError("not UTF-8 text", Source(FILE_NAME, "").text) from None
    return parse(Source(FILE_NAME, content).text)


def parse(text: Text) -> Options:
    """Turn the text of the file into Options. Raises OptionsError."""
    document = read_yaml(text)
    if document.error is not None:
        raise OptionsError(document.error.reason, document.error.at)
    root = document.root
    if root is None or (isinstance(root, Scalar) and not str(root)):
        return Options()
    top = _mapping(root, "the top level")
    _known(top, ("clusters", "k3s-version", "profile", "semgrep"))
    clusters = top.last("clusters")
    semgrep = top.last("semgrep")
    return Options(
        tuple(_cluster(key, value) for key, value in _mapping(clusters, "clusters").entries) if clusters else (),
        _version(top.last("k3s-version")),
        _profile(top.last("profile")),
        _rules(semgrep) if semgrep else (),
    )


def _profile(node: YamlNode | None) -> str:
    if node is None:
        return PROFILES[0]
    if not isinstance(node, Scalar) or str(node) not in PROFILES:
        raise OptionsError(f"there is no such profile: there are {', '.join(PROFILES)}", node.written)
    return str(node)


def _rules(node: YamlNode) -> tuple[str, ...]:
    entry = _mapping(node, "semgrep")
    _known(entry, ("rules",))
    return _texts(entry.last("rules"), "rules must be paths such as `policies/semgrep`")


def _cluster(key: Scalar, value: YamlNode) -> ClusterOptions:
    name = str(key)
    entry = _mapping(value, f"the cluster {name}")
    _known(entry, ("servers", "agents", "k3s-version"))
    servers, agents = _patterns(entry.last("servers")), _patterns(entry.last("agents"))
    if not servers and not agents:
        raise OptionsError(f"the cluster {name} needs `servers`: patterns of their files", key.text)
    return ClusterOptions(name, servers, agents, _version(entry.last("k3s-version")))


def _patterns(node: YamlNode | None) -> tuple[str, ...]:
    patterns = _texts(node, "a pattern must be a text such as `hosts/server-*/`")
    if node is not None and not all(map(_is_matched_in_time, patterns)):
        message = "a pattern may have two `**` before its end, and three `*` between two slashes"
        raise OptionsError(message, node.written)
    return patterns


def _is_matched_in_time(pattern: str) -> bool:
    """Whether no path is long enough to be matched for minutes: each wildcard multiplies the ways to try by its length.

    Names have up to 255 characters and paths up to 4096; a `**` at the end takes whatever is left.
    """
    *folders, last = pattern.split("/")
    return folders.count("**") <= 2 and all(part.count("*") <= 3 for part in (*folders, last))


def _texts(node: YamlNode | None, wanted: str) -> tuple[str, ...]:
    if node is None:
        return ()
    items = node.items if isinstance(node, Sequence) else (node,)
    for item in items:
        if not isinstance(item, Scalar) or not str(item):
            raise OptionsError(wanted, item.written)
    return tuple(str(item) for item in items)


def _version(node: YamlNode | None) -> Version | None:
    if node is None:
        return None
    version = Version.parse(str(node)) if isinstance(node, Scalar) else None
    if version is None:
        raise OptionsError("not a K3s version: write it like v1.33.4+k3s1 or v1.33", node.written)
    return version


def _mapping(node: YamlNode, what: str) -> Mapping:
    if not isinstance(node, Mapping):
        raise OptionsError(f"{what} must be a mapping", node.written)
    return node


def _known(mapping: Mapping, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for key, _ in mapping.entries:
        name = str(key)
        if name not in names:
            from difflib import get_close_matches  # only for the error

            nearest = get_close_matches(name, list(names), 1, 0.5)
            advice = f"did you mean `{nearest[0]}`?" if nearest else f"there are {', '.join(names)}"
            raise OptionsError(f"unknown key `{name}`: {advice}", key.text)
        if name in seen:
            raise OptionsError(f"the key `{name}` stands here twice", key.text)
        seen.add(name)
