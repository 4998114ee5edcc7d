"""Lowering gives what K3s's own parser and flag tables made of the same files, arguments and variables."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from k3s_policy import lower
from k3s_policy.assemble import Scope, assemble
from k3s_policy.flags import Kind, flags
from k3s_policy.fragment import ConfigFile, Start
from k3s_policy.lower import Argument, Variable
from k3s_policy.model import BrokenFile, Form, Invocation, Origin
from k3s_policy.options import Options
from k3s_policy.readers import dispatch
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.flags import Flag
    from k3s_policy.fragment import Fragment
    from k3s_policy.model import Setting, Subject
    from k3s_policy.text import Text

Case = dict[str, Any]

CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "k3s-args.jsonl").read_text(encoding="utf-8").splitlines()
]
NOT_YET: dict[str, str] = {}
"""Cases that differ, by id, with the reason."""


def _parametrized(*kinds: str) -> list[object]:
    return [
        pytest.param(
            case,
            id=case["id"],
            marks=[pytest.mark.xfail(reason=NOT_YET[case["id"]], strict=True)] if case["id"] in NOT_YET else [],
        )
        for case in CASES
        if any(kind in case["expect"] for kind in kinds)
    ]


# --- the cases, lowered --------------------------------------------------------------------------------


def _text(content: str) -> Text:
    return Source("command", content).text


def _arguments(case: Case) -> tuple[Argument, ...]:
    return tuple(Argument(_text(word)) for word in case["argv"][2:])


def _fragments(case: Case) -> Iterator[Fragment]:
    role = case["argv"][1]
    variables = tuple(Variable(_text(name), _text(value), Form.COMMAND) for name, value in case["env"].items())
    for name, content in case["files"].items():
        for fragment in dispatch.read(Source(f"etc/rancher/k3s/{name}", content)):
            yield replace(fragment, host="case") if isinstance(fragment, ConfigFile) else fragment
    yield Start(_text(role), role, _arguments(case), Form.COMMAND, variables, host="case")


def _subjects(case: Case) -> list[Subject]:
    return assemble(_fragments(case), Scope(Options())).subjects


def _invocation(case: Case) -> Invocation:
    (invocation,) = [subject for subject in _subjects(case) if isinstance(subject, Invocation)]
    return invocation


# --- what K3s makes of the settings: types, and which of several counts ---------------------------------


def _outcome(invocation: Invocation) -> tuple[dict[str, Any], list[str]]:
    """Return what is set in the end, and the options that keep K3s from starting."""
    refused = [name for name, fatal in _unknown(invocation) if fatal]
    given: dict[str, list[Setting]] = {}
    environment: dict[str, list[Setting]] = {}
    for setting in invocation.settings:
        if setting.flag.removed is None:
            source = environment if setting.origin is Origin.ENVIRONMENT else given
            source.setdefault(setting.flag.name, []).append(setting)
    # A bad variable stops K3s also where a file or an argument gives the flag.
    values: dict[str, Any] = {}
    for name, settings in (*environment.items(), *given.items()):
        flag = settings[0].flag
        typed = [_typed(flag, str(setting.value)) for setting in settings]
        if None in typed or (name in given and len({str(setting.at).lstrip("-") for setting in given[name]}) > 1):
            refused.append(name)
        values[name] = typed if flag.kind is Kind.LIST else typed[-1]
    return values, refused


def _unknown(invocation: Invocation) -> Iterator[tuple[str, bool]]:
    """Yield each option that is none, and whether K3s does not start with it."""
    for option in invocation.unrecognised:
        yield option.name, option.origin is Origin.ARGUMENT or invocation.role == "agent"
    for setting in invocation.settings:
        if setting.flag.removed is not None and setting.origin is not Origin.ENVIRONMENT:
            yield str(setting.at).lstrip("-"), setting.origin is Origin.ARGUMENT or invocation.role == "agent"


def _typed(flag: Flag, value: str) -> object:
    """Return the value as Go's flag package reads it, durations as Go prints them; None where it is refused."""
    if flag.kind is Kind.BOOL and value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if flag.kind is Kind.BOOL and value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    if flag.kind is Kind.INT and re.fullmatch(r"[+-]?(0x[0-9a-f_]+|0b[01_]+|0o?[0-7_]+|[0-9_]+)", value):
        return int(value, 8 if re.fullmatch(r"[+-]?0o?[0-7_]+", value) else 0)
    if flag.kind is Kind.DURATION and (match := re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)) and value:
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"
    if flag.kind in (Kind.STRING, Kind.LIST):
        return value
    return None


# --- the tests ------------------------------------------------------------------------------------------


def test_there_are_all_cases() -> None:
    assert len(CASES) == 333
    assert len(_parametrized("set")) + len(_parametrized("fatal")) == 333
    assert set(NOT_YET) <= {case["id"] for case in CASES}


@pytest.mark.parametrize("case", _parametrized("set"))
def test_what_is_set(case: Case) -> None:
    assert _outcome(_invocation(case)) == (case["expect"]["set"], [])


@pytest.mark.parametrize("case", _parametrized("fatal"))
def test_what_k3s_refuses(case: Case) -> None:
    message = case["expect"]["message"]
    if case["expect"]["fatal"] == "config":
        assert any(isinstance(subject, BrokenFile) for subject in _subjects(case))
        return
    _, refused = _outcome(_invocation(case))
    # K3s names the first that it meets.
    assert any(re.search(rf"(?:-|\s){re.escape(name)}(?:[\s:=]|$)", message) for name in refused), (refused, message)


@pytest.mark.parametrize("case", _parametrized("set"))
def test_which_keys_a_server_skips(case: Case) -> None:
    skipped = [name for name, _ in _unknown(_invocation(case))]
    # K3s names the argument it made of the key: one hyphen for a single letter, two for the rest.
    ignored = [name[2:] if name.startswith("--") else name[1:] for name in case["expect"].get("ignored", ())]
    # It does so for each item of a list.
    assert sorted(set(skipped)) == sorted(set(ignored))


@pytest.mark.parametrize("case", _parametrized("positional"))
def test_where_reading_arguments_ends(case: Case) -> None:
    lowered = lower.from_arguments(_arguments(case), case["argv"][1], flags(), Form.COMMAND)
    assert [str(word) for word in lowered.stray] == case["expect"]["positional"]


# --- what the data do not have ---------------------------------------------------------------------------


def _lowered(*words: str, role: str | None = "server") -> list[tuple[str, str]]:
    lowered = lower.from_arguments([Argument(_text(word)) for word in words], role, flags(), Form.COMMAND)
    return [(setting.flag.name, str(setting.value)) for setting in lowered.settings]


def test_a_value_is_the_next_word_whatever_it_looks_like() -> None:
    assert _lowered("--token", "--debug") == [("token", "--debug")]


def test_a_flag_without_its_value() -> None:
    assert _lowered("--debug", "--token") == [("debug", "true"), ("token", "")]


def test_one_hyphen_is_two() -> None:
    assert _lowered("-tls-san", "a", "-debug=false") == [("tls-san", "a"), ("debug", "false")]


def test_two_hyphens_alone_end_the_flags() -> None:
    assert _lowered("--debug", "--", "--token", "abc") == [("debug", "true")]


def test_a_word_that_is_a_variable_may_be_anything_and_does_not_end_the_flags() -> None:
    words = [Argument(_text("$EXTRA").unknown()), Argument(_text("--debug"))]
    lowered = lower.from_arguments(words, "server", flags(), Form.COMMAND)
    assert [setting.flag.name for setting in lowered.settings] == ["debug"]
    assert [str(word) for word in lowered.open] == ["$EXTRA"]


def test_the_value_of_an_unknown_option_is_not_taken_for_the_end_of_flags() -> None:
    lowered = lower.from_arguments(
        [Argument(_text(word)) for word in ("--strange", "x", "--debug")], None, flags(), Form.UNIT
    )
    assert [option.name for option in lowered.unrecognised] == ["strange"]
    assert [setting.flag.name for setting in lowered.settings] == ["debug"]


def test_replaced_entries_are_told() -> None:
    files = []
    for content in ("token: a\ntls-san: b\n", "token: c\ntls-san+: d\n"):
        (fragment,) = dispatch.read(Source("etc/rancher/k3s/config.yaml", content))
        assert isinstance(fragment, ConfigFile)
        files.append(fragment.entries)
    assert [(str(entry.key), str(entry.value)) for entry in lower.replaced(files)] == [("token", "a")]
