"""A rule is written once because K3s reads once: the same settings in every form give the same result.

Settings are drawn and written as a config file, a drop-in, arguments of a unit, variables, and scripts. Whatever the
form, the settings that K3s has in the end are the same, and so is what the rules say about them.
"""

from __future__ import annotations

from inspect import isfunction
from typing import TYPE_CHECKING, Any

import forms
from drawing import PLAIN, QUOTED, role_and_settings
from hypothesis import given, settings

from k3s_policy.checks import cluster_reset_kept, credential_on_command_line
from k3s_policy.judge.rule import load, names
from k3s_policy.model.invocation import Form
from k3s_policy.run import Policy, Request, assembled, examine, scan
from k3s_policy.show import overview
from k3s_policy.text import Source

if TYPE_CHECKING:
    from pathlib import Path

    from forms import Given

# --- what comes of it ---------------------------------------------------------------------------------------


def _sources(files: dict[str, str]) -> list[Source]:
    return [Source(path, content) for path, content in files.items()]


def _settings(files: dict[str, str], role: str) -> tuple[dict[str, Any], str | None]:
    """Return what is set in the end, and why K3s cannot be started with it."""
    nodes = [node for node in overview(assembled(_sources(files))).nodes if node.role == role]
    assert len(nodes) == 1, files
    (node,) = nodes
    return {one.flag: one.value for one in node.settings}, node.fatal.reason if node.fatal else None


def _is_about_the_form(rule: str) -> bool:
    """Whether a rule is about how something is written, and not about what is set by it."""
    owner = load(rule)
    return (
        owner.owns_credential
        or owner.yields_credential
        or rule.startswith(("unit-", "environment-"))
        or rule in ("stray-argument", "yaml-changes-value", "duplicate-key", "mapping-value", "unread-file")
        or rule == "floating-version"  # only what installs K3s chooses a release
    )


RULES = tuple(name for name in names() if not _is_about_the_form(name))


def _findings(files: dict[str, str]) -> list[str]:
    """Return which rules are broken, and how gravely."""
    report = examine(_sources(files), Policy(RULES))
    # A list is one key, and as arguments several: the places differ in number.
    return sorted({f"{finding.rule} {finding.severity.word}" for finding in report.findings})


@settings(max_examples=150)
@given(role_and_settings(QUOTED))
def test_every_form_gives_the_same(drawn: tuple[str, list[Given]]) -> None:
    role, found = drawn
    expected, told = _settings(forms.config(role, found), role), _findings(forms.config(role, found))
    assert set(expected[0]) == {one.flag.name for one in found}
    for form in forms.QUOTING:
        files = form(role, found)
        assert (form.__name__, *_settings(files, role)) == (form.__name__, *expected), files
        assert (form.__name__, _findings(files)) == (form.__name__, told), files
    for form in forms.OPEN:
        files = form(role, found)
        assert (form.__name__, *_settings(files, role)) == (form.__name__, *expected), files


@settings(max_examples=50)
@given(role_and_settings(QUOTED))
def test_jobs_of_pipelines_give_the_same_but_for_the_kubeconfig(drawn: tuple[str, list[Given]]) -> None:
    role, found = drawn
    expected, told = _settings(forms.config(role, found), role), _findings(forms.config(role, found))
    for form in forms.JOBS:
        files = form(role, found)
        assert _settings(files, role) == expected, files
        if form is forms.pipeline:
            continue  # its settings may give variables, and what rules conclude from absence differs
        assert _without_kubeconfig(_findings(files)) == _without_kubeconfig(told), files


def _without_kubeconfig(findings: list[str]) -> list[str]:
    return [finding for finding in findings if not finding.startswith("world-readable-kubeconfig")]


@settings(max_examples=50)
@given(role_and_settings(PLAIN))
def test_words_that_are_split_once_more_give_the_same(drawn: tuple[str, list[Given]]) -> None:
    role, found = drawn
    expected, told = _settings(forms.config(role, found), role), _findings(forms.config(role, found))
    for form in forms.PLAIN:
        files = form(role, found)
        assert (form.__name__, *_settings(files, role)) == (form.__name__, *expected), files
    assert _findings(forms.install_exec(role, found)) == told


_COMMAND = "curl -sfL https://get.k3s.io | sh -s - server --write-kubeconfig-mode=644 --disable=flannel --tokn=a"
_PROGRAMS = {
    "install.sh": _COMMAND,
    "main.tf": f'resource "x" "y" {{\n  user_data = "{_COMMAND}"\n}}\n',
    "start.py": f'import os\n\nos.system("{_COMMAND}")\n',
    "start.go": f'package main\n\nfunc main() {{\n\trun("{_COMMAND}")\n}}\n',
    "start.ts": f'const userData = "{_COMMAND}";\n',
    "start.rb": f'system("{_COMMAND}")\n',
}


def test_programs_give_the_same(tmp_path: Path) -> None:
    for name, content in _PROGRAMS.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    report = scan(Request((str(tmp_path),)))
    assert not report.errors
    told: dict[str, list[str]] = {name: [] for name in _PROGRAMS}
    for finding in report.findings:
        told[finding.span.source.path].append(f"{finding.rule}: {finding.message}")
    expected = told.pop("install.sh")
    assert [line.partition(":")[0] for line in expected] == [
        "world-readable-kubeconfig", "unknown-component", "unknown-flag",
    ]  # fmt: skip
    assert told == dict.fromkeys(told, expected)


def test_rules_about_settings_are_compared() -> None:
    assert {"conflicting-flags", "invalid-value", "snapshot-schedule", "world-readable-kubeconfig"} <= set(RULES)


NO_ARGUMENTS = {Form.CONFIG, Form.ENVIRONMENT_FILE, Form.UNIT_ENVIRONMENT, Form.ANSIBLE, Form.COMMENT}
"""Forms in which nothing is an argument."""


def test_of_every_form_it_is_said_who_sees_an_argument() -> None:
    assert set(Form) - NO_ARGUMENTS == credential_on_command_line._EXPOSED.keys()  # noqa: SLF001  a table


# --- every form has its place -------------------------------------------------------------------------------


def test_every_way_of_writing_settings_is_drawn() -> None:
    written = [
        one for name, one in vars(forms).items() if isfunction(one) and one.__module__ == "forms" and name[0] != "_"
    ]
    drawn = [forms.config, *forms.QUOTING, *forms.OPEN, *forms.PLAIN, *forms.JOBS]
    assert sorted(one.__name__ for one in drawn) == sorted(one.__name__ for one in written)


def test_whether_k3s_is_started_again_with_it_is_said_of_every_form() -> None:
    # A person or a pipeline runs these once.
    run_once = {Form.INSTALLER, Form.COMMAND, Form.VARIABLE, Form.JOB, Form.ANSIBLE, Form.COMMENT}
    kept = cluster_reset_kept._KEPT  # noqa: SLF001
    assert kept | run_once == set(Form)
    assert not kept & run_once
