"""Cluster files of hetzner-k3s, which makes servers at Hetzner and runs K3s's install script on them.

On embedded etcd, as usual, the first server gets `--cluster-init` and the others `--server`; with `mode: external`
all get K3S_DATASTORE_ENDPOINT. The token is the tool's (vitobotta/hetzner-k3s src/kubernetes/script/master_generator.cr
and templates/master_install_script.sh). Versions before 2 had the settings of networks at the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, resolve
from k3s_policy.k3s.places import INSTALLED_PROGRAM, REGISTRIES, ReadAs
from k3s_policy.k3s.version import Version
from k3s_policy.model.cluster import Group
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.subjects import Credential
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_COMPONENTS = {
    "kube_api_server_args": "--kube-apiserver-arg",
    "kube_scheduler_args": "--kube-scheduler-arg",
    "kube_controller_manager_args": "--kube-controller-manager-arg",
    "kube_cloud_controller_manager_args": "--kube-cloud-controller-manager-arg",
    "kubelet_args": "--kubelet-arg",
    "kube_proxy_args": "--kube-proxy-arg",
}
_NETWORKS = {
    "cluster_cidr": "--cluster-cidr",
    "service_cidr": "--service-cidr",
    "cluster_dns": "--cluster-dns",
    "cluster_domain": "--cluster-domain",
}
_SNAPSHOTS = {
    "snapshot_retention": "--etcd-snapshot-retention",
    "snapshot_schedule_cron": "--etcd-snapshot-schedule-cron",
}
_RETENTION = "24"
"""Snapshots that are kept where the file does not say how many (src/configuration/models/datastore_config/etcd.cr)."""
_BUCKET = {
    "s3_region": "--etcd-s3-region",
    "s3_bucket": "--etcd-s3-bucket",
    "s3_folder": "--etcd-s3-folder",
}
"""The keys of the bucket are arguments as well, which nobody can change."""
_HOST = pattern(r"(?:[a-z]+://(?=[^/:]+))?(?P<host>(?<=://)[^/:]+|.+)")
"""Of an address only the host is passed on."""
_COMMANDS = ("additional_pre_k3s_commands", "additional_post_k3s_commands", "post_create_commands")
_NUMBER = pattern(r"[1-9][0-9]{0,2}")
_MOST = 9
"""Servers that are looked at: more of them are started alike."""


def claims(seen: Seen) -> bool:
    """Whether a file describes a cluster to hetzner-k3s."""
    root = seen.document.root
    return isinstance(root, Mapping) and all(
        root.last(name) is not None for name in ("cluster_name", "k3s_version", "masters_pool")
    )


def read(seen: Seen) -> Iterator[Found]:
    """Yield what each server is started with, and what stands in the file beside."""
    root = seen.document.root
    release = root.scalar("k3s_version") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or release is None:
        return
    count = root.scalar("masters_pool", "instance_count")
    at = count.text if count is not None else release.text
    several = count is not None and _NUMBER.fullmatch(str(count))
    group = Group(host_at(release.text), "the masters of one hetzner-k3s cluster", at)
    for number in range(min(int(str(count)), _MOST) if several else 1):
        yield _start(root, release.text, number, at, group)
    yield from _beside(root, f"{group.name}-0")


def _start(root: Mapping, release: Text, number: int, at: Text, group: Group) -> Start:
    version = Version.parse(str(release))
    external = str(root.scalar("datastore", "mode") or "") == "external"
    words = list(_arguments(root))
    if not external and number == 0:
        words.append(at.stand_in("--cluster-init"))
    return Start(
        at=at,
        role="server",
        role_reason="hetzner-k3s makes its masters servers",
        arguments=tuple(map(Argument, words)),
        form=Form.CONFIG,
        variables=tuple(_variables(root, at, external=external, joins=number > 0)),
        version=version,
        unseen=() if version is not None else (Unseen(Input.VERSION, "the release is not written out", release),),
        host=f"{group.name}-{number}",
        isolated=True,
        words=(at.stand_in(INSTALLED_PROGRAM), at.stand_in("server"), *words),
        group=group,
    )


def _arguments(root: Mapping) -> Iterator[Text]:
    for key, flag in _COMPONENTS.items():
        for item in root.items(key):
            if isinstance(item, Scalar):
                yield from (item.text[:0].stand_in(flag), item.text)
    for networks in (root.get("networking"), root):
        yield from _pairs(networks, _NETWORKS)
    if str(root.scalar("datastore", "mode") or "etcd") == "etcd":
        yield from _snapshots(root.get("datastore", "etcd"))
    for route in (("addons", "embedded_registry_mirror"), ("embedded_registry_mirror",)):
        enabled = root.scalar(*route, "enabled")
        if enabled is not None and _is_on(enabled):
            yield enabled.text.stand_in("--embedded-registry")


def _snapshots(etcd: object) -> Iterator[Text]:
    """Yield when snapshots are taken, how many are kept, and the bucket they go to."""
    yield from _pairs(etcd, _SNAPSHOTS)
    if not isinstance(etcd, Mapping):
        return
    schedule, enabled = etcd.scalar("snapshot_schedule_cron"), etcd.scalar("s3_enabled")
    if schedule is not None and etcd.last("snapshot_retention") is None:
        yield from (schedule.text[:0].stand_in("--etcd-snapshot-retention"), schedule.text[:0].stand_in(_RETENTION))
    endpoint = etcd.scalar("s3_endpoint")
    if enabled is not None and _is_on(enabled) and endpoint is not None and (match := _HOST.match(str(endpoint))):
        yield from (enabled.text.stand_in("--etcd-s3"), endpoint.text[:0].stand_in("--etcd-s3-endpoint"))
        yield endpoint.text.cut(match, "host")
        yield from _pairs(etcd, _BUCKET)


def _is_on(value: Scalar) -> bool:
    return resolve(str(value), plain=value.plain) == "true"


def _pairs(settings: object, flags: dict[str, str]) -> Iterator[Text]:
    for key, value in settings.entries if isinstance(settings, Mapping) else ():
        if str(key) in flags and isinstance(value, Scalar) and value.text:
            yield from (key.text.stand_in(flags[str(key)]), value.text)


def _variables(root: Mapping, at: Text, *, external: bool, joins: bool) -> Iterator[Variable]:
    made = at.supplied("made by hetzner-k3s")
    yield Variable(at.stand_in("K3S_TOKEN"), made, Form.CONFIG)
    if joins and not external:
        yield Variable(at.stand_in("K3S_URL"), made, Form.CONFIG)
    datastore = root.get("datastore")
    for key, value in datastore.entries if external and isinstance(datastore, Mapping) else ():
        if str(key) == "external_datastore_endpoint" and isinstance(value, Scalar):
            yield Variable(key.text.stand_in("K3S_DATASTORE_ENDPOINT"), value.text, Form.CONFIG, tag=value.tag)


def _beside(root: Mapping, host: str) -> Iterator[Found]:
    """Yield the keys of the snapshots' bucket, the registries, and what the commands of every host do."""
    etcd = root.get("datastore", "etcd")
    for key, value in etcd.entries if isinstance(etcd, Mapping) else ():
        if str(key) in ("s3_access_key", "s3_secret_key") and isinstance(value, Scalar) and value.text:
            yield Credential(what=str(key), at=key.text, value=value.text, form=Form.CONFIG, tag=value.tag)
    registries = root.scalar("addons", "embedded_registry_mirror", "private_registry_config")
    if registries is not None:
        yield File(text=registries.text, path=REGISTRIES, host=host)
    commands = [item.text for name in _COMMANDS for item in root.items(name) if isinstance(item, Scalar)]
    if commands:
        yield File(text=join(commands, "\n"), path="", read_as=ReadAs.SCRIPT, host=host)
