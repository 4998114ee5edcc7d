"""What Semgrep finds in the files of a scan: fragments to judge, and findings of rules that the user brought along."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from k3s_policy import semgrep
from k3s_policy.formats import tree
from k3s_policy.k3s.data import folder
from k3s_policy.model.finding import Confidence, Finding, RuleCard, ScanError, Severity
from k3s_policy.text import Source, Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from k3s_policy.model.fragment import Fragment
    from k3s_policy.semgrep import Match

__all__ = ["Patterns", "Searched", "search"]

INSTALL = "pip install semgrep"
_CASES = (".test.yaml", ".test.yml", ".fixed.yaml", ".fixed.yml")
"""Ends of the names of files that Semgrep takes for cases of rules rather than for rules."""
_LISTED = 3
"""How many files that were not searched are named before the rest is only counted."""


@dataclass(frozen=True, repr=False)
class Patterns:
    """What a scan is to search for."""

    rules: tuple[str, ...] = ()
    """Absolute paths of files and folders with rules of the user's."""
    required: bool = False
    """Whether it is an error that Semgrep is not installed."""


@dataclass(repr=False)
class Searched:
    """What a search made of files."""

    fragments: list[tuple[Source, Fragment]] = field(default_factory=list)
    """What was read, each with its file."""
    findings: list[Finding] = field(default_factory=list)
    """Of the user's rules, and of those of the catalogue that a pattern finds broken."""
    cards: list[RuleCard] = field(default_factory=list)
    errors: list[ScanError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def search(
    programs: Iterable[Source], others: Iterable[Source], patterns: Patterns, cards: Mapping[str, RuleCard]
) -> Searched:
    """Search programs by the patterns in `rules/`, and all files by the user's rules.

    `cards` are those of the catalogue, by the names of the rules: a pattern may find one of these broken, and only then
    its card is looked at.
    """
    searched = Searched()
    own = list(programs)
    every = [*own, *others] if patterns.rules else own
    if not every:
        return searched
    rules = list(_usable(patterns.rules, searched))
    if not rules and not own:
        return searched
    executable = semgrep.program()
    if executable is None:
        _say_missing(own or every, patterns, searched)
        return searched
    try:
        answer = semgrep.search(every, [*([folder("rules")] if own else []), *rules], executable)
    except semgrep.SemgrepFailedError as error:
        searched.errors.append(ScanError(str(error)))
        return searched
    searched.cards = list(_cards(rules, cards))
    searched.errors += [ScanError(message, path) for path, message in dict.fromkeys(answer.failed)]
    partial = set(answer.partial) & {source.path for source in own}
    if partial:
        searched.notes.append(
            f"searched in part only, as Semgrep does not understand all of it: {_some(sorted(partial))}"
        )
    _take(answer.matches, own, cards, searched)
    return searched


def _usable(rules: Iterable[str], searched: Searched) -> Iterator[str]:
    """Yield the files that hold the user's rules: regular ones, as others may have no end, and within the folder."""
    for path in rules:
        name = os.path.basename(path)
        if not os.path.exists(path):
            searched.errors.append(ScanError(f"the Semgrep rules {name} do not exist"))
            continue
        files = list(_files(path))
        if not files:
            searched.errors.append(
                ScanError(f"the folder {name} holds no Semgrep rules: no file ends in .yaml or .yml")
            )
        for file in files:
            if not os.path.isfile(file):
                searched.errors.append(ScanError(f"the Semgrep rules {os.path.basename(file)} are no regular file"))
            elif file != path and not os.path.realpath(file).startswith(os.path.join(path, "")):
                searched.errors.append(ScanError(f"the Semgrep rules {os.path.basename(file)} lie outside of {name}"))
            else:
                yield file


def _files(path: str) -> Iterator[str]:
    """Yield the files of rules below a path, as Semgrep takes them: neither hidden ones nor cases."""
    if not os.path.isdir(path):
        yield path
        return
    for place, folders, files in os.walk(path):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(files):
            if name.endswith((".yaml", ".yml")) and not name.endswith(_CASES):
                yield os.path.join(place, name)


def _say_missing(sources: list[Source], patterns: Patterns, searched: Searched) -> None:
    paths = sorted(source.path for source in sources)
    message = f"Semgrep is not installed, so not searched: {_some(paths)}; {INSTALL}"
    if patterns.required:
        searched.errors.append(ScanError(message))
    else:
        searched.notes.append(message)


def _some(paths: list[str]) -> str:
    more = len(paths) - _LISTED
    return ", ".join(paths[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _take(matches: Iterable[Match], own: list[Source], cards: Mapping[str, RuleCard], searched: Searched) -> None:
    """Read what is pointed at, and make findings of the rest."""
    shipped = {name.removesuffix(".yaml") for name in os.listdir(folder("rules"))}
    programs = set(own)
    pointing: dict[Source, list[Match]] = {}
    for match in matches:
        if match.rule in shipped and match.source not in programs:
            continue
        if match.reads not in semgrep.READINGS:
            searched.findings.append(_finding(match, cards))
        else:
            pointing.setdefault(match.source, []).append(match)
    for source, found in pointing.items():
        try:
            fragments = list(semgrep.fragments(found))
        except Exception as error:  # noqa: BLE001  one file must not hide the others, nor its content be told
            searched.errors.append(ScanError(f"could not be read: {type(error).__name__}", source.path))
            continue
        searched.fragments += ((source, fragment) for fragment in fragments)


_SEVERITIES = {
    **dict.fromkeys(("CRITICAL", "ERROR", "HIGH"), Severity.HIGH),
    **dict.fromkeys(("MEDIUM", "WARNING"), Severity.MEDIUM),
}
"""Semgrep's severities, the older and the newer words; every other is low."""


def _finding(match: Match, cards: Mapping[str, RuleCard]) -> Finding:
    confidence = str(match.metadata.get("confidence", "")).upper()
    card = cards.get(match.reports)
    return Finding(
        rule=card.name if card else match.rule,
        severity=card.severity if card else _SEVERITIES.get(match.severity.upper(), Severity.LOW),
        confidence=Confidence[confidence] if confidence in Confidence.__members__ else Confidence.HIGH,
        message=" ".join(match.message.split()) or match.rule,
        span=Span(match.source, match.start, match.end),
    )


# --- the cards of the user's rules ------------------------------------------------------------------------


def _cards(files: Iterable[str], catalogue: Collection[str]) -> Iterator[RuleCard]:
    """Yield a card of each of the user's rules that reports under a name of its own."""
    known = set(catalogue)
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as file:
            root = tree.read_yaml(Source(path, file.read()).text).root
        rules = root.last("rules") if isinstance(root, tree.Mapping) else None
        for rule in rules.items if isinstance(rules, tree.Sequence) else ():
            name = _text(rule, "id")
            reports = rule.scalar("metadata", "k3s-policy", "rule") if isinstance(rule, tree.Mapping) else None
            if str(reports) in catalogue:
                continue
            if name and name not in known:
                known.add(name)
                message = " ".join(_text(rule, "message").split()) or name
                severity = _SEVERITIES.get(_text(rule, "severity").upper(), Severity.LOW)
                yield RuleCard(name, message.rstrip("."), f"{message}\n", severity, tags=("semgrep",))


def _text(node: object, key: str) -> str:
    value = node.last(key) if isinstance(node, tree.Mapping) else None
    return str(value) if isinstance(value, tree.Scalar) else ""
