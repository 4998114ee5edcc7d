"""Searching programs: the patterns, what strings stand for, how Semgrep is run, and what users' own rules become."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from k3s_policy import semgrep
from k3s_policy.assemble.options import OptionsError, parse
from k3s_policy.cli import main
from k3s_policy.discover.sieve import tells_program
from k3s_policy.judge.rule import names
from k3s_policy.k3s.data import schema
from k3s_policy.k3s.recognise import TELLING_OPTION
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.reports import FORMATS, render
from k3s_policy.run import Policy, Request, scan, sources
from k3s_policy.semgrep.language import LANGUAGES
from k3s_policy.semgrep.literal import groups
from k3s_policy.semgrep.mapping import as_yaml
from k3s_policy.semgrep.pointed import _SCRIPT
from k3s_policy.semgrep.process import _copied, _Copy
from k3s_policy.text import Source

if TYPE_CHECKING:
    from k3s_policy.model.finding import Finding, Report

RULES = Path(__file__).parent.parent / "rules"
PATTERNS = sorted(RULES.glob("*.yaml"))
MARKER = "9f86d081884c7d659a2feaa0"


# --- the patterns -----------------------------------------------------------------------------------------


def test_every_pattern_finds_what_its_cases_say(tmp_path: Path) -> None:
    executable = semgrep.program()
    assert executable is not None, "the tests need Semgrep"
    ran = subprocess.run(
        [executable, "scan", "--experimental", "--test", "--metrics=off", "--disable-version-check", str(RULES)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(PATTERNS)}/{len(PATTERNS)}: " in ran.stdout + ran.stderr


@pytest.mark.parametrize("path", PATTERNS, ids=lambda path: path.stem)
def test_a_pattern_is_one_rule_that_says_how_to_read_it(path: Path) -> None:
    (rule,) = YAML(typ="safe").load(path)["rules"]
    assert rule["id"] == path.stem
    own = rule["metadata"]["k3s-policy"]
    assert own.get("reads") in semgrep.READINGS or own["rule"] in names()
    assert rule["message"]
    cases = [file for file in RULES.glob(f"{path.stem}.*") if file.suffix != ".yaml"]
    content = "".join(file.read_text(encoding="utf-8") for file in cases)
    assert f"ruleid: {path.stem}" in content
    assert f"ok: {path.stem}" in content


def test_every_way_of_reading_has_a_pattern() -> None:
    rules = [YAML(typ="safe").load(path)["rules"][0] for path in PATTERNS]
    told = {rule["metadata"]["k3s-policy"].get("reads") for rule in rules}
    assert told - {None} == set(semgrep.READINGS)
    assert all(f"| `{reading}` |" in (RULES / "README.md").read_text(encoding="utf-8") for reading in semgrep.READINGS)


_SCRIPTS = (
    "get.k3s.io", "INSTALL_K3S_EXEC=", "K3S_TOKEN=", "rancher/k3s/config.yaml", "k3s server --debug", "k3s agent -v",
    "k3sup install ", "k3sup join ",
)  # fmt: skip
_OPTIONS = (
    "datastore-endpoint", "datastore-cafile", "datastore-certfile", "datastore-keyfile", "etcd-s3", "etcd-s3-bucket",
    "etcd-snapshot-dir", "flannel-backend", "flannel-iface", "flannel-conf", "write-kubeconfig",
    "write-kubeconfig-mode", "write-kubeconfig-group", "cluster-init", "no-deploy", "disable-agent",
    "disable-cloud-controller", "kube-apiserver-arg",
)  # fmt: skip


def test_what_tells_a_program_of_k3s_is_the_same_everywhere() -> None:
    for words, name, known in (
        (_SCRIPTS, "script", _SCRIPT.search),
        ([f"--{option}" for option in _OPTIONS], "options", TELLING_OPTION.search),
    ):
        assert all(known(word) and tells_program(f"k3s '{word}'".encode()) for word in words)
        for path in RULES.glob(f"*-{name}.yaml"):
            wanted = [line.partition("regex: ")[2] for line in path.read_text().splitlines() if "regex: (?s)" in line]
            assert wanted
            assert all(re.match(wanted[-1], f'"{word}"') for word in words), path.stem


# --- strings ------------------------------------------------------------------------------------------------


def read(language: str, content: str) -> list[list[str]]:
    """Return the groups of a whole file; `~` stands in front of what is not known."""
    source = Source("file", content)
    found = groups(source, 0, len(content), LANGUAGES[language])
    return [[("" if value.text.known else "~") + str(value.text) for value in group] for group in found]


@pytest.mark.parametrize(
    ("language", "content", "expected"),
    [
        ("terraform", r'"a \"b\" \n \u00e9 $${c}"', [['a "b" \n é ${c}']]),
        ("terraform", '"a ${join(",", ["b"])} c"', [[f"~a {19 * 'x'} c"]]),
        ("terraform", '"a ${b["${c}"]} d"', [[f"~a {12 * 'x'} d"]]),
        ("terraform", 'x == "" ? "a" : "b"', [["a"], ["b"]]),
        ("terraform", '"%{ if a == "" }x%{ else }y%{ endif } b"', [["~xy b"]]),
        ("terraform", "<<-EOT\n    a\n      b\n\n  c\n  EOT\n", [["  a\n    b\n\nc\n"]]),
        ("terraform", "<<EOT\n  a \\n\nEOT", [["  a \\n\n"]]),
        ("terraform", '["a", # "b"\n "c", /* "d" */ e]', [["a", "c", "~x"]]),
        ("terraform", '{ a = "b"\n c = "d" }', [["b"], ["d"]]),
        ("python", "'a' \"b\"\n  r'\\d' + c + 'e'", [["~ab\\dxe"]]),
        ("python", "f'{a!r} {{b}} {c[\"d\"]}'", [["~xxxxx {b} xxxxxxxx"]]),
        ("python", "'a {b} %s'.format(b=c), '{d} %s %d' % (e, f)", [["~a xxx %s", "~{d} xx xx"]]),
        ("python", "b'a\\x41\\\n\\q' if c else ''", [["aA\\q"]]),
        ("python", "a + '-b'", [["~x-b"]]),
        ("python", "run(['a', 'b', c], 'd')", [["a", "b", "~x"], ["~x", "d"]]),
        ("python", "('a '\n 'b')", [["a b"], ["a b"]]),
        ("python", '"""a\n"b" """', [['a\n"b" ']]),
        ("go", '"a %s %[1]d 100%% \\t" + b', [["~a xx xxxxx 100%% \tx"]]),
        ("go", '`a\\n"b"` // "c"', [['a\\n"b"']]),
        ("javascript", "`a ${b + `${c}`} \\u{1F600}`", [[f"~a {13 * 'x'} \U0001f600"]]),
        ("javascript", "'${a}' + \"\\\n\"", [["${a}"]]),
        ("ruby", "'a #{b} \\' \\n' \"#{c}\"", [["~a #{b} ' \\nxxxx"]]),
        ("ruby", "<<~'END'\n  a #{b}\n    c\nEND\n", [["a #{b}\n  c\n"]]),
        ("go", '"never ends', []),
    ],
)
def test_what_strings_stand_for(language: str, content: str, expected: list[list[str]]) -> None:
    assert read(language, content) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(bool))
def test_strings_of_python_are_read_as_python_reads_them(value: str) -> None:
    assert read("python", repr(value)) == [[value]]


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda value: value and "%" not in value))
def test_strings_of_others_are_read_as_they_write_them(value: str) -> None:
    # Escapes of JSON beyond the first plane are two of JavaScript's, which stand for one character.
    written = json.dumps(value, ensure_ascii=False)
    assert read("javascript", written) == [[value]]
    assert read("go", written) == [[value]]
    assert read("terraform", written.replace("${", "$${")) == [[value]]


@given(st.sampled_from(sorted(LANGUAGES)), st.text(alphabet="a\"'`\\${}#%<-\n+,()[]é ", max_size=40))
def test_whatever_stands_there_is_read_at_its_place(language: str, content: str) -> None:
    source = Source("file", content)
    for group in groups(source, 0, len(content), LANGUAGES[language]):
        for value in group:
            for run in value.text.runs:
                assert 0 <= run.start <= run.end <= len(content)
                if run.known and run.verbatim and len(run.text) > 1:
                    assert content[run.start : run.end] == run.text


@pytest.mark.parametrize(
    "content", ['"${' * 20_000, "(" * 10_000, '"${"a', "<<A\n${" * 5_000, "'a'+" * 3_000, "[{(" * 5_000]
)
def test_nothing_takes_long(content: str) -> None:
    for language in LANGUAGES.values():
        groups(Source("file", content), 0, len(content), language)


def test_a_map_is_written_as_its_encoder_writes_it() -> None:
    content = '{ a = true, "b-c": [ "d", "e" ] // f\n g = null\n h = i ?\n  1 : 2 # j\n k = "l # m"\n n = 007 }'
    text = as_yaml(Source("file", content), 0, len(content), LANGUAGES["terraform"])
    assert text is not None
    lines = str(text).split("\n")
    assert lines == ["a: true", 'b-c: [ "d", "e" ]', 'h: "xxxxxxxx"', 'k: "l # m"', 'n: "xxxxxxxx"', ""]
    assert as_yaml(Source("file", "[]"), 0, 2, LANGUAGES["terraform"]) is None


# --- how Semgrep is run -----------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bytes_become_characters(content: str) -> None:
    copy = _Copy(Source("file", content))
    for position in range(len(content) + 1):
        assert copy.offset(len(content[:position].encode())) == position


def test_copies_lie_below_one_folder(tmp_path: Path) -> None:
    paths = ["a.tf", "b/c.tf", "../d.tf", "/e.tf", "x/../../f.tf", ".semgrepignore", "b/./g.tf"]
    copies = dict(_copied([Source(path, path) for path in paths], str(tmp_path / "files")))
    assert [copy.source.path for copy in copies.values()] == paths
    assert all(Path(file).resolve().is_relative_to(tmp_path / "files") for file in copies)
    assert all(Path(file).read_text(encoding="utf-8") == copy.source.path for file, copy in copies.items())
    assert (tmp_path / "files" / ".semgrepignore").read_bytes() == b""


def test_semgrep_beside_this_python_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert semgrep.program() == os.path.join(os.path.dirname(sys.executable), "semgrep")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "semgrep").touch(mode=0o755)
    monkeypatch.setenv("PATH", os.pathsep.join((".", "")))
    (tmp_path / "python").touch()
    assert semgrep.program() == str(tmp_path / "semgrep")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    assert semgrep.program() is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 7", "Semgrep gave no answer (exit code 7)"),
        ("echo nonsense", "Semgrep gave no answer (exit code 0)"),
        ("echo '{}'", "Semgrep gave no answer (exit code 0)"),
    ],
)
def test_a_semgrep_that_fails_is_an_error(tmp_path: Path, body: str, message: str) -> None:
    executable = tmp_path / "semgrep"
    executable.write_text(f"#!/bin/sh\n{body}\n")
    executable.chmod(0o755)
    with pytest.raises(semgrep.SemgrepFailedError) as failed:
        semgrep.search([Source("main.tf", MARKER)], [], str(executable))
    assert str(failed.value) == message


def test_semgrep_is_told_nothing_of_its_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMGREP_APP_TOKEN", MARKER)
    monkeypatch.setenv("HTTPS_PROXY", MARKER)
    executable = tmp_path / "semgrep"
    executable.write_text(
        f'#!/bin/sh\nenv > {tmp_path}/told\necho "$@" >> {tmp_path}/told\necho \'{{"results": []}}\'\n'
    )
    executable.chmod(0o755)
    assert not semgrep.search([Source("main.tf", "")], ["/rules"], str(executable)).matches
    told = (tmp_path / "told").read_text()
    assert MARKER not in told
    assert "--metrics=off" in told
    assert "--config /rules" in told


# --- the whole way ------------------------------------------------------------------------------------------

TERRAFORM = f"""# größe
locals {{
  k3s_args  = "--write-kubeconfig-mode 644"
  k3s_token = "{MARKER}"
}}
"""
RULE = """rules:
  - id: no-latest
    languages: [yaml]
    severity: WARNING
    message: |
      An image without
      a tag.
    metadata: {confidence: LOW}
    pattern: "image: $IMAGE"
  - id: own-script
    languages: [hcl]
    severity: ERROR
    message: reads
    metadata: {k3s-policy: {reads: options}}
    pattern: own = $X
  - id: Team.no_secret
    languages: [hcl]
    severity: ERROR
    message: "the value is $VALUE"
    pattern: k3s_token = "$VALUE"
"""


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return what a scan with everything in it found: one run of Semgrep."""
    top = tmp_path_factory.mktemp("repository")
    files = {
        "main.tf": TERRAFORM,
        "own.tf": 'k3s = 1\nown = "--kube-apiserver-arg a=b --flannel-iface"\n',
        "broken.py": "def k3s(:\n  k3s server --token\n",
        "tests/test_start.py": 'run("k3s server --token abcdefghijkl1")\n',
        "images.yaml": "image: a\n",
        "policies/images.yaml": RULE,
        ".k3s-policy.yaml": "semgrep:\n  rules: policies\n",
        ".semgrepignore": "*.tf\n",
    }
    for path, content in files.items():
        (top / path).parent.mkdir(exist_ok=True)
        (top / path).write_text(content, encoding="utf-8")
    return scan(Request((str(top),)))


def found(report: Report, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule]


def test_what_patterns_point_at_is_judged(report: Report) -> None:
    assert not report.errors
    (mode,) = found(report, "world-readable-kubeconfig")
    assert (mode.span.source.path, mode.span.line, mode.span.column) == ("main.tf", 3, 16)
    (token,) = found(report, "plaintext-credential")
    assert (token.span.line, token.span.column, token.span.end_column) == (4, 16, 16 + len(MARKER))


def test_rules_of_the_user_report(report: Report) -> None:
    images = [finding for finding in found(report, "no-latest") if finding.span.source.path == "images.yaml"]
    assert [(one.span.line, one.span.column, one.span.end_column) for one in images] == [(1, 1, 9)]
    assert images[0].severity is Severity.MEDIUM
    assert images[0].confidence is Confidence.LOW
    assert images[0].message == "An image without a tag."
    assert images[0].fingerprint


def test_a_message_of_a_users_rule_holds_no_credential(report: Report) -> None:
    (secret,) = found(report, "Team.no_secret")
    assert secret.message == "the value is ******"


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_shows_the_credential_of_a_program(report: Report, form: str) -> None:
    rendered = render(form, report)
    if form == "json":
        Draft7Validator(schema("report")).validate(json.loads(rendered))
    assert "main.tf" in rendered
    assert MARKER not in rendered


def test_a_users_rule_has_a_card_and_no_page(report: Report) -> None:
    cards = {card.name: card for card in report.rules if "semgrep" in card.tags}
    assert cards["no-latest"].summary == "An image without a tag"
    assert cards["no-latest"].severity is Severity.MEDIUM
    assert {"no-latest", "Team.no_secret"} <= report.foreign
    assert not report.foreign & {"world-readable-kubeconfig", "plaintext-credential"}


def test_a_file_that_is_understood_in_parts_is_named(report: Report) -> None:
    (note,) = [note for note in report.notes if "in part" in note]
    assert note == "searched in part only, as Semgrep does not understand all of it: broken.py"


def test_tests_of_programs_are_not_searched(report: Report) -> None:
    assert not [finding for finding in report.findings if finding.span.source.path.startswith("tests/")]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semgrep, "program", lambda: None)


@pytest.mark.usefixtures("without")
def test_without_semgrep_the_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcde":
        (tmp_path / f"{name}.tf").write_text(TERRAFORM, encoding="utf-8")
    assert main(["scan", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "note: Semgrep is not installed, so not searched: a.tf, b.tf, c.tf and 2 more" in shown
    assert "pip install semgrep" in shown
    assert main(["scan", "--require-semgrep", "--format", "json", str(tmp_path)]) == 2
    assert "not searched: a.tf" in json.loads(capsys.readouterr().out)["errors"][0]["message"]


@pytest.mark.usefixtures("without")
def test_rules_that_a_command_names_need_semgrep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.yaml").write_text("a: b\n", encoding="utf-8")
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: []\n", encoding="utf-8")
    assert main(["scan", "--semgrep-rules", str(rules), str(tmp_path / "notes.yaml")]) == 2
    assert "notes.yaml; pip install semgrep" in capsys.readouterr().out


@pytest.mark.usefixtures("without")
def test_without_semgrep_nothing_is_said_where_nothing_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.tf").write_text('locals {\n  name = "other"\n}\n', encoding="utf-8")
    assert main(["scan", "--require-semgrep", str(tmp_path)]) == 0
    assert "Semgrep" not in capsys.readouterr().out


def test_rules_that_do_not_exist_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    assert main(["scan", "--semgrep-rules", str(missing), str(tmp_path)]) == 2
    assert f"--semgrep-rules {missing} does not exist" in capsys.readouterr().err
    (tmp_path / ".k3s-policy.yaml").write_text("semgrep: {rules: [missing]}\n")
    (tmp_path / "main.tf").write_text(TERRAFORM, encoding="utf-8")
    (error,) = scan(Request((str(tmp_path),))).errors
    assert error.message == "the Semgrep rules missing do not exist"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"r.yaml": "foo: ["}, "Semgrep failed: Invalid YAML in the rules r.yaml"),
        ({"r.yaml": "rulez:\n"}, "Semgrep failed: Invalid YAML in the rules r.yaml"),
        ({"README.md": ""}, "the folder own holds no Semgrep rules: no file ends in .yaml or .yml"),
    ],
)
def test_rules_that_cannot_be_used_are_an_error(tmp_path: Path, files: dict[str, str], message: str) -> None:
    (tmp_path / "main.tf").write_text(TERRAFORM, encoding="utf-8")
    (tmp_path / "own").mkdir()
    for name, content in files.items():
        (tmp_path / "own" / name).write_text(content)
    scanned = scan(Request((str(tmp_path / "main.tf"),), semgrep_rules=(str(tmp_path / "own"),)))
    assert [error.message for error in scanned.errors] == [message]


def test_rules_without_an_end_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(TERRAFORM, encoding="utf-8")
    (tmp_path / "own").mkdir()
    os.mkfifo(tmp_path / "own" / "pipe.yaml")
    (tmp_path / "own" / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "own" / "far.yaml").symlink_to(RULES / "python-script.yaml")
    named = scan(Request((str(tmp_path / "main.tf"),), semgrep_rules=("/dev/zero", str(tmp_path / "own"))))
    assert [error.message for error in named.errors] == [
        "the Semgrep rules zero are no regular file",
        "the Semgrep rules far.yaml lie outside of own",
        "the Semgrep rules pipe.yaml are no regular file",
        "the Semgrep rules zero.yaml are no regular file",
    ]
    (tmp_path / ".k3s-policy.yaml").write_text("semgrep: {rules: [/dev/zero, ../far]}\n")
    (tmp_path / "far").symlink_to("/")
    told = scan(Request((str(tmp_path),)))
    assert [error.message for error in told.errors] == [
        "the Semgrep rules /dev/zero lie outside of the repository",
        "the Semgrep rules ../far lie outside of the repository",
    ]


@pytest.mark.parametrize("name", ["/", "..", "../..", ".", "a" * 300])
def test_standard_input_of_any_name_is_searched(name: str) -> None:
    report = scan(Request(("-",), standard_input=(name, TERRAFORM), semgrep_rules=(str(RULES / "python-script.yaml"),)))
    assert [error.message for error in report.errors] == ["no copies can be made: File name too long"] * (
        len(name) > 99
    )


def test_a_test_that_is_named_is_searched(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    file = tmp_path / "tests" / "app.py"
    file.write_text('run("k3s server --write-kubeconfig-mode 644")\n')
    assert found(scan(Request((str(file),))), "world-readable-kubeconfig")
    assert [Path(path).name for path in sources(Request((str(file),)))[0]] == ["app.py"]
    assert not scan(Request((str(file),), files_only=True)).findings
    assert not scan(Request((str(tmp_path),))).findings


def test_a_pattern_finds_a_rule_of_the_catalogue_broken(tmp_path: Path) -> None:
    file = tmp_path / "start.py"
    file.write_text('import requests\n\nrequests.get("https://get.k3s.io", verify=False)\n')
    (own,) = scan(Request((str(tmp_path),))).findings
    assert (own.rule, own.severity, own.span.line, own.span.column) == ("insecure-download", Severity.HIGH, 3, 43)
    rest = tuple(name for name in names() if name != "insecure-download")
    assert not scan(Request((str(tmp_path),), policy=Policy(rest, chosen=False))).findings


def test_options_name_rules() -> None:
    assert parse(Source(".k3s-policy.yaml", "semgrep: {rules: [a, b/c]}").text).semgrep_rules == ("a", "b/c")
    for wrong in ("semgrep: a", "semgrep: {rule: a}", "semgrep: {rules: {a: b}}", "semgrep: {rules: [[a]]}"):
        with pytest.raises(OptionsError):
            parse(Source(".k3s-policy.yaml", wrong).text)
    validator = Draft7Validator(schema("k3s-policy"))
    right: dict[str, Any] = {"semgrep": {"rules": ["a"]}}
    assert not list(validator.iter_errors(right))
    assert list(validator.iter_errors({"semgrep": {"rule": "a"}}))


def test_programs_are_listed_with_what_is_judged(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(TERRAFORM, encoding="utf-8")
    (tmp_path / "other.tf").write_text("locals {}\n", encoding="utf-8")
    assert sources(Request((str(tmp_path),))) == (["main.tf"], [])
