"""Advisories: which releases they are about, at the ends of their ranges."""

from __future__ import annotations

import pytest

from k3s_policy.k3s.advisories import ADVISORIES
from k3s_policy.k3s.version import Version
from k3s_policy.model import exposure
from k3s_policy.model.finding import Severity
from k3s_policy.model.invocation import Server
from k3s_policy.text import Source


@pytest.mark.parametrize(
    ("name", "affected", "mended"),
    [
        # What is mended, and switched off.
        ("CVE-2023-32187", "v1.24.17+k3s1", "v1.24.16+k3s1"),
        ("CVE-2023-32187", "v1.27.5+k3s1", "v1.28.0+k3s1"),
        ("CVE-2023-32187", "v1.27", "v1.28"),
        ("CVE-2025-46599", "v1.32.0+k3s1", "v1.31.14+k3s1"),
        ("CVE-2025-46599", "v1.32.0-rc1+k3s1", "v1.32.4-rc1+k3s1"),
        ("CVE-2025-46599", "v1.32.3+k3s1", "v1.32"),
        ("CVE-2021-32001", "v1.19.12+k3s1", "v1.19.13+k3s1"),
        ("CVE-2021-32001", "v1.20.8+k3s1", "v1.20.9+k3s1"),
        ("CVE-2021-32001", "v1.18", "v1.22.0-alpha1"),
        ("CVE-2021-32001", "v1.21.2+k3s1", "v1.21.3+k3s1"),
        ("CVE-2026-54250", "v1.33.9+k3s1", "v1.33.10+k3s1"),
        ("CVE-2026-54250", "v1.34.0+k3s1", "v1.34.6+k3s1"),
        ("CVE-2026-54250", "v1.35.2+k3s1", "v1.36.0+k3s1"),
    ],
)
def test_a_release_is_affected(name: str, affected: str, mended: str) -> None:
    assert _affects(name, affected)
    assert not _affects(name, mended)


def _affects(name: str, text: str) -> bool:
    version = Version.parse(text)
    assert version is not None
    return any(advisory.affects(version) for advisory in ADVISORIES if advisory.name == name)


def test_the_ends_of_ranges_are_versions_in_their_order() -> None:
    for advisory in ADVISORIES:
        ends = [end for pair in advisory.ranges for end in pair]
        assert "" not in ends[1:]
        versions = [Version.parse(end) for end in ends if end]
        assert versions == sorted(version for version in versions if version is not None)


def test_a_release_has_an_advisory_once() -> None:
    for text in ("v1.24.16", "v1.24.17", "v1.27.4", "v1.27.5", "v1.28.0"):
        version = Version.parse(text)
        assert version is not None
        names = [advisory.name for advisory in ADVISORIES if advisory.affects(version)]
        assert sorted(set(names)) == sorted(names)


def test_of_every_advisory_it_is_known_what_exposes_to_it() -> None:
    assert list(exposure._EXPOSED) == [advisory.name for advisory in ADVISORIES]  # noqa: SLF001  the table itself
    assert {advisory.severity.upper() for advisory in ADVISORIES} <= set(Severity.__members__)


def test_nothing_is_concluded_without_a_release() -> None:
    assert list(exposure.exposures(Server(Source("config.yaml", "token: a").text))) == []
