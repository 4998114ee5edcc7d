"""Kubernetes manifests: containers that run a k3s image, and files that ConfigMaps and Secrets hold.

Objects of some groups have modules of their own in this package.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, cast

from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.formats.user_data_kind import is_cloud_config
from k3s_policy.k3s import program
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import IMAGE_PROGRAM, ReadAs
from k3s_policy.k3s.version import Version
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import Database, OtherCommand, S3Secret, Service, Start, Workload
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.release import release_of
from k3s_policy.model.subjects import Credential
from k3s_policy.text import Run, Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.model.fragment import Fragment

    class _ObjectReader(Protocol):
        """A module for the objects of one group."""

        def read_object(self, root: Mapping) -> Iterator[Found]:
            """Yield what an object holds."""


__all__ = ["claims", "read"]

_PROGRAM = re.compile(r"(?:^|/)k3s$")
_ROLES = frozenset({"server", "agent"})
# `sensitive` keys of the Secret that `etcd-s3-config-secret` names (K3s pkg/etcd/s3/config_secret.go).
_S3_SECRET_TYPE = "etcd.k3s.cattle.io/s3-config-secret"  # noqa: S105  a type's name
_S3_SECRET_KEYS = frozenset({"etcd-s3-access-key", "etcd-s3-secret-key", "etcd-s3-session-token"})
_DEEPEST = 12
_ENCODED_PARTS = frozenset({("Secret", "data"), ("ConfigMap", "binaryData")})
"""Where the values of an object are base64, by its kind."""
_USER_DATA = "userDataBase64"
"""The key of KubeVirt's volumes `cloudInitNoCloud` and `cloudInitConfigDrive` that holds user-data in base64."""
_READERS = {
    "helm.cattle.io": "chart",
    "upgrade.cattle.io": "rancher",
    "provisioning.cattle.io": "rancher",
    "bootstrap.cluster.x-k8s.io": "cluster_api",
    "controlplane.cluster.x-k8s.io": "cluster_api",
}
"""The modules that read the objects of some groups, beside the containers that any other object may hold."""
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


def claims(seen: Seen) -> bool:
    """Whether a file holds a Kubernetes object or a list of such."""
    return any(
        isinstance(root, Mapping) and root.last("apiVersion") is not None and root.last("kind") is not None
        for root in seen.document.roots
    )


def read(seen: Seen) -> Iterator[Found]:
    """Read every object of a manifest file."""
    # What an alias stands for is judged once, however often it is repeated.
    done: set[int] = set()
    for root in seen.document.roots:
        if isinstance(root, Mapping):
            yield from _object(root, done)


def _object(root: Mapping, done: set[int]) -> Iterator[Found]:
    if id(root) in done:
        return
    kind = str(root.scalar("kind") or "")
    reader = _READERS.get(str(root.scalar("apiVersion") or "").partition("/")[0])
    if reader is not None:
        done.add(id(root))
        module = cast("_ObjectReader", import_module(f"k3s_policy.readers.manifest.{reader}"))
        yield from module.read_object(root)
    elif kind.endswith("List") and root.items("items"):
        done.add(id(root))
        for item in root.items("items"):
            if not isinstance(item, Mapping):
                continue
            if kind in ("ConfigMapList", "SecretList"):
                # Its items need not say again what they are.
                done.add(id(item))
                yield from _data(item, kind.removesuffix("List"))
            else:
                yield from _object(item, done)
    elif kind in ("ConfigMap", "Secret"):
        yield from _data(root, kind)
    elif kind == "Service":
        yield from _service(root)
    else:
        yield from _workloads(root, done)


def _workloads(root: Mapping, done: set[int]) -> Iterator[Found]:
    """Read the containers of an object, and the user-data of a virtual machine."""
    workload = _workload(root)
    for found in _containers(root.last("spec"), 0, done):
        match found:
            case Start() | Database():
                yield replace(found, workload=workload)
            case File():
                yield found._replace(
                    said=replace(Start.without_words(found.text[:0], Form.CONTAINER), workload=workload)
                )
            case _:
                yield found
    written = str(root.written)
    if "cloud-config" in written or _USER_DATA in written:
        for key, value in _scalars("", root, 0, set()):
            text = _decoded(value.text) if key == _USER_DATA else value.text
            # A script is user-data too.
            if text is not None and (key == _USER_DATA or is_cloud_config(str(text))):
                yield File(text=text, path="", read_as=ReadAs.USER_DATA)


def _scalars(key: str, node: YamlNode, depth: int, done: set[int]) -> Iterator[tuple[str, Scalar]]:
    """Yield every value below a node, with the nearest key above it."""
    if depth > _DEEPEST or id(node) in done:
        return
    done.add(id(node))
    if isinstance(node, Scalar):
        yield key, node
        return
    children = ((key, item) for item in node.items) if isinstance(node, Sequence) else node.entries
    for name, child in children:
        yield from _scalars(str(name), child, depth + 1, done)


def _service(root: Mapping) -> Iterator[Found]:
    name = root.scalar("metadata", "name")
    selector = _labels(root, "spec", "selector")
    if name is not None and selector:
        yield Service(name.text, str(root.scalar("metadata", "namespace") or ""), selector)


def _workload(root: Mapping) -> Workload | None:
    name = root.scalar("metadata", "name")
    if name is None:
        return None
    in_template = _labels(root, "spec", "template", "metadata", "labels")
    copies = root.scalar("spec", "replicas")
    several = copies is not None and copies.text.known and _NUMBER.fullmatch(str(copies)) and str(copies) != "1"
    return Workload(
        name.text,
        str(root.scalar("metadata", "namespace") or ""),
        in_template or _labels(root, "metadata", "labels"),
        copies.text if several and copies is not None else None,
    )


def _labels(root: Mapping, *path: str) -> frozenset[tuple[str, str]]:
    node: YamlNode | None = root
    for name in path:
        node = node.last(name) if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping):
        return frozenset()
    return frozenset((str(key), str(value)) for key, value in node.entries if isinstance(value, Scalar))


def _containers(node: YamlNode | None, depth: int, done: set[int]) -> Iterator[Fragment | File]:
    """Find containers wherever a workload keeps its pod template."""
    if node is None or depth > _DEEPEST or id(node) in done:
        return
    done.add(id(node))
    if isinstance(node, Mapping):
        for key, value in node.entries:
            if str(key) in ("containers", "initContainers", "ephemeralContainers") and isinstance(value, Sequence):
                for container in value.items:
                    if isinstance(container, Mapping):
                        yield from _container(container)
            elif not isinstance(value, Scalar):
                yield from _containers(value, depth + 1, done)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _containers(item, depth + 1, done)


def _container(container: Mapping) -> Iterator[Fragment | File]:
    image = container.scalar("image")
    if image is None:
        return
    if program.is_database(str(image)):
        yield Database(image.text)
    if program.image(str(image)) is None:
        return
    words = _words(container)
    runs_k3s = bool(words) and _PROGRAM.search(str(words[0])) is not None
    if container.items("command") and not runs_k3s:
        # Another program starts K3s inside this container: what it does with its words was not seen.
        yield from _scripted(container)
        return
    if runs_k3s and len(words) > 1 and str(words[1]) in flags().commands:
        _, command, *arguments = words
        yield OtherCommand(command, str(command), tuple(map(Argument, arguments)), Form.CONTAINER)
        return
    yield from _starts(container, image.text, words if runs_k3s else [image.text.stand_in(IMAGE_PROGRAM), *words])


def _starts(container: Mapping, image: Text, words: list[Text]) -> Iterator[Start]:
    """Yield what a container starts K3s with, unless its first argument is no role that is known."""
    arguments = words[1:]
    place = next((number for number, word in enumerate(arguments) if str(word) in _ROLES), None)
    if place is None and arguments and not arguments[0].startswith("-"):
        return
    match = program.image(str(image))
    yield Start(
        at=image,
        # The image's own default command is `agent`, but a wrapper may add the role.
        role=str(arguments[place]) if place is not None else None,
        arguments=tuple(Argument(_expanded(word)) for number, word in enumerate(arguments) if number != place),
        form=Form.CONTAINER,
        variables=tuple(_variables(container)),
        version=Version.parse((match["tag"] if match else None) or ""),
        release=release_of(image),
        unseen=tuple(_unseen(container)),
        isolated=True,
        words=tuple(map(_expanded, words)),
    )


def _words(container: Mapping) -> list[Text]:
    """Return the words that a container is started with."""
    return [item.text for name in ("command", "args") for item in container.items(name) if isinstance(item, Scalar)]


def _scripted(container: Mapping) -> Iterator[File]:
    words = _words(container)
    if len(words) >= 2 and program.is_shell(str(words[0])) and words[-2].startswith("-"):
        yield File(
            text=words[-1],
            path="",
            read_as=ReadAs.SCRIPT,
            form=Form.CONTAINER,
            given=tuple(_variables(container)),
        )


def _variables(container: Mapping) -> Iterator[Variable]:
    for item in container.items("env"):
        if not isinstance(item, Mapping):
            continue
        name = item.scalar("name")
        value = item.scalar("value")
        if name is None:
            continue
        if value is not None:
            yield Variable(name.text, _expanded(value.text), Form.CONTAINER)
        elif isinstance(source := item.last("valueFrom"), Mapping):
            # A reference: given, and not here.
            yield Variable(name.text, source.written.stand_in("$(valueFrom)", known=False), Form.CONTAINER)


def _expanded(value: Text) -> Text:
    """Mark `$(NAME)`, which the kubelet replaces by another variable."""
    if "$(" not in str(value):
        return value
    runs: list[Run] = []
    position = 0
    for match in re.finditer(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)", str(value)):
        runs.extend(value[position : match.start()].runs)
        runs.extend(value.cut(match).unknown().runs)
        position = match.end()
    return Text((*runs, *value[position:].runs))


def _unseen(container: Mapping) -> Iterator[Unseen]:
    image = container.scalar("image")
    if image is not None and (not image.text.known or re.search(r"\{\{|\$\{|<%", str(image))):
        yield Unseen(Input.VERSION, "the release is filled in", image.text)
    if container.items("envFrom"):
        yield Unseen(Input.ENVIRONMENT, "envFrom takes variables from a ConfigMap or Secret")
    for mount in container.items("volumeMounts"):
        target = mount.scalar("mountPath") if isinstance(mount, Mapping) else None
        if target and "rancher" in str(target):
            yield Unseen(Input.CONFIG, f"a volume is mounted at {target}")


def _data(root: Mapping, of_kind: str) -> Iterator[Found]:
    """Read what a ConfigMap or a Secret holds: each key is the name of a file where it is mounted."""
    secret = of_kind == "Secret"
    kind = root.scalar("type")
    s3_settings = kind is not None and str(kind) == _S3_SECRET_TYPE
    entries = []
    for part in ("data", "stringData") if secret else ("data", "binaryData"):
        node = root.last(part)
        for key, value in node.entries if isinstance(node, Mapping) else ():
            if not isinstance(value, Scalar):
                continue
            text = _decoded(value.text) if (of_kind, part) in _ENCODED_PARTS else value.text
            encrypted = str(value).startswith("ENC[")
            entries.append((key.text, value.text.unknown() if text is None or encrypted else text))
            if text is None:
                continue
            if s3_settings and str(key) in _S3_SECRET_KEYS:
                yield Credential(what=str(key), at=key.text, value=text, form=Form.CONFIG, tag=value.tag)
            elif not encrypted:
                yield _file(root, str(key), text)
    if s3_settings and kind is not None and secret:
        namespace = root.scalar("metadata", "namespace")
        yield S3Secret(kind.text, tuple(entries), namespace.text if namespace is not None else None)


def _file(root: Mapping, key: str, text: Text) -> File:
    """Return what a key holds: a file of the folder that the object is mounted at, of which its name may tell."""
    if is_cloud_config(str(text)):
        return File(text=text, path="", read_as=ReadAs.USER_DATA)
    # A key without an ending is the name of any file: one that looks like YAML is read as such.
    mapping = "." not in key and not text.startswith("#!") and _MAPPING.search(str(text)) is not None
    ending = ".yaml" if mapping else ""
    return File(text=text, path=f"{root.scalar('metadata', 'name') or ''}/{key}{ending}", host=host_at(text))


_MAPPING = re.compile(r"(?m)^[a-z][a-z0-9-]*\+?:")


def _decoded(value: Text) -> Text | None:
    from base64 import b64decode  # few objects need it

    from k3s_policy.formats.encoded import unpacked  # likewise

    try:
        decoded = unpacked(b64decode(str(value), validate=False)).decode()
    except ValueError:
        return None
    return value.stand_in(decoded)
