"""Rancher's objects that say something of K3s clusters: Plans that upgrade them, and Clusters that Rancher sets up.

A Plan runs an image on every node that it selects (rancher/system-upgrade-controller pkg/apis/upgrade.cattle.io/v1); a
Cluster's `machineGlobalConfig` holds flags of K3s, as its config file does, and so does `machineSelectorConfig` for
some of its nodes (rancher/rancher pkg/apis/rke.cattle.io/v1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, arrives
from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import CONFIG_OF_RANCHER
from k3s_policy.k3s.version import Version
from k3s_policy.model.file import host_at
from k3s_policy.model.fragment import ConfigFile, Start, Upgrade
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import config_entries
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found
    from k3s_policy.model.lower import ConfigEntry

__all__ = ["read_object"]

_UPGRADE = pattern(r"(?:^|/)k3s-upgrade(?:[:@].*)?$")


def read_object(root: Mapping) -> Iterator[Found]:
    """Yield the upgrade of a Plan with the credentials it gives, or what a Cluster has its nodes configured with."""
    kind, spec = str(root.scalar("kind") or ""), root.get("spec")
    if isinstance(spec, Mapping) and kind == "Plan":
        yield from _plan(root, spec)
    elif isinstance(spec, Mapping) and kind == "Cluster":
        yield from _cluster(spec)


def _plan(root: Mapping, spec: Mapping) -> Iterator[Found]:
    image = spec.scalar("upgrade", "image")
    if image is not None and _UPGRADE.search(str(image)):
        name = root.scalar("metadata", "name") or image
        version, channel = spec.scalar("version"), spec.scalar("channel")
        yield Upgrade(name.text, image.text, version.text if version else None, channel.text if channel else None)
    for part in ("prepare", "upgrade"):
        for item in spec.items(part, "envs"):
            if isinstance(item, Mapping):
                yield from _credentials(item)


def _credentials(item: Mapping) -> Iterator[Credential]:
    """Yield the credentials in a variable of K3s's own."""
    name, value = item.scalar("name"), item.scalar("value")
    if name is None or value is None:
        return
    for flag in flags().by_environment(str(name)):
        for secret in credential.secrets(flag, value.text):
            yield Credential(
                what=str(name),
                at=name.text,
                value=secret,
                form=Form.CONTAINER,
                tag=value.tag,
                is_whole=not flag.embeds_credentials,
            )


def _cluster(spec: Mapping) -> Iterator[Found]:
    """Read the config that all nodes get; RKE2 has the same objects, and its own releases."""
    release = spec.scalar("kubernetesVersion")
    config = spec.get("rkeConfig", "machineGlobalConfig")
    version = Version.parse(str(release)) if release is not None and "+k3s" in str(release) else None
    if release is None or version is None:
        return
    for item in spec.items("rkeConfig", "machineSelectorConfig"):
        # What some of the nodes get besides.
        own = item.get("config") if isinstance(item, Mapping) else None
        if isinstance(own, Mapping) and own.entries:
            yield ConfigFile(
                text=own.written,
                entries=_entries(own),
                path=CONFIG_OF_RANCHER,
                host=host_at(own.written),
                open_places=(own.written,),
            )
    if not isinstance(config, Mapping):
        return
    host = host_at(release.text)
    yield ConfigFile(config.written, _entries(config), CONFIG_OF_RANCHER, host)
    yield Start(
        at=release.text,
        role="server",
        role_reason="Rancher sets up a cluster",
        arguments=(),
        form=Form.CONFIG,
        version=version,
        unseen=(Unseen(Input.ARGUMENTS, "Rancher adds settings of its own"),),
        host=host,
        isolated=True,
    )


def _entries(config: Mapping) -> tuple[ConfigEntry, ...]:
    """Return the settings; what is null is left out (rancher/rancher pkg/capr/planner/config.go)."""
    return tuple(one for one in config_entries(config) if not isinstance(one.value, Scalar) or arrives(one.value))
