"""Every output format, from Reports made by hand.

`UPDATE_GOLDEN=1 pytest tests/test_reports.py` writes the files in `tests/golden/` anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k3s_policy.model.finding import Confidence, Finding, Related, Report, RuleCard, ScanError, Severity
from k3s_policy.model.masking import MASK, masked, secrets_of
from k3s_policy.reports import FORMATS, render
from k3s_policy.reports.frame import WIDTH, line_at, visible
from k3s_policy.reports.line_hash import line_hashes
from k3s_policy.text import Source, Span

PROJECT = Path(__file__).parent.parent
GOLDEN = PROJECT / "tests" / "golden"
MARKER = "Zq7Secret"
ESCAPE = "\x1b"


def span(source: Source, wanted: str, end: str | None = None) -> Span:
    """Return where a piece of the content stands, or the stretch from it through `end`."""
    start = source.content.index(wanted)
    return Span(source, start, source.content.index(end, start) + len(end) if end else start + len(wanted))


def finding(where: Span, **others: Any) -> Finding:  # noqa: ANN401 - whatever a Finding holds
    defaults = {
        "rule": "mysql-tls-skip-verify",
        "severity": Severity.HIGH,
        "confidence": Confidence.HIGH,
        "message": "the certificate of the database is not verified",
    }
    return Finding(span=where, **{**defaults, **others})


def report(*findings: Finding, **others: Any) -> Report:  # noqa: ANN401 - whatever a Report holds
    defaults = {"errors": (), "rules": RULES, "secrets": {}, "files_read": 1, "files_seen": 1, "tool_version": "1.2.3"}
    return Report(findings=findings, **{**defaults, **others})


RULES = (
    RuleCard(
        "credential-on-command-line",
        "A credential is given as an argument",
        "Every local user reads it in the process list.\n\n```ini wrong\nExecStart=k3s server --token x\n```\n",
        Severity.HIGH,
        ("https://docs.k3s.io/cli/token", "https://docs.k3s.io/installation/configuration"),
        ("security", "external/cwe/cwe-214"),
    ),
    RuleCard(
        "mysql-tls-skip-verify",
        "The certificate of a MySQL datastore is not verified",
        "`tls=skip-verify` lets anyone in between read the cluster's secrets.\n\n"
        "```yaml wrong\ndatastore-endpoint: mysql://k3s@tcp(db:3306)/k3s?tls=skip-verify\n```\n\n"
        "```yaml right\ndatastore-endpoint: mysql://k3s@tcp(db:3306)/k3s?tls=true\n```\n",
        Severity.HIGH,
        ("https://docs.k3s.io/datastore",),
        ("security", "external/cwe/cwe-295"),
    ),
    RuleCard("syntax-error", "A file of K3s's cannot be read", "K3s refuses it too.", Severity.HIGH),
    RuleCard("tabs-in-unit", "A line is indented by tabs", "It looks different in each editor.", Severity.LOW),
    RuleCard("unsafe-name", "A name is misleading", "See Unicode's report on it.", Severity.MEDIUM, (), ("security",)),
)


def golden_report() -> Report:
    """Return one Report with everything that is hard to show."""
    config = Source(
        "etc/rancher/k3s/config.yaml",
        f"\ufeff# 東京 😀\r\ndatastore-endpoint: mysql://k3s:{MARKER}@tcp(db:3306)/k3s?tls=skip-verify  # 😀 東京\r\n"
        "node-name: 東京-😀 # né\r\n",
    )
    drop_in = Source(
        "etc/rancher/k3s/config.yaml.d/10 höst.yaml",
        f"write-kubeconfig-mode: '0644'\ntoken: {MARKER}  # the same as: {MARKER}\ntls-san:\n  - one\n  - two\n",
    )
    unit = Source(
        "etc/systemd/system/k3s.service",
        "[Service]\n" * 9
        + f"\tExecStart=k3s server\t--token {MARKER} "
        + " ".join(f"--node-label number-{number}=value" for number in range(20))
        + f" --datastore-endpoint mysql://k3s:{MARKER}@/k3s?tls=skip-verify --debug\n",
    )
    hostile = Source(
        "hosts/\x1b[31mred\u202e/config.yaml", "node-name: \x1b]0;title\x07 \u202eevil\u202c [link](1) # \u200b\n"
    )
    broken = Source("broken/etc/rancher/k3s/config.yaml", f"token: {{{MARKER}\nserver: [\n")
    return report(
        finding(
            span(broken, "{"),
            rule="syntax-error",
            message="did not find expected ',' or '}'",
            related=(Related(span(broken, "["), "opened here"),),
            fingerprint="5a1c0de000000001",
        ),
        finding(
            span(config, "tls=skip-verify"),
            message="the certificate of the database is not verified: anyone in between reads the cluster's secrets",
            help="write tls=true, or name the CA with datastore-cafile",
            related=(
                Related(span(config, "datastore-endpoint"), "the option stands here"),
                Related(span(drop_in, "write-kubeconfig-mode"), "and this file is merged into it"),
            ),
            fingerprint="5a1c0de000000002",
        ),
        finding(
            span(config, "京-😀"),
            rule="unsafe-name",
            severity=Severity.MEDIUM,
            confidence=Confidence.LOW,
            message="a node's name is a DNS label, not [this](1)",
        ),
        finding(span(drop_in, MARKER), rule="unsafe-name", severity=Severity.LOW, message="the token is [secret]"),
        finding(
            span(drop_in, "tls-san", "two"),
            rule="unsafe-name",
            severity=Severity.MEDIUM,
            message="the certificate is missing the address of the load balancer",
            help="add it",
        ),
        finding(
            span(unit, "ExecStart"),
            rule="tabs-in-unit",
            severity=Severity.LOW,
            message="the line is indented by a tab",
            related=(
                Related(span(unit, "number-12"), "far behind"),
                Related(span(unit, "[Service]"), "its section"),
                Related(span(unit, "number-19=value"), ""),
            ),
        ),
        finding(span(unit, "tls=skip-verify"), fingerprint="5a1c0de000000003"),
        finding(
            span(hostile, "\u202eevil\u202c"),
            rule="unsafe-name",
            severity=Severity.MEDIUM,
            message="the name \x1b[2Jhides \u202esomething",
        ),
        errors=(
            ScanError("cannot be read: permission denied", "etc/rancher/k3s/secret.yaml"),
            ScanError("the option is not known", ".k3s-policy.yaml", 3, 1),
            ScanError("semgrep ended with \x1b[1m7"),
        ),
        secrets={
            source: tuple(
                Span(source, found.start(), found.end()) for found in re.finditer(re.escape(MARKER), source.content)
            )
            for source in (config, drop_in, unit)
        },
        files_read=5,
        files_seen=1234,
        not_judged=tuple(f"charts/{number}/config.yaml" for number in range(12)),
        notes=("an RKE2 configuration was left alone: rke2.yaml",),
        waived=2,
    )


@pytest.mark.parametrize(
    ("name", "rendered"),
    [
        ("report.txt", render("text", golden_report())),
        ("report-color.txt", render("text", golden_report(), color=True)),
        ("report.json", render("json", golden_report())),
        ("report.sarif", render("sarif", golden_report())),
    ],
)
def test_golden(name: str, rendered: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(rendered, encoding="utf-8", newline="")
    assert rendered == path.read_bytes().decode("utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_shows_a_secret_or_steers_a_terminal(form: str) -> None:
    rendered = render(form, golden_report())
    assert MARKER not in rendered
    assert rendered.replace("\n", "").isprintable()
    assert rendered.endswith("\n")
    assert not rendered.endswith("\n\n")


def test_color_only_adds_escape_sequences() -> None:
    colored = render("text", golden_report(), color=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == render("text", golden_report())


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="no such format: xml"):
        render("xml", report())


@pytest.mark.parametrize("form", FORMATS)
def test_only_the_wanted_format_is_imported(form: str) -> None:
    program = (
        "import sys; from k3s_policy.reports import render; from k3s_policy.model.finding import Report; "
        "render(sys.argv[1], Report((), (), (), {}, 0, 0)); print(*sys.modules)"
    )
    command = [sys.executable, "-c", program, form]
    modules = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.split()
    others = {f"k3s_policy.reports.{other}" for other in FORMATS if other != form}
    if form == "sarif":
        others.remove("k3s_policy.reports.json")
    assert not others & set(modules)
    assert form != "text" or not {"json", "unicodedata", "urllib.parse"} & set(modules)


# Text


def test_clean_report_is_one_line() -> None:
    assert render("text", report(files_read=3, files_seen=17)) == "no findings in 3 K3s files (17 files looked at)\n"


def test_summary_uses_the_singular() -> None:
    source = Source("k3s.yaml", "a: b\n")
    last = render("text", report(finding(span(source, "a")), errors=(ScanError("broken"),))).splitlines()[-2]
    assert last == "1 finding (1 high) in 1 K3s file, 1 error (1 file looked at)"


def test_paths_are_shown_as_the_caller_wants() -> None:
    source = Source("a/k3s.yaml", "a: b\n")
    rendered = render(
        "text",
        report(finding(span(source, "b"), related=(Related(span(source, "a"), "x"),)), errors=(ScanError("y", "a/z"),)),
        shown=lambda path: path.removeprefix("a/"),
    )
    assert rendered.startswith("k3s.yaml:1:4: ")
    assert "\nz: error: y\n" in rendered


def test_frame_of_a_mask_tells_no_length() -> None:
    short, long = (Source("k3s.yaml", f"token: {'x' * length}  # here\n") for length in (1, 300))
    frames = {
        render("text", report(finding(where), secrets={where.source: (where,)}))
        for where in (Span(short, 7, 8), Span(long, 7, 307))
    }
    assert len(frames) == 1
    assert f"1 | token: {MASK}  # here\n  |        {'^' * len(MASK)}\n" in frames.pop()


def test_neighbouring_secrets_are_one_mask() -> None:
    source = Source("k3s.yaml", "token: abcdef\n")
    secrets = (Span(source, 7, 9), Span(source, 9, 13))
    assert f"token: {MASK}\n" in render("text", report(finding(secrets[1]), secrets={source: secrets}))


def test_secret_over_several_lines_keeps_the_lines() -> None:
    source = Source("k3s.yaml", "key: |\r\n  one\r\n\r\n  two\r\nend: 1\r\n")
    assert masked(source, (span(source, "  one", "two"),)).splitlines() == ["key: |", MASK, "", MASK, "end: 1"]


def test_unparsed_source_is_never_shown() -> None:
    source = Source("k3s.yaml", f"token: {MARKER}\n")
    other = Source("l3s.yaml", "server: x\n")
    rendered = render(
        "text",
        report(
            finding(span(source, "token"), rule="syntax-error"),
            finding(span(source, "token")),
            finding(span(other, "server"), related=(Related(span(source, "token"), "the token"),)),
        ),
    )
    assert MARKER not in rendered
    assert "token:" not in rendered
    assert " ::: k3s.yaml:1:1: the token\n" in rendered
    assert "1 | server: x\n" in rendered


@pytest.mark.parametrize(
    ("content", "start", "end", "marked"),
    [
        ("a: b\n", 0, 0, "^"),  # empty
        ("a: b\n", 4, 5, "    ^"),  # the line break
        ("a: b\r\n", 4, 6, "    ^"),
        ("\ufeffa: b\n", 0, 2, "^"),  # the byte-order mark
        ("\ufeff", 0, 1, "^"),
        ("", 0, 0, "^"),
        ("a:\tb", 3, 4, "    ^"),
        ("\ta", 0, 1, "^^^^"),
        ("東京: b", 1, 2, "  ^^"),
        ("e\u0301: b", 2, 3, " ^"),  # a combining accent takes no cell
        ("e\u0301", 1, 2, " ^"),
        ("\x1b: b", 0, 1, "^^^^"),
        ("a: |  \n  b\n", 3, 10, "   ^ to line 2"),
        ("a\n\n", 2, 3, "^"),
    ],
)
def test_mark(content: str, start: int, end: int, marked: str) -> None:
    source = Source("k3s.yaml", content)
    rows = render("text", report(finding(Span(source, start, end)))).splitlines()
    assert rows[3] == f"  | {marked}"


@pytest.mark.parametrize("length", [100, 500, 1_000, 10_000, 3_000_000])
@pytest.mark.parametrize("where", [0, 0.5, 1])
def test_long_lines_are_cut_around_the_mark(length: int, where: float) -> None:
    start = int(length * where)
    source = Source("k3s.yaml", "x" * start + "HERE" + "y" * (length - start))
    line = line_at(source, (), start, start + 4)
    assert len(line.text) <= WIDTH
    mark = line.mark(start, start + 4)
    assert mark
    assert line.text[mark[0] : sum(mark)] == "HERE"
    assert line.text.startswith("…") == (start > 0 and length > WIDTH)
    assert line.text.endswith("…") == (start < length and length > WIDTH)


def test_stretch_longer_than_the_line_is_marked_as_far_as_it_is_seen() -> None:
    source = Source("k3s.yaml", "x" * 1000 + "H" * 5000)
    line = line_at(source, (), 1000, 6000)
    mark = line.mark(1000, 6000)
    assert mark
    assert set(line.text[mark[0] : sum(mark)]) == {"H"}
    assert line.text[mark[0] - 1] == "x"


CHARACTERS = st.one_of(
    st.sampled_from("a: \t\r-'😀東é\u0301\u200b\u202e\x1b\x07\x9b\u00a0\u3000\ufeff\u2028\ud800\udcff\U000e0001"),
    st.characters(),
)
LINES = st.text(CHARACTERS.filter(lambda character: character != "\n"), max_size=200)


def cells(text: str) -> list[str]:
    """Return what stands in each cell, one for each that a character takes."""
    taken: list[str] = []
    for character in text:
        if unicodedata.category(character) not in {"Mn", "Me"}:
            taken += [character] * (2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1)
        elif taken:
            taken[-1] += character
    return taken


STRETCHES = LINES.map(lambda text: text.replace("\t", "")).filter(
    lambda text: text and not unicodedata.category(text[0]).startswith("M")
)


@given(before=LINES, stretch=STRETCHES, after=LINES, other=LINES)
def test_marks_stand_under_what_they_mean(before: str, stretch: str, after: str, other: str) -> None:
    source = Source("k3s.yaml", f"{other}\nx{before}y{stretch}z{after}\n{other}")
    start = len(other) + 1 + len(before) + 2
    line = line_at(source, (), start, start + len(stretch))
    assert line.text.isprintable()
    taken = cells(line.text)
    assert len(taken) <= WIDTH
    mark = line.mark(start, start + len(stretch))
    assert mark
    first, after_last = mark[0], sum(mark)
    wanted = cells(visible(stretch))
    assert taken[first:after_last] == wanted[: mark[1]]
    assert mark[1] == len(wanted) or taken[after_last] == "…"


@st.composite
def reports_with_secrets(draw: st.DrawFn) -> Report:
    """Return a Report of one Source with markers in its secret spans, and findings anywhere."""
    content = ""
    secrets = []
    for plain in draw(st.lists(st.text(CHARACTERS, max_size=40), min_size=1, max_size=5)):
        content += plain.replace(MARKER, "")
        secret = draw(st.sampled_from([MARKER, f"{MARKER}\n  {MARKER}", MARKER * 30]))
        secrets.append((len(content), len(content) + len(secret)))
        content += secret
    source = Source(draw(st.text(CHARACTERS, min_size=1, max_size=20)), content + draw(st.text(CHARACTERS)))
    offsets = st.tuples(*[st.integers(0, len(source.content))] * 2).map(sorted)
    words = st.text(CHARACTERS, max_size=20)
    findings = [
        finding(
            Span(source, *draw(offsets)),
            rule=draw(st.sampled_from(["mysql-tls-skip-verify", "syntax-error", "tabs-in-unit"])),
            message=draw(words),
            help=draw(words),
            related=tuple(Related(Span(source, *draw(offsets)), draw(words)) for _ in range(draw(st.integers(0, 2)))),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    return report(
        *findings,
        errors=(ScanError(draw(words), draw(words)),),
        notes=(draw(words),),
        secrets={source: tuple(Span(source, *ends) for ends in secrets)},
    )


@given(reports_with_secrets())
def test_no_format_shows_what_is_secret(made: Report) -> None:
    for form in FORMATS:
        rendered = render(form, made)
        assert MARKER not in rendered
        assert rendered.replace("\n", "").isprintable()
        rendered.encode("utf-8")
    for source, secrets in secrets_of(made).items():
        assert MARKER not in masked(source, secrets)
        assert masked(source, secrets).count("\n") == source.content.count("\n")


# JSON


def schema(name: str) -> Any:  # noqa: ANN401 - a schema is any JSON
    return json.loads((PROJECT / "schemas" / name).read_text(encoding="utf-8"))


def test_schema_is_valid_and_describes_everything() -> None:
    wanted = schema("report.json")
    jsonschema.Draft202012Validator.check_schema(wanted)
    for record in (wanted, *wanted["$defs"].values()):
        if record.get("type") == "object":
            assert record["additionalProperties"] is False
            assert record["required"] == list(record["properties"])


@pytest.mark.parametrize("made", [golden_report(), report()])
def test_json_is_as_its_schema_says(made: Report) -> None:
    jsonschema.validate(json.loads(render("json", made)), schema("report.json"), jsonschema.Draft202012Validator)


@given(reports_with_secrets())
def test_json_keeps_every_text(made: Report) -> None:
    read = json.loads(render("json", made))
    assert [each["message"] for each in read["findings"]] == [each.message for each in made.findings]
    assert [each["path"] for each in read["findings"]] == [each.span.source.path for each in made.findings]
    assert [each["column"] for each in read["findings"]] == [each.span.column for each in made.findings]


# SARIF


def run_of(made: Report) -> Any:  # noqa: ANN401 - a SARIF run is any JSON
    return json.loads(render("sarif", made))["runs"][0]


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (
            " a\nb\n  \t\tc\n d",
            ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
        ),
        (
            " a\r\nb\r  \t\tc\n d",
            ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
        ),
    ],
)
def test_line_hashes_are_those_of_the_upload_action(text: str, hashes: list[str]) -> None:
    assert line_hashes(text) == hashes


def test_equal_lines_are_counted() -> None:
    lines = "x\n" * 150
    hashes = line_hashes(lines)
    assert len(hashes) == 151
    assert hashes[0].endswith(":1")
    assert hashes[1] == hashes[0].replace(":1", ":2")


@given(st.text(CHARACTERS))
def test_there_is_a_hash_for_every_line(text: str) -> None:
    source = Source("k3s.yaml", text)
    assert len(line_hashes(text)) >= source.position(len(text))[0]


def test_line_hash_does_not_depend_on_the_secret() -> None:
    hashes = set()
    for secret in ("a", "b" * 200):
        source = Source("k3s.yaml", f"token: {secret}\nserver: x\n")
        made = report(finding(span(source, "token")), secrets={source: (span(source, secret),)})
        hashes.add(run_of(made)["results"][0]["partialFingerprints"]["primaryLocationLineHash"])
    assert len(hashes) == 1


def test_sarif_says_all_that_github_reads() -> None:
    run = run_of(golden_report())
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [card.name for card in RULES]
    assert [rule["properties"].get("security-severity") for rule in rules] == ["8.0", "8.0", None, None, "5.5"]
    assert [rule["properties"]["problem.severity"] for rule in rules] == [
        "error",
        "error",
        "error",
        "recommendation",
        "warning",
    ]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert set(result["locations"][0]["physicalLocation"]["region"]) == {
            "startLine",
            "startColumn",
            "endLine",
            "endColumn",
        }
    assert run["columnKind"] == "utf16CodeUnits"
    assert run["automationDetails"]["id"] == "k3s-policy/"
    assert run["invocations"][0]["executionSuccessful"] is False


def test_sarif_speaks_of_rules_as_if_nothing_was_found() -> None:
    assert run_of(golden_report())["tool"] == run_of(report())["tool"]
    assert run_of(report())["results"] == []
    assert run_of(report())["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_sarif_lists_a_finding_of_a_rule_without_a_card() -> None:
    source = Source("k3s.yaml", "a: b\n")
    result = run_of(report(finding(span(source, "a"), rule="of-an-organisation")))["results"][0]
    assert result["ruleId"] == "of-an-organisation"
    assert "ruleIndex" not in result


def test_sarif_places_an_error_as_well_as_it_is_known() -> None:
    errors = (ScanError("x", "a", 3), ScanError("x", "a", 3, 4), ScanError("x", "a"), ScanError("x"))
    notifications = run_of(report(errors=errors))["invocations"][0]["toolExecutionNotifications"]
    places = [each.get("locations", [{}])[0].get("physicalLocation", {}) for each in notifications]
    assert [place.get("region") for place in places] == [
        {"startLine": 3},
        {"startLine": 3, "startColumn": 4},
        None,
        None,
    ]


def test_sarif_counts_utf16_units() -> None:
    source = Source("k3s.yaml", "\ufeff# 😀\n😀: 😀b 😀\n")
    region = run_of(report(finding(span(source, "b"))))["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 8}


@given(reports_with_secrets())
def test_sarif_regions_cut_out_the_span(made: Report) -> None:
    for found, result in zip(made.findings, run_of(made)["results"], strict=True):
        region = result["locations"][0]["physicalLocation"]["region"]
        lines = found.span.source.content.removeprefix("\ufeff").split("\n")
        first, last = (
            lines[region[f"{end}Line"] - 1].encode("utf-16-le", "surrogatepass")[: 2 * region[f"{end}Column"] - 2]
            for end in ("start", "end")
        )
        assert first.decode("utf-16-le", "surrogatepass") == lines[found.span.line - 1][: found.span.column - 1]
        assert last.decode("utf-16-le", "surrogatepass") == lines[found.span.end_line - 1][: found.span.end_column - 1]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a/b c.yaml", "a/b%20c.yaml"),
        ("höst#1?.yaml", "h%C3%B6st%231%3F.yaml"),
        ("a:b/100%.yaml", "a%3Ab/100%25.yaml"),
        ("a\udcff\\b.yaml", "a%FF%5Cb.yaml"),
        ("\ud800", "%EF%BF%BD"),
    ],
)
def test_sarif_paths_are_relative_uris(path: str, uri: str) -> None:
    source = Source(path, "a: b\n")
    location = run_of(report(finding(span(source, "a"))))["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": uri, "uriBaseId": "%SRCROOT%"}
    assert "\ud800" in path or unquote_to_bytes(uri) == os.fsencode(path)


def empty_strings(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(empty_strings, value.values()))
    if isinstance(value, list):
        return any(map(empty_strings, value))
    return value == ""


@given(reports_with_secrets())
def test_sarif_has_no_empty_strings(made: Report) -> None:
    assert not empty_strings(run_of(made))


def multitool() -> Path | None:
    """Return Microsoft's validator, where the environment names it or `.ci/sarif-multitool` puts it."""
    if named := os.environ.get("SARIF_MULTITOOL"):
        return Path(named)
    return next(PROJECT.glob("node_modules/@microsoft/sarif-multitool-*/Sarif.Multitool"), None)


@pytest.mark.skipif(multitool() is None, reason="the SARIF Multitool is not installed: run .ci/sarif-multitool")
@pytest.mark.parametrize("made", [golden_report(), report()])
def test_sarif_multitool_finds_no_error(tmp_path: Path, made: Report) -> None:
    (tmp_path / "report.sarif").write_text(render("sarif", made), encoding="utf-8")
    command = [str(multitool()), "validate", "report.sarif", "-o", "validated.sarif", "--log", "ForceOverwrite"]
    options = ["--level", "Error;Warning;Note", "--rule-kind", "Sarif;Ghas"]
    # Its exit code says nothing.
    subprocess.run([*command, *options], cwd=tmp_path, check=False, capture_output=True)
    results = json.loads((tmp_path / "validated.sarif").read_text(encoding="utf-8-sig"))["runs"][0]["results"]
    assert [result for result in results if result.get("level", "warning") != "note"] == []
