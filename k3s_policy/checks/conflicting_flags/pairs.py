"""Two flags of which one is refused, or does nothing, beside the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.checks.conflicting_flags.conflict import KEEP_ONE, Conflict, given, name_of, together
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.invocation import Invocation

__all__ = ["side_by_side"]


class _Pair(NamedTuple):
    """Two flags of which the first is refused, or does nothing, beside the second."""

    loser: str
    beside: str
    message: str
    """With {loser} and {beside} for the names by which they are given."""
    help: str
    severity: Severity = Severity.HIGH
    since: tuple[Version, ...] = ()
    """The first releases that do so, one for each line; empty where every release does that has the flags."""
    unless: tuple[str, ...] = ()
    """Flags beside which it does not matter."""


_REFUSED = "K3s does not start: it refuses {loser} beside {beside}"
_FROM_FILE = "K3s takes what {beside} names, and {loser} does nothing"
_ADDRESS = "K3s replaces {loser} by the address of the VPN"
_KINE = (Version(1, 27, 13), Version(1, 28, 9), Version(1, 29, 4), Version(1, 30, 0))
_CONTAINERD = "K3s does not start: the embedded registry needs the embedded containerd, not {beside}"
_ONE_RUNTIME = "leave out embedded-registry, or the other container runtime"

_PAIRS = (
    _Pair(
        "cluster-reset",
        "server",
        _REFUSED,
        "leave server out until the reset is done",
        since=(Version(1, 25, 15), Version(1, 26, 10), Version(1, 27, 7), Version(1, 28, 3)),
    ),
    _Pair("disable-apiserver", "datastore-endpoint", _REFUSED, "it is for embedded etcd only", since=_KINE),
    _Pair("disable-etcd", "datastore-endpoint", _REFUSED, "there is no etcd to disable: leave it out", since=_KINE),
    _Pair(
        "cluster-init",
        "server",
        "{loser} does nothing beside {beside}: this server joins, and starts no cluster",
        help="leave cluster-init out where a server joins",
        severity=Severity.MEDIUM,
        unless=("datastore-endpoint", "cluster-reset"),
    ),
    *(
        _Pair(name, f"{name}-file", _FROM_FILE, help=KEEP_ONE, severity=Severity.MEDIUM)
        for name in ("token", "agent-token", "vpn-auth")
    ),
    *(
        _Pair("embedded-registry", runtime, _CONTAINERD, _ONE_RUNTIME, unless=("disable-agent", "cluster-reset"))
        for runtime in ("docker", "container-runtime-endpoint")
    ),
    *(
        _Pair(name, vpn, message, help="leave it out: the VPN decides", severity=Severity.MEDIUM)
        for vpn in ("vpn-auth", "vpn-auth-file")
        for name, message in (
            ("node-ip", _ADDRESS),
            ("advertise-address", _ADDRESS),
            ("node-external-ip", "K3s warns that the VPN overrides {loser}"),
            ("flannel-iface", "flannel uses the interface of the VPN, and not {loser}"),
        )
    ),
)


def side_by_side(invocation: Invocation) -> Iterator[Conflict]:
    """Report each pair of the table of which both are given."""
    for pair in _PAIRS:
        if not has_come(pair.since, invocation.version):
            continue
        for loser, beside in together(invocation, pair.loser, pair.beside):
            if not any(given(invocation, name, loser.when) for name in pair.unless):
                message = pair.message.format(loser=name_of(loser), beside=name_of(beside))
                yield Conflict(loser, message, help=pair.help, beside=beside, severity=pair.severity)
