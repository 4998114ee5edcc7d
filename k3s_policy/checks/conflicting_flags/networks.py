"""Flannel, the way to the nodes, and the networks of pods and Services."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.checks.conflicting_flags.conflict import (
    KEEP_ONE,
    Conflict,
    absence,
    given,
    items_of,
    settings_of,
    together,
)
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Network, IPv6Network

    from k3s_policy.model.invocation import Invocation, Setting

    Network: TypeAlias = IPv4Network | IPv6Network

__all__ = ["ROWS"]


def _egress_without_agent(invocation: Invocation) -> Iterator[Conflict]:
    if not has_come((Version(1, 24, 14), Version(1, 25, 10), Version(1, 26, 5), Version(1, 27, 2)), invocation.version):
        return
    for mode, agent in together(invocation, "egress-selector-mode", "disable-agent"):
        if str(mode.value) in ("agent", "disabled"):
            message = f"without an agent, webhooks and aggregated APIs may fail with egress-selector-mode {mode.value}"
            advice = "set egress-selector-mode to cluster or pod"
            yield Conflict(mode, message, help=advice, beside=agent, severity=Severity.MEDIUM)


def _flannel_conf(invocation: Invocation) -> Iterator[Conflict]:
    for backend, file in together(invocation, "flannel-backend", "flannel-conf"):
        if not backend.known:
            continue
        if str(backend.value) == "none":
            message = "flannel-conf does nothing: flannel-backend none turns flannel off"
            yield Conflict(file, message, help=KEEP_ONE, beside=backend, severity=Severity.MEDIUM)
        else:
            message = f"this node takes flannel-conf as it is, and {backend.value} does nothing here"
            yield Conflict(backend, message, help="name the backend in the file", beside=file, severity=Severity.MEDIUM)


def _flannel_beside_vpn(invocation: Invocation) -> Iterator[Conflict]:
    for vpn in ("vpn-auth", "vpn-auth-file"):
        for backend, auth in together(invocation, "flannel-backend", vpn):
            if backend.known and str(backend.value) not in ("none", "tailscale"):
                message = f"K3s uses the backend of the VPN, and {backend.value} does nothing"
                yield Conflict(
                    backend, message, help="leave it out: the VPN decides", beside=auth, severity=Severity.MEDIUM
                )


def _flannel_over_external_addresses(invocation: Invocation) -> Iterator[Conflict]:
    if settings_of(invocation, "vpn-auth", "vpn-auth-file", "flannel-conf", "disable-agent"):
        return
    for external in given(invocation, "flannel-external-ip"):
        backends = [one for one in settings_of(invocation, "flannel-backend") if not exclusive(one.when, external.when)]
        backend = backends[-1] if backends else None
        kind = str(backend.value) if backend else "vxlan"
        if invocation.wholly_seen and not invocation.all("node-external-ip") and kind in _BACKENDS:
            message = "flannel uses the internal address of this node all the same: it has no node-external-ip"
            yield Conflict(external, message, "add node-external-ip", severity=Severity.MEDIUM)
        elif kind in _PLAIN and (confidence := Confidence.HIGH if backend else absence(invocation, external)):
            told = kind if backend else f"{kind}, the default"
            message = f"flannel sends the traffic of pods over external addresses without encryption: {told}"
            advice = "set flannel-backend to wireguard-native"
            yield Conflict(
                external, message, help=advice, beside=backend, severity=Severity.MEDIUM, confidence=confidence
            )


_PLAIN = ("vxlan", "host-gw")
_BACKENDS = (*_PLAIN, "wireguard-native")


# --- ranges of addresses --------------------------------------------------------------------------------------


class _Range(NamedTuple):
    """A network, or one address, and the setting that gives it."""

    value: Network
    setting: Setting

    @property
    def told(self) -> str:
        """How a message names it."""
        return f"{self.setting.flag.name} {self.value}"


_DEFAULTS = {
    "cluster-cidr": {4: "10.42.0.0/16", 6: "fd00:42::/56"},
    "service-cidr": {4: "10.43.0.0/16", 6: "fd00:43::/112"},
}
"""What K3s takes where nothing is given, by the IP version of the node (K3s pkg/util/net.go, GetDefaultAddresses)."""
_OTHER = {"cluster-cidr": "service-cidr", "service-cidr": "cluster-cidr"}
_SAME_VERSIONS = (Version(1, 23, 7), Version(1, 24, 0))


def _ip_versions_differ(invocation: Invocation) -> Iterator[Conflict]:
    """Report cluster-cidr and service-cidr of different IP versions, or with another one first."""
    if not has_come(_SAME_VERSIONS, invocation.version) or given(invocation, "disable-agent"):
        return
    clusters, services = _ranges(invocation, "cluster-cidr"), _ranges(invocation, "service-cidr")
    if clusters is None or services is None or not _in_one_arm(clusters, services):
        return
    if clusters and services:
        if _versions(clusters) != _versions(services) or clusters[0].value.version != services[0].value.version:
            yield Conflict(
                services[0].setting,
                f"K3s does not start: cluster-cidr is {_told_versions(clusters)}, service-cidr"
                f" {_told_versions(services)}",
                "give both the same IP versions, in the same order",
                clusters[0].setting,
            )
        return
    for ranges in (clusters, services):
        if len(_versions(ranges)) == 2 and (confidence := absence(invocation, ranges[0].setting)):
            name = ranges[0].setting.flag.name
            message = f"K3s does not start: {name} is dual-stack, and {_OTHER[name]} by default of one IP version"
            yield Conflict(ranges[0].setting, message, f"add a dual-stack {_OTHER[name]}", confidence=confidence)


def _node_lacks_an_ip_version(invocation: Invocation) -> Iterator[Conflict]:
    if not has_come(_SAME_VERSIONS, invocation.version):
        return
    if settings_of(invocation, "disable-agent", "vpn-auth", "vpn-auth-file"):
        return
    clusters, nodes = _ranges(invocation, "cluster-cidr"), _ranges(invocation, "node-ip")
    if not clusters or not nodes or not _in_one_arm(clusters, nodes):
        return
    missing = _versions(clusters) - _versions(nodes)
    if missing and (confidence := absence(invocation, nodes[0].setting)):
        lacked = f"IPv{missing.pop()}"
        message = f"K3s does not start: node-ip has no {lacked} address, and cluster-cidr asks for one"
        advice = f"add an {lacked} address to node-ip"
        yield Conflict(nodes[0].setting, message, advice, clusters[0].setting, confidence=confidence)


def _ranges_overlap(invocation: Invocation) -> Iterator[Conflict]:
    clusters, services = _ranges(invocation, "cluster-cidr"), _ranges(invocation, "service-cidr")
    if clusters is None or services is None or not _in_one_arm(clusters, services):
        return
    for service in services:
        for cluster in clusters:
            if _overlap(service.value, cluster.value):
                message = f"pods and Services share addresses: {cluster.told} overlaps {service.told}"
                yield Conflict(service.setting, message, help=_APART, beside=cluster.setting, severity=Severity.MEDIUM)
    for one in (*(clusters if not services else ()), *(services if not clusters else ())):
        name = _OTHER[one.setting.flag.name]
        default = _default(name, one)
        if _overlap(one.value, default) and (confidence := absence(invocation, one.setting)):
            message = f"pods and Services share addresses: {one.told} overlaps {default}, the default {name}"
            yield Conflict(one.setting, message, _APART, severity=Severity.MEDIUM, confidence=confidence)


_APART = "choose networks that have no address in common"


def _dns_outside_of_services(invocation: Invocation) -> Iterator[Conflict]:
    """Report a cluster-dns that no Service can have; whoever disables CoreDNS has another server in mind."""
    if any(not one.known or "coredns" in str(one.value) for one in settings_of(invocation, "disable")):
        return
    services, addresses = _ranges(invocation, "service-cidr"), _ranges(invocation, "cluster-dns")
    if services is None or not addresses or not _in_one_arm(services, addresses):
        return
    for dns in addresses:
        able = [service for service in services if service.value.version == dns.value.version]
        if able and not any(_overlap(dns.value, service.value) for service in able):
            message = f"CoreDNS cannot get {dns.value.network_address}, which lies outside of {able[0].told}"
            yield Conflict(dns.setting, message, help=_WITHIN, beside=able[0].setting, severity=Severity.MEDIUM)
        default = _default("service-cidr", dns)
        if not services and not _overlap(dns.value, default) and (confidence := absence(invocation, dns.setting)):
            address = dns.value.network_address
            message = f"CoreDNS cannot get {address}, which lies outside of {default}, the default service-cidr"
            yield Conflict(dns.setting, message, _WITHIN, severity=Severity.MEDIUM, confidence=confidence)


_WITHIN = "choose an address of service-cidr; K3s itself takes the tenth"


def _ranges(invocation: Invocation, name: str) -> list[_Range] | None:
    """Return the networks or addresses that a list flag is given; None where one is not known."""
    settings = items_of(invocation, name)
    if not settings:
        return []
    from ipaddress import ip_network  # most rows need none

    found = []
    for setting in settings:
        for part in str(setting.value).split(",") if str(setting.value) else ():
            if not setting.known or ("/" in part) is not name.endswith("-cidr"):
                return None
            try:
                found.append(_Range(ip_network(part, strict=False), setting))
            except ValueError:
                return None  # K3s does not start with it, which another rule says
    return found


def _in_one_arm(*several: Iterable[_Range]) -> bool:
    """Whether everything stands in the same arms of a script."""
    return len({one.setting.when for ranges in several for one in ranges}) <= 1


def _default(name: str, other: _Range) -> Network:
    """Return what K3s takes for a flag that is not given, beside a network of one IP version."""
    from ipaddress import ip_network  # most rows need none

    return ip_network(_DEFAULTS[name][other.value.version])


def _overlap(one: Network, other: Network) -> bool:
    if one.version != other.version:
        return False
    return one.network_address in other or other.network_address in one


def _versions(ranges: Iterable[_Range]) -> set[int]:
    return {one.value.version for one in ranges}


def _told_versions(ranges: list[_Range]) -> str:
    first = f"IPv{ranges[0].value.version}"
    return f"dual-stack, {first} first" if len(_versions(ranges)) == 2 else f"{first} only"


ROWS: tuple[Callable[[Invocation], Iterator[Conflict]], ...] = (
    _egress_without_agent,
    _flannel_conf,
    _flannel_beside_vpn,
    _flannel_over_external_addresses,
    _ip_versions_differ,
    _node_lacks_an_ip_version,
    _ranges_overlap,
    _dns_outside_of_services,
)
"""What K3s refuses, ignores or warns of, in about the order in which it would meet it."""
