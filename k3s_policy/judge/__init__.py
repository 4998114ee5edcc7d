"""Judging: each rule is asked about the subjects it judges, and what it reports becomes findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.model.finding import CheckFailedError, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from k3s_policy.judge.rule import Problem, Rule
    from k3s_policy.model.fragment import Judged
    from k3s_policy.text import Text

__all__ = ["in_order", "judge"]


def judge(subjects: Iterable[Judged], rules: Sequence[Rule]) -> list[Finding]:
    """Ask each rule about each subject it judges; the same problem at the same place counts once.

    A check that raises ends it: CheckFailedError names the rule and the place.
    """
    findings: dict[tuple[object, ...], Finding] = {}
    for subject in subjects:
        for rule in rules:
            if isinstance(subject, rule.judges):
                for problem in _problems(rule, subject):
                    finding = _finding(rule, problem)
                    key = (finding.rule, *_place(problem.at))
                    known = findings.get(key)
                    if known is None or finding.severity > known.severity:
                        findings[key] = finding
    return in_order(_one_per_credential(findings.values(), rules))


def _place(at: Text) -> tuple[object, ...]:
    """Return what tells a place from others: of what is encoded all has one stretch, and its characters differ."""
    span = at.span
    own = str(at)
    stretch = span.source.content[span.start : span.end]
    return span.source.path, span.start, span.end, None if own == stretch else own


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Put findings in the order of reports: path, line, column, rule."""
    return sorted(
        findings, key=lambda one: (one.span.source.path, one.span.line, one.span.column, one.rule, one.span.end)
    )


def _problems(rule: Rule, subject: Judged) -> list[Problem]:
    try:
        return list(rule.check(subject))
    except Exception as error:  # noqa: BLE001  whatever a check may raise
        place = getattr(subject, "at", None)
        where = f" at {place.span.source.path}:{place.span.line}" if place is not None else ""
        # The message of the error may hold what the file holds: only its type is told.
        raise CheckFailedError(f"the rule {rule.name} failed{where}: {type(error).__name__}") from None


def _finding(rule: Rule, problem: Problem) -> Finding:
    return Finding(
        rule=rule.name,
        severity=problem.severity or rule.card.severity,
        confidence=problem.confidence,
        message=problem.message,
        span=problem.at.span,
        help=problem.help,
        related=problem.places,
    )


def _one_per_credential(findings: Collection[Finding], rules: Iterable[Rule]) -> Iterator[Finding]:
    """Leave out what a yielding rule says of a literal that an owning rule speaks of already."""
    owning = {rule.name for rule in rules if rule.owns_credential}
    yielding = {rule.name for rule in rules if rule.yields_credential}
    told = [
        (finding.rule, span)
        for finding in findings
        if finding.rule in owning
        for span in (finding.span, *(related.span for related in finding.related))
    ]
    for finding in findings:
        if finding.rule not in yielding or not any(
            rule != finding.rule and span.overlaps(finding.span) for rule, span in told
        ):
            yield finding
