"""The vulnerabilities of K3s itself that a configuration decides about, and the releases that have them.

Every advisory published for K3s up to September 2026 is looked at here: the three of k3s-io/k3s, and CVE-2025-46599.
Those of Kubernetes, containerd, Traefik and others that K3s ships are none of K3s's: scanners of images know them.
Ranges are those of the GitHub Advisory Database.
"""

from __future__ import annotations

from typing import NamedTuple

from k3s_policy.k3s.version import Version

__all__ = ["ADVISORIES", "Advisory"]


class Advisory(NamedTuple):
    """A vulnerability of K3s."""

    name: str
    severity: str
    """As grave as the advisory has it."""
    ranges: tuple[tuple[str, str], ...]
    """The first release that has it, empty for the very first, and the first that has not."""
    outcome: str
    advice: str

    def affects(self, version: Version) -> bool:
        """Whether a release has it."""
        return any(_since(first, version) and not _since(end, version) for first, end in self.ranges)


def _since(first: str, version: Version) -> bool:
    start = Version.parse(first)
    return start is None or version >= start


ADVISORIES = (
    Advisory(
        name="CVE-2023-32187",  # GHSA-m4hf-6vgr-75r2
        severity="high",
        # Those that have the fix and leave it off: releases before them have none, whatever is configured.
        ranges=(
            ("v1.24.17", "v1.25.0-alpha"),
            ("v1.25.13", "v1.26.0-alpha"),
            ("v1.26.8", "v1.27.0-alpha"),
            ("v1.27.5", "v1.28.0-alpha"),
        ),
        outcome=(
            "without tls-san-security whoever reaches port 6443 can make the server's certificate too long for its"
            " clients"
        ),
        advice="write tls-san-security: true, or upgrade to v1.28.1 or newer",
    ),
    Advisory(
        name="CVE-2025-46599",  # GHSA-864f-7xjm-2jp2, k3s-io/k3s#12164
        severity="medium",
        ranges=(("v1.32.0-alpha", "v1.32.4-rc1"),),
        outcome="the kubelet shows everyone the pods of the node on port 10255, in plain HTTP",
        advice="upgrade to v1.32.4 or newer, or write kubelet-arg: read-only-port=0",
    ),
    Advisory(
        name="CVE-2021-32001",  # GHSA-cxm9-4m6p-24mc, k3s-io/k3s#3675
        severity="medium",
        ranges=(("", "v1.19.13"), ("v1.20.0-alpha", "v1.20.9"), ("v1.21.0-alpha", "v1.21.3")),
        outcome="without a token everyone who reads the datastore can decrypt the keys of the cluster",
        advice="upgrade to v1.21.3 or newer, and give it the token",
    ),
    Advisory(
        name="CVE-2026-54250",  # GHSA-jxr7-mqhw-9p98
        severity="medium",
        ranges=(("", "v1.33.10"), ("v1.34.0-alpha", "v1.34.6"), ("v1.35.0-alpha", "v1.35.3")),
        outcome="a snapshot made for it writes files anywhere on the host as it is unpacked",
        advice="upgrade to v1.33.10, v1.34.6, v1.35.3 or newer before it is restored",
    ),
)
