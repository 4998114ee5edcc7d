"""The same settings written in every form that K3s is configured and started in."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.k3s.flags import Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Given:
    """A flag with the values it is given: one, or for a list several."""

    flag: Flag
    values: tuple[str, ...]


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


def dockerfile(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {"Dockerfile": f"FROM rancher/k3s\nCMD {_json_words(role, given_)}\n"}


def makefile(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {"Makefile": f"k3s:\n\tk3s {role} {shlex.join(_words(given_)).replace('$', '$$')}\n"}


def justfile(role: str, given_: Sequence[Given]) -> dict[str, str]:
    return {"justfile": f"k3s:\n    k3s {role} {shlex.join(_words(given_))}\n"}


def vagrantfile(role: str, given_: Sequence[Given]) -> dict[str, str]:
    script = f"<<-'SHELL'\n    k3s {role} {shlex.join(_words(given_))}\n  SHELL\n"
    return {"Vagrantfile": f"Vagrant.configure('2') do |config|\n  config.vm.provision 'shell', inline: {script}end\n"}


def nixos(role: str, given_: Sequence[Given]) -> dict[str, str]:
    words = " ".join(_for_nix(word) for word in _words(given_))
    return {"k3s.nix": f'{{\n  services.k3s = {{ role = "{role}"; extraFlags = [ {words} ]; }};\n}}\n'}


def _for_nix(word: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "$": "\\$"}
    return '"' + "".join(escapes.get(character, character) for character in word) + '"'


def workflow(role: str, given_: Sequence[Given]) -> dict[str, str]:
    run = json.dumps(f"k3s {role} {shlex.join(_words(given_))}", ensure_ascii=False)
    return {".github/workflows/test.yml": f"jobs:\n  test:\n    steps:\n      - run: {run}\n"}


def pipeline(role: str, given_: Sequence[Given]) -> dict[str, str]:
    line = json.dumps(f"k3s {role} {shlex.join(_words(given_))}", ensure_ascii=False)
    return {".gitlab-ci.yml": f"test:\n  script:\n    - {line}\n"}


QUOTING = (
    drop_in, unit_arguments, unit_drop_in, unit_environment, environment_file, command, command_with_variables,
    here_document, install_script, container, compose, compose_environment,
    cloud_init, command_of_cloud_init, butane,
    task, command_of_task, makefile, justfile, vagrantfile,
)  # fmt: skip
"""Forms in which every character can be written."""

OPEN = (dockerfile,)
"""Forms that something unseen may add to: what rules conclude from absence differs there."""

PLAIN = (install_exec, nixos)
"""Forms in which words are split once more."""

JOBS = (workflow, pipeline)
"""Forms in which a readable kubeconfig weighs less."""
