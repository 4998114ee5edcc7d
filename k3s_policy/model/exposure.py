"""What in an Invocation lets the vulnerabilities be used that its release of K3s has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.advisories import ADVISORIES
from k3s_policy.model.component_arguments import groups
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Agent, Server
from k3s_policy.model.membership import Kept, is_scripted, kept, speaks_of, token_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.k3s.advisories import Advisory
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text

__all__ = ["Exposure", "exposures"]


class Exposure(NamedTuple):
    """What in a configuration lets a vulnerability be used."""

    confidence: Confidence = Confidence.HIGH
    places: tuple[tuple[Text, str], ...] = ()
    """Where it is written, and what stands there; empty where it is that something is missing."""


def exposures(invocation: Invocation) -> Iterator[tuple[Advisory, Exposure]]:
    """Yield the vulnerabilities that the release of an invocation has and its configuration lets be used."""
    version = invocation.version
    if version is None:
        return
    for advisory in ADVISORIES:
        exposure = _EXPOSED[advisory.name](invocation) if advisory.affects(version) else None
        if exposure is not None:
            yield advisory, exposure


def _grows_its_certificate(invocation: Invocation) -> Exposure | None:
    """Whether a server has the fix of CVE-2023-32187 and leaves it off, as is the default up to v1.27.

    Older releases have no fix, whatever is configured: they are the matter of whoever looks for outdated software.
    """
    if not isinstance(invocation, Server):
        return None
    given = invocation.last("tls-san-security")
    if given is None:
        return Exposure(confidence=_by_absence(invocation)) if invocation.wholly_seen else None
    if not given.known or is_on(given):
        return None
    return Exposure(places=((given.place, "this leaves the fix off"),))


def _opens_read_only_port(invocation: Invocation) -> Exposure | None:
    """Whether a kubelet runs that is not told to keep its read-only port shut."""
    if not isinstance(invocation, Server | Agent) or not invocation.wholly_seen:
        return None
    without = invocation.last("disable-agent")
    if without is not None and (not without.known or is_on(without)):
        return None
    if any(not setting.known for setting in invocation.all("kubelet-arg")):
        return None
    # A file of the user's own has another default, and a port that is named is another rule's matter.
    if any(
        next(groups(invocation, ("kubelet-arg",), name), None) for name in ("read-only-port", "config", "config-dir")
    ):
        return None
    return Exposure(confidence=_by_absence(invocation))


def _shows_keys(invocation: Invocation) -> Exposure | None:
    """Whether a server without a token keeps its keys in a database that others read."""
    if not isinstance(invocation, Server) or not invocation.wholly_seen or token_sources(invocation):
        return None
    if kept(invocation) is not Kept.EXTERNAL or (is_scripted(invocation) and speaks_of(invocation, "TOKEN")):
        return None
    endpoint = invocation.all("datastore-endpoint")[-1]
    return Exposure(confidence=_by_absence(invocation), places=((endpoint.at, "it keeps its keys there"),))


def _unpacks_snapshot(invocation: Invocation) -> Exposure | None:
    """Whether a server restores a compressed snapshot (K3s pkg/etcd/etcd.go, Restore)."""
    restored = invocation.last("cluster-reset-restore-path")
    if restored is None or not restored.known or not str(restored.value).endswith(".zip"):
        return None
    return Exposure(places=((restored.place, "this snapshot is unpacked"),))


def _by_absence(invocation: Invocation) -> Confidence:
    """Say how sure it is that something is not set: a script may run on a host that has a config file."""
    return Confidence.MEDIUM if is_scripted(invocation) else Confidence.HIGH


_EXPOSED: dict[str, Callable[[Invocation], Exposure | None]] = {
    "CVE-2023-32187": _grows_its_certificate,
    "CVE-2025-46599": _opens_read_only_port,
    "CVE-2021-32001": _shows_keys,
    "CVE-2026-54250": _unpacks_snapshot,
}
"""What says of an invocation whether it is exposed to an advisory."""
