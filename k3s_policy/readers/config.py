"""The K3s config file: `/etc/rancher/k3s/config.yaml`, its drop-ins, and such files under any other name.

`config.yaml` means nothing: most files of that name are other programs'. A YAML file is a K3s config where
its path says so, or where its top-level keys are flags of K3s and one of them is hyphenated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence, read_yaml, refusal
from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.model import BrokenFile, Credential, Form
from k3s_policy.model.fragment import ConfigFile, NotJudged, OfRke2, UnreadFile
from k3s_policy.model.lower import config_entries
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Document
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["is_config", "passed_over", "path_claims", "read", "read_document"]

_PATH = pattern(r"(?:^|/)rancher/k3s/(?:config\.ya?ml|[^/]*config[^/]*\.d/[^/]+\.ya?ml)$")
_DROP_IN = pattern(r"(?i)\.ya?ml\.d/[^/]+\.ya?ml$")
_BELOW_DROP_INS = pattern(r"(?i)config\.ya?ml\.d/")
_RKE2_PATH = pattern(r"(?:^|/)rancher/rke2/")
# Keys that only RKE2 has (rancher/rke2 pkg/cli/cmds), so that its config is left alone whatever it is called.
_RKE2_KEYS = frozenset(
    {
        "cni", "profile", "audit-policy-file", "pod-security-admission-config-file", "cloud-provider-name",
        "cloud-provider-config", "enable-servicelb", "ingress-controller", "kubelet-path", "prime",
        "control-plane-resource-requests", "control-plane-resource-limits", "control-plane-probe-configuration",
        "kube-apiserver-image", "kube-controller-manager-image", "kube-proxy-image", "kube-scheduler-image",
        "etcd-image", "runtime-image", "cloud-controller-manager-image", "kube-apiserver-extra-mount",
        "etcd-extra-mount", "kube-apiserver-extra-env", "etcd-extra-env",
    }
)  # fmt: skip
_RKE2_SERVER = pattern(r"(?m)^server\+?:[ \t]*['\"]?https?://[^\s'\"]*:9345\b")
# Hyphenated flags whose names other programs use as well: they make no file K3s's by themselves.
_SHARED_NAMES = frozenset(
    {
        "alsologtostderr", "bind-address", "cluster-cidr", "cluster-dns", "cluster-domain", "config", "data-dir",
        "debug", "docker", "log", "node-ip", "node-name", "server", "service-cidr", "token", "v", "vmodule",
        "advertise-address", "service-node-port-range", "node-label", "token-file", "cluster-secret",
    }
)  # fmt: skip
_TEMPLATE = pattern(r"\{\{|\{%|<%|%\{|(?m:^\s*\$\{)")
_KEY = pattern(r"(?m)^([a-z][a-z0-9]*(?:-[a-z0-9]+)+)\+?:(?:[ \t]|$)")


_INDENTED_KEY = pattern(r"(?m)^[ \t]*([a-z][a-z0-9]*(?:-[a-z0-9]+)+)\+?:")


def path_claims(path: str) -> bool:
    """Whether a path alone makes a file K3s's: below `rancher/k3s/`, where K3s looks for it."""
    return _PATH.search(path) is not None


def is_rke2(text: Text, root: Mapping | None, path: str) -> bool:
    """Whether a config is RKE2's, which shares K3s's format but not its rules."""
    if path_claims(path):
        return False
    if _RKE2_PATH.search(path) or _RKE2_SERVER.search(str(text)):
        return True
    if root is None:
        return False
    disabled = root.last("disable")
    items = disabled.items if isinstance(disabled, Sequence) else (disabled,)
    names_charts = any(isinstance(item, Scalar) and str(item).startswith("rke2-") for item in items)
    return names_charts or any(str(key).rstrip("+") in _RKE2_KEYS for key, _ in root.entries)


def is_config(root: Mapping, path: str) -> bool:
    """Whether a mapping is a K3s config, by its path or its keys."""
    if path_claims(path):
        return True
    names = {str(key).rstrip("+") for key, _ in root.entries} - {"sops"}
    if names & {"apiVersion", "kind"}:
        return False
    table = flags()
    exact = {name for name in names if len(name) > 1 and (table.get(name) or table.removed(name))}
    # A slip of the pen makes no other program's file; nor does it make another's file K3s's (crictl's has one key,
    # `runtime-endpoint`).
    known = exact | {name for name in names - exact if "-" in name and table.nearest(name)}
    telling = {name for name in known if "-" in name and name not in _SHARED_NAMES}
    unknown = names - known
    if not telling or not exact:
        # Generic keys only, such as `server` and `token` of an agent: the name of the file or folder decides.
        named = re.search(r"(?i)k3s[^/]*(?:/(?!values)[^/]*)?$", path) is not None
        nested = any(isinstance(value, Mapping) for _, value in root.entries)
        shared = {name for name in known if "-" in name} | (known & {"token", "server"})
        return bool(named and shared and not unknown and not nested and len(known) >= 2)
    return not unknown or (len(telling) >= 2 and len(unknown) * 2 <= len(known))


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read a text that is known to be a K3s config, for instance one that a script writes."""
    yield from read_document(text, read_yaml(text), path, host=host, claimed=True)


def read_document(
    text: Text, document: Document, path: str, *, host: str | None = None, claimed: bool = False
) -> Iterator[Fragment]:
    """Read a composed YAML file as a K3s config where it is one; yields nothing where it is not."""
    if passed_over(path):
        yield from _unread(document, path)
        return
    root = document.root
    mapping = root if isinstance(root, Mapping) else None
    claimed = claimed or path_claims(path)
    if root is None and document.error is not None:
        yield from _unparsable(text, document, path, host, claimed=claimed)
        return
    if root is not None and mapping is None:
        if claimed and str(root.written).strip():
            template = _TEMPLATE.search(str(text)) is not None or not text.known
            if template:
                yield NotJudged(text.span.source.path)
            flat = BrokenFile(root.written, "the top level must be a mapping of flags to values", "K3s")
            yield ConfigFile(text, (), path, host, open=(text[:0],), error=None if template else flat)
        return
    if mapping is None and not claimed:
        return
    of_rke2 = is_rke2(text, mapping, path)
    by_path = of_rke2 and _RKE2_PATH.search(path)
    if mapping is not None and not claimed and not by_path and not is_config(mapping, path):
        return
    if of_rke2:
        span = text.span
        place = span.source.path if span.start == 0 else f"{span.source.path}:{span.line}"
        yield OfRke2(place)
        return
    entries = [] if mapping is None else [entry for entry in config_entries(mapping) if str(entry.key) != "sops"]
    named = tuple(entry for entry in entries if entry.key.known)
    # A key that a template makes may be any.
    may_be_any = tuple(entry.key for entry in entries if not entry.key.known)
    yield ConfigFile(text, named, path, host, (*document.open, *may_be_any), error=_refused(text, mapping))


def _refused(text: Text, mapping: Mapping | None) -> BrokenFile | None:
    """Return why K3s cannot decode a file that has no syntax error."""
    source = text.span.source
    if source.flaw is not None and text.span.start <= source.flaw < text.span.end:
        return BrokenFile(source.text[source.flaw : source.flaw + 1], "the file is not UTF-8", "K3s")
    refused = None if mapping is None else refusal(mapping)
    return None if refused is None else BrokenFile(refused.at, refused.reason, "K3s")


def _unparsable(text: Text, document: Document, path: str, host: str | None, *, claimed: bool) -> Iterator[Fragment]:
    content = str(text)
    if not claimed:
        table = flags()
        telling = {name for name in _KEY.findall(content) if name not in _SHARED_NAMES and table.get(name)}
        claimed = len(telling) >= 2
    if not claimed or is_rke2(text, None, path):
        return
    error = None
    if _TEMPLATE.search(content) or not text.known:
        yield NotJudged(text.span.source.path)
    elif document.error is not None:
        error = BrokenFile(document.error.at, document.error.reason, "K3s")
    # What it would set is not known, which whoever concludes from absence has to ask.
    yield ConfigFile(text, (), path, host, open=(text[:0],), error=error)


def passed_over(path: str) -> bool:
    """Whether a file lies in a folder of drop-ins, and K3s passes it over all the same.

    By its ending, or because it lies in a folder in the folder (K3s pkg/configfilearg/parser.go, dotDFiles).
    """
    return _BELOW_DROP_INS.search(path) is not None and not is_drop_in(path)


def _unread(document: Document, path: str) -> Iterator[Fragment]:
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
            yield Credential(str(key), key, secret, Form.CONFIG, value.tag)


def is_drop_in(path: str) -> bool:
    """Whether a path is that of a drop-in: a YAML file in `<main file>.d/`."""
    return _DROP_IN.search(path) is not None


_WORDS = ("k3s", "k3d.io/", "helm.cattle.io/", "KThrees")


def may_be_skipped(content: str) -> bool:
    """Whether a YAML text can be neither a config nor a manifest of K3s, so that composing it is in vain."""
    if any(word in content for word in _WORDS):
        return False
    return set(_INDENTED_KEY.findall(content)).isdisjoint(flags().hyphenated)
