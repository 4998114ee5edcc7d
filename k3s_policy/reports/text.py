"""The report for people: each finding with the line it is about, and a summary at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.finding import Severity
from k3s_policy.model.masking import secrets_of, unparsed
from k3s_policy.reports.frame import line_at, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from k3s_policy.model.finding import Finding, Report, ScanError
    from k3s_policy.reports.frame import Line
    from k3s_policy.text import Source, Span

__all__ = ["render"]

_COLORS = {
    "high": "1;31",
    "medium": "1;33",
    "low": "1;36",
    "path": "1",
    "gutter": "34",
    "related": "1;34",
    "help": "1;32",
    "error": "1;31",
    "note": "1",
    "clean": "32",
}
"""What each part of the report looks like, as the numbers of an ANSI escape sequence."""

_LISTED = 10
"""How many files that were not judged are named before the rest is only counted."""


class _View(NamedTuple):
    """How this report is written."""

    secrets: Mapping[Source, tuple[Span, ...]]
    unparsed: set[Source]
    color: bool
    shown: Callable[[str], str]

    def paint(self, part: str, text: str) -> str:
        return f"\x1b[{_COLORS[part]}m{text}\x1b[0m" if self.color else text

    def path(self, path: str) -> str:
        return visible(self.shown(path))

    def place(self, span: Span) -> str:
        return f"{self.path(span.source.path)}:{span.line}:{span.column}"

    def line(self, span: Span) -> Line | None:
        """Return the line a span begins on, or None where showing one could show a credential."""
        if span.source in self.unparsed:
            return None
        return line_at(span.source, self.secrets.get(span.source, ()), span.start, span.end)


class _Mark(NamedTuple):
    """A row below a line that underlines a span and says something of it."""

    span: Span
    sign: str
    label: str
    part: str
    """Which of the colours it has."""


def render(report: Report, *, color: bool = False, shown: Callable[[str], str] = str) -> str:
    """Return the report for a terminal; `shown` turns a path of the repository into the one to print."""
    view = _View(secrets_of(report), unparsed(report), color, shown)
    blocks = ["\n".join(_finding(finding, view)) for finding in report.findings]
    blocks += ["\n".join(_remarks(report, view)), "\n".join(_summary(report, view))]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _finding(finding: Finding, view: _View) -> Iterator[str]:
    word = finding.severity.word
    title = view.paint(word, f"{word}[{finding.rule}]")
    yield f"{view.paint('path', view.place(finding.span))}: {title} {visible(finding.message)}"
    spans = (finding.span, *(related.span for related in finding.related))
    margin = " " * len(str(max(span.line for span in spans)))
    yield from _frames(finding, margin, view)
    if finding.help:
        yield f"{margin} {view.paint('gutter', '=')} {view.paint('help', 'help')}: {visible(finding.help)}"


def _frames(finding: Finding, margin: str, view: _View) -> Iterator[str]:
    """Show the line of the finding with every place marked that it holds, then the places elsewhere."""
    line = view.line(finding.span)
    to_line = f"to line {finding.span.end_line}" if finding.span.end_line > finding.span.line else ""
    here = [_Mark(finding.span, "^", to_line, finding.severity.word)]
    elsewhere: list[_Mark] = []
    for related in finding.related:
        mark = _Mark(related.span, "-", visible(related.message), "related")
        (here if line and _cells(line, mark.span) else elsewhere).append(mark)
    if line:
        yield from _frame(line, here, margin, view)
    for mark in elsewhere:
        lead = f"{view.paint('gutter', f'{margin}:::')} {view.place(mark.span)}"
        other = view.line(mark.span)
        yield lead if other or not mark.label else f"{lead}: {mark.label}"
        if other:
            yield from _frame(other, [mark], margin, view)


def _frame(line: Line, marks: Iterable[_Mark], margin: str, view: _View) -> Iterator[str]:
    """Show a line and, below it, a row for each mark."""
    bar = view.paint("gutter", f"{margin} |")
    number = view.paint("gutter", f"{line.number:>{len(margin)}} |")
    yield bar
    yield f"{number} {line.text.rstrip()}".rstrip()
    for mark in marks:
        first, width = _cells(line, mark.span) or (0, 1)
        yield f"{bar} {' ' * first}{view.paint(mark.part, f'{mark.sign * width} {mark.label}'.rstrip())}"


def _cells(line: Line, span: Span) -> tuple[int, int] | None:
    """Return the first cell and the number of cells that a span takes on a line; None where it shows none of it."""
    if span.source is not line.source or span.line != line.number:
        return None
    # What goes on below is underlined to the last character of this line, not of the blanks behind it.
    return line.mark(span.start, min(span.end, line.end_of_text) if span.end_line > span.line else span.end)


def _remarks(report: Report, view: _View) -> Iterator[str]:
    """Say what could not be judged, and why."""
    for error in report.errors:
        yield f"{_error_place(error, view)}{view.paint('error', 'error')}: {visible(error.message)}"
    for path in report.not_judged[:_LISTED]:
        yield f"{view.path(path)}: {view.paint('note', 'not judged')}: a template that does not parse"
    if len(report.not_judged) > _LISTED:
        yield f"{view.paint('note', 'not judged')}: {len(report.not_judged) - _LISTED} more templates"
    for note in report.notes:
        yield f"{view.paint('note', 'note')}: {visible(note)}"


def _error_place(error: ScanError, view: _View) -> str:
    if error.path is None:
        return ""
    numbers = (str(number) for number in (error.line, error.column) if number is not None)
    return view.paint("path", ":".join((view.path(error.path), *numbers))) + ": "


def _summary(report: Report, view: _View) -> Iterator[str]:
    found = _counted(len(report.findings), "finding") if report.findings else "no findings"
    severities = [
        f"{sum(finding.severity == severity for finding in report.findings)} {severity.word}"
        for severity in sorted(Severity, reverse=True)
    ]
    by_severity = ", ".join(count for count in severities if not count.startswith("0 "))
    also = [
        f"{report.waived} waived" if report.waived else "",
        f"{len(report.not_judged)} not judged" if report.not_judged else "",
        _counted(len(report.errors), "error") if report.errors else "",
    ]
    summary = f"{found} ({by_severity})" if by_severity else found
    summary = ", ".join(filter(None, [f"{summary} in {_counted(report.files_read, 'K3s file')}", *also]))
    part = "note" if report.findings or report.errors else "clean"
    yield f"{view.paint(part, summary)} ({_counted(report.files_seen, 'file')} looked at)"
    own = [finding for finding in report.findings if finding.rule not in report.foreign]
    if own:
        worst = max(own, key=lambda finding: finding.severity)
        yield f"why, and what to write instead: k3s-policy explain {worst.rule}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
