"""Units and environment files against what systemd 252 itself makes of them, and the places of every word."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k3s_policy.formats.systemd import (
    EnvironmentFile,
    ExecCommand,
    ExecFlag,
    LoadState,
    Service,
    UnitFile,
    Variable,
    combine,
    drop_in_folders,
    environment,
    environment_file,
    environment_path,
    exec_commands,
    expand,
    merged,
    read_unit,
    specifiers,
)
from k3s_policy.formats.systemd.words import Escapes, Flaw, first_word, words
from k3s_policy.text import Source, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Case = dict[str, Any]

CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "systemd.jsonl").read_text("utf-8").splitlines()
]
COUNTS = {"exec": 415, "environment": 136, "environment-file": 172, "continuation": 111, "unit": 127}


def of_kind(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


def text_of(content: str, path: str = "k3s.service") -> Text:
    return Source(path, content).text


def input_of(case: Case) -> Text:
    content: str = case["input"]
    if case.get("encoding") == "base64":
        content = base64.b64decode(content).decode("utf-8", "surrogateescape")
    return text_of(content)


def assert_placed(texts: Iterable[Text]) -> None:
    """Every letter and digit of a verbatim run stands in the source at its offset."""
    for text in texts:
        for run in text.runs:
            assert 0 <= run.start <= run.end <= len(run.source.content)
            if run.verbatim:
                for offset, character in enumerate(run.text, run.start):
                    assert not character.isalnum() or run.source.content[offset] == character


def texts_of(unit: UnitFile, service: Service) -> Iterator[Text]:
    for directive in unit.directives:
        yield from (directive.key, directive.value)
    for variable in service.environment:
        yield from (variable.name, variable.value)
    for command in (command for commands in service.commands.values() for command in commands):
        yield from (command.path, *command.argv)
    yield from (flaw.at for flaw in service.ignored)
    yield from (error.at for error in service.errors)


def expanded(command: ExecCommand, variables: Mapping[str, Text]) -> list[str]:
    words = command.argv if ExecFlag.NO_ENV_EXPAND in command.flags else expand(command.argv, variables)
    assert_placed(words)
    return [str(word) for word in words]


def shown(commands: Iterable[ExecCommand], variables: Mapping[str, Text] | None) -> list[Case]:
    """Commands as the data show them."""
    return [
        {
            "path": str(command.path),
            "argv": [str(word) for word in command.argv],
            "flags": sorted(flag.value for flag in command.flags),
            **({"expanded": expanded(command, variables)} if variables is not None else {}),
        }
        for command in commands
    ]


def values(variables: Mapping[str, Text]) -> dict[str, str]:
    return {name: str(value) for name, value in variables.items()}


def assignments_shown(variables: Iterable[Variable]) -> list[str]:
    return [f"{name}={value}" for name, value in merged(variables).items()]


def test_every_case_is_here() -> None:
    assert Counter(case["kind"] for case in CASES) == COUNTS
    assert len({case["id"] for case in CASES}) == sum(COUNTS.values()) == 961


@pytest.mark.parametrize("case", of_kind("exec"))
def test_exec(case: Case) -> None:
    unit = read_unit(text_of(f"[Service]\nExecStart={case['input']}\n"))
    service = combine(unit, {}, case.get("unit", "k3s.service"))
    assert_placed(texts_of(unit, service))
    if "error" in case["expect"]:
        assert [error.code for error in service.errors] == [case["expect"]["error"]]
        assert service.load_state is LoadState.BAD_SETTING
        return
    assert not service.errors
    variables = {name: text_of(value, "k3s.env") for name, value in case["env"].items()} if "env" in case else None
    expected = [command | {"flags": sorted(command["flags"])} for command in case["expect"]["commands"]]
    assert shown(service.commands.get("ExecStart", ()), variables) == expected


@pytest.mark.parametrize("case", of_kind("environment"))
def test_environment(case: Case) -> None:
    unit = read_unit(text_of(f"[Service]\nEnvironment={case['input']}\n"))
    service = combine(unit, {}, case.get("unit", "k3s.service"))
    assert_placed(texts_of(unit, service))
    assert values(merged(service.environment)) == case["expect"]["env"]


@pytest.mark.parametrize("case", of_kind("environment-file"))
def test_environment_file(case: Case) -> None:
    read = environment_file(input_of(case))
    assert_placed(text for variable in (*read.variables, *read.dropped) for text in (variable.name, variable.value))
    assert_placed(read.ignored)
    if "error" in case["expect"]:
        assert read.error
        assert read.error.code == case["expect"]["error"]
        return
    assert read.error is None
    assert values(merged(read.variables)) == case["expect"]["env"]
    assert assignments_shown(read.dropped) == case["expect"].get("dropped", [])


@pytest.mark.parametrize("case", of_kind("continuation"))
def test_continuation(case: Case) -> None:
    text = input_of(case)
    unit = read_unit(text)
    assert (unit.error.code if unit.error else None) == case["expect"].get("error")
    # systemd looks no closer at sections it does not know, and so do the data.
    known = [directive for directive in unit.directives if directive.section in {"Unit", "Service", "Install"}]
    assert_placed(text for directive in known for text in (directive.key, directive.value))
    expected = case["expect"]["assignments"]
    assert [[item.section, str(item.key), str(item.value)] for item in known] == [item[:3] for item in expected]
    breaks = [match.start() for match in re.finditer(r"\r\n?\0?|\n\r?\0?|\0", str(text))]
    previous = 0
    for directive, (*_, last_line) in zip(known, expected, strict=True):
        first = sum(offset < directive.key.span.start for offset in breaks) + 1
        last = sum(offset < directive.value.span.end for offset in breaks) + 1
        assert previous < first <= last <= last_line
        previous = last_line


def selected_drop_ins(case: Case, unit_name: str) -> dict[str, UnitFile]:
    """Drop-ins by file name, the first found, as systemd looks for them."""
    *own, of_type = drop_in_folders(unit_name)
    roots = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
    folders = [f"{root}/systemd/system/{name}" for root in roots for name in own]
    folders += [f"{root}/systemd/system/{of_type}" for root in roots]
    found: dict[str, UnitFile] = {}
    for folder in folders:
        for path, content in case.get("files", {}).items():
            name = PurePosixPath(path).name
            if path == f"{folder}/{name}" and name.endswith(".conf") and not name.startswith("."):
                found.setdefault(name, read_unit(text_of(content, path)))
    return found


def started(case: Case, service: Service) -> tuple[dict[str, Text], list[str], str | None]:
    """Return the environment of the process, what was dropped, and why it does not start."""
    lists: list[Iterable[Variable]] = [service.environment]
    dropped: list[Variable] = []
    files = case.get("files", {})
    for reference in service.environment_files:
        read = [
            environment_file(text_of(content, path))
            for path, content in sorted(files.items())
            if fnmatchcase(path, str(reference.path))
        ]
        error = next((file.error.code for file in read if file.error), None if read else "ENOENT")
        if error and not reference.optional:
            return {}, [], error
        lists += [file.variables for file in read]
        dropped += [variable for file in read for variable in file.dropped]
    return merged(*lists), assignments_shown(dropped), None


@pytest.mark.parametrize("case", of_kind("unit"))
def test_unit(case: Case) -> None:
    expect, unit_name = case["expect"], case.get("unit", "k3s.service")
    unit = read_unit(input_of(case))
    service = combine(unit, selected_drop_ins(case, unit_name), unit_name)
    assert_placed(texts_of(unit, service))
    assert service.load_state.value == expect["load_state"]
    assert (service.refused is None) is (expect["load_state"] in {"loaded", "masked"})
    if service.load_state is not LoadState.LOADED:
        return
    assert values(merged(service.environment)) == expect["environment"]
    assert [
        f"{'-' if reference.optional else ''}{reference.path}" for reference in service.environment_files
    ] == expect.get("environment_files", [])
    variables, dropped, start_error = started(case, service)
    assert start_error == expect.get("start_error")
    assert dropped == expect.get("dropped", [])
    if "process_env" in expect:
        assert values(variables) == expect["process_env"]
    expected = {
        key: [command | {"flags": sorted(command["flags"])} for command in commands]
        for key, commands in expect["commands"].items()
    }
    if start_error:
        expected = {
            key: [{name: command[name] for name in ("path", "argv", "flags")} for command in commands]
            for key, commands in expected.items()
        }
    found = {key: shown(commands, None if start_error else variables) for key, commands in service.commands.items()}
    assert found == expected


def service_of(content: str, unit_name: str = "k3s.service", **drop_ins: str) -> Service:
    files = {f"{name}.conf": read_unit(text_of(drop_in, f"{name}.conf")) for name, drop_in in drop_ins.items()}
    return combine(read_unit(text_of(content)), files, unit_name)


def argv_of(value: str, unit_name: str = "k3s.service") -> list[Text]:
    result = exec_commands(text_of(value), unit_name)
    assert not result.error
    return [word for command in result.commands for word in command.argv]


def place(text: Text) -> list[str]:
    """What stands in the source where each run of a text was written."""
    return [run.source.content[run.start : run.end] for run in text.runs]


@pytest.mark.parametrize(
    ("value", "word", "written"),
    [
        ("k3s --token=a", "--token=a", ["--token=a"]),
        ("k3s '--token=a b'", "--token=a b", ["--token=a b"]),
        ("k3s --token='a'\"b\"", "--token=ab", ["--token=", "a", "b"]),
        (r"k3s --token=\x41b", "--token=Ab", ["--token=", r"\x41", "b"]),
        (r"k3s \xc3\xa9", "é", [r"\xc3\xa9"]),
        (r"k3s \xc3''\xa9\xff", "é\udcff", [r"\xc3''\xa9", r"\xff"]),
        (r"k3s a\db", r"a\db", ["a", r"\d", "b"]),
        (r"k3s \;", ";", [r"\;"]),
        ("k3s --x=%%y", "--x=%y", ["--x=", "%%", "y"]),
        ("k3s %p@", "k3s@", ["%p", "@"]),
        ("k3s %h", "/root", ["%h"]),
        ("k3s ''", "", [""]),
        (r"k3s \U00110000\U0001fffe\ud800", "\\U00110000\\U0001fffe\udced\udca0\udc80", None),
    ],
)
def test_a_word_knows_where_it_was_written(value: str, word: str, written: list[str] | None) -> None:
    text = argv_of(value)[1]
    assert str(text) == word
    assert written is None or place(text) == written


def test_a_specifier_as_long_as_its_value_is_not_taken_for_it() -> None:
    word = argv_of("k3s --node-name=%i", "k3s@n1.service")[1]
    assert str(word) == "--node-name=n1"
    assert place(word) == ["--node-name=", "%i", "%i"]
    assert not any(run.verbatim for run in word.runs[1:])


def test_a_continued_line_is_joined_by_a_blank_at_the_backslash() -> None:
    content = "[Service]\nExecStart=/k3s server \\\n# why\n  --debug\n"
    (directive,) = read_unit(text_of(content)).directives
    assert str(directive.value) == "/k3s server    --debug"
    assert place(directive.value) == ["/k3s server ", "\\", "  --debug"]


@pytest.mark.parametrize("specifier", [*"HRabclmoqrsvw"])
def test_what_only_the_host_knows_stays_and_is_not_known(specifier: str) -> None:
    word = argv_of(f"k3s --node-name=%{specifier}")[1]
    assert str(word) == f"--node-name=%{specifier}"
    assert [run.known for run in word.runs] == [True, False]


@pytest.mark.parametrize("specifier", [*"ABMW"])
def test_what_few_hosts_have_is_empty_and_not_known(specifier: str) -> None:
    # Of two cases the data say: %A is IMAGE_VERSION= of os-release, which was empty where they were made.
    for written, word, known in (
        (f"--x=%{specifier}b", "--x=b", "--x="),
        (f"--x=a%{specifier}", "--x=a", "--x="),
        (f"a%{specifier}b%{specifier}%H", "ab%H", "a"),
        (f"%{specifier}", "", ""),
    ):
        text = argv_of(f"k3s {written}")[1]
        assert str(text) == word
        assert not text.known
        assert "".join(run.text for run in text.runs if run.known) == known


@pytest.mark.parametrize("specifier", [*"INdfin"])
def test_a_template_does_not_know_its_instance(specifier: str) -> None:
    assert not argv_of(f"k3s %{specifier}", "k3s@.service")[1].known
    assert argv_of(f"k3s %{specifier}", "k3s@a.service")[1].known


@pytest.mark.parametrize(
    ("unit_name", "specifiers", "expected"),
    [
        ("k3s@a.service", "%y %Y", "/etc/systemd/system/k3s@.service /etc/systemd/system"),
        ("k3s@-.service", "%f", "/"),
        ("k3s@a-b.service", "%f %I", "/a/b a/b"),
        ("k3s@\\xc3\\xa9.service", "%I", "é"),
    ],
)
def test_specifiers_from_the_name(unit_name: str, specifiers: str, expected: str) -> None:
    assert " ".join(map(str, argv_of(f"/k3s {specifiers}", unit_name)[1:])) == expected


@pytest.mark.parametrize(("unit_name", "specifier"), [("k3s@a\\q.service", "%I"), ("k3s@a--b.service", "%f")])
def test_a_name_that_cannot_be_unescaped(unit_name: str, specifier: str) -> None:
    error = exec_commands(text_of(f"/k3s {specifier}"), unit_name).error
    assert error
    assert str(error.at) == specifier


def test_a_variable_keeps_the_place_of_its_value() -> None:
    variables = merged(environment_file(text_of('A="--x  --y"\nB=z\n', "k3s.env")).variables)
    words = expand(argv_of("/k3s $A --b=${B}$$"), variables)
    assert [str(word) for word in words] == ["/k3s", "--x", "--y", "--b=z$"]
    assert [[run.source.path for run in word.runs] for word in words] == [
        ["k3s.service"],
        ["k3s.env"],
        ["k3s.env"],
        ["k3s.service", "k3s.env", "k3s.service"],
    ]
    assert place(words[3]) == ["--b=", "z", "$$"]


def test_a_missing_variable_vanishes_or_stays_unknown() -> None:
    argv = argv_of("/k3s $A --b=${B} ${C} $D/x ${E,F}")
    assert [str(word) for word in expand(argv, {})] == ["/k3s", "--b=", "", ""]
    kept = expand(argv, {}, keep_missing=True)
    assert [str(word) for word in kept] == ["/k3s", "$A", "--b=${B}", "${C}", ""]
    assert [word.known for word in kept] == [True, False, False, False, True]


def test_text_that_is_not_known_is_not_resolved() -> None:
    word = text_of("/k3s ")[:4] + text_of("${A}$B%z").unknown()
    assert [str(part) for part in expand([word, word[4:], word[8:]], {})] == ["/k3s${A}$B%z", "${A}$B%z", "$B%z"]
    (command,) = exec_commands(word, "k3s.service").commands
    assert str(command.path) == "/k3s${A}$B%z"


def test_a_value_finds_what_is_assigned_behind_it() -> None:
    # systemd looks for "NAME=" in front of an assignment, whatever NAME holds.
    assert [str(word) for word in expand(argv_of("/k3s $A=x ${A=y}"), {"A": text_of("x=y")})] == ["/k3s", "y", ""]


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("/k3s 'open", "'"),
        ("/k3s p%40ss", "%4"),
        ("/k3s/", "/k3s/"),
        ("./k3s server", "./k3s"),
        ("'/a\"b'", '/a"b'),
        ("/" + "a" * 256, "/" + "a" * 256),
        ("'' server", ""),
        ("@/k3s", "/k3s"),
        ("/k3s ; @ x", ""),
    ],
)
def test_an_error_names_the_characters_at_fault(value: str, at: str) -> None:
    result = exec_commands(text_of(value), "k3s.service")
    assert result.error
    assert (result.error.code, str(result.error.at), result.ignored) == ("ENOEXEC", at, None)


def test_a_tolerated_error_loses_the_rest() -> None:
    result = exec_commands(text_of("/k3s a ; -/k3s %z ; /k3s c"), "k3s.service")
    assert [str(command.argv[-1]) for command in result.commands] == ["a"]
    assert result.error is None
    assert result.ignored
    assert str(result.ignored.at) == "%z"


def test_a_command_as_it_is_meant() -> None:
    value = text_of("/k3s p%40ss %p %C3 %%; -/opt/%z b")
    assert argv_of("/k3s a%ib")[1].known, "an instance that a unit does not have is empty, and that is known"
    (command,) = exec_commands(value, "k3s.service", lenient=True).commands
    assert [str(word) for word in command.argv[1:]] == ["p%40ss", "k3s", "/var/cache3", "%;", "-/opt/%z", "b"]
    assert exec_commands(value, "k3s.service").commands == ()
    # Other mistakes stay what they are.
    assert exec_commands(text_of("/k3s %4 'open"), "k3s.service", lenient=True).error
    assert exec_commands(text_of("/k3s %I"), "k3s@a\\q.service", lenient=True).error


def test_a_service_as_it_is_meant() -> None:
    unit = read_unit(text_of("[Service]\nEnvironment=A=%4 B=1\nEnvironmentFile=/a%4\nExecStart=/k3s %4\nExecStop=/x\n"))
    exact = combine(unit, {}, "k3s.service")
    assert (exact.load_state, exact.commands, len(exact.environment_files)) == (LoadState.BAD_SETTING, {}, 0)
    assert [error.specifier for error in exact.errors] == [True]
    assert [flaw.specifier for flaw in exact.ignored] == [True, True]
    meant = combine(unit, {}, "k3s.service", lenient=True)
    assert (meant.load_state, [*meant.commands]) == (LoadState.LOADED, ["ExecStart", "ExecStop"])
    assert values(merged(meant.environment)) == {"A": "%4", "B": "1"}
    assert str(meant.environment_files[0].path) == "/a%4"


def test_specifiers_of_a_word() -> None:
    found = list(specifiers(text_of("a%p%%%4-%C%m%-"), "k3s.service"))
    assert [(one.start, str(one.at)) for one in found] == [(1, "%p"), (5, "%4"), (8, "%C"), (10, "%m")]
    assert isinstance(found[1].value, Flaw)
    assert [str(one.value) for one in found if isinstance(one.value, Text)] == ["k3s", "/var/cache", "%m"]


def test_the_parts_of_a_line() -> None:
    unit = read_unit(text_of("[Service]\nA=1 \\\n# c\n 2 \\\n\nB=3\\"))
    assert [[str(part) for part in line.parts] for line in unit.lines] == [
        ["[Service]"],
        ["A=1 \\", " 2 \\", ""],
        ["B=3\\", ""],
    ]
    assert [str(directive.value) for directive in unit.directives] == ["1   2", "3"]


def test_only_the_path_of_a_command_is_simplified() -> None:
    (command,) = exec_commands(text_of("/usr//./bin/k3s"), "k3s.service").commands
    assert (str(command.path), str(command.argv[0])) == ("/usr/bin/k3s", "/usr//./bin/k3s")
    assert place(command.path) == ["/usr", "/bin", "/k3s"]


@pytest.mark.parametrize(
    ("value", "path", "optional"),
    [
        ("/etc/default/%N", "/etc/default/k3s", False),
        ("-/etc//default/./k3s/", "/etc/default/k3s", True),
        ("-/", "/", True),
        ("/etc/default/a b # c", "/etc/default/a b # c", False),
    ],
)
def test_environment_path(value: str, path: str, *, optional: bool) -> None:
    read = environment_path(text_of(value), "k3s.service")
    assert not isinstance(read, Flaw)
    assert (str(read.path), read.optional) == (path, optional)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("etc/default", "etc/default"),
        ("- /a", " /a"),
        ("/a/../b", "/a/../b"),
        ("/a%z", "%z"),
        ("/" + "a/" * 2100, None),
    ],
)
def test_an_environment_path_that_is_ignored(value: str, at: str | None) -> None:
    read = environment_path(text_of(value), "k3s.service")
    assert isinstance(read, Flaw)
    assert str(read.at) == (at or value.rstrip("/"))


def test_what_environment_loses() -> None:
    service = service_of("[Service]\nEnvironment=A=1 B C=%4 'D=\\\\x' E=\\q F=1\nEnvironment=G=\\xff 'H=1\n")
    assert values(merged(service.environment)) == {"A": "1", "D": "\\x"}
    assert [str(flaw.at) for flaw in service.ignored] == ["B", "%4", "\\q", "G=\udcff", "'"]


def test_a_file_that_is_not_text() -> None:
    read = environment_file(text_of("A=1\nB=\0\n"))
    assert read.error
    assert (read.variables, read.error.code, read.error.at.span.start) == ((), "EBADMSG", 6)
    invalid = environment_file(text_of("A=1\nB=x\udcff\n")).error
    assert invalid
    assert (invalid.code, str(invalid.at)) == ("EINVAL", "x\udcff")


def test_a_value_as_it_is_written() -> None:
    read = environment_file(text_of("""A= 'x' "y\\"" z # c\n# d \\\nB=1\nC=\\$x"""))
    assert [(str(one.name), [*map(str, one.quoted)], str(one.plain)) for one in read.variables] == [
        ("A", ["'x'", '"y\\""'], " z # c"),
        ("C", [], "\\$x"),
    ]
    assert [*map(str, read.comments)] == ["# d \\\nB=1"]
    assert values(merged(read.variables)) == {"A": 'xy"z # c', "C": "$x"}


def test_lines_that_are_too_long() -> None:
    long = "a" * ((1 << 20) - 10)
    for content in (f"[Service]\nA=1\nB={long}aaaaaaaa", f"[Service]\nA=1\nB={long}\\\n{'é' * 10}\n"):
        unit = read_unit(text_of(content))
        assert [str(directive.key) for directive in unit.directives] == ["A"]
        assert unit.error
        assert unit.error.code == "ENOBUFS"
    assert read_unit(text_of(f"[Service]\nB={long}\n")).error is None


@pytest.mark.parametrize("header", ["[", "[Service", "[Service] # c", "[Ser'vice]", "[Ser\\vice]"])
def test_section_headers_that_end_the_file(header: str) -> None:
    unit = read_unit(text_of(f"[Unit]\nA=1\n{header}\nB=1\n"))
    assert [str(directive.key) for directive in unit.directives] == ["A"]
    assert unit.error
    assert (unit.error.code, str(unit.error.at), unit.error.at.span.line) == ("EBADMSG", header, 3)


def test_lines_that_are_ignored() -> None:
    unit = read_unit(text_of("A=0\n[Service]\nExecStart=/k3s \\\n\n  --debug\n=x\n[X-Mine]\nB=1\n"))
    assert [str(flaw.at) for flaw in unit.ignored] == ["--debug", "=x"]
    assert [(item.section, str(item.key)) for item in unit.directives] == [
        ("", "A"),
        ("Service", "ExecStart"),
        ("X-Mine", "B"),
    ]


def test_an_error_only_ends_the_drop_in_it_stands_in() -> None:
    service = service_of(
        "[Service]\nExecStart=/k3s a\n",
        b="[Service]\nEnvironment=B=1\n[Bad\nEnvironment=B=2\n",
        a="[Service]\nEnvironment=A=1 B=0\nExecStartPre=./x\nEnvironment=A=2\n",
    )
    assert service.load_state is LoadState.LOADED
    assert values(merged(service.environment)) == {"A": "1", "B": "1"}
    assert [(error.code, error.at.span.source.path) for error in service.errors] == [
        ("ENOEXEC", "a.conf"),
        ("EBADMSG", "b.conf"),
    ]


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ("ExecStop=/k3s", LoadState.BAD_SETTING),
        ("Type=oneshot\nExecStop=/k3s", LoadState.BAD_SETTING),
        ("RemainAfterExit=Yes\nRemainAfterExit=bogus\nExecStop=/k3s", LoadState.LOADED),
        ("RemainAfterExit=Yes\nBusName=a.b\nExecStop=/k3s", LoadState.BAD_SETTING),
        ("[Unit]\nSuccessAction=exit", LoadState.LOADED),
        ("Type=exec\n[Unit]\nSuccessAction=exit", LoadState.BAD_SETTING),
        ("Type=Oneshot\nExecStart=/k3s\nExecStart=/k3s", LoadState.BAD_SETTING),
        ("ExecStart=/k3s\nRestart=always", LoadState.LOADED),
        ("Type=oneshot\nExecStart=/k3s\nRestart=bogus", LoadState.LOADED),
        ("Type=oneshot\nExecStart=/k3s\nRestart=on-success", LoadState.BAD_SETTING),
    ],
)
def test_settings_that_do_not_fit_together(content: str, state: LoadState) -> None:
    assert service_of(f"[Service]\n{content}\n").load_state is state


@pytest.mark.parametrize(
    ("unit_name", "folders"),
    [
        ("k3s.service", ["k3s.service.d", "service.d"]),
        ("k3s-agent.service", ["k3s-agent.service.d", "k3s-.service.d", "service.d"]),
        ("k3s@x.service", ["k3s@x.service.d", "k3s@.service.d", "service.d"]),
        (
            "k3s-a@x.service",
            ["k3s-a@x.service.d", "k3s-a@.service.d", "k3s-@.service.d", "k3s-@x.service.d", "service.d"],
        ),
    ],
)
def test_drop_in_folders(unit_name: str, folders: list[str]) -> None:
    assert list(drop_in_folders(unit_name)) == folders


def test_environment_gives_the_variables() -> None:
    (variable,) = environment(text_of("K3S_TOKEN='a b'"), "k3s.service")
    assert (str(variable.name), str(variable.value), place(variable.value)) == ("K3S_TOKEN", "a b", ["a b"])


SYSTEMD_CHARACTERS = st.text(st.sampled_from("aé1\\'\"$%{}:;#=[]@-/ \t\n\r\0\ufeff\udcff\ufffe"), max_size=60)


@given(SYSTEMD_CHARACTERS | st.text(max_size=60))
def test_nothing_breaks_the_readers(content: str) -> None:
    unit = read_unit(text_of(f"[Service]\nEnvironment=A={content}\nExecStart=k3s {content}\n{content}"))
    service = combine(unit, {"a.conf": unit}, "k3s@a.service")
    assert_placed(texts_of(unit, service))
    file: EnvironmentFile = environment_file(text_of(content))
    assert_placed(text for variable in file.variables for text in (variable.name, variable.value))
    result = exec_commands(text_of(f"/k3s {content}"), "k3s.service")
    assert_placed(
        word
        for command in result.commands
        for keep in (False, True)
        for word in expand(command.argv, merged(file.variables), keep_missing=keep)
    )


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)))
def test_quoted_words_come_back(wanted: list[str]) -> None:
    quoted = " ".join('"' + re.sub(r'["\\]', r"\\\g<0>", word) + '"' for word in wanted)
    for escapes in (Escapes.KEPT, Escapes.STRICT, Escapes.DROPPED):
        found = list(words(text_of(quoted), escapes))
        assert [str(word) for word in found if isinstance(word, Text)] == wanted


@given(SYSTEMD_CHARACTERS)
def test_an_indented_copy_reads_alike(content: str) -> None:
    """A unit in a YAML block, say: cut from its file line by line."""
    content = f"[Service]\nEnvironment=A=1\n{content}"
    indented = text_of("".join(f"    {line}" for line in content.splitlines(keepends=True)))
    lines = [indented[match.start(1) : match.end()] for match in re.finditer(r" {4}([^\n]*\n?)", str(indented))]
    copy = Text(run for line in lines for run in line.runs)
    if str(copy) != content:
        return
    plain, cut = read_unit(text_of(content)), read_unit(copy)
    assert [(item.section, str(item.key), str(item.value)) for item in plain.directives] == [
        (item.section, str(item.key), str(item.value)) for item in cut.directives
    ]
    assert_placed(item.value for item in cut.directives)


def test_a_backslash_at_the_end_of_a_value() -> None:
    assert [str(word) for word in argv_of("/k3s a\\")] == ["/k3s", "a\\"]
    assert isinstance(first_word(text_of("'a\\"), 0, Escapes.KEPT), Flaw)
    assert isinstance(first_word(text_of("a\\"), 0, Escapes.STRICT), Flaw)
    assert [str(word) for word in expand(argv_of("/k3s $A"), {"A": text_of("'a b\\")})] == ["/k3s", "a b"]
