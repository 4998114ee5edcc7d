"""The report for programs, as `schemas/report.json` describes it.

Its `version` grows when a program that reads it would have to change. Lines and columns count from 1, columns in
code points; an end column is the one after the last character.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.model.finding import Finding, Related, Report, ScanError
    from k3s_policy.text import Span

__all__ = ["VERSION", "document", "render"]

VERSION = 1


def render(report: Report) -> str:
    """Return the report as a JSON document; paths are relative to the top of the repository."""
    return document(
        {
            "version": VERSION,
            "findings": [_finding(finding) for finding in report.findings],
            "errors": [_error(error) for error in report.errors],
            "summary": _summary(report),
        }
    )


def document(value: object) -> str:
    """Write JSON that is safe to print: what is not printable, lone surrogates too, stands as an escape."""
    written = json.dumps(value, ensure_ascii=False, indent=2)
    if not written.replace("\n", "").isprintable():
        written = "".join(map(_printable, written))
    return written + "\n"


def _printable(character: str) -> str:
    # A line break can only be one between values: in a string it is an escape already.
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.word,
        "confidence": finding.confidence.word,
        "message": finding.message,
        "help": finding.help,
        **_place(finding.span),
        "related": [_related(related) for related in finding.related],
        "fingerprint": finding.fingerprint,
    }


def _related(related: Related) -> dict[str, Any]:
    return {"message": related.message, **_place(related.span)}


def _place(span: Span) -> dict[str, Any]:
    return {
        "path": span.source.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _error(error: ScanError) -> dict[str, Any]:
    return {"message": error.message, "path": error.path, "line": error.line, "column": error.column}


def _summary(report: Report) -> dict[str, Any]:
    counts = {
        severity.word: sum(finding.severity == severity for finding in report.findings)
        for severity in sorted(Severity, reverse=True)
    }
    return {
        "findings": len(report.findings),
        **counts,
        "waived": report.waived,
        "not_judged": list(report.not_judged),
        "files_read": report.files_read,
        "files_seen": report.files_seen,
        "notes": list(report.notes),
    }
