"""Which mappings are configs of K3s, which are RKE2's, and which options only K3s has.

`config.yaml` means nothing: most files of that name are other programs'. A mapping is a config of K3s where its path
says so, or where its keys are flags of K3s and one of them is hyphenated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import ReadAs, belongs_to_rke2, of_path
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from k3s_policy.text import Text

__all__ = ["SHARED_NAMES", "TELLING_OPTION", "is_config", "is_config_path", "is_rke2"]

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

SHARED_NAMES = frozenset(
    {
        "alsologtostderr", "bind-address", "cluster-cidr", "cluster-dns", "cluster-domain", "config", "data-dir",
        "debug", "docker", "log", "node-ip", "node-name", "server", "service-cidr", "token", "v", "vmodule",
        "advertise-address", "service-node-port-range", "node-label", "token-file", "cluster-secret",
    }
)  # fmt: skip
"""Flags whose names other programs use as well: they make no file K3s's by themselves."""

TELLING_OPTION = pattern(
    r"--(?:datastore-(?:endpoint|cafile|certfile|keyfile)|etcd-s3(?:-[a-z-]+)?|etcd-snapshot-[a-z-]+|flannel-(?:backend|iface|conf)"
    r"|write-kubeconfig(?:-mode|-group)?|cluster-init|no-deploy|disable-agent|disable-cloud-controller|kube-apiserver-arg)(?:=|$)"
)
"""Options that no other program has: any one of them makes the words beside it K3s's."""


def is_config_path(path: str) -> bool:
    """Whether a path alone makes a file a config of K3s: below `rancher/k3s/`, where K3s looks for it."""
    return of_path(path) is ReadAs.CONFIG


def is_rke2(text: Text, root: Mapping | None, path: str) -> bool:
    """Whether a config is RKE2's, which shares K3s's format but not its rules."""
    if is_config_path(path):
        return False
    if belongs_to_rke2(path) or _RKE2_SERVER.search(str(text)):
        return True
    if root is None:
        return False
    disabled = root.last("disable")
    items = disabled.items if isinstance(disabled, Sequence) else (disabled,)
    names_charts = any(isinstance(item, Scalar) and str(item).startswith("rke2-") for item in items)
    return names_charts or any(str(key).rstrip("+") in _RKE2_KEYS for key, _ in root.entries)


def is_config(root: Mapping, path: str) -> bool:
    """Whether a mapping is a K3s config, by its path or its keys."""
    if is_config_path(path):
        return True
    names = {str(key).rstrip("+") for key, _ in root.entries} - {"sops"}
    if names & {"apiVersion", "kind"}:
        return False
    table = flags()
    exact = {name for name in names if len(name) > 1 and (table.get(name) or table.removed(name))}
    # A slip of the pen makes no other program's file; nor does it make another's file K3s's (crictl's has one key,
    # `runtime-endpoint`).
    known = exact | {name for name in names - exact if "-" in name and table.nearest(name)}
    telling = {name for name in known if "-" in name and name not in SHARED_NAMES}
    unknown = names - known
    if not telling or not exact:
        return not unknown and _is_generic_config(root, known, path)
    return not unknown or (len(telling) >= 2 and len(unknown) * 2 <= len(known))


_NAMED_FOR_K3S = pattern(r"(?i)k3s[^/]*(?:/(?!values)[^/]*)?$")


def _is_generic_config(root: Mapping, keys: AbstractSet[str], path: str) -> bool:
    """Whether generic keys such as `server` and `token` of an agent are K3s's: the name of file or folder decides."""
    if _NAMED_FOR_K3S.search(path) is None or any(isinstance(value, Mapping) for _, value in root.entries):
        return False
    return len(keys) >= 2 and any("-" in key or key in ("token", "server") for key in keys)
