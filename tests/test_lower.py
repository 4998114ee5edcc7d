"""Lowering gives what K3s's own parser and flag tables made of the same files, arguments and variables."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from k3s_policy.assemble import assemble
from k3s_policy.assemble.options import Options
from k3s_policy.assemble.scope import Scope
from k3s_policy.k3s.flags import flags
from k3s_policy.model import lower
from k3s_policy.model.effective import effective, refusals, skipped
from k3s_policy.model.fragment import ConfigFile, Start
from k3s_policy.model.invocation import Form, Invocation
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.readers import door
from k3s_policy.text import Source
from k3s_policy.text.branch import ALWAYS, Branch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.fragment import Fragment, Judged
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

Case = dict[str, Any]

CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "k3s-args.jsonl").read_text(encoding="utf-8").splitlines()
]


def _having(kind: str) -> list[object]:
    return [pytest.param(case, id=case["id"]) for case in CASES if kind in case["expect"]]


# --- the cases, lowered --------------------------------------------------------------------------------


def _text(content: str) -> Text:
    return Source("command", content).text


def _arguments(case: Case) -> tuple[Argument, ...]:
    return tuple(Argument(_text(word)) for word in case["argv"][2:])


def _fragments(case: Case) -> Iterator[Fragment]:
    role = case["argv"][1]
    variables = tuple(Variable(_text(name), _text(value), Form.COMMAND) for name, value in case["env"].items())
    for name, content in case["files"].items():
        for fragment in door.read(door.of_source(Source(f"etc/rancher/k3s/{name}", content))):
            yield replace(fragment, host="case") if isinstance(fragment, ConfigFile) else fragment
    words = tuple(map(_text, case["argv"]))
    yield Start(_text(role), role, _arguments(case), Form.COMMAND, variables, host="case", words=words)


def _subjects(case: Case) -> list[Judged]:
    return assemble(_fragments(case), Scope(Options())).subjects


def _invocation(case: Case) -> Invocation:
    (invocation,) = [subject for subject in _subjects(case) if isinstance(subject, Invocation)]
    return invocation


# --- the tests ------------------------------------------------------------------------------------------


def test_there_are_all_cases() -> None:
    assert len(CASES) == 333
    assert len(_having("set")) + len(_having("fatal")) == 333


@pytest.mark.parametrize("case", _having("set"))
def test_what_is_set(case: Case) -> None:
    invocation = _invocation(case)
    assert [refusal.message for refusal in refusals(invocation)] == []
    values = {one.flag.name: one.value for one in effective(invocation)}
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()} == case[
        "expect"
    ]["set"]


@pytest.mark.parametrize("case", _having("fatal"))
def test_what_k3s_refuses(case: Case) -> None:
    invocation = _invocation(case)
    if case["expect"]["fatal"] == "config":
        assert invocation.unreadable
        return
    assert not invocation.unreadable
    # K3s names the first that it meets, and so do we; of two names of one flag, either.
    first = next(refusals(invocation))
    name = str(first.at).lstrip("-")
    assert re.search(rf"[-\s\"]{re.escape(name)}(?:[\s:=\"]|$)", case["expect"]["message"]), (name, case["expect"])


@pytest.mark.parametrize("case", _having("set"))
def test_which_keys_a_server_skips(case: Case) -> None:
    # K3s names the argument it made of the key, for each item of a list.
    assert [one.argument for one in skipped(_invocation(case))] == case["expect"].get("ignored", [])


@pytest.mark.parametrize("case", _having("set"))
def test_where_reading_arguments_ends(case: Case) -> None:
    started = _invocation(case).started
    assert started
    assert [str(word) for word in started.stray] == case["expect"].get("positional", [])


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
    assert [str(word) for word in lowered.open_places] == ["$EXTRA"]


def test_the_value_of_an_unknown_option_is_not_taken_for_the_end_of_flags() -> None:
    lowered = lower.from_arguments(
        [Argument(_text(word)) for word in ("--strange", "x", "--debug")], None, flags(), Form.UNIT
    )
    assert [option.name for option in lowered.unrecognised] == ["strange"]
    assert [setting.flag.name for setting in lowered.settings] == ["debug"]


def test_replaced_entries_are_told() -> None:
    files = []
    for content in ("token: a\ntls-san: b\n", "token: c\ntls-san+: d\n"):
        (fragment,) = door.read(door.of_source(Source("etc/rancher/k3s/config.yaml", content)))
        assert isinstance(fragment, ConfigFile)
        files.append(fragment.entries)
    assert [(str(entry.key), str(entry.value)) for entry in lower.replaced(files)] == [("token", "a")]


ARM, OTHER = (Branch("install.sh", 0, 0),), (Branch("install.sh", 0, 1),)
of_branches = pytest.mark.parametrize(
    ("before", "after", "lost"),
    [(ALWAYS, ALWAYS, True), (ARM, ARM, True), (ARM, ALWAYS, True), (ALWAYS, ARM, False), (ARM, OTHER, False)],
)


@of_branches
def test_an_entry_replaces_what_is_in_its_own_branches(before: When, after: When, *, lost: bool) -> None:
    (fragment,) = door.read(door.of_source(Source("etc/rancher/k3s/config.yaml", "token: a\n")))
    assert isinstance(fragment, ConfigFile)
    (entry,) = fragment.entries
    first, second = entry._replace(when=before), entry._replace(when=after)
    assert lower.replaced([[first], [second]]) == ([first] if lost else [])
    settings = lower.from_config([[first], [second]], "server", flags()).settings
    assert [setting.when for setting in settings] == ([after] if lost else [before, after])


@of_branches
def test_an_empty_variable_takes_back_what_is_in_its_own_branches(before: When, after: When, *, lost: bool) -> None:
    name = _text("K3S_SELINUX")
    variables = [
        Variable(name, _text("true"), Form.COMMAND, before),
        Variable(name, _text(""), Form.COMMAND, after),
    ]
    settings = lower.from_environment(variables, "server", flags()).settings
    assert [setting.when for setting in settings] == ([] if lost else [before])


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("[[], a]", ["", "a"]),
        ("[[b, c]]", ["b"]),
        ("[[[b, c]]]", ["[b c]"]),
        ("[{max-pods: 110}]", ["[{max-pods 110}]"]),
        ("{a: {b: ~}}", ["[{a [{b <nil>}]}]"]),
    ],
)
def test_what_becomes_of_lists_and_mappings_inside(written: str, values: list[str]) -> None:
    (fragment,) = door.read(door.of_source(Source("etc/rancher/k3s/config.yaml", f"tls-san: {written}\n")))
    assert isinstance(fragment, ConfigFile)
    lowered = lower.from_config([fragment.entries], "server", flags())
    assert [str(setting.value) for setting in lowered.settings] == values
