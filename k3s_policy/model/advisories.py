"""Vulnerabilities of K3s itself that a configuration decides about: the releases that have them, and what exposes it.

Every advisory published for K3s up to September 2026 is looked at here: the three of k3s-io/k3s, and CVE-2025-46599.
Those of Kubernetes, containerd, Traefik and others that K3s ships are none of K3s's: scanners of images know them.
Ranges are those of the GitHub Advisory Database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.version import Version
from k3s_policy.model import Agent, Server
from k3s_policy.model.component import groups
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.membership import Kept, is_scripted, kept, speaks_of, token_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.model import Invocation
    from k3s_policy.text import Text

__all__ = ["Advisory", "Exposure", "exposures"]


class Advisory(NamedTuple):
    """A vulnerability of K3s."""

    name: str
    severity: Severity
    """As grave as the advisory has it."""
    ranges: tuple[tuple[str, str], ...]
    """The first release that has it, empty for the very first, and the first that has not."""
    outcome: str
    advice: str
    exposed: Callable[[Invocation], Exposure | None]

    def affects(self, version: Version) -> bool:
        """Whether a release has it."""
        return any(_since(first, version) and not _since(end, version) for first, end in self.ranges)


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
    for advisory in _ADVISORIES:
        exposure = advisory.exposed(invocation) if advisory.affects(version) else None
        if exposure is not None:
            yield advisory, exposure


def _since(first: str, version: Version) -> bool:
    start = Version.parse(first)
    return start is None or version >= start


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


_ADVISORIES = (
    Advisory(
        "CVE-2023-32187",  # GHSA-m4hf-6vgr-75r2
        Severity.HIGH,
        (
            ("v1.24.17", "v1.25.0-alpha"),
            ("v1.25.13", "v1.26.0-alpha"),
            ("v1.26.8", "v1.27.0-alpha"),
            ("v1.27.5", "v1.28.0-alpha"),
        ),
        "without tls-san-security whoever reaches port 6443 can make the server's certificate too long for its clients",
        "write tls-san-security: true, or upgrade to v1.28.1 or newer",
        _grows_its_certificate,
    ),
    Advisory(
        "CVE-2025-46599",  # GHSA-864f-7xjm-2jp2, k3s-io/k3s#12164
        Severity.MEDIUM,
        (("v1.32.0-alpha", "v1.32.4-rc1"),),
        "the kubelet shows everyone the pods of the node on port 10255, in plain HTTP",
        "upgrade to v1.32.4 or newer, or write kubelet-arg: read-only-port=0",
        _opens_read_only_port,
    ),
    Advisory(
        "CVE-2021-32001",  # GHSA-cxm9-4m6p-24mc, k3s-io/k3s#3675
        Severity.MEDIUM,
        (("", "v1.19.13"), ("v1.20.0-alpha", "v1.20.9"), ("v1.21.0-alpha", "v1.21.3")),
        "without a token everyone who reads the datastore can decrypt the keys of the cluster",
        "upgrade to v1.21.3 or newer, and give it the token",
        _shows_keys,
    ),
    Advisory(
        "CVE-2026-54250",  # GHSA-jxr7-mqhw-9p98
        Severity.MEDIUM,
        (("", "v1.33.10"), ("v1.34.0-alpha", "v1.34.6"), ("v1.35.0-alpha", "v1.35.3")),
        "a snapshot made for it writes files anywhere on the host as it is unpacked",
        "upgrade to v1.33.10, v1.34.6, v1.35.3 or newer before it is restored",
        _unpacks_snapshot,
    ),
)
