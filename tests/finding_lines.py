"""The lines of a fence `findings`: what is found, held against what a case expects, and written into its page.

A line has a place (where, by which rule, how grave) and words (a message, a help). `UPDATE_CASES=1` has `update` write
words, never places: a case that finds something else, or elsewhere, is left as it is, and fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from markdown_cases import ELLIPSIS, cases, difference

from k3s_policy.assemble.scope import Scope
from k3s_policy.model.finding import Confidence
from k3s_policy.run import Policy, examine

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from markdown_cases import Case

    from k3s_policy.model.finding import Finding

__all__ = ["Found", "Line", "actual_findings", "asserted_helps", "findings_difference", "update"]

_HELP = "    help "
_RELATED = "    related "


class Line(NamedTuple):
    """One line, cut where its words begin."""

    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.place}{self.words}"

    def meets(self, expected: str) -> bool:
        """Whether it is the line that is expected, or goes on from there; `…` alone is no message."""
        if expected.endswith(ELLIPSIS) and expected != f"{self.place}{ELLIPSIS}":
            return str(self).startswith(expected.removesuffix(ELLIPSIS))
        return str(self) == expected

    def as_expected(self, expected: str | None) -> str:
        """Return the line that is expected where this one meets it, and else this one."""
        return expected if expected is not None and self.meets(expected) else str(self)


@dataclass(frozen=True)
class Found:
    """The lines of a finding."""

    head: Line
    help: str = ""
    related: tuple[Line, ...] = ()

    @property
    def helps(self) -> list[str]:
        """The lines of its help."""
        return [f"{_HELP}{line}" for line in self.help.split("\n") if line]


def actual_findings(case: Case) -> list[Found]:
    """Judge a case by its page's rule, and those its expected findings name."""
    rules = (case.page, *case.other_rules)
    report = examine(case.sources, Policy(rules), Scope(case.options, case.version))
    return [_found(finding, case.page) for finding in report.findings]


def _found(finding: Finding, rule: str) -> Found:
    span = finding.span
    end = f"{span.end_column}" if span.line == span.end_line else f"{span.end_line}:{span.end_column}"
    prefix = "" if finding.rule == rule else f"[{finding.rule}] "
    weight = finding.severity.word
    if finding.confidence is not Confidence.HIGH:
        weight = f"{weight}/{finding.confidence.word}"
    place = f"{prefix}{span.source.path}:{span.line}:{span.column}-{end} {weight} "
    return Found(Line(place, finding.message), finding.help, tuple(_related(finding)))


def _related(finding: Finding) -> Iterator[Line]:
    for span, message in finding.related:
        yield Line(f"{_RELATED}{span.source.path}:{span.line}:{span.column} ", message)


# --- what is expected ---------------------------------------------------------------------------------------


class _Expected(NamedTuple):
    """What a case expects of one finding: its line, and those indented below it."""

    head: str
    below: list[str]

    @property
    def help(self) -> str:
        """The help that is asserted, or none."""
        return "\n".join(line.removeprefix(_HELP) for line in self.below if line.startswith(_HELP))

    @property
    def related(self) -> list[str]:
        """The related places that are asserted."""
        return [line for line in self.below if line.startswith(_RELATED)]

    def is_place_of(self, found: Found) -> bool:
        """Whether this is expected where something was found, by the same rule and as grave, with words or without."""
        return f"{self.head} ".startswith(found.head.place)

    def fits(self, found: Found) -> bool:
        """Whether this is what was found, but for the words; who asserts no related place leaves them to be added."""
        related = self.related
        return (
            self.is_place_of(found)
            and all(line.startswith((_HELP, _RELATED)) for line in self.below)
            and (not related or len(related) == len(found.related))
            and all(line.startswith(one.place) for line, one in zip(related, found.related, strict=False))
        )

    def lines(self, found: Found, told: Collection[str]) -> list[str]:
        """Return what is found, as the case may write it: a help that is told elsewhere can be left out here."""
        related = dict(enumerate(self.related))
        return [
            found.head.as_expected(self.head),
            *(found.helps if self.help or found.help not in told else ()),
            *(line.as_expected(related.get(position)) for position, line in enumerate(found.related)),
        ]


def _expected(lines: Iterable[str]) -> list[_Expected]:
    """Put indented lines together with the line they belong to."""
    expected: list[_Expected] = []
    for line in lines:
        if line.startswith("    ") and expected:
            expected[-1].below.append(line)
        else:
            expected.append(_Expected(line, []))
    return expected


def _lines(content: str) -> list[str]:
    return [line for line in content.split("\n") if line.strip()]


def asserted_helps(page: Iterable[Case]) -> frozenset[str]:
    """Return every help that the cases of a page assert; one that is known to fail asserts nothing."""
    return frozenset(
        expected.help
        for case in page
        if not case.xfail
        for expected in _expected(_lines(case.expected))
        if expected.help
    )


def findings_difference(expected: str, actual: Iterable[Found], told: Collection[str] = ()) -> str:
    """Return what is not as expected, in the notation of the pages; empty where all is.

    A help that is not among those told has to be there, and so have all related places.
    """
    wanted = _lines(expected)
    left = _expected(wanted)
    shown: list[str] = []
    for found in actual:
        place = next((one for one in left if one.is_place_of(found)), None)
        if place is None:
            shown.extend(_Expected("", []).lines(found, told))
        else:
            left.remove(place)
            shown.extend(place.lines(found, told))
    return difference(wanted, shown)


# --- what is written ------------------------------------------------------------------------------------------


def update(page: Path, chosen: Collection[str]) -> None:
    """Write the words of what is found into some cases of a page, given by their titles.

    A help is added where it appears first, unless the page says it elsewhere; related places are added to findings
    that have none yet. A page that says everything already is not written.
    """
    own = cases(page)
    found = {case.title: actual_findings(case) for case in own if case.title in chosen and not case.xfail}
    fitting = [case for case in own if case.title in found and _fits(case.expected, found[case.title])]
    told = set(asserted_helps(case for case in own if case not in fitting))
    for case in fitting:
        pairs = zip(_expected(_lines(case.expected)), found[case.title], strict=True)
        told.update(actual.help for expected, actual in pairs if expected.help)
    # Whatever is not of a case stays as it is, its line endings too.
    with open(page, encoding="utf-8", newline="") as file:
        content = file.read()
    lines = content.split("\n")
    added = 0
    for case in fitting:
        start = case.expected_line - 1 + added
        before = case.expected.count("\n")
        written = list(_written(case.expected, found[case.title], told))
        if written != _lines(case.expected):
            ending = "\r" if lines[start - 1].endswith("\r") else ""
            lines[start : start + before] = [f"{line}{ending}" for line in written]
            added += len(written) - before
    if lines != content.split("\n"):
        with open(page, "w", encoding="utf-8", newline="") as file:
            file.write("\n".join(lines))


def _fits(expected: str, found: Sequence[Found]) -> bool:
    """Whether a case expects what is found, but for the words."""
    wanted = _expected(_lines(expected))
    return len(wanted) == len(found) and all(one.fits(actual) for one, actual in zip(wanted, found, strict=True))


def _written(expected: str, found: Sequence[Found], told: set[str]) -> Iterator[str]:
    """Yield the lines of a case with the words of what is found; a help that is among them is told from then on."""
    for wanted, actual in zip(_expected(_lines(expected)), found, strict=True):
        yield from wanted.lines(actual, told)
        told.add(actual.help)
