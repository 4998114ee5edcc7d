"""k3d's config files: a cluster whose nodes are containers (k3d-io/k3d pkg/config, v1alpha2 to v1alpha5).

k3d fills in variables of its environment first (cmd/util/config/config.go), and takes `kind` in any case. Of its kinds
only `Simple` can be given to `k3d cluster create`.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.interpolate import interpolated
from k3s_policy.formats.tree import Mapping, Scalar
from k3s_policy.k3s.places import CONFIG, DATA, REGISTRIES
from k3s_policy.model.file import File
from k3s_policy.model.fragment import Copy
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.k3d import ClusterPlan, Given, K3dNode, nodes
from k3s_policy.model.lower import Variable
from k3s_policy.model.mount import mounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.tree import Document
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

# What k3d puts in place of the first part of a path (pkg/types/k3s/paths.go).
_SHORTCUTS = {
    "k3s-storage": f"{DATA}/storage",
    "k3s-manifests": f"{DATA}/server/manifests",
    "k3s-manifests-custom": f"{DATA}/server/manifests/custom",
}


def claims(seen: Seen) -> bool:
    """Whether a file is a config of k3d's, of whatever kind."""
    return any(isinstance(root, Mapping) and _is_k3d(root) for root in seen.document.roots)


def _is_k3d(root: Mapping) -> bool:
    return str(root.scalar("apiVersion") or "").startswith("k3d.io/")


def read(seen: Seen) -> Iterator[Found]:
    """Yield what each node of a cluster is started with, and the files that k3d puts into it."""
    for root in seen.document.roots:
        kind = root.scalar("kind") if isinstance(root, Mapping) and _is_k3d(root) else None
        if isinstance(root, Mapping) and kind is not None and str(kind).lower() == "simple":
            yield from _cluster(root, kind, seen.document, seen.source)


def _cluster(root: Mapping, kind: Scalar, document: Document, path: str) -> Iterator[Found]:
    plan = ClusterPlan(
        path=path,
        at=kind.text,
        name=_filled(root.scalar("metadata", "name") or root.scalar("name")),
        servers=_filled(root.scalar("servers")),
        agents=_filled(root.scalar("agents")),
        image=_filled(root.scalar("image")),
        arguments=tuple(_arguments(root)),
        labels=tuple(_given(root, "label", "options", "k3s", "nodeLabels")),
        variables=tuple(_given(root, "envVar", "env")),
        token=_token(root),
        unseen=tuple(Unseen(Input.ARGUMENTS, "a template may add settings", text) for text in document.open_places),
    )
    every = list(nodes(plan))
    volumes = list(_given(root, "volume", "volumes"))
    for node in every:
        mounts = list(_mounts(node, volumes, path))
        yield from (mount for mount in mounts if isinstance(mount, Copy))
        yield from _files(node, root, path)
        hidden = (mount for mount in mounts if isinstance(mount, Unseen))
        yield replace(node.start, unseen=(*node.start.unseen, *hidden))
    yield from _registries(root, every[0].host)


def _token(root: Mapping) -> Variable | None:
    """Return the variable that k3d makes of `token`."""
    given = [(key, value) for key, value in root.entries if str(key) == "token" and isinstance(value, Scalar)]
    if not given or not given[-1][1].text:
        return None
    key, value = given[-1]
    return Variable(key.text.stand_in("K3S_TOKEN"), interpolated(value.text), Form.K3D, tag=value.tag)


def _filled(scalar: Scalar | None) -> Text | None:
    return interpolated(scalar.text) if scalar is not None and scalar.text else None


def _arguments(root: Mapping) -> Iterator[Given]:
    """Yield the arguments of K3s; up to v1alpha2 they are lists by role, later each names its nodes."""
    for key, filters in (("extraServerArgs", ("server:*",)), ("extraAgentArgs", ("agent:*",))):
        for item in root.items("options", "k3s", key):
            if isinstance(item, Scalar):
                yield Given(interpolated(item.text), filters)
    yield from _given(root, "arg", "options", "k3s", "extraArgs")


def _given(root: Mapping, key: str, *route: str) -> Iterator[Given]:
    """Yield what stands below `key` in the items of a list, with the nodes that it is for."""
    for item in root.items(*route):
        value = item.scalar(key) if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and value is not None and value.text:
            yield Given(interpolated(value.text), _filters(item))


def _filters(item: Mapping) -> tuple[str, ...]:
    return tuple(str(one) for one in item.items("nodeFilters") if isinstance(one, Scalar) and one.text)


def _mounts(node: K3dNode, volumes: Iterable[Given], path: str) -> Iterator[Copy | Unseen]:
    """Yield what is mounted where a node has its configuration."""
    for volume in volumes:
        source, colon, rest = volume.text.partition(":")
        if colon and node.meets(volume.filters or ("all",)):
            mount = mounted(source, rest.partition(":")[0], node.host, path)
            if mount is not None:
                yield mount


def _files(node: K3dNode, root: Mapping, path: str) -> Iterator[Found]:
    """Read the files that are written into a node: what stands in the config itself, or a path beside it."""
    for item in root.items("files"):
        if not isinstance(item, Mapping) or not node.meets(_filters(item) or ("all",)):
            continue
        source, destination = item.scalar("source"), item.scalar("destination")
        if source is None or destination is None:
            continue
        first, slash, rest = str(destination).partition("/")
        target = posixpath.join(_SHORTCUTS[first], rest) if slash and first in _SHORTCUTS else str(destination)
        if _is_content(source):
            yield File(text=interpolated(source.text), path=target, host=node.host)
        elif target.startswith(CONFIG):
            yield Copy(interpolated(source.text), target, node.host, path)


def _registries(root: Mapping, host: str) -> Iterator[Found]:
    """Read `registries.config`, which k3d writes to every node, once; a path names a file that is read by itself."""
    config = root.scalar("registries", "config")
    if config is not None and _is_content(config):
        yield File(text=interpolated(config.text), path=REGISTRIES, host=host)


def _is_content(source: Scalar) -> bool:
    """Whether a text is a file's content, and no path (k3d pkg/config/transform.go)."""
    return "\n" in str(source)
