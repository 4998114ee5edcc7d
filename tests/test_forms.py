"""A rule is written once because K3s reads once: the same settings in every form give the same result.

Settings are drawn and written as a config file, a drop-in, arguments of a unit, variables, and scripts. Whatever the
form, the settings that K3s has in the end are the same, and so is what the rules say about them.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from k3s_policy.flags import Flag, Kind, flags
from k3s_policy.rule import load, names
from k3s_policy.run import Policy, assembled, examine
from k3s_policy.show import overview
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

# --- settings ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """A flag with the values it is given: one, or for a list several."""

    flag: Flag
    values: tuple[str, ...]


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


# --- forms --------------------------------------------------------------------------------------------------

_UNIT = "etc/systemd/system/k3s.service"


def _yaml(settings_given: Sequence[Given]) -> str:
    """Write a config file in which every value is quoted."""
    lines = []
    for given_ in settings_given:
        values = [json.dumps(value, ensure_ascii=False) for value in given_.values]
        value = f"[{', '.join(values)}]" if given_.flag.kind is Kind.LIST else values[0]
        lines.append(f"{given_.flag.name}: {value}")
    return "\n".join([*lines, ""])


def _words(settings_given: Sequence[Given]) -> list[str]:
    return [f"--{given_.flag.name}={value}" for given_ in settings_given for value in given_.values]


def _for_systemd(word: str, *, command: bool) -> str:
    """Quote a word so that systemd reads it as it is."""
    escapes = {"\\": "\\\\", '"': '\\"', "%": "%%", **({"$": "$$"} if command else {})}
    return '"' + "".join(escapes.get(character, character) for character in word) + '"'


def _unit(role: str, words: Sequence[str] = (), *directives: str) -> str:
    command = " ".join(("/usr/local/bin/k3s", role, *(_for_systemd(word, command=True) for word in words)))
    return "\n".join(["[Service]", *directives, f"ExecStart={command}", ""])


def config(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {_UNIT: _unit(role), "etc/rancher/k3s/config.yaml": _yaml(given_)}


def drop_in(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {_UNIT: _unit(role), "etc/rancher/k3s/config.yaml.d/50-all.yaml": _yaml(given_)}


def unit_arguments(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {_UNIT: _unit(role, _words(given_))}


def unit_drop_in(role: str, given_: Sequence[Given]) -> dict[str, str]:
    directives = _unit(role, _words(given_)).replace("ExecStart=", "ExecStart=\nExecStart=")
    return {_UNIT: _unit(role, ["--debug"]), f"{_UNIT}.d/10-arguments.conf": directives}


def _with_variable(given_: Sequence[Given]) -> tuple[list[tuple[str, str]], list[Given]]:
    """Return the variables of what can be given as one, and the rest."""
    variables = [
        (one.flag.environment[0], one.values[0]) for one in given_ if one.flag.environment and len(one.values) == 1
    ]
    named = {name for name, _ in variables}
    return variables, [one for one in given_ if not named & set(one.flag.environment[:1])]


def unit_environment(role: str, given_: Sequence[Given]) -> dict[str, str]:
    variables, rest = _with_variable(given_)
    directives = [f"Environment={_for_systemd(f'{name}={value}', command=False)}" for name, value in variables]
    return {_UNIT: _unit(role, _words(rest), *directives)}


def environment_file(role: str, given_: Sequence[Given]) -> dict[str, str]:
    variables, rest = _with_variable(given_)
    escapes = {character: f"\\{character}" for character in '\\"`$'}
    lines = [
        f'{name}="{"".join(escapes.get(character, character) for character in value)}"\n' for name, value in variables
    ]
    unit = _unit(role, _words(rest), "EnvironmentFile=/etc/default/k3s")
    return {_UNIT: unit, "etc/default/k3s": "".join(lines)}


def command(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {"start.sh": f"#!/bin/sh\nexec k3s {role} {shlex.join(_words(given_))}\n"}


def command_with_variables(role: str, given_: Sequence[Given]) -> dict[str, str]:
    variables, rest = _with_variable(given_)
    assignments = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables)
    return {"start.sh": f"#!/bin/sh\n{assignments} k3s {role} {shlex.join(_words(rest))}\n"}


def here_document(role: str, given_: Sequence[Given]) -> dict[str, str]:
    document = f"cat > /etc/rancher/k3s/config.yaml <<'END_OF_CONFIG'\n{_yaml(given_)}END_OF_CONFIG\n"
    return {"start.sh": f"#!/bin/sh\n{document}k3s {role}\n"}


def install_script(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {"install.sh": f"curl -sfL https://get.k3s.io | sh -s - {role} {shlex.join(_words(given_))}\n"}


def cloud_init(role: str, given_: Sequence[Given]) -> dict[str, str]:
    content = "".join(f"      {line}" for line in _yaml(given_).splitlines(keepends=True))
    file = f"  - path: /etc/rancher/k3s/config.yaml\n    permissions: '0600'\n    content: |\n{content}"
    return {"user-data": f"#cloud-config\nwrite_files:\n{file}runcmd:\n  - k3s {role}\n"}


def command_of_cloud_init(role: str, given_: Sequence[Given]) -> dict[str, str]:
    words = "".join(f"    - {json.dumps(word)}\n" for word in _words(given_))
    return {"user-data": f"#cloud-config\nruncmd:\n  - - k3s\n    - {role}\n{words}"}


def butane(role: str, given_: Sequence[Given]) -> dict[str, str]:
    content = "".join(f"          {line}" for line in _yaml(given_).splitlines(keepends=True))
    file = "    - path: /etc/rancher/k3s/config.yaml\n      mode: 0600\n      contents:\n        inline: |\n"
    unit = f"    - name: k3s.service\n      contents: {json.dumps(_unit(role))}\n"
    return {"host.bu": f"variant: fcos\nstorage:\n  files:\n{file}{content}systemd:\n  units:\n{unit}"}


def task(role: str, given_: Sequence[Given]) -> dict[str, str]:
    content = "".join(f"      {line}" for line in _yaml(given_).splitlines(keepends=True))
    file = f"- name: Config\n  copy:\n    dest: /etc/rancher/k3s/config.yaml\n    content: |\n{content}"
    return {"roles/k3s/tasks/main.yml": f"{file}- name: K3s\n  command: k3s {role}\n"}


def command_of_task(role: str, given_: Sequence[Given]) -> dict[str, str]:
    written = {"dest": "/etc/rancher/k3s/config.yaml", "content": ""}
    start = {"name": "K3s", "ansible.builtin.command": {"argv": ["k3s", role, *_words(given_)]}}
    return {"roles/k3s/tasks/main.yml": json.dumps([{"name": "Config", "copy": written}, start])}


def install_exec(role: str, given_: Sequence[Given]) -> dict[str, str]:
    arguments = shlex.quote(" ".join((role, *_words(given_))))
    return {"install.sh": f"curl -sfL https://get.k3s.io | INSTALL_K3S_EXEC={arguments} sh -\n"}


def _json_words(role: str, given_: Sequence[Given]) -> str:
    return json.dumps([role, *_words(given_)], ensure_ascii=False)


def container(role: str, given_: Sequence[Given]) -> dict[str, str]:
    words = _json_words(role, given_)
    pod = f"spec: {{containers: [{{name: k3s, image: rancher/k3s, args: {words}}}]}}"
    return {"k3s.yaml": f"apiVersion: v1\nkind: Pod\nmetadata: {{name: k3s}}\n{pod}\n"}


def compose(role: str, given_: Sequence[Given]) -> dict[str, str]:
    words = _json_words(role, given_).replace("$", "$$")
    return {"compose.yaml": f"services:\n  k3s:\n    image: rancher/k3s\n    command: {words}\n"}


def compose_environment(role: str, given_: Sequence[Given]) -> dict[str, str]:
    variables, rest = _with_variable(given_)
    environment = json.dumps(dict(variables), ensure_ascii=False).replace("$", "$$")
    (content,) = compose(role, rest).values()
    return {"compose.yaml": f"{content}    environment: {environment}\n"}


QUOTING = (
    drop_in, unit_arguments, unit_drop_in, unit_environment, environment_file, command, command_with_variables,
    here_document, install_script, container, compose, compose_environment,
    cloud_init, command_of_cloud_init, butane,
    task, command_of_task,
)  # fmt: skip
"""Forms in which every character can be written."""

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
    expected, told = _settings(config(role, found), role), _findings(config(role, found))
    assert set(expected[0]) == {one.flag.name for one in found}
    for form in QUOTING:
        files = form(role, found)
        assert (form.__name__, *_settings(files, role)) == (form.__name__, *expected), files
        assert (form.__name__, _findings(files)) == (form.__name__, told), files


@settings(max_examples=50, deadline=None)
@given(_given(_PLAIN))
def test_arguments_for_the_install_script_in_one_variable(drawn: tuple[str, list[Given]]) -> None:
    role, found = drawn
    assert _settings(install_exec(role, found), role) == _settings(config(role, found), role)
    assert _findings(install_exec(role, found)) == _findings(config(role, found))


def test_rules_about_settings_are_compared() -> None:
    assert {"conflicting-flags", "invalid-value", "snapshot-schedule", "world-readable-kubeconfig"} <= set(RULES)
