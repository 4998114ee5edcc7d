"""What a request is about: the paths of the command line, or standard input, with the options of the repository."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.assemble.options import FILE_NAME, Options, OptionsError, load
from k3s_policy.assemble.scope import Scope
from k3s_policy.discover import discover, may_be_searched, neighbours, read, top_of
from k3s_policy.judge.rule import names
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.recognise import is_config_path
from k3s_policy.k3s.sieve import needles
from k3s_policy.model.finding import Confidence, ScanError
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from k3s_policy.discover import Candidate
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.finding import RuleCard

__all__ = ["Gathered", "Policy", "Request", "gathered"]


@dataclass(frozen=True, repr=False)
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


@dataclass(frozen=True, repr=False)
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


class Gathered(NamedTuple):
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
    """All files that were looked for, also those without a word of K3s's: others may name these all the same."""
    named: frozenset[str] = frozenset()
    """Paths of files that the user named one by one."""
    searches: bool = False
    """Whether programs are searched, rather than only read."""
    semgrep_rules: tuple[str, ...] = ()
    """Absolute paths of the user's own rules."""
    semgrep_required: bool = False

    @property
    def programs(self) -> list[Source]:
        """Those that patterns find their way in."""
        return [source for source in self.sources if self._is_program(source)]

    def _is_program(self, source: Source) -> bool:
        return may_be_searched(source.path, named=source.path in self.named) and "k3s" in source.content.lower()

    def others(self) -> Iterator[Source]:
        """Yield what the user's own rules may be about besides: any file that may be read, whatever it holds."""
        yield from (source for source in self.sources if not self._is_program(source))
        read_already = {source.path for source in self.sources}
        for candidate in self.candidates:
            if candidate.path not in read_already and (source := self.opened(candidate)) is not None:
                yield source

    @staticmethod
    def opened(candidate: Candidate) -> Source | None:
        """Return a file that was passed over for its bytes; None where it is no text, or gone."""
        source = read(candidate._replace(promising=True), frozenset())
        return source if isinstance(source, Source) else None


def gathered(request: Request, progress: Callable[[int, int], None] | None = None) -> Gathered:
    """Return what a request is about; `progress` is called with the files looked at so far, and their total."""
    errors: list[ScanError] = []
    if request.standard_input is not None:
        scope = Scope(_options(top_of([]), errors), request.policy.version)
        rules = _rules(request, top_of([]), scope.options, errors)
        return Gathered(
            sources=[Source(*request.standard_input)],
            scope=scope,
            errors=tuple(errors),
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
        whole_repository=any(os.path.realpath(path) == discovery.top for path in request.paths),
        partial=request.files_only,
    )
    every = (*discovery.candidates, *beside)
    found = list(_read(every, errors, progress))
    context = frozenset(candidate.path for candidate in beside)
    rules = _rules(request, discovery.top, scope.options, errors)
    return Gathered(
        sources=found,
        scope=scope,
        errors=tuple(errors),
        context=context,
        notes=tuple(discovery.notes),
        files_seen=discovery.seen,
        candidates=every,
        named=_named_by_user(request, discovery.candidates),
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


def _named_by_user(request: Request, candidates: Iterable[Candidate]) -> frozenset[str]:
    """Return the paths of files that somebody named; a hook names every file that changes."""
    return frozenset(candidate.path for candidate in candidates if candidate.named and not request.files_only)


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
