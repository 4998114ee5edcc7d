"""Cluster API's objects for K3s: control planes, and what their machines and those of the workers are set up with.

The provider writes `/etc/rancher/k3s/config.yaml` of what an object says, starts the first server with `cluster-init`,
has the others join it, and gives all of them one token that it makes (k3s-io/cluster-api-k3s pkg/k3s/config.go).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar
from k3s_policy.formats.user_data import decoded
from k3s_policy.k3s.places import CONFIG, INSTALLED_PROGRAM, ReadAs
from k3s_policy.k3s.version import Version
from k3s_policy.model.cluster import Group
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import ConfigFile, Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, ConfigEntry, Variable
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found
    from k3s_policy.text import Text

__all__ = ["read_object"]

_OF_AGENTS = {
    "nodeLabels": "node-label",
    "nodeTaints": "node-taint",
    "privateRegistry": "private-registry",
    "kubeletArgs": "kubelet-arg",
    "kubeProxyArgs": "kube-proxy-arg",
    "nodeName": "node-name",
}
_OF_SERVERS = {
    "kubeAPIServerArg": "kube-apiserver-arg",
    "kubeControllerManagerArgs": "kube-controller-manager-arg",
    "kubeSchedulerArgs": "kube-scheduler-arg",
    "tlsSan": "tls-san",
    "bindAddress": "bind-address",
    "httpsListenPort": "https-listen-port",
    "advertiseAddress": "advertise-address",
    "advertisePort": "advertise-port",
    "clusterCidr": "cluster-cidr",
    "serviceCidr": "service-cidr",
    "clusterDNS": "cluster-dns",
    "clusterDomain": "cluster-domain",
    "disableComponents": "disable",
    "disableCloudController": "disable-cloud-controller",
    "systemDefaultRegistry": "system-default-registry",
}
"""Keys of an object, and the flags they become."""
_NUMBER = pattern(r"[1-9][0-9]{0,2}")
_MOST = 9
"""Servers that are looked at: more of them are started alike."""


def read_object(root: Mapping) -> Iterator[Found]:
    """Yield what the machines of a control plane, or of workers, start and are given."""
    kind = root.scalar("kind")
    spec = root.get("spec", "template", "spec") if str(kind).endswith("Template") else root.get("spec")
    if kind is None or not isinstance(spec, Mapping):
        return
    if str(kind).startswith("KThreesControlPlane"):
        config = spec.get("kthreesConfigSpec")
        own = config if isinstance(config, Mapping) else Mapping((), kind.written[:0])
        yield from _control_plane(kind.text, spec, own)
    elif str(kind).startswith("KThreesConfig"):
        host = host_at(kind.text)
        yield from _files(spec, host)
        yield from _config(spec, ("agentConfig",), host)
        yield replace(_start(kind.text, "agent", spec, host), unseen=tuple(_unseen(spec, spec)))


def _control_plane(kind: Text, spec: Mapping, config: Mapping) -> Iterator[Found]:
    replicas = spec.scalar("replicas")
    several = replicas is not None and _NUMBER.fullmatch(str(replicas))
    at = replicas.text if replicas is not None else kind
    group = Group(host_at(kind), "the machines of one control plane", at)
    for number in range(min(int(str(replicas)), _MOST) if several else 1):
        host = f"{host_at(kind)}-{number}"
        yield from _files(config, host)
        yield from _config(config, ("serverConfig", "agentConfig"), host)
        start = _start(at, "server", spec, host, joins=number > 0)
        yield replace(start, unseen=tuple(_unseen(spec, config)), group=group)


def _start(at: Text, role: str, spec: Mapping, host: str, *, joins: bool = True) -> Start:
    return Start(
        at=at,
        role=role,
        role_reason="its object says so",
        arguments=() if joins else (Argument(at.stand_in("--cluster-init")),),
        form=Form.CONFIG,
        variables=tuple(_variables(at, joins=joins)),
        version=_release(spec),
        host=host,
        isolated=True,
        words=(at.stand_in(INSTALLED_PROGRAM), at.stand_in(role)),
    )


def _release(spec: Mapping) -> Version | None:
    return Version.parse(str(spec.scalar("version") or ""))


def _unseen(spec: Mapping, config: Mapping) -> Iterator[Unseen]:
    """Say that the release is told elsewhere, and which config files come from elsewhere, or are encoded."""
    if _release(spec) is None:
        version = spec.scalar("version")
        yield Unseen(Input.VERSION, "the machines say the release", version.text if version is not None else None)
    for item in config.items("files"):
        path = item.scalar("path") if isinstance(item, Mapping) else None
        if path is not None and str(path).startswith(CONFIG) and _content(item) is None:
            yield Unseen(Input.CONFIG, f"{path} does not stand here", path.text)


def _variables(at: Text, *, joins: bool) -> Iterator[Variable]:
    """Yield what the provider fills in."""
    made = at.supplied("made by the provider")
    yield Variable(at.stand_in("K3S_TOKEN"), made, Form.CONFIG)
    if joins:
        yield Variable(at.stand_in("K3S_URL"), made, Form.CONFIG)


def _config(spec: Mapping, parts: tuple[str, ...], host: str) -> Iterator[ConfigFile]:
    entries = []
    for part in parts:
        flags = _OF_SERVERS if part == "serverConfig" else _OF_AGENTS
        given = spec.get(part)
        for key, value in given.entries if isinstance(given, Mapping) else ():
            if str(key) in flags:
                entries.append(ConfigEntry(key.text.stand_in(flags[str(key)]), value, appends=False))
    if entries:
        yield ConfigFile(spec.written, tuple(entries), CONFIG, host)


def _content(item: YamlNode) -> Text | None:
    """Return what is in a file, None where that cannot be decoded, or a Secret has it."""
    content = item.scalar("content") if isinstance(item, Mapping) else None
    encoding = item.scalar("encoding") if isinstance(item, Mapping) else None
    if content is None or encoding is None:
        return content.text if content is not None else None
    text = decoded(content.text, str(encoding))
    return text if text.known else None


def _files(spec: Mapping, host: str) -> Iterator[File]:
    """Hand back the files of a machine, and the commands that run there, which may write others."""
    for item in spec.items("files"):
        path = item.scalar("path") if isinstance(item, Mapping) else None
        content = _content(item)
        if path is not None and content is not None:
            yield File(text=content, path=str(path), host=host)
    commands = [
        command.text
        for name in ("preK3sCommands", "postK3sCommands")
        for command in spec.items(name)
        if isinstance(command, Scalar)
    ]
    if commands:
        yield File(text=join(commands, "\n"), path="", read_as=ReadAs.SCRIPT, host=host)
