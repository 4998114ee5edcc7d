"""A rule is written once because K3s reads once: the same settings in every form give the same result.

Settings are drawn and written as a config file, a drop-in, arguments of a unit, variables, and scripts. Whatever the
form, the settings that K3s has in the end are the same, and so is what the rules say about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import forms
from forms import Given
from hypothesis import given, settings
from hypothesis import strategies as st

from k3s_policy.judge.rule import load, names
from k3s_policy.k3s.flags import Flag, Kind, flags
from k3s_policy.run import Policy, Request, assembled, examine, scan
from k3s_policy.show import overview
from k3s_policy.text import Source

if TYPE_CHECKING:
    from pathlib import Path

# --- settings ---------------------------------------------------------------------------------------------


_PLAIN = "abcxyzABC0123456789._/:,-"
_QUOTED = _PLAIN + " #%$'\"\\!*()[]{}&;<>?|~^+@=é"
_TEMPLATES = ("{{", "${", "$(", "{%", "<%", "%{")
"""What the tool takes for a template, whatever K3s would make of it."""


def _texts(alphabet: str) -> st.SearchStrategy[str]:
    texts = st.text(alphabet, min_size=1, max_size=12).map(str.strip)
    return texts.filter(lambda text: text and not any(mark in text for mark in _TEMPLATES))


def _values(flag: Flag, texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    if flag.sensitive:
        # A credential that begins with a quote may have its neighbours masked with it, which is what we compare.
        texts = texts.filter(lambda text: text[0] not in "'\"")
    match flag.kind:
        case Kind.BOOL:
            return st.sampled_from([("true",), ("false",), ("1",), ("maybe",)])
        case Kind.INT:
            return st.one_of(st.integers(-5, 70000).map(lambda number: (str(number),)), st.just(("abc",)))
        case Kind.DURATION:
            return st.sampled_from([("5m",), ("1h30m",), ("90s",), ("0.5s",), ("30",)])
        case Kind.LIST:
            return st.lists(texts, min_size=1, max_size=3).map(tuple)
        case _:
            return st.one_of(texts, st.sampled_from(flag.values or ("x",))).map(lambda text: (text,))


_BY_FORM = ("cluster-reset", "config", "server")
"""Flags that are judged by the form on purpose: a reset is typed, and not kept; the others change what else is read."""


def _given(alphabet: str) -> st.SearchStrategy[tuple[str, list[Given]]]:
    """Draw a role, and settings of it each of which a config file can hold."""

    def of_role(role: str) -> st.SearchStrategy[tuple[str, list[Given]]]:
        choice = [flag for flag in flags() if role in flag.roles and not flag.name.startswith(_BY_FORM)]
        one = st.sampled_from(choice).flatmap(
            lambda flag: _values(flag, _texts(alphabet)).map(lambda values: Given(flag, values))
        )
        several = st.lists(one, min_size=1, max_size=5, unique_by=lambda given: given.flag.name)
        return several.map(lambda found: (role, found))

    return st.sampled_from(["server", "agent"]).flatmap(of_role)


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


@settings(max_examples=150, deadline=None)
@given(_given(_QUOTED))
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


@settings(max_examples=50, deadline=None)
@given(_given(_QUOTED))
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


@settings(max_examples=50, deadline=None)
@given(_given(_PLAIN))
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
