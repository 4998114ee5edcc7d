"""The command line as its users meet it."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k3s_policy import cli
from k3s_policy.judge.rule import names

PROJECT = Path(__file__).parent.parent
CONFIG = "etc/rancher/k3s/config.yaml"
FLOATING = "curl -sfL https://get.k3s.io | sh -s - server --write-kubeconfig-mode=644\n"
OPEN_MODE = 'write-kubeconfig-mode: "0644"\n'
"""One finding of severity medium."""
LEAKED = "token: 9f86d081884c7d659a2feaa0\n"
"""One finding of severity high."""
CLEAN = 'write-kubeconfig-mode: "0600"\n'
UNKNOWN_OPTIONS = "clusters:\n  edge:\n    server: [hosts/*]\n"


class Result(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        if stdin is not None:
            stack.enter_context(mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))))
        code = cli.main([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue())


COMMAND = (sys.executable, "-c", "from k3s_policy.cli import run; run()")


def environment(**variables: str) -> dict[str, str]:
    told = (
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
        "PYTHONUNBUFFERED",
    )
    kept = {name: value for name, value in os.environ.items() if name not in told}
    return {**kept, "PYTHONPATH": str(PROJECT), **variables}


HANG = 1200
"""Seconds after which a process is taken to hang; no machine is so loaded that one runs for as long."""


def process(*arguments: str, folder: Path, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=HANG,
    )


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
    return folder


def repository(folder: Path, files: dict[str, str]) -> Path:
    """Make a git work tree with some untracked files."""
    write(folder, files)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)


# --- as a module ----------------------------------------------------------------------------------------


def as_module(*arguments: str, folder: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    """Run the package by its name, as a process of its own."""
    return subprocess.run(
        [sys.executable, *options, "-m", "k3s_policy", *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--help",), 0), (("scan", "clean.yaml"), 0), (("scan",), 1), (("scan", "missing.yaml"), 2), (("unknown",), 2)],
)
def test_the_module_does_what_the_command_does(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    write(tmp_path, {"clean.yaml": CLEAN, CONFIG: OPEN_MODE})
    ran = as_module(*arguments, folder=tmp_path)
    command = process(*arguments, folder=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (command.returncode, command.stdout, command.stderr)
    assert ran.returncode == code


def test_the_module_is_called_as_the_command_is(tmp_path: Path) -> None:
    assert as_module("--help", folder=tmp_path).stdout.startswith(b"usage: k3s-policy ")
    assert b"__main__" not in as_module("scan", "--unknown", folder=tmp_path).stderr


OURS = ("argparse", "hashlib", "json", "pathspec", "ruamel", "tree_sitter")


@pytest.mark.parametrize(("options", "modules"), [((), OURS), (("-P",), (*OURS, *sys.stdlib_module_names))])
def test_the_module_takes_no_module_of_the_current_folder(
    tmp_path: Path, options: tuple[str, ...], modules: tuple[str, ...]
) -> None:
    write(tmp_path, {f"{name}.py": "import os\nos.write(2, b'run')\n" for name in modules})
    write(tmp_path, {CONFIG: OPEN_MODE, "install.sh": FLOATING})
    arguments = ("scan", "--output", "report.sarif", "--profile", "strict")
    ran = as_module(*arguments, folder=tmp_path, options=options)
    assert (ran.returncode, ran.stderr) == (1, b"")


# --- exit codes ---------------------------------------------------------------------------------------


def test_nothing_found_is_0(tmp_path: Path) -> None:
    result = run("scan", write(tmp_path, {CONFIG: CLEAN}))
    assert (result.code, result.err) == (0, "")
    assert "no findings in 1 K3s file" in result.out


@pytest.mark.parametrize("form", cli.FORMATS)
def test_a_finding_is_1_in_every_format(tmp_path: Path, form: str) -> None:
    result = run("scan", write(tmp_path, {CONFIG: OPEN_MODE}), "--format", form)
    assert (result.code, result.err) == (1, "")
    assert "world-readable-kubeconfig" in result.out


@pytest.mark.parametrize(
    ("option", "code"), [("--fail-on=low", 1), ("--fail-on=medium", 1), ("--fail-on=high", 0), ("--exit-zero", 0)]
)
def test_what_makes_it_1(tmp_path: Path, option: str, code: int) -> None:
    result = run("scan", write(tmp_path, {CONFIG: OPEN_MODE}), option)
    assert result.code == code
    assert "world-readable-kubeconfig" in result.out


def test_high_findings_fail_on_high(tmp_path: Path) -> None:
    assert run("scan", write(tmp_path, {CONFIG: LEAKED}), "--fail-on", "high").code == 1


@pytest.mark.parametrize("form", cli.FORMATS)
@pytest.mark.parametrize("option", ["--fail-on=high", "--exit-zero", "--no-progress"])
def test_an_error_outranks_findings(tmp_path: Path, form: str, option: str) -> None:
    write(tmp_path, {CONFIG: LEAKED})
    result = run("scan", tmp_path, tmp_path / "missing.yaml", "--format", form, option)
    assert result.code == 2
    assert "plaintext-credential" in result.out
    assert "missing.yaml" in result.out
    assert "does not exist" in result.out + result.err


def test_a_file_that_cannot_be_read_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    write(tmp_path, {CONFIG: CLEAN})
    monkeypatch.setattr("k3s_policy.discover.content.os.open", refuse)
    result = run("scan", tmp_path)
    assert result.code == 2
    assert f"{CONFIG}: error: cannot be read: Permission denied" in result.out


def test_a_binary_file_that_is_named_is_2(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"token: \0\n")
    result = run("scan", tmp_path / "config.yaml")
    assert result.code == 2
    assert "is a binary file" in result.out


def test_nothing_to_scan_is_0_and_said_on_stderr(tmp_path: Path) -> None:
    result = run("scan", write(tmp_path, {"values.yaml": "a: b\n"}), "--format", "json")
    assert (result.code, result.err) == (0, "k3s-policy: nothing to scan: no K3s configuration found\n")
    assert json.loads(result.out)["findings"] == []


# --- wrong usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["scna"], "invalid choice: 'scna'"),
        (["scan", "--unknown"], "unrecognized arguments: --unknown"),
        (["scan", "--form", "json"], "unrecognized arguments: --form"),
        (["scan", "--format", "xml"], "invalid choice: 'xml'"),
        (["scan", "--fail-on", "critical"], "invalid choice: 'critical'"),
        (
            ["scan", "--select", "plaintext-credentials"],
            "no rule plaintext-credentials: did you mean plaintext-credential?",
        ),
        (["scan", "--ignore", "xyz"], "there is no rule xyz: `k3s-policy rules` lists them"),
        (["scan", "--k3s-version", "latest"], "latest is no K3s version: write it like v1.33.4+k3s1"),
        (["scan", "--stdin-filename", "a.yaml"], "--stdin-filename goes with the path -"),
        (["scan", "-", "a.yaml"], "- stands alone"),
        (["scan", "--output", "sarif:"], "--output sarif: names no file"),
        (["scan", "--output", "json"], "--output json names no file: write --output json:FILE, or --format json"),
        (["explain", "removed-flags"], "did you mean removed-flag?"),
        (["explain"], "required: RULE"),
        (["scan", "--profile", "paranoid"], "invalid choice: 'paranoid'"),
        (["rules", "--format", "sarif"], "invalid choice: 'sarif'"),
    ],
)
def test_wrong_usage_is_2_with_one_line_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(write(tmp_path, {CONFIG: LEAKED}))
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    last = result.err.splitlines()[-1]
    assert re.match(r"k3s-policy( \w+)?: error: ", last)
    assert message in last
    assert "Traceback" not in result.err


@pytest.mark.parametrize("place", ["no/such/folder/report.json", "."])
def test_a_report_that_cannot_be_written_is_2(tmp_path: Path, place: str) -> None:
    write(tmp_path, {CONFIG: CLEAN})
    result = run("scan", tmp_path, "--output", f"json:{tmp_path / place}")
    assert result.code == 2
    assert result.err.startswith(f"k3s-policy: error: cannot write {tmp_path / place}: ")


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        (UNKNOWN_OPTIONS, ":3:5", "unknown key `server`: did you mean `servers`?"),
        ("cluster:\n  a: {servers: [x]}\n", ":1:1", "unknown key `cluster`: did you mean `clusters`?"),
        ("k3s-version: latest\n", ":1:14", "not a K3s version"),
        ("profile: paranoid\n", ":1:10", "there is no such profile: there are default, strict"),
        ("clusters:\n  edge: {servers: []}\n", ":2:3", "the cluster edge needs `servers`"),
        ("clusters:\n  edge: {servers: '**/a/**/a/**/b'}\n", ":2:19", "a pattern may have two `**` before its end"),
        ("clusters:\n  edge: {servers: x, agents: ['*a*a*a*b']}\n", ":2:30", "and three `*` between two slashes"),
        ("clusters: [\n", ":", ""),
        ("- a\n", ":1:1", "the top level must be a mapping"),
    ],
)
def test_bad_options_are_2_with_their_line(tmp_path: Path, options: str, place: str, message: str) -> None:
    write(tmp_path, {".k3s-policy.yaml": options, CONFIG: OPEN_MODE})
    result = run("scan", tmp_path, "--format", "json")
    assert result.code == 2
    assert result.err.startswith(f"k3s-policy: error: .k3s-policy.yaml{place}")
    assert message in result.err
    assert run("scan", tmp_path).code == 2


def test_options_under_a_wrong_name_are_2(tmp_path: Path) -> None:
    result = run("scan", write(tmp_path, {".k3s-policy.yml": "clusters: {}\n", CONFIG: CLEAN}))
    assert result.code == 2
    assert "this file is not read: call it .k3s-policy.yaml" in result.out


# --- what is judged -----------------------------------------------------------------------------------


def rules_found(*arguments: str | Path) -> list[str]:
    return [finding["rule"] for finding in json.loads(run("scan", *arguments, "--format", "json").out)["findings"]]


def test_selecting_and_ignoring_rules(tmp_path: Path) -> None:
    write(tmp_path, {CONFIG: LEAKED + OPEN_MODE + "tls-sans: a\n"})
    assert rules_found(tmp_path) == ["plaintext-credential", "world-readable-kubeconfig", "unknown-flag"]
    assert rules_found(tmp_path, "--select", "unknown-flag") == ["unknown-flag"]
    both = ["--select", "unknown-flag, plaintext-credential", "--select=world-readable-kubeconfig"]
    assert rules_found(tmp_path, *both, "--ignore", "unknown-flag") == [
        "plaintext-credential",
        "world-readable-kubeconfig",
    ]
    assert rules_found(tmp_path, "--ignore", ",".join(names())) == []


def test_a_profile_has_its_rules_and_those_of_the_ones_before(tmp_path: Path) -> None:
    write(tmp_path, {"install.sh": FLOATING})
    assert rules_found(tmp_path) == ["world-readable-kubeconfig"]
    assert rules_found(tmp_path, "--profile", "default") == ["world-readable-kubeconfig"]
    assert rules_found(tmp_path, "--profile", "strict") == ["floating-version", "world-readable-kubeconfig"]
    assert rules_found(tmp_path, "--profile", "strict", "--ignore", "floating-version") == ["world-readable-kubeconfig"]


def test_a_rule_that_is_selected_needs_no_profile(tmp_path: Path) -> None:
    write(tmp_path, {"install.sh": FLOATING})
    for profile in ([], ["--profile", "default"]):
        assert rules_found(tmp_path, "--select", "floating-version", *profile) == ["floating-version"]


def test_the_profile_of_the_options_gives_way_to_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, {"install.sh": FLOATING, ".k3s-policy.yaml": "profile: strict\n"})
    assert rules_found(tmp_path) == ["floating-version", "world-readable-kubeconfig"]
    assert rules_found(tmp_path, "--profile", "default") == ["world-readable-kubeconfig"]


def test_less_certain_findings_can_be_left_out(tmp_path: Path) -> None:
    half = "datastore-endpoint: https://etcd:2379\ndatastore-certfile: /c\n"
    confidences = {
        finding["confidence"]
        for finding in json.loads(run("scan", write(tmp_path, {CONFIG: half}), "--format", "json").out)["findings"]
    }
    assert confidences == {"medium"}
    assert rules_found(tmp_path, "--min-confidence", "medium") == ["certfile-without-keyfile"]
    assert rules_found(tmp_path, "--min-confidence", "high") == []


def test_the_version_decides_what_exists(tmp_path: Path) -> None:
    write(tmp_path, {CONFIG: "no-deploy: traefik\nwrite-kubeconfig-mode: '0600'\n"})
    severities = {}
    for version in ("v1.20", "v1.33.4+k3s1", "1.33"):
        report = json.loads(
            run("scan", tmp_path, "--select", "removed-flag", "--k3s-version", version, "--format", "json").out
        )
        severities[version] = [finding["severity"] for finding in report["findings"]]
    assert severities == {"v1.20": ["low"], "v1.33.4+k3s1": ["medium"], "1.33": ["medium"]}


def test_untracked_files_are_left_out_when_asked(tmp_path: Path) -> None:
    repository(tmp_path, {CONFIG: CLEAN, f"other/{CONFIG}": OPEN_MODE})
    subprocess.run(["git", "add", CONFIG], cwd=tmp_path, check=True)
    assert run("scan", tmp_path).code == 1
    assert run("scan", tmp_path, "--tracked").code == 0


def test_a_config_that_is_not_utf_8_is_a_finding(tmp_path: Path) -> None:
    config = tmp_path / CONFIG
    config.parent.mkdir(parents=True)
    config.write_bytes("debug: true\nnode-label: [ort=Köln]\n".encode("latin-1"))
    result = run("scan", tmp_path)
    assert result.code == 1
    assert "config.yaml:2:19: high[syntax-error] K3s cannot read this file: the file is not UTF-8" in result.out


def test_a_config_that_is_binary_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / CONFIG
    config.parent.mkdir(parents=True)
    config.write_bytes(b"token: abc\n#\0\n")
    result = run("scan", tmp_path)
    assert result.code == 2
    assert "binary file" in result.out


def test_a_named_file_is_judged_with_its_drop_ins_and_reported_alone(tmp_path: Path) -> None:
    main = tmp_path / "config.yaml"
    main.write_text("datastore-endpoint: https://etcd:2379\ndatastore-certfile: /crt\ntls-san: x\n")
    assert "certfile-without-keyfile" in run("scan", main).out
    drop_in = tmp_path / "config.yaml.d" / "10.yaml"
    drop_in.parent.mkdir()
    drop_in.write_text('datastore-keyfile: /key\nwrite-kubeconfig-mode: "0644"\n')
    assert run("scan", main).code == 0
    assert "world-readable-kubeconfig" in run("scan", drop_in).out


def test_files_only_concludes_nothing_from_what_the_files_lack(tmp_path: Path) -> None:
    main = tmp_path / "config.yaml"
    main.write_text('datastore-certfile: /crt\nwrite-kubeconfig-mode: "0644"\n')
    result = run("scan", "--files-only", main)
    assert "world-readable-kubeconfig" in result.out
    assert "certfile-without-keyfile" not in result.out


def test_files_only_takes_no_folder(tmp_path: Path) -> None:
    write(tmp_path, {CONFIG: OPEN_MODE})
    assert run("scan", "--files-only", "--", tmp_path / CONFIG).code == 1
    result = run("scan", "--files-only", tmp_path)
    assert result.code == 2
    assert "is a folder, and only files are read" in result.out


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("scan", "-", stdin=OPEN_MODE.encode())
    assert result.code == 1
    assert result.out.startswith("etc/rancher/k3s/config.yaml:1:1: medium[world-readable-kubeconfig]")
    named = run("scan", "-", "--stdin-filename", "a/k3s.sh", stdin=b"k3s server --write-kubeconfig-mode 644\n")
    assert named.out.startswith("a/k3s.sh:1:12: medium[world-readable-kubeconfig]")
    assert run("scan", "-", stdin=b"").code == 0
    assert run("scan", "-", stdin=b"\xff\xfe#\0").code == 0
    binary = run("scan", "-", stdin=b"a\0b")
    assert binary == (2, "", "k3s-policy: error: standard input is binary, and only text can be judged\n")


# --- listing files ------------------------------------------------------------------------------------


def test_listing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(
        tmp_path, {CONFIG: LEAKED, "b/k3s.service": "[Service]\nExecStart=/k3s server\n", "values.yaml": "a: b\n"}
    )
    monkeypatch.chdir(tmp_path)
    assert run("scan", "--list-files") == (0, f"b/k3s.service\n{CONFIG}\n", "")
    monkeypatch.chdir(tmp_path / "b")
    assert run("scan", "--list-files", "..") == (0, f"k3s.service\n../{CONFIG}\n", "")
    assert run("scan", "-", "--list-files", stdin=CLEAN.encode()) == (0, f"{CONFIG}\n", "")


def test_listing_says_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, {CONFIG: CLEAN}))
    assert run("scan", "--list-files", ".", "gone") == (2, f"{CONFIG}\n", "k3s-policy: error: gone: does not exist\n")


# --- outputs ------------------------------------------------------------------------------------------


def test_several_outputs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, {CONFIG: LEAKED}))
    result = run("scan", "--output", "json:a.report", "--output", "b.sarif", "--output=c.txt", "--output=text:d.json")
    assert result.code == 1
    assert json.loads(Path("a.report").read_text())["version"] == 1
    assert json.loads(Path("b.sarif").read_text())["version"] == "2.1.0"
    assert Path("c.txt").read_text() == Path("d.json").read_text() == result.out
    written = Path("a.report").read_text()
    for name in ("a.report", "b.sarif", "c.txt", "d.json"):
        Path(name).unlink()
    assert run("scan", "--format", "json").out == written


def test_json_is_as_its_schema_says(tmp_path: Path) -> None:
    schema = json.loads((PROJECT / "schemas" / "report.json").read_text())
    write(tmp_path, {CONFIG: LEAKED + OPEN_MODE, "x.service": "[Service]\nExecStart=/k3s server --token a\n"})
    for arguments in ([tmp_path], [tmp_path, "missing"], [tmp_path / "missing"], [tmp_path, "--exit-zero"]):
        jsonschema.validate(json.loads(run("scan", *arguments, "--format", "json").out), schema)
    empty = json.loads(run("scan", "-", "--format", "json", stdin=b"").out)
    jsonschema.validate(empty, schema)


def test_color_is_for_terminals_and_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {CONFIG: OPEN_MODE})

    def colored(*options: str, **variables: str) -> bool:
        with monkeypatch.context() as context:
            for name, value in variables.items():
                context.setenv(name, value)
            return "\x1b[" in run("scan", tmp_path, *options).out

    assert not colored()
    assert colored("--color", "always")
    assert colored("--color=always", NO_COLOR="1")
    assert colored(FORCE_COLOR="1")
    assert colored(CLICOLOR_FORCE="1")
    assert not colored(FORCE_COLOR="0")
    assert not colored(FORCE_COLOR="")
    assert not colored(FORCE_COLOR="1", NO_COLOR="1")
    assert colored(FORCE_COLOR="1", NO_COLOR="")
    assert not colored("--color=never", FORCE_COLOR="1")
    assert not colored("--format=json", "--color=always")
    assert not colored("--format=sarif", "--color=always")


def test_files_are_never_colored(tmp_path: Path) -> None:
    write(tmp_path, {CONFIG: OPEN_MODE})
    run("scan", tmp_path / "etc", "--color=always", "--output", str(tmp_path / "report.txt"))
    assert "\x1b" not in (tmp_path / "report.txt").read_text()


# --- documentation ------------------------------------------------------------------------------------


def test_version() -> None:
    result = run("--version")
    assert result.code == 0
    assert re.fullmatch(r"k3s-policy \d+\.\d+\.\d+\S*\n", result.out)


def test_help() -> None:
    result = run("scan", "--help")
    assert result.code == 0
    assert "--stdin-filename" in result.out


@pytest.mark.parametrize("rule", names())
def test_every_rule_is_explained(rule: str) -> None:
    result = run("explain", rule)
    assert (result.code, result.err) == (0, "")
    assert re.match(rf"{rule} \((?:low|medium|high)(?:, profile strict)?\)\n\n\S", result.out)
    assert " wrong" in result.out


def test_listing_rules() -> None:
    lines = run("rules").out.splitlines()
    assert [line.split()[0] for line in lines] == list(names())
    listed = json.loads(run("rules", "--format", "json").out)
    assert [rule["name"] for rule in listed["rules"]] == list(names())
    assert all(rule["summary"] and rule["documentation"] for rule in listed["rules"])
    assert {rule["name"] for rule in listed["rules"] if rule["profile"] == "strict"} == {"floating-version"}


# --- paths --------------------------------------------------------------------------------------------


def first_path(output: str) -> str:
    return output.partition(":1:")[0]


def test_text_is_relative_to_the_folder_one_is_in_and_json_to_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"hosts/one/{CONFIG}"
    repository(tmp_path, {path: OPEN_MODE, "docs/a": ""})
    for folder, scanned, shown in (
        (".", ".", path),
        ("hosts", ".", f"one/{CONFIG}"),
        ("hosts/one/etc", "rancher", "rancher/k3s/config.yaml"),
        ("docs", "..", f"../{path}"),
        ("docs", f"../{path}", f"../{path}"),
    ):
        monkeypatch.chdir(tmp_path / folder)
        assert first_path(run("scan", scanned).out) == shown
        report = json.loads(run("scan", scanned, "--format", "json").out)
        assert [finding["path"] for finding in report["findings"]] == [path]
        sarif = json.loads(run("scan", scanned, "--format", "sarif").out)
        location = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"] == path


@pytest.mark.parametrize(
    ("folder", "shown", "uri"),
    [
        ("with space", "with space", "with%20space"),
        ("50%", "50%", "50%25"),
        ("a\nb", "a\\nb", "a%0Ab"),
        ("a:b", "a:b", "a%3Ab"),
        ("\u6771\u4eac", "\u6771\u4eac", "%E6%9D%B1%E4%BA%AC"),
        ("\x1b[31m", "\\x1b[31m", "%1B%5B31m"),
        ("-x", "-x", "-x"),
    ],
)
def test_paths_with_unusual_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, shown: str, uri: str
) -> None:
    repository(tmp_path, {f"{folder}/{CONFIG}": OPEN_MODE})
    monkeypatch.chdir(tmp_path)
    assert first_path(run("scan").out) == f"{shown}/{CONFIG}"
    assert run("scan", "--list-files").out == f"{shown}/{CONFIG}\n"
    assert json.loads(run("scan", "--format", "json").out)["findings"][0]["path"] == f"{folder}/{CONFIG}"
    sarif = json.loads(run("scan", "--format", "sarif").out)
    location = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == f"{uri}/{CONFIG}"


def test_no_output_holds_an_absolute_path(tmp_path: Path) -> None:
    write(tmp_path, {CONFIG: LEAKED, "broken/k3s.service": "[Service\n"})
    for form in ("json", "sarif"):
        result = run("scan", tmp_path, tmp_path / "missing", "--format", form)
        assert str(tmp_path) not in result.out + result.err


# --- as a process -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with findings in several files."""
    return repository(
        tmp_path_factory.mktemp("tree"),
        {
            f"hosts/h\u00f6st/{CONFIG}": LEAKED + OPEN_MODE,
            "hosts/two/etc/systemd/system/k3s.service": "[Service]\nExecStart=/k3s server --token a9 --tls-sans b\n",
            "install.sh": "curl -sfL https://get.k3s.io | K3S_TOKEN=9f86d081884c K3S_KUBECONFIG_MODE=644 sh -\n",
            "broken/etc/rancher/k3s/config.yaml": "token: [\n",
        },
    )


@pytest.mark.parametrize("form", cli.FORMATS)
def test_the_same_output_every_time_and_everywhere(tree: Path, form: str) -> None:
    outputs = {
        (ran.returncode, ran.stdout.decode(), ran.stderr.decode())
        for ran in (
            process("scan", "--format", form, folder=tree),
            process("scan", "--format", form, folder=tree, PYTHONHASHSEED="1", LC_ALL="C.UTF-8", TZ="Asia/Tokyo"),
            process("scan", str(tree), "--format", form, folder=tree, PYTHONHASHSEED="2", COLUMNS="20"),
        )
    }
    assert len(outputs) == 1
    if form != "text":
        elsewhere = process("scan", str(tree), "--format", form, folder=tree.parent, PYTHONHASHSEED="3")
        assert (elsewhere.returncode, elsewhere.stdout.decode(), elsewhere.stderr.decode()) in outputs


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252", "utf-16"])
def test_any_encoding_of_the_terminal(tree: Path, encoding: str) -> None:
    text = process("scan", folder=tree, PYTHONIOENCODING=encoding)
    assert (text.returncode, text.stderr) == (1, b"")
    shown = "h\\xf6st" if encoding == "ascii" else "h\u00f6st"
    assert f"hosts/{shown}/{CONFIG}" in text.stdout.decode(encoding)
    listed = process("scan", "--list-files", folder=tree, PYTHONIOENCODING=encoding)
    assert f"hosts/{shown}/{CONFIG}" in listed.stdout.decode(encoding)
    machine = process("scan", "--format", "json", folder=tree, PYTHONIOENCODING=encoding)
    paths = {finding["path"] for finding in json.loads(machine.stdout.decode())["findings"]}
    assert f"hosts/h\u00f6st/{CONFIG}" in paths


def test_the_C_locale(tree: Path) -> None:  # noqa: N802 - the locale is called so
    usual = process("scan", "--format", "sarif", folder=tree)
    plain = process("scan", "--format", "sarif", folder=tree, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert (plain.returncode, plain.stdout, plain.stderr) == (usual.returncode, usual.stdout, usual.stderr)


def test_a_reader_that_leaves_is_no_error(tree: Path) -> None:
    for arguments, unbuffered in itertools.product((["scan"], ["rules", "--format", "json"]), ("", "1")):
        with subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tree,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.close()
            assert running.stderr.read() == b""
            assert running.wait(60) == 128 + signal.SIGPIPE


def test_a_pipe_to_head(tree: Path) -> None:
    command = " ".join(f"'{word}'" for word in COMMAND)
    piped = subprocess.run(
        ["sh", "-c", f"{command} rules --format json | head -1"],
        cwd=tree,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (piped.stdout, piped.stderr) == (b"{\n", b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has such a device")
def test_a_full_disk_is_2(tree: Path, unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [*COMMAND, "scan"],
            cwd=tree,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ran.returncode == 2
    assert ran.stderr == b"k3s-policy: error: cannot write the report: No space left on device\n"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams(tree: Path, closed: str) -> None:
    command = " ".join(f"'{word}'" for word in COMMAND)
    ran = subprocess.run(
        ["sh", "-c", f"exec {command} scan {closed}"], cwd=tree, env=environment(), capture_output=True, check=False
    )
    assert ran.returncode == 1
    assert b"Traceback" not in ran.stderr


def test_an_interrupted_scan(tmp_path: Path) -> None:
    program = (
        "from unittest import mock\nfrom k3s_policy import cli\n"
        "with mock.patch('k3s_policy.run.scan', side_effect=KeyboardInterrupt): cli.run()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "scan"], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"")


def test_a_process_needs_no_modules_it_does_not_use(tmp_path: Path) -> None:
    write(tmp_path, {"config.yaml": CLEAN})
    slow = (
        "jsonschema",
        "tree_sitter",
        "subprocess",
        "asyncio",
        "unittest",
        "k3s_policy.formats.shell",
        "k3s_policy.reports.sarif",
    )
    program = (
        "import sys\nfrom k3s_policy import cli\ncli.main(['scan', 'config.yaml'])\n"
        f"print([module for module in {slow} if module in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1:] == ["[]"], ran.stderr


# --- on a terminal ------------------------------------------------------------------------------------


def on_a_terminal(*arguments: str, folder: Path, slow: bool = False, **variables: str) -> tuple[int, str, str]:
    """Run with standard output and standard error on terminals of their own, and return what each got."""
    program = (
        COMMAND[2]
        if not slow
        else (
            "import itertools, time\nticks = itertools.count(0, 2)\ntime.monotonic = lambda: next(ticks)\n" + COMMAND[2]
        )
    )
    shown: dict[int, bytes] = {}
    terminals = [pty.openpty(), pty.openpty()]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment(**{"TERM": "xterm", **variables}),
        stdin=subprocess.DEVNULL,
        stdout=terminals[0][1],
        stderr=terminals[1][1],
    ) as running:
        for _, inner in terminals:
            os.close(inner)
        readers = [
            threading.Thread(target=lambda end=outer: shown.update({end: _everything(end)})) for outer, _ in terminals
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(HANG)
        code = running.wait(HANG)
    out, err = (shown[outer].decode() for outer, _ in terminals)
    return code, out, err


def _everything(end: int) -> bytes:
    data = b""
    with contextlib.suppress(OSError):  # Linux says so when the other side is closed
        while piece := os.read(end, 65536):
            data += piece
    os.close(end)
    return data


def test_a_terminal_gets_color(tree: Path) -> None:
    code, out, err = on_a_terminal("scan", folder=tree)
    assert code == 1
    assert "\x1b[1;31mhigh[" in out
    assert err == ""
    assert "\x1b" not in on_a_terminal("scan", "--color=never", folder=tree)[1]
    assert "\x1b" not in on_a_terminal("scan", folder=tree, NO_COLOR="1")[1]
    assert "\x1b" not in on_a_terminal("scan", folder=tree, CLICOLOR="0")[1]
    assert "\x1b" not in on_a_terminal("scan", folder=tree, TERM="dumb")[1]
    assert "\x1b" not in on_a_terminal("scan", "--format=json", folder=tree)[1]


def test_progress_is_shown_on_a_terminal_when_it_takes_long(tree: Path) -> None:
    code, out, err = on_a_terminal("scan", folder=tree, slow=True)
    assert code == 1
    assert re.fullmatch(r"(?:\r\x1b\[K\d+ of \d+ files)+\r\x1b\[K", err)
    assert " files\r" not in out
    assert on_a_terminal("scan", "--no-progress", folder=tree, slow=True)[2] == ""
    assert on_a_terminal("scan", folder=tree, slow=True, TERM="dumb")[2] == ""
    assert on_a_terminal("scan", folder=tree)[2] == ""


# --- never a traceback --------------------------------------------------------------------------------


NAMES = (
    CONFIG,
    "etc/systemd/system/k3s.service",
    "k3s.sh",
    "k3s.env",
    "k3s.yaml",
    "k3s-pod.json",
    "k3s.sh.j2",
    ".k3s-policy.yaml",
)
WORDS = (
    *(
        "token",
        "k3s",
        "server",
        "agent",
        "--token",
        "K3S_TOKEN",
        "[Service]",
        "ExecStart=",
        "Environment=",
        "write-kubeconfig-mode",
    ),
    *(
        "apiVersion: v1\n",
        "kind: Secret\n",
        "kind: Pod\n",
        "data:\n",
        "spec:\n",
        "containers:\n",
        "image: rancher/k3s\n",
        "args:",
    ),
    *(
        "curl -sfL https://get.k3s.io | ",
        "sh -s - ",
        "INSTALL_K3S_EXEC=",
        "cat > /etc/rancher/k3s/config.yaml <<EOF\n",
        "EOF\n",
    ),
    *(
        "mysql://a:b@tcp(c)/d?tls=skip-verify",
        "datastore-endpoint",
        "0644",
        "true",
        "{{ a }}",
        "{% if a %}",
        "{% else %}",
        "{% endif %}",
    ),
    *(
        "%{ if a }",
        "${a",
        "}",
        "$(",
        ")",
        "`",
        "'",
        '"',
        "\\",
        "&a ",
        "*a",
        "!!binary ",
        "|\n",
        ">-\n",
        "- ",
        "  ",
        "\t",
        "\n",
        "\r\n",
    ),
    *(
        ": ",
        "=",
        ",",
        "[",
        "]",
        "{",
        "#",
        "%",
        "\ufeff",
        "\x00",
        "\x1b",
        "\x85",
        "\u2028",
        "\ufffd",
        "\U0001f600",
        "e\u0301",
        "---\n",
    ),
)
bytes_of_words = st.lists(st.sampled_from(WORDS), max_size=30).map(lambda words: "".join(words).encode())
contents = st.binary(max_size=80) | bytes_of_words | st.tuples(bytes_of_words, st.binary(max_size=8)).map(b"".join)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return folder


@settings(max_examples=300)
@given(
    written=st.dictionaries(st.sampled_from(NAMES), contents, min_size=1, max_size=3), form=st.sampled_from(cli.FORMATS)
)
def test_no_content_makes_it_fail(scratch: Path, written: dict[str, bytes], form: str) -> None:
    for name in NAMES:
        (scratch / name).unlink(missing_ok=True)
    for name, content in written.items():
        (scratch / name).write_bytes(content)
    result = run("scan", scratch, "--format", form)
    assert result.code in (0, 1, 2)
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    if form != "text":
        json.loads(result.out)
