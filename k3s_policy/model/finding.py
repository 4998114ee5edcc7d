"""What a scan found: findings, errors, and the Report that every output format renders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from k3s_policy.text import Source, Span

__all__ = ["CheckFailedError", "Confidence", "Finding", "Related", "Report", "RuleCard", "ScanError", "Severity"]


class CheckFailedError(RuntimeError):
    """A check raised; says which rule's, about what place, and nothing of what the file holds."""


class _Grade(IntEnum):
    """A grade from low to high."""

    @property
    def word(self) -> str:
        """The name as users write and read it."""
        return self.name.lower()


class Severity(_Grade):
    """How bad it is: high exposes a secret, loses data or stops K3s; medium weakens; low is hygiene."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Confidence(_Grade):
    """How sure the scan is that K3s would really behave as the finding says."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Related(NamedTuple):
    """Another place that belongs to a finding, and what it has to do with it."""

    span: Span
    message: str


@dataclass(frozen=True, repr=False)
class Finding:
    """A rule broken at a Span."""

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    """One sentence of what is wrong here; never holds a credential."""
    span: Span
    help: str = ""
    """One sentence of what to write instead."""
    related: tuple[Related, ...] = ()
    fingerprint: str = ""
    """Stays the same when lines above move; made from masked text only."""


@dataclass(frozen=True, repr=False)
class ScanError:
    """Something that kept the scan from judging a file; makes the exit code 2."""

    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None


PROFILES = ("default", "strict")
"""Sets of rules to choose from; each has the rules of those before it."""


@dataclass(frozen=True, repr=False)
class RuleCard:
    """What output formats say of a rule, whether it was broken or not."""

    name: str
    summary: str
    """One sentence without a final full stop or Markdown."""
    documentation: str
    """The page in Markdown, without the summary."""
    severity: Severity
    see: tuple[str, ...] = ()
    """Addresses to read more at."""
    tags: tuple[str, ...] = ()
    """For instance `security`, `external/cwe/cwe-214`."""
    profile: str = PROFILES[0]
    """The first profile that has the rule."""

    def belongs_to(self, profile: str) -> bool:
        """Whether the rule is one of a profile."""
        return PROFILES.index(self.profile) <= PROFILES.index(profile)


@dataclass(frozen=True, repr=False)
class Report:
    """Everything an output format may see. Findings stand in the order path, line, column, rule."""

    findings: tuple[Finding, ...]
    errors: tuple[ScanError, ...]
    rules: Sequence[RuleCard]
    """Every rule of the catalogue that this version has, by name."""
    secrets: Mapping[Source, tuple[Span, ...]]
    """Where the credentials stand that no output may show, sorted and without overlap."""
    files_read: int
    """How many files were opened and held something of K3s's."""
    files_seen: int
    """How many files were looked at."""
    not_judged: tuple[str, ...] = ()
    """Paths of files that looked like K3s's but are templates that do not parse."""
    notes: tuple[str, ...] = ()
    """Remarks for the user, for instance that an RKE2 configuration was left alone."""
    waived: int = 0
    """How many findings a comment or the baseline accepted."""
    foreign: frozenset[str] = frozenset()
    """Names of the rules that the user brought along, of which this program has no page."""
    tool_version: str = ""
