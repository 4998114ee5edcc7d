"""The pipeline, as a table of contents: discover, read, assemble, judge, redact, report."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.assemble import Scope, assemble
from k3s_policy.assemble.options import FILE_NAME, Options, OptionsError, load
from k3s_policy.assemble.place import first_named
from k3s_policy.discover import discover, may_be_searched, neighbours, read, top_of
from k3s_policy.judge import in_order, judge
from k3s_policy.judge.redact import redact
from k3s_policy.judge.rule import Cards, CardsByName, load_for, names
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.recognise import is_config_path
from k3s_policy.k3s.sieve import needles
from k3s_policy.model.file import source_of
from k3s_policy.model.finding import Confidence, Report, ScanError
from k3s_policy.model.fragment import Override
from k3s_policy.readers import door
from k3s_policy.text import Source
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from k3s_policy.assemble import Assembly
    from k3s_policy.assemble.place import Wanted
    from k3s_policy.discover import Candidate
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.file import File
    from k3s_policy.model.finding import Finding, RuleCard
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.semgrep.searched import Searched

__all__ = ["Policy", "Request", "Survey", "assembled", "examine", "scan", "sources", "survey", "tool_version"]


@dataclass(frozen=True)
class Policy:
    """By what files are judged."""

    rules: tuple[str, ...]
    """Names of the rules to judge by."""
    version: Version | None = None
    """The K3s release that runs, where the user says so."""
    minimal_confidence: Confidence = Confidence.LOW
    chosen: bool = True
    """Whether the rules were chosen by name; of all that there are, only those of the profile judge."""
    profile: str | None = None
    """The profile asked for, None where the options of the repository may say it."""

    def asks_for(self, card: RuleCard, profile: str) -> bool:
        """Whether a rule is to judge where this profile counts."""
        return card.name in self.rules and (self.chosen or card.belongs_to(profile))


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    paths: tuple[str, ...]
    tracked: bool = False
    files_only: bool = False
    standard_input: tuple[str, str] | None = None
    """The name and the content of what came in on standard input, judged instead of files."""
    policy: Policy = field(default_factory=lambda: Policy(names(), chosen=False))
    semgrep_rules: tuple[str, ...] = ()
    """Files and folders with Semgrep rules of the user's."""
    semgrep_required: bool = False
    """Whether files that cannot be searched for want of Semgrep are an error."""


def scan(request: Request, progress: Callable[[int, int], None] | None = None) -> Report:
    """Judge what lies below some paths.

    `progress` is called with the number of files looked at so far and their total. A check that raises stops
    the scan: CheckFailedError names the rule and the place.
    """
    return _report(_gathered(request, progress), request.policy)


def examine(
    found: Iterable[Source], policy: Policy, scope: Scope | None = None, context: Collection[str] = ()
) -> Report:
    """Judge some files, whose content is all that is needed.

    `context` are the paths of files that are read for what they say about the others, and not reported.
    """
    scope = scope or Scope(Options(), policy.version)
    return _report(_Gathered(list(found), scope, context=frozenset(context)), policy)


def assembled(found: Iterable[Source]) -> Assembly:
    """Put some files together, whose content is all that is needed."""
    return _assembled(_Gathered(list(found), Scope(Options())), [])[0]


def _report(gathered: _Gathered, policy: Policy) -> Report:
    """Read, assemble, judge, redact, report."""
    errors = list(gathered.errors)
    searched = _searched(gathered, errors)
    assembly, of_k3s = _assembled(gathered, errors, searched)
    profile = policy.profile or gathered.scope.options.profile
    rules = [rule for rule in load_for(policy.rules, assembly.subjects) if policy.asks_for(rule.card, profile)]
    judged = judge(assembly.subjects, rules)
    if searched is not None and searched.findings:
        judged = in_order([*judged, *_asked(searched.findings, policy, profile)])
    reported = [
        finding
        for finding in judged
        if finding.confidence >= policy.minimal_confidence and finding.span.source.path not in gathered.context
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
        files_seen=files_read if gathered.files_seen is None else gathered.files_seen,
        not_judged=tuple(assembly.not_judged),
        notes=(*gathered.notes, *(searched.notes if searched is not None else ()), *assembly.notes),
        foreign=frozenset(card.name for card in searched.cards) if searched is not None else frozenset(),
    )


def _asked(findings: Iterable[Finding], policy: Policy, profile: str) -> Iterator[Finding]:
    """Leave out findings of rules of the catalogue that are not asked for: patterns find such ones broken too."""
    cards = CardsByName()
    for finding in findings:
        if finding.rule not in cards or policy.asks_for(cards[finding.rule], profile):
            yield finding


@dataclass(frozen=True)
class Survey:
    """What was put together, before anything is judged."""

    assembly: Assembly
    paths: frozenset[str]
    """The files that were asked for; others were read for what they say about these."""
    errors: tuple[ScanError, ...]
    notes: tuple[str, ...]


def survey(request: Request) -> Survey:
    """Put together what lies below some paths, without judging it."""
    gathered = _gathered(request, None)
    errors = list(gathered.errors)
    searched = _searched(gathered._replace(semgrep_rules=()), errors)
    assembly, _ = _assembled(gathered, errors, searched)
    paths = frozenset(source.path for source in gathered.sources) - gathered.context
    notes = (*gathered.notes, *(searched.notes if searched is not None else ()), *assembly.notes)
    return Survey(assembly, paths, tuple(errors), notes)


def sources(request: Request) -> tuple[list[str], list[ScanError]]:
    """Return the paths of the files that hold something of K3s's, and what kept others from being looked at."""
    gathered = _gathered(request, None)
    errors = list(gathered.errors)
    _, of_k3s = _assembled(gathered, errors)
    programs = {source.path for source in gathered.sources if _is_program(source, gathered.named)}
    return sorted((of_k3s | programs) - gathered.context), errors


def tool_version() -> str:
    """Return the version of the installed k3s-policy."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow to import

    try:
        return version("k3s-policy")
    except PackageNotFoundError:
        return "0"


# The steps of the pipeline that are no module: each adds what it could not read to `errors`, and goes on.


class _Gathered(NamedTuple):
    """The files a request is about, and what holds for them."""

    sources: list[Source]
    scope: Scope
    errors: tuple[ScanError, ...] = ()
    context: frozenset[str] = frozenset()
    """Paths of files that are read for what they say about the others."""
    notes: tuple[str, ...] = ()
    files_seen: int | None = None
    """How many files there are, where they were looked for."""
    candidates: tuple[Candidate, ...] = ()
    """What there is besides `sources`: files without a word of K3s's, that others may name all the same."""
    named: frozenset[str] = frozenset()
    """Paths of files that the user named one by one."""
    searches: bool = False
    """Whether programs are searched, rather than only read."""
    semgrep_rules: tuple[str, ...] = ()
    """Absolute paths of the user's own rules."""
    semgrep_required: bool = False


def _gathered(request: Request, progress: Callable[[int, int], None] | None) -> _Gathered:
    errors: list[ScanError] = []
    if request.standard_input is not None:
        scope = Scope(_options(top_of([]), errors), request.policy.version)
        rules = _rules(request, top_of([]), scope.options, errors)
        return _Gathered(
            [Source(*request.standard_input)],
            scope,
            tuple(errors),
            named=frozenset(request.standard_input[:1]),
            searches=True,
            semgrep_rules=rules,
            semgrep_required=request.semgrep_required,
        )
    discovery = discover(request.paths, tracked=request.tracked, files_only=request.files_only)
    errors.extend(discovery.problems)
    # What a user names is judged with what K3s reads beside it; only what was named is reported.
    beside = () if request.files_only else neighbours(discovery.candidates)
    scope = Scope(
        _options(discovery.top, errors),
        request.policy.version,
        whole=any(os.path.realpath(path) == discovery.top for path in request.paths),
        partial=request.files_only,
    )
    every = (*discovery.candidates, *beside)
    found = list(_read(every, errors, progress))
    context = frozenset(candidate.path for candidate in beside)
    rules = _rules(request, discovery.top, scope.options, errors)
    return _Gathered(
        found,
        scope,
        tuple(errors),
        context,
        tuple(discovery.notes),
        discovery.seen,
        every,
        _named_by_user(request, discovery.candidates),
        searches=True,
        semgrep_rules=rules,
        semgrep_required=request.semgrep_required,
    )


def _rules(request: Request, top: str, options: Options, errors: list[ScanError]) -> tuple[str, ...]:
    """Return where the user's own Semgrep rules lie: `.k3s-policy.yaml` counts from its folder, options from here.

    A repository has no say over what lies outside of it.
    """
    rules = []
    for path in options.semgrep_rules:
        file = os.path.realpath(os.path.join(top, path))
        if file == os.path.realpath(top) or file.startswith(os.path.join(os.path.realpath(top), "")):
            rules.append(file)
        else:
            errors.append(ScanError(f"the Semgrep rules {path} lie outside of the repository", FILE_NAME))
    return tuple(dict.fromkeys((*rules, *map(os.path.realpath, request.semgrep_rules))))


def _searched(gathered: _Gathered, errors: list[ScanError]) -> Searched | None:
    """Search what no reader reads; None where there is nothing to search."""
    if not gathered.searches:
        return None
    programs = [source for source in gathered.sources if _is_program(source, gathered.named)]
    if not programs and not gathered.semgrep_rules:
        return None
    from k3s_policy.semgrep.searched import Patterns, search  # noqa: PLC0415  few repositories have such files

    others = list(_others(gathered, programs)) if gathered.semgrep_rules else []
    searched = search(programs, others, Patterns(gathered.semgrep_rules, gathered.semgrep_required), CardsByName())
    errors.extend(searched.errors)
    return searched


def _named_by_user(request: Request, candidates: Iterable[Candidate]) -> frozenset[str]:
    """Return the paths of files that somebody named; a hook names every file that changes."""
    return frozenset(candidate.path for candidate in candidates if candidate.named and not request.files_only)


def _is_program(source: Source, named: Collection[str]) -> bool:
    return may_be_searched(source.path, named=source.path in named) and "k3s" in source.content.lower()


def _others(gathered: _Gathered, programs: Collection[Source]) -> Iterator[Source]:
    """Yield the rest of what the user's own rules may be about: any file that may be read, whatever it holds."""
    read_already = {source.path for source in gathered.sources}
    yield from (source for source in gathered.sources if source not in programs)
    for candidate in gathered.candidates:
        if candidate.path not in read_already:
            source = read(candidate._replace(promising=True), frozenset())
            if isinstance(source, Source):
                yield source


def _assembled(
    gathered: _Gathered, errors: list[ScanError], searched: Searched | None = None
) -> tuple[Assembly, set[str]]:
    """Put the files together, with those that they name; return also the paths of those that are K3s's."""
    files = [door.of_source(source) for source in gathered.sources]
    fragments, of_k3s = _fragments(files, errors)
    more, found = _fragments(_tasks_beside(gathered, of_k3s), errors)
    fragments += more
    of_k3s |= found
    if searched is not None:
        fragments += (fragment for _, fragment in searched.fragments)
        of_k3s |= {source.path for source, _ in searched.fragments}
    assembly = assemble(fragments, gathered.scope)
    if not assembly.wanted:
        return assembly, of_k3s
    sources = {source.path: source for source in gathered.sources}
    others = {candidate.path: candidate for candidate in gathered.candidates}
    paths = sources.keys() | others.keys()
    done: set[tuple[Wanted, str]] = set()
    # A file that is named may name another: an environment file says K3S_CONFIG_FILE.
    while named := sorted({(one, path) for one in assembly.wanted for path in _named(one, paths)} - done):
        done.update(named)
        before = len(fragments)
        for wanted, path in named:
            if wanted.kind == "placed" and path in of_k3s:
                continue  # it is known for what it is already
            source = sources[path] if path in sources else read(others[path]._replace(promising=True), frozenset())
            if not isinstance(source, Source):
                continue
            if wanted.kind == "override":
                fragments.append(Override(source.path))
                continue
            more, found = _fragments([_as_wanted(source, wanted)], errors)
            fragments += more
            of_k3s |= found
        if len(fragments) > before:
            assembly = assemble(fragments, gathered.scope)
    return assembly, of_k3s


def _tasks_beside(gathered: _Gathered, of_k3s: Collection[str]) -> Iterator[File]:
    """Yield the tasks of roles that hold files whose names do not tell what they become: a task may say it."""
    unknown = (source.path for source in gathered.sources if source.path not in of_k3s)
    roles = {match["role"] for path in unknown if (match := _OF_A_ROLE.match(path))}
    if not roles:
        return
    sources = {source.path: source for source in gathered.sources}
    others = {one.path: one for one in gathered.candidates}
    for path in sorted({*sources, *others} - set(of_k3s)):
        role, tasks, name = path.rpartition("/tasks/")
        if tasks and role in roles and name.endswith((".yml", ".yaml")):
            source = sources.get(path) or read(others[path]._replace(promising=True), frozenset())
            if isinstance(source, Source):
                yield door.of_source(source, concerns_k3s=True)


_OF_A_ROLE = pattern(r"(?P<role>.*)/(?:templates|files)/")


def _as_wanted(source: Source, wanted: Wanted) -> File:
    """Return a file as what names it says that it is read."""
    if wanted.kind == "placed":
        return door.placed_at(source, wanted.target)
    return door.of_source(source, ReadAs(wanted.kind))


def _named(wanted: Wanted, paths: Collection[str]) -> Iterator[str]:
    """Yield the path of the file that is wanted, the likeliest that there is, and those of a config's drop-ins."""
    for named in first_named(wanted.paths, paths):
        yield named
        if wanted.kind == "config":
            yield from (path for path in paths if path.startswith(f"{named}.d/"))


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
        elif (candidate.named or is_config_path(candidate.path)) and os.path.exists(candidate.file):
            errors.append(ScanError("is a binary file, and only text can be judged", candidate.path))


def _fragments(files: Iterable[File], errors: list[ScanError]) -> tuple[list[Fragment], set[str]]:
    """Return what files of the repository hold, and the paths of those that are K3s's."""
    fragments: list[Fragment] = []
    of_k3s: set[str] = set()
    for file in files:
        path = source_of(file.text)
        try:
            found = list(door.read(file))
        except Exception as error:  # noqa: BLE001  one file must not hide the others, nor its content be told
            errors.append(ScanError(f"could not be read: {type(error).__name__}", path))
            continue
        fragments.extend(found)
        if any(map(door.counts, found)):
            of_k3s.add(path)
    return fragments, of_k3s
