"""The pipeline, as a table of contents: discover, read, assemble, judge, report."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from k3s_policy import credential
from k3s_policy.assemble import Scope, assemble
from k3s_policy.discover import discover, needles, neighbours, read, top_of
from k3s_policy.finding import CheckFailedError, Confidence, Finding, Related, Report, ScanError
from k3s_policy.flags import flags
from k3s_policy.model import Credential, Invocation
from k3s_policy.options import FILE_NAME, Options, OptionsError, load
from k3s_policy.readers import dispatch
from k3s_policy.readers.config import path_claims
from k3s_policy.reports.masking import MASK, masked
from k3s_policy.rule import load as load_rule
from k3s_policy.rule import names
from k3s_policy.text import Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from k3s_policy.discover import Candidate
    from k3s_policy.fragment import Fragment
    from k3s_policy.model import Subject
    from k3s_policy.rule import Problem, Rule
    from k3s_policy.text import Text
    from k3s_policy.version import Version

__all__ = ["Policy", "Request", "examine", "judge", "scan", "sources", "tool_version"]


@dataclass(frozen=True)
class Policy:
    """By what files are judged."""

    rules: tuple[str, ...]
    """Names of the rules to judge by."""
    version: Version | None = None
    """The K3s release that runs, where the user says so."""
    minimal_confidence: Confidence = Confidence.LOW


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    paths: tuple[str, ...]
    tracked: bool = False
    files_only: bool = False
    standard_input: tuple[str, str] | None = None
    """The name and the content of what came in on standard input, judged instead of files."""
    policy: Policy = field(default_factory=lambda: Policy(names()))


def scan(request: Request, progress: Callable[[int, int], None] | None = None) -> Report:
    """Judge what lies below some paths.

    `progress` is called with the number of files looked at so far and their total. A check that raises stops
    the scan: CheckFailedError names the rule and the place.
    """
    if request.standard_input is not None:
        errors: list[ScanError] = []
        scope = Scope(_options(top_of([]), errors), request.policy.version)
        report = examine([Source(*request.standard_input)], request.policy, scope)
        return replace(report, errors=(*errors, *report.errors))
    discovery = discover(request.paths, tracked=request.tracked, files_only=request.files_only)
    errors = list(discovery.problems)
    options = _options(discovery.top, errors)
    # What a user names is judged with what K3s reads beside it; only what was named is reported.
    beside = () if request.files_only else neighbours(discovery.candidates)
    found = list(_read((*discovery.candidates, *beside), errors, progress))
    context = frozenset(candidate.path for candidate in beside)
    scope = Scope(
        options,
        request.policy.version,
        whole=any(os.path.realpath(path) == discovery.top for path in request.paths),
        partial=request.files_only,
    )
    report = examine(found, request.policy, scope, context)
    return replace(
        report,
        errors=(*errors, *report.errors),
        files_seen=discovery.seen,
        notes=(*discovery.notes, *report.notes),
    )


def examine(
    found: Iterable[Source], policy: Policy, scope: Scope | None = None, context: Collection[str] = ()
) -> Report:
    """Judge some files, whose content is all that is needed: read, assemble, judge, mask.

    `context` are the paths of files that are read for what they say about the others, and not reported.
    """
    fragments: list[Fragment] = []
    read_paths = []
    errors: list[ScanError] = []
    for source in found:
        try:
            of_source = list(dispatch.read(source))
        except Exception as error:  # noqa: BLE001  one file must not hide the others, nor its content be told
            errors.append(ScanError(f"could not be read: {type(error).__name__}", source.path))
            continue
        fragments.extend(of_source)
        if of_source:
            read_paths.append(source.path)
    assembly = assemble(fragments, scope or Scope(Options(), policy.version))
    findings = judge(assembly.subjects, [load_rule(name) for name in policy.rules])
    findings = [
        finding
        for finding in findings
        if finding.confidence >= policy.minimal_confidence and finding.span.source.path not in context
    ]
    credentials = _credentials(assembly.subjects) if findings else {}
    shown = {source for finding in findings for source in _sources_of(finding)}
    secrets = {source: credential.secret_spans(source, _spans_in(source, credentials)) for source in shown}
    values = {source: _telling(texts) for source, texts in credentials.items()}
    findings = [_told_without(values.get(finding.span.source, ()), finding) for finding in findings]
    return Report(
        findings=tuple(_fingerprinted(findings, secrets)),
        errors=tuple(errors),
        rules=tuple(load_rule(name).card for name in names()),
        secrets=secrets,
        files_read=len(read_paths),
        files_seen=len(read_paths),
        not_judged=tuple(assembly.not_judged),
        notes=tuple(assembly.notes),
    )


def sources(request: Request) -> tuple[list[str], list[ScanError]]:
    """Return the paths of the files that hold something of K3s's, and what kept others from being looked at."""
    if request.standard_input is not None:
        found: Iterable[Source] = [Source(*request.standard_input)]
        errors = []
    else:
        discovery = discover(request.paths, tracked=request.tracked, files_only=request.files_only)
        errors = list(discovery.problems)
        found = _read(discovery.candidates, errors, None)
    return [source.path for source in found if next(dispatch.read(source), None) is not None], errors


def tool_version() -> str:
    """Return the version of the installed k3s-policy."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow to import

    try:
        return version("k3s-policy")
    except PackageNotFoundError:
        return "0"


def _options(top: str, errors: list[ScanError]) -> Options:
    try:
        return load(top)
    except OptionsError as error:
        span = error.at.span
        errors.append(ScanError(str(error), span.source.path, span.line, span.column))
    except OSError as error:
        errors.append(ScanError(f"cannot be read: {error.strerror or 'unknown reason'}", FILE_NAME))
    return Options()


def _read(
    candidates: Sequence[Candidate], errors: list[ScanError], progress: Callable[[int, int], None] | None
) -> Iterator[Source]:
    wanted = needles(flags().hyphenated)
    total = len(candidates)
    for number, candidate in enumerate(candidates):
        if progress is not None and number % 256 == 0:
            progress(number, total)
        if candidate.path.rpartition("/")[2] == FILE_NAME:
            continue
        source = read(candidate, wanted)
        if isinstance(source, Source):
            yield source
        elif source is not None:
            errors.append(source)
        elif candidate.named or path_claims(candidate.path):
            errors.extend(_unreadable(candidate))


def _unreadable(candidate: Candidate) -> Iterator[ScanError]:
    if os.path.exists(candidate.file):
        yield ScanError("is a binary file, and only text can be judged", candidate.path)


# --- judging ------------------------------------------------------------------------------------------


def judge(subjects: Iterable[Subject], rules: Sequence[Rule]) -> list[Finding]:
    """Ask each rule about each subject it judges; the same problem at the same place counts once."""
    findings: dict[tuple[object, ...], Finding] = {}
    for subject in subjects:
        for rule in rules:
            if isinstance(subject, rule.judges):
                for problem in _problems(rule, subject):
                    finding = _finding(rule, problem)
                    key = (finding.rule, finding.span.source.path, finding.span.start, finding.span.end)
                    known = findings.get(key)
                    if known is None or finding.severity > known.severity:
                        findings[key] = finding
    return sorted(
        _one_per_credential(findings.values()),
        key=lambda one: (one.span.source.path, one.span.line, one.span.column, one.rule, one.span.end),
    )


def _problems(rule: Rule, subject: Subject) -> list[Problem]:
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


_CREDENTIAL_RULES = ("credential-on-command-line", "credential-in-unit-environment")


def _one_per_credential(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out plaintext-credential where the same literal was found as an argument or in a unit already."""
    every = list(findings)
    told = [
        span
        for finding in every
        if finding.rule in _CREDENTIAL_RULES
        for span in (finding.span, *(related.span for related in finding.related))
    ]
    for finding in every:
        if finding.rule != "plaintext-credential" or not any(span.overlaps(finding.span) for span in told):
            yield finding


# --- masking and fingerprints ------------------------------------------------------------------------


def _sources_of(finding: Finding) -> Iterator[Source]:
    yield finding.span.source
    for related in finding.related:
        yield related.span.source


def _credentials(subjects: Iterable[Subject]) -> dict[Source, list[Text]]:
    """Collect the credentials of everything that was read, by the files they are written in."""
    found: dict[Source, list[Text]] = {}
    for subject in subjects:
        for text in _credentials_of(subject):
            for source in {run.source for run in text.runs}:
                found.setdefault(source, []).append(text)
    return found


def _credentials_of(subject: Subject) -> Iterator[Text]:
    if isinstance(subject, Invocation):
        for setting in subject.settings:
            yield from credential.secrets(setting.flag, setting.value)
        for option in subject.unrecognised:
            yield from credential.misspelt(option.at, option.value, flags())
    elif isinstance(subject, Credential):
        yield subject.value


def _spans_in(source: Source, credentials: dict[Source, list[Text]]) -> Iterator[Span]:
    """Yield where a file's credentials are written, and where else it repeats one: in a comment, say."""
    values = set()
    for text in credentials.get(source, ()):
        yield from (span for span in text.spans if span.source is source)
        if len(text) >= _UNMISTAKABLE and text.known and not credential.is_well_known(text):
            values.add(str(text))
    if values:
        # One search for all: a file may hold thousands.
        longest_first = sorted(values, key=len, reverse=True)
        for match in re.finditer("|".join(map(re.escape, longest_first)), source.content):
            yield Span(source, *match.span())


_UNMISTAKABLE = 8
"""Characters from which on the same characters elsewhere in a file are the same credential."""


def _telling(credentials: Iterable[Text]) -> frozenset[str]:
    """Return the credentials that a message would give away."""
    return frozenset(str(text) for text in credentials if len(text) >= _TELLING and not credential.is_well_known(text))


def _told_without(credentials: Collection[str], finding: Finding) -> Finding:
    """Mask what a finding repeats of its file where that is a credential: the name of an option may hold one."""
    told = "\0".join((finding.message, finding.help, *(related.message for related in finding.related)))
    for value in credentials:
        if value in told:
            finding = replace(
                finding,
                message=finding.message.replace(value, MASK),
                help=finding.help.replace(value, MASK),
                related=tuple(Related(span, message.replace(value, MASK)) for span, message in finding.related),
            )
    return finding


_TELLING = 6
"""Characters from which on a credential in a message is no word of the message by chance."""


def _fingerprinted(findings: Sequence[Finding], secrets: dict[Source, tuple[Span, ...]]) -> Iterator[Finding]:
    """Give each finding a fingerprint of its rule, file and masked line, counted where these are equal."""
    if not findings:
        return
    from hashlib import sha256  # noqa: PLC0415  only where something was found

    lines: dict[Source, list[str]] = {}
    seen: dict[str, int] = {}
    for finding in findings:
        source = finding.span.source
        if source not in lines:
            lines[source] = masked(source, secrets.get(source, ())).split("\n")
        line = " ".join(lines[source][finding.span.line - 1].split())
        content = f"{finding.rule}\0{source.path}\0{line}"
        digest = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        seen[digest] = seen.get(digest, 0) + 1
        yield replace(finding, fingerprint=f"{digest}:{seen[digest]}")
