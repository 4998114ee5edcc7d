"""The report as SARIF 2.1.0, with all that GitHub code scanning reads and nothing that it refuses.

What is said of a rule never depends on what was found. No snippets: a viewer has the file, and the report of a
leak must not be one. GitHub refuses empty strings, so what is empty is left out.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from k3s_policy.address import ADDRESS
from k3s_policy.model.finding import Severity
from k3s_policy.model.masking import masked, secrets_of
from k3s_policy.reports.frame import visible
from k3s_policy.reports.json import document
from k3s_policy.reports.line_hash import line_hashes

if TYPE_CHECKING:
    from collections.abc import Callable

    from k3s_policy.model.finding import Finding, Related, Report, RuleCard, ScanError
    from k3s_policy.text import Source, Span

__all__ = ["render"]

Json = dict[str, Any]

_ROOT = "%SRCROOT%"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_PROBLEMS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "recommendation"}
_SCORES = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "3.0"}
"""Of 10, where GitHub calls more than 9 critical, from 7 high and from 4 medium."""

_DESCRIPTION = 1024
"""How many characters of a description GitHub keeps."""
_TAGS = 20
"""How many tags GitHub keeps."""


def render(report: Report) -> str:
    """Return the report as a SARIF document; paths are relative to the top of the repository."""
    return document(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [_run(report)],
        }
    )


def _run(report: Report) -> Json:
    secrets = secrets_of(report)

    @cache
    def hashes(source: Source) -> list[str]:
        return line_hashes(masked(source, secrets.get(source, ())))

    indices = {card.name: index for index, card in enumerate(report.rules)}
    return {
        "tool": {"driver": _driver(report)},
        "automationDetails": {"id": "k3s-policy/"},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {_ROOT: {"description": _text("The top of the repository.")}},
        "invocations": [
            {
                "executionSuccessful": not report.errors,
                "toolExecutionNotifications": [
                    *map(_error, report.errors),
                    *map(_not_judged, report.not_judged),
                    *({"level": "note", "message": _text(_plain(note))} for note in report.notes if note),
                ],
            }
        ],
        "results": [_result(finding, indices, hashes) for finding in report.findings],
    }


def _driver(report: Report) -> Json:
    version = report.tool_version
    return _without_empty(
        {
            "name": "k3s-policy",
            "informationUri": ADDRESS,
            "version": version,
            "semanticVersion": version if re.fullmatch(r"\d+\.\d+\.\d+", version) else "",
            "rules": [_rule(card) for card in report.rules],
        }
    )


def _rule(card: RuleCard) -> Json:
    sentence = f"{card.summary}."
    documentation = _captioned(card.documentation.strip())
    see = "\n".join(f"- <{address}>" for address in card.see)
    page = "\n\n".join(filter(None, [sentence, documentation, see and f"See also:\n\n{see}"]))
    properties: Json = {
        "tags": list(card.tags[:_TAGS]),
        "precision": "high",
        "problem.severity": _PROBLEMS[card.severity],
    }
    if "security" in card.tags:
        properties["security-severity"] = _SCORES[card.severity]
    return _without_empty(
        {
            "id": card.name,
            "name": "".join(word.capitalize() for word in card.name.split("-")),
            "shortDescription": _text(card.summary[:_DESCRIPTION]),
            "fullDescription": _text(sentence[:_DESCRIPTION]),
            "help": {"text": page, "markdown": page},
            "helpUri": card.see[0] if card.see else "",
            "defaultConfiguration": {"level": _LEVELS[card.severity]},
            "properties": properties,
        }
    )


def _captioned(markdown: str) -> str:
    """Write above each example whether it is wrong or right: what stands behind its language is not shown."""
    return re.sub(r"(?m)^(```\w*) (wrong|right)\b.*$", _caption, markdown)


def _caption(fence: re.Match[str]) -> str:
    return f"{fence[2].capitalize()}:\n\n{fence[1]}"


def _result(finding: Finding, indices: dict[str, int], hashes: Callable[[Source], list[str]]) -> Json:
    result: Json = {"ruleId": finding.rule}
    if finding.rule in indices:
        result["ruleIndex"] = indices[finding.rule]
    related = [_related(number, place) for number, place in enumerate(finding.related, 1)]
    fingerprints = {
        "primaryLocationLineHash": hashes(finding.span.source)[finding.span.line - 1],
        "k3sPolicy/v1": finding.fingerprint,
    }
    return _without_empty(
        {
            **result,
            "level": _LEVELS[finding.severity],
            "message": {"text": _message(finding)},
            "locations": [{"physicalLocation": _physical(finding.span)}],
            "relatedLocations": related,
            "partialFingerprints": _without_empty(fingerprints),
            "properties": {"confidence": finding.confidence.word},
        }
    )


def _message(finding: Finding) -> str:
    """Say what is wrong in the first sentence, which is all that a list shows; then the rest."""
    related = enumerate(finding.related, 1)
    links = [f"[{_linked(place.message)}]({number})" for number, place in related if place.message]
    sentences = [
        _plain(finding.message or finding.rule),
        f"Help: {_plain(finding.help)}" if finding.help else "",
        f"See {', '.join(links)}" if links else "",
    ]
    return " ".join(map(_ended, filter(None, sentences)))


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def _plain(text: str) -> str:
    """Return text in which nothing is taken for a link to a related place."""
    return re.sub(r"\[(?=[^]]*\]\()", r"\\[", visible(text))


def _linked(text: str) -> str:
    return re.sub(r"[][\\]", r"\\\g<0>", visible(text))


def _related(number: int, related: Related) -> Json:
    location: Json = {"id": number, "physicalLocation": _physical(related.span)}
    return {**location, "message": _text(_plain(related.message))} if related.message else location


def _error(error: ScanError) -> Json:
    notification: Json = {"level": "error", "message": _text(_plain(error.message) or "the scan failed")}
    if not error.path:
        return notification
    location: Json = {"artifactLocation": _artifact(error.path)}
    if error.line is not None:
        location["region"] = {"startLine": error.line}
        if error.column is not None:
            location["region"]["startColumn"] = error.column
    return {**notification, "locations": [{"physicalLocation": location}]}


def _not_judged(path: str) -> Json:
    return {
        "level": "warning",
        "message": _text("This template does not parse; it was not judged."),
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(path)}}],
    }


def _physical(span: Span) -> Json:
    start, end = span.start, max(span.start, span.end)
    last = max(start, end - 1)
    return {
        "artifactLocation": _artifact(span.source.path),
        "region": {
            "startLine": span.line,
            "startColumn": span.column + _pairs(span.source, start, start),
            "endLine": span.end_line,
            "endColumn": span.end_column + _pairs(span.source, last, end),
        },
    }


def _pairs(source: Source, character: int, end: int) -> int:
    """Count the characters up to `end`, in the line of a character, that UTF-16 writes as two units."""
    before = source.content[source.content.rfind("\n", 0, character) + 1 : end]
    return 0 if before.isascii() else sum(unit > "\uffff" for unit in before)


def _artifact(path: str) -> Json:
    """Return where a file lies; a colon is encoded too, or what stands before it would be a scheme."""
    # What neither UTF-8 nor a file system's undecodable byte could have been has no encoding.
    encodable = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", path)
    return {"uri": quote(encodable.encode("utf-8", "surrogateescape"), safe="/-._~!$&'()*+,;=@"), "uriBaseId": _ROOT}


def _text(text: str) -> Json:
    return {"text": text}


def _without_empty(properties: Json) -> Json:
    return {name: value for name, value in properties.items() if value not in ("", [], {})}
