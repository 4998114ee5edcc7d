"""A rule is imported where it can have something to say, and nothing else is on the way of a hook."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forms
import pytest
from drawing import QUOTED, role_and_settings
from hypothesis import given, settings
from markdown_cases import cases

from k3s_policy.assemble import assemble
from k3s_policy.assemble.scope import Scope
from k3s_policy.checks import conflicting_flags, invalid_value
from k3s_policy.checks.conflicting_flags import networks
from k3s_policy.checks.invalid_value.components import of_components
from k3s_policy.judge import head, judge
from k3s_policy.judge.rule import CardsByName, load, load_for, names
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.version import Version
from k3s_policy.model.finding import CheckFailedError
from k3s_policy.model.invocation import Form, Invocation, Origin, Release, Setting, Started, Unrecognised
from k3s_policy.readers import door
from k3s_policy.run import assembled
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from forms import Given

    from k3s_policy.judge.head import Head
    from k3s_policy.judge.rule import Rule
    from k3s_policy.k3s.flags import Flag
    from k3s_policy.model.finding import Finding
    from k3s_policy.model.fragment import Judged

TESTS = Path(__file__).parent
CHECKS = TESTS.parent / "k3s_policy" / "checks"
PAGES = sorted([*TESTS.glob("checks/*.md"), *TESTS.glob("readers/*.md")])


def _conflicts_of_networks(invocation: Invocation) -> Iterator[object]:
    for row in networks.ROWS:
        yield from row(invocation)


def _of_other_commands() -> Iterator[Flag]:
    for name in flags().commands:
        command = flags().command(name)
        assert command is not None
        yield from command.flags


ALL_FLAGS = (*flags(), *_of_other_commands())
AT = Source("config.yaml", "").text


def _head(name: str) -> Head:
    module = CHECKS / name.replace("-", "_")
    return head.read(name, str(module / "__init__.py" if module.is_dir() else module.with_suffix(".py")))


HEADS = {name: _head(name) for name in names()}
CONDITIONAL = {name: one for name, one in HEADS.items() if one.flags or one.fields}


def _meets(flag: str, name: str) -> bool:
    return name.startswith(flag[:-1]) if flag.endswith("*") else name == flag


_EMPTY: dict[str, Any] = {"started": None, "unrecognised": (), "version": None, "release": None}
"""The fields that rules are about, where they hold nothing."""
_FILLED: dict[str, Any] = {
    "started": Started(Form.COMMAND, (AT,)),
    "unrecognised": (Unrecognised("x", AT, None, Origin.CONFIG, Form.CONFIG),),
    "version": Version(1, 33),
    "release": Release(AT, ""),
}


def _without(invocation: Invocation, about: Head) -> Invocation:
    """Take from an invocation what a rule says that it is about."""
    kept = [one for one in invocation.settings if not any(_meets(flag, one.flag.name) for flag in about.flags)]
    emptied: dict[str, Any] = {name: _EMPTY[name] for name in about.fields}
    return replace(invocation, settings=tuple(kept), **emptied)


@cache
def _subjects(page: Path) -> tuple[tuple[str, Judged], ...]:
    """Return what there is to judge in the cases of a page, with the titles of the cases."""
    found: list[tuple[str, Judged]] = []
    for case in cases(page):
        fragments = [fragment for source in case.sources for fragment in door.read(door.of_source(source))]
        subjects = assemble(fragments, Scope(case.options, case.version)).subjects
        found.extend((case.title, subject) for subject in subjects)
    return tuple(found)


@pytest.mark.parametrize("name", names())
def test_the_head_that_is_read_is_the_one_that_python_sees(name: str) -> None:
    check = import_module(f"k3s_policy.checks.{name.replace('-', '_')}").check
    assert [kind.__name__ for kind in load(name).judges] == list(HEADS[name].kinds)
    assert (check.flags, check.fields) == HEADS[name][1:]


@pytest.mark.parametrize("name", names())
def test_a_rule_is_loaded_for_whom_it_judges(name: str) -> None:
    about = HEADS[name]
    for kind in load(name).judges:
        if issubclass(kind, Invocation):
            assert [one.name for one in load_for([name], [kind(AT)])] == ([] if name in CONDITIONAL else [name])
            for flag in about.flags:
                setting = next(_setting(one) for one in ALL_FLAGS if _meets(flag, one.name))
                assert load_for([name], [kind(AT, (setting,))])
            for field in about.fields:
                assert load_for([name], [kind(AT, **{field: _FILLED[field]})])
        else:
            assert [one.name for one in load_for([name], [object.__new__(kind)])] == [name]
    assert load_for([name], [object()]) == []


def _setting(flag: Flag) -> Setting:
    return Setting(flag, AT, AT, Origin.CONFIG, Form.CONFIG)


def test_a_card_is_loaded_when_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def loading(name: str) -> Rule:
        loaded.append(name)
        return load(name)

    monkeypatch.setattr("k3s_policy.judge.rule.load", loading)
    cards = CardsByName()
    assert (tuple(cards), len(cards)) == (names(), len(names()))
    assert "join-url" in cards
    assert cards.get("of-the-user") is None
    assert not loaded
    assert cards["join-url"] == load("join-url").card
    assert loaded == ["join-url"]


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_rule_is_about_flags_and_fields_that_there_are(name: str) -> None:
    for flag in HEADS[name].flags:
        assert any(_meets(flag, one.name) for one in ALL_FLAGS), f"there is no flag {flag}"
    assert _EMPTY.keys() >= set(HEADS[name].fields), "test them too"
    assert {"Invocation", "Server", "Agent"}.intersection(HEADS[name].kinds), "it judges no invocation"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_a_rule_is_silent_without_what_it_is_about(page: Path) -> None:
    """Take from every invocation of every case the flags and fields that a rule names: it must not say a word."""
    rules = {name: load(name) for name in CONDITIONAL}
    for title, subject in _subjects(page):
        for name, rule in rules.items():
            if isinstance(subject, Invocation) and isinstance(subject, rule.judges):
                found = list(rule.check(_without(subject, HEADS[name])))
                assert not found, f"{name}: {title}: {found[0].message}, without {HEADS[name][1:]}"


# --- what the rules that are not loaded would find ---------------------------------------------------------

EVERY = [load(name) for name in names()]


def _lost(subjects: Sequence[Judged]) -> list[Finding]:
    """Return what rules find that are not loaded for some subjects."""
    loaded = {rule.name for rule in load_for(names(), subjects)}
    return judge(subjects, [rule for rule in EVERY if rule.name not in loaded])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_no_finding_of_a_case_is_lost(page: Path) -> None:
    """Judge every subject by itself: what a rule forgets is not to be hidden by another subject's flags."""
    for title, subject in _subjects(page):
        assert not _lost([subject]), title


@settings(max_examples=25)
@given(role_and_settings(QUOTED))
def test_no_finding_about_drawn_settings_is_lost(drawn: tuple[str, list[Given]]) -> None:
    for form in (*forms.QUOTING, *forms.OPEN, *forms.JOBS):
        files = form(*drawn)
        assert not _lost(assembled(Source(path, content) for path, content in files.items()).subjects), files


_CHECK = """
@rule(
    severity="high",
    see=("https://example.com/a(b)",),
    flags=(
        "token",
        "etcd-s3*",
    ),
    owns_credential=True,
)
def check(subject: Server | Credential) -> Problems:
    pass
"""


def test_what_is_read_of_a_head(tmp_path: Path) -> None:
    file = tmp_path / "check.py"
    file.write_text(_CHECK, encoding="utf-8")
    assert head.read("check", str(file)) == (("Server", "Credential"), ("token", "etcd-s3*"), ())


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("check(subject: Server | Credential)", "check(\n    subject: Server | Credential,\n)"),
        ("check(subject: Server | Credential)", "check(subject: Server | Credential, other: int)"),
        ("check(subject: Server | Credential)", "check(subject)"),
        ("check(subject: Server | Credential)", 'check(subject: "Server")'),
        (" -> Problems", ""),
        ("def check", "def judge"),
        ("@rule", "@other"),
        ('"token"', "_TOKEN"),
        ('"token",', "*_TOKENS,"),
        ("flags=(", "flags=_FLAGS + ("),
        ("    ),\n    owns", "    ) + _FLAGS,\n    owns"),
        ('        "token",\n        "etcd-s3*",\n', ""),
    ],
)
def test_a_head_that_cannot_be_read_is_refused(tmp_path: Path, written: str, instead: str) -> None:
    assert written in _CHECK
    file = tmp_path / "check.py"
    file.write_text(_CHECK.replace(written, instead), encoding="utf-8")
    with pytest.raises(CheckFailedError, match="cannot be read"):
        head.read("check", str(file))


_CONFIG = """\
write-kubeconfig-mode: "0640"
disable:
  - traefik
"""
_NEEDED = {
    *("credential_in_unit_environment", "credential_on_command_line", "deprecated_flag", "duplicate_key"),
    *("invalid_value", "mapping_value", "plaintext_credential", "removed_flag", "unknown_component", "unread_file"),
    *("world_readable_kubeconfig", "yaml_changes_value"),
}


def _loaded(folder: Path, *arguments: str) -> set[str]:
    """Return the modules that a process has loaded when a scan is done."""
    program = "import sys; from k3s_policy.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    environment = os.environ | {"PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-c", program, *arguments]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return set(process.stderr.split())


def test_a_hook_on_a_clean_config_loads_the_checks_it_needs(tmp_path: Path) -> None:
    """A rule that is about some flags alone says so in `flags`, and then has no place here."""
    (tmp_path / "config.yaml").write_text(_CONFIG, encoding="utf-8")
    modules = _loaded(tmp_path, "scan", "config.yaml")
    prefix = "k3s_policy.checks."
    assert {name.removeprefix(prefix).partition(".")[0] for name in modules if name.startswith(prefix)} == _NEEDED


def test_a_hook_on_a_clean_config_loads_little_else(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(_CONFIG, encoding="utf-8")
    modules = _loaded(tmp_path, "scan", "config.yaml")
    own = {name for name in modules if name.startswith("k3s_policy") and ".checks." not in name}
    assert len(own) < 65  # 61 when this was written
    unwanted = {"ipaddress", "jsonschema", "pathlib", "pathspec", "semgrep", "subprocess", "tree_sitter"}
    assert not unwanted & modules


# --- parts of a rule that are loaded where they have something to say ---------------------------------------


@pytest.mark.parametrize(
    ("rule", "flags_of_part", "findings_of_part"),
    [
        ("conflicting-flags", conflicting_flags._OF_NETWORKS, _conflicts_of_networks),  # noqa: SLF001
        ("invalid-value", invalid_value._FOR_COMPONENTS, of_components),  # noqa: SLF001
    ],
)
def test_a_part_that_is_not_loaded_has_nothing_to_say(
    rule: str, flags_of_part: tuple[str, ...], findings_of_part: Callable[[Invocation], Iterable[object]]
) -> None:
    invocations = [one for _, one in _subjects(TESTS / "checks" / f"{rule}.md") if isinstance(one, Invocation)]
    assert any(list(findings_of_part(one)) for one in invocations)
    for one in invocations:
        kept = tuple(setting for setting in one.settings if setting.flag.name not in flags_of_part)
        assert not list(findings_of_part(replace(one, settings=kept)))
