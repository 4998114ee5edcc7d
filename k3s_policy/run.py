"""The pipeline, as a table of contents: gather, search, read and assemble, judge, redact, report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.assemble.options import Options
from k3s_policy.assemble.scope import Scope
from k3s_policy.gather import Gathered, Policy, Request, gathered
from k3s_policy.judge import in_order, judge
from k3s_policy.judge.redact import redact
from k3s_policy.judge.rule import Cards, CardsByName, load_for
from k3s_policy.model.finding import Report
from k3s_policy.rounds import put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from k3s_policy.assemble import Assembly
    from k3s_policy.model.finding import Finding, ScanError
    from k3s_policy.semgrep.searched import Searched
    from k3s_policy.text import Source

__all__ = ["Policy", "Request", "Survey", "assembled", "examine", "scan", "sources", "survey", "tool_version"]


def scan(request: Request, progress: Callable[[int, int], None] | None = None) -> Report:
    """Judge what lies below some paths.

    `progress` is called with the number of files looked at so far and their total. A check that raises stops
    the scan: CheckFailedError names the rule and the place.
    """
    return _report(gathered(request, progress), request.policy)


def examine(
    found: Iterable[Source], policy: Policy, scope: Scope | None = None, context: Collection[str] = ()
) -> Report:
    """Judge some files, whose content is all that is needed.

    `context` are the paths of files that are read for what they say about the others, and not reported.
    """
    scope = scope or Scope(Options(), policy.version)
    return _report(Gathered(list(found), scope, context=frozenset(context)), policy)


def assembled(found: Iterable[Source]) -> Assembly:
    """Put some files together, whose content is all that is needed."""
    return put_together(Gathered(list(found), Scope(Options())), [])[0]


def _report(found: Gathered, policy: Policy) -> Report:
    """Read, assemble, judge, redact, report."""
    errors = list(found.errors)
    searched = _searched(found, errors)
    assembly, of_k3s = put_together(found, errors, searched)
    profile = policy.profile or found.scope.options.profile
    rules = [rule for rule in load_for(policy.rules, assembly.subjects) if policy.asks_for(rule.card, profile)]
    judged = judge(assembly.subjects, rules)
    if searched is not None and searched.findings:
        judged = in_order([*judged, *_asked(searched.findings, policy, profile)])
    reported = [
        finding
        for finding in judged
        if finding.confidence >= policy.minimal_confidence and finding.span.source.path not in found.context
    ]
    findings, secrets = redact(reported, assembly.subjects)
    # A user's rule may speak of files that hold nothing of K3s's.
    files_read = max(len(of_k3s), len({finding.span.source.path for finding in findings}))
    return Report(
        findings=findings,
        errors=tuple(errors),
        rules=Cards(searched.cards if searched is not None else ()),
        secrets=secrets,
        files_read=files_read,
        files_seen=files_read if found.files_seen is None else found.files_seen,
        not_judged=tuple(assembly.not_judged),
        notes=(*found.notes, *(searched.notes if searched is not None else ()), *assembly.notes),
        foreign=frozenset(card.name for card in searched.cards) if searched is not None else frozenset(),
    )


def _asked(findings: Iterable[Finding], policy: Policy, profile: str) -> Iterator[Finding]:
    """Leave out findings of rules of the catalogue that are not asked for: patterns find such ones broken too."""
    cards = CardsByName()
    for finding in findings:
        if finding.rule not in cards or policy.asks_for(cards[finding.rule], profile):
            yield finding


@dataclass(frozen=True, repr=False)
class Survey:
    """What was put together, before anything is judged."""

    assembly: Assembly
    paths: frozenset[str]
    """The files that were asked for; others were read for what they say about these."""
    errors: tuple[ScanError, ...]
    notes: tuple[str, ...]


def survey(request: Request) -> Survey:
    """Put together what lies below some paths, without judging it."""
    found = gathered(request)
    errors = list(found.errors)
    searched = _searched(found._replace(semgrep_rules=()), errors)
    assembly, _ = put_together(found, errors, searched)
    paths = frozenset(source.path for source in found.sources) - found.context
    notes = (*found.notes, *(searched.notes if searched is not None else ()), *assembly.notes)
    return Survey(assembly, paths, tuple(errors), notes)


def sources(request: Request) -> tuple[list[str], list[ScanError]]:
    """Return the paths of the files that hold something of K3s's, and what kept others from being looked at."""
    found = gathered(request)
    errors = list(found.errors)
    _, of_k3s = put_together(found, errors)
    programs = {source.path for source in found.programs}
    return sorted((of_k3s | programs) - found.context), errors


def tool_version() -> str:
    """Return the version of the installed k3s-policy."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version("k3s-policy")
    except PackageNotFoundError:
        return "0"


def _searched(found: Gathered, errors: list[ScanError]) -> Searched | None:
    """Search what no reader reads; None where there is nothing to search."""
    programs = found.programs if found.searches else []
    if not programs and not (found.searches and found.semgrep_rules):
        return None
    from k3s_policy.semgrep.searched import Patterns, search  # few repositories have such files

    others = list(found.others()) if found.semgrep_rules else []
    searched = search(programs, others, Patterns(found.semgrep_rules, found.semgrep_required), CardsByName())
    errors.extend(searched.errors)
    return searched
