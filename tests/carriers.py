"""The same file of a host, carried to it in every way that a repository has.

A form is a file as it is on a host: where it lies, and what it holds. A carrier is how a repository comes to write that
file there: as a file of its own, in a script, in a description of a host, in an object of a cluster. No carrier says a
word of K3s that the form does not bring along, unless the carrier is a thing of K3s's itself.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import shlex
from base64 import b64encode
from collections.abc import Callable
from textwrap import indent
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

Files: TypeAlias = dict[str, str]
"""Files of a repository: path to content."""

Carrier: TypeAlias = Callable[[str, str], Files | None]
"""From a path on the host and a content to the files that carry it; None where this carrier cannot."""


# --- forms --------------------------------------------------------------------------------------------------


class Carried(NamedTuple):
    """A file as it is on a host. Its content ends with a line break and holds no backslash."""

    path: str
    content: str


_TOKEN = "4f1c9a7be2d0836f5512cc"  # noqa: S105  made up
_COMMAND = f"/usr/local/bin/k3s server --token {_TOKEN} --write-kubeconfig-mode 644"

_UNIT = f"""\
[Unit]
Description=Lightweight Kubernetes
After=network-online.target

[Service]
ExecStart={_COMMAND}

[Install]
WantedBy=multi-user.target
"""

_SERVICE_SCRIPT = f"""\
#!/sbin/openrc-run
start_pre() {{
    checkpath -d /run/k3s
}}
command=/usr/local/bin/k3s
command_args="{_COMMAND.partition(" ")[2]}"
"""

_DROP_IN_OF_UNIT = f"""\
[Service]
ExecStart=
ExecStart={_COMMAND}
"""

_ENVIRONMENT = f"""\
K3S_TOKEN={_TOKEN}
K3S_KUBECONFIG_MODE=644
"""

_CONFIG = f"""\
token: {_TOKEN}
write-kubeconfig-mode: "0644"
disable-kube-proxy: maybe
"""

_REGISTRIES = """\
mirrors:
  docker.io:
    endpoint:
      - http://mirror.example.net:5000
configs:
  registry.example.net:
    auth:
      username: puller
      password: 83hf72kd91mzq0
    tls:
      insecure_skip_verify: true
"""

_COMPOSE = f"""\
services:
  server:
    image: rancher/k3s:v1.37.1-k3s1
    command: server --write-kubeconfig-mode 644
    environment:
      K3S_TOKEN: {_TOKEN}
"""

_WORKLOAD = f"""\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: inner
spec:
  serviceName: inner
  selector:
    matchLabels:
      app: inner
  template:
    metadata:
      labels:
        app: inner
    spec:
      containers:
        - name: server
          image: rancher/k3s:v1.37.1-k3s1
          args: [server, --write-kubeconfig-mode=644]
          env:
            - name: K3S_TOKEN
              value: {_TOKEN}
"""

_HELM_CHART = """\
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata:
  name: grafana
  namespace: kube-system
spec:
  repo: https://charts.example.net
  chart: grafana
  version: 8.5.1
  insecureSkipTLSVerify: true
"""

_HELM_CHART_CONFIG = """\
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata:
  name: traefik
  namespace: kube-system
spec:
  valuesContent: |-
    env:
      - name: CF_DNS_API_TOKEN
        value: 7vT2mQ9xLr4KzB8nW1cY
"""

_SCRIPT = f"""\
#!/bin/sh
set -eu
curl -sfL https://get.k3s.io | sh -s - server --token {_TOKEN} --write-kubeconfig-mode 644
"""


def _in_base64(content: str | bytes) -> str:
    return b64encode(content.encode() if isinstance(content, str) else content).decode()


def _kubeconfig() -> str:
    """Write the kubeconfig of a cluster of K3s: only its certificate tells, by whom it was issued."""
    issued = _in_base64(b"0\x81\xd0 k3s-server-ca@1700000000 0\x59")
    authority = _in_base64(f"-----BEGIN CERTIFICATE-----\n{issued}\n-----END CERTIFICATE-----\n")
    kind = "EC PRIVATE KEY"
    key = _in_base64(f"-----BEGIN {kind}-----\n{_in_base64('no key at all')}\n-----END {kind}-----\n")
    return f"""\
apiVersion: v1
kind: Config
current-context: default
clusters:
  - name: default
    cluster:
      server: https://10.0.0.1:6443
      certificate-authority-data: {authority}
contexts:
  - name: default
    context:
      cluster: default
      user: default
users:
  - name: default
    user:
      client-key-data: {key}
"""


CARRIED = {
    "unit": Carried("/etc/systemd/system/kube.service", _UNIT),
    "unit_drop_in": Carried("/etc/systemd/system/k3s.service.d/10-args.conf", _DROP_IN_OF_UNIT),
    "environment": Carried("/opt/k3s/k3s.env", _ENVIRONMENT),
    "environment_by_place": Carried("/etc/default/k3s", _ENVIRONMENT),
    "config": Carried("/etc/rancher/k3s/config.yaml", _CONFIG),
    "config_drop_in": Carried("/etc/rancher/k3s/config.yaml.d/50-x.yaml", _CONFIG),
    "registries": Carried("/etc/rancher/k3s/registries.yaml", _REGISTRIES),
    "registries_by_content": Carried("/opt/mirrors.yaml", _REGISTRIES),
    "token": Carried("/etc/rancher/k3s/token", f"{_TOKEN}\n"),
    "full_token": Carried("/etc/rancher/k3s/token", f"K10{'3f' * 32}::server:{'9c' * 16}\n"),
    "compose": Carried("/srv/compose.yaml", _COMPOSE),
    "workload": Carried("/var/lib/rancher/k3s/server/manifests/k3s.yaml", _WORKLOAD),
    "helm_chart": Carried("/var/lib/rancher/k3s/server/manifests/grafana.yaml", _HELM_CHART),
    "helm_chart_config": Carried("/var/lib/rancher/k3s/server/manifests/traefik.yaml", _HELM_CHART_CONFIG),
    "script": Carried("/usr/local/bin/install-kube.sh", _SCRIPT),
    "service_script": Carried("/etc/init.d/kube", _SERVICE_SCRIPT),
    "kubeconfig": Carried("/root/.kube/config", _kubeconfig()),
}


# --- the repository itself ------------------------------------------------------------------------------------


def repository(path: str, content: str) -> Files:
    """Keep the file where it belongs below the root of a host: what every other carrier is measured by."""
    return {path.removeprefix("/"): content}


# --- scripts --------------------------------------------------------------------------------------------------


def _script(path: str, *commands: str) -> str:
    return "\n".join(["#!/bin/sh", "set -eu", f"mkdir -p {posixpath.dirname(path)}", *commands, ""])


def _written_out(path: str, content: str, end: str = "EOF") -> str:
    """Return the command that writes a file from a here-document in which the shell expands nothing."""
    return f"cat > {path} <<'{end}'\n{content}{end}"


def here_document(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, _written_out(path, content))}


def tee(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, f"tee {path} > /dev/null <<'EOF'\n{content}EOF")}


def printf(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, f"printf '%s' {shlex.quote(content)} > {path}")}


def echo(path: str, content: str) -> Files | None:
    if "\\" in content:
        return None  # `echo` of dash takes a backslash for the start of an escape, that of bash does not
    lines = content.removesuffix("\n")  # which `echo` adds
    return {"setup.sh": _script(path, f"echo {shlex.quote(lines)} > {path}")}


def printf_lines(path: str, content: str) -> Files:
    lines = " ".join(map(shlex.quote, content.removesuffix("\n").split("\n")))
    return {"setup.sh": _script(path, f"printf '%s\\n' {lines} > {path}")}


def commands_before_tee(path: str, content: str) -> Files:
    lines = "\n".join(f"  printf '%s\\n' {shlex.quote(line)}" for line in content.removesuffix("\n").split("\n"))
    return {"setup.sh": _script(path, f"{{\n{lines}\n}} | tee {path} > /dev/null")}


def decoded_by_script(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, f"echo {_in_base64(content)} | base64 -d > {path}")}


def moved_by_script(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, f'made=$(mktemp)\n{_written_out("$made", content)}\nmv "$made" {path}')}


def another_shell(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, f"sh -c 'cat > {path}' <<'EOF'\n{content}EOF")}


def piped_to_ssh(path: str, content: str) -> Files:
    return {"setup.sh": _script(path, f"cat <<'EOF' | ssh far.example.net 'cat > {path}'\n{content}EOF")}


def workflow(path: str, content: str) -> Files:
    command = indent(f"mkdir -p {posixpath.dirname(path)}\n{_written_out(path, content)}\n", " " * 10)
    job = f"jobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n{command}"
    return {".github/workflows/test.yml": f"on: push\n{job}"}


def workflow_variable(path: str, content: str) -> Files:
    head = "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n"
    variable = f"      - env:\n          CONTENT: |\n{indent(content, ' ' * 12)}"
    return {".github/workflows/test.yml": f'{head}{variable}        run: printf "%s" "$CONTENT" | sudo tee {path}\n'}


def vagrant(path: str, content: str) -> Files:
    # Ruby leaves what stands in <<-'SHELL' as it is, and only lets the delimiter be indented.
    script = f"mkdir -p {posixpath.dirname(path)}\n{_written_out(path, content)}\n"
    provision = f"  config.vm.provision \"shell\", inline: <<-'SHELL'\n{script}  SHELL\n"
    return {
        "Vagrantfile": f'Vagrant.configure("2") do |config|\n  config.vm.box = "debian/bookworm64"\n{provision}end\n'
    }


def dockerfile(path: str, content: str) -> Files:
    return {"Dockerfile": f"# syntax=docker/dockerfile:1\nFROM debian:12\nCOPY <<'EOF' {path}\n{content}EOF\n"}


def dockerfile_folder(path: str, content: str) -> Files:
    folder, _, name = path.rpartition("/")
    written = f"WORKDIR {folder}\nCOPY <<'{name}' ./\n{content}{name}\n"
    return {"Dockerfile": f"# syntax=docker/dockerfile:1\nFROM debian:12\n{written}"}


# --- descriptions of hosts --------------------------------------------------------------------------------------


def _cloud_config(path: str, *lines: str) -> str:
    return "\n".join(["#cloud-config", "write_files:", f"  - path: {path}", *lines, ""])


def cloud_init(path: str, content: str) -> Files:
    return {"user-data": _cloud_config(path, "    content: |", indent(content, " " * 6).rstrip("\n"))}


def cloud_init_base64(path: str, content: str) -> Files:
    return {"user-data": _cloud_config(path, "    encoding: b64", f"    content: {_in_base64(content)}")}


def cloud_init_gzip(path: str, content: str) -> Files:
    packed = _in_base64(gzip.compress(content.encode(), mtime=0))
    return {"user-data": _cloud_config(path, "    encoding: gz+b64", f"    content: {packed}")}


def k3os(path: str, content: str) -> Files:
    # A config of k3OS is one by this key, and starts a server even where nothing more is said of it.
    (written,) = cloud_init(path, content).values()
    return {"config.yaml": f"{written}k3os: {{}}\n"}


def kairos(path: str, content: str) -> Files:
    step = f"    - files:\n        - path: {path}\n          permissions: 0600\n          content: |\n"
    return {"cloud.yaml": f"#cloud-config\nstages:\n  boot:\n{step}{indent(content, ' ' * 12)}"}


_BUTANE = "variant: fcos\nversion: 1.6.0\n"


def butane(path: str, content: str) -> Files:
    file = f"    - path: {path}\n      mode: 0600\n      contents:\n        inline: |\n"
    return {"host.bu": f"{_BUTANE}storage:\n  files:\n{file}{indent(content, ' ' * 10)}"}


_UNITS = "/etc/systemd/system/"


def butane_unit(path: str, content: str) -> Files | None:
    if not path.startswith(_UNITS):
        return None  # here stand units and their drop-ins alone
    unit, _, drop_in = path.removeprefix(_UNITS).partition(".d/")
    lines = [f"    - name: {unit}"]
    if drop_in:
        lines += ["      dropins:", f"        - name: {drop_in}", "          contents: |", indent(content, " " * 12)]
    else:
        lines += ["      contents: |", indent(content, " " * 8)]
    return {"host.bu": f"{_BUTANE}systemd:\n  units:\n" + "\n".join(lines)}


def _ignition(path: str, source: str) -> Files:
    file = {"path": path, "mode": 0o600, "contents": {"source": source}}
    return {"host.ign": json.dumps({"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}}, indent=2) + "\n"}


def ignition(path: str, content: str) -> Files:
    return _ignition(path, f"data:,{quote(content, safe='')}")


def ignition_base64(path: str, content: str) -> Files:
    return _ignition(path, f"data:;base64,{_in_base64(content)}")


def nixos(path: str, content: str) -> Files | None:
    if not path.startswith("/etc/"):
        return None  # `environment.etc` reaches no further
    escaped = content.replace("''", "'''").replace("${", "''${")
    text = f"environment.etc.\"{path.removeprefix('/etc/')}\".text = ''\n{indent(escaped, ' ' * 4)}  '';"
    return {"configuration.nix": f"{{ ... }}:\n{{\n  {text}\n}}\n"}


# --- Ansible ----------------------------------------------------------------------------------------------------


_TASKS = "roles/host/tasks/main.yml"


def _task(module: str, *lines: str) -> str:
    return "\n".join(["- name: Write the file", f"  ansible.builtin.{module}:", *(f"    {line}" for line in lines), ""])


_COMMENT_OF_JINJA = "{#"


def ansible_copy(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # Ansible fills in whatever it writes
    return {_TASKS: _task("copy", f"dest: {path}", "content: |") + indent(content, " " * 6)}


def ansible_args(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    task = "- name: Write the file\n  copy:\n  args:\n"
    return {_TASKS: f"{task}    dest: {path}\n    content: |\n" + indent(content, " " * 6)}


def ansible_action(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    task = "- name: Write the file\n  action:\n    module: copy\n"
    return {_TASKS: f"{task}    dest: {path}\n    content: |\n" + indent(content, " " * 6)}


def ansible_words(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content or "'" in content:
        return None  # likewise; and the quote of the words
    written = content.replace("\\", "\\\\").replace("\n", "\\n")
    return {_TASKS: f"- name: Write the file\n  copy: 'dest={path} content=''{written}'''\n"}


def ansible_stdin(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    task = f"- name: Write the file\n  shell: cat > {path}\n  args:\n    stdin: |\n"
    return {_TASKS: task + indent(content, " " * 6)}


def ansible_loop(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    name = posixpath.basename(path)
    task = _task("template", 'src: "{{ item.from }}"', 'dest: "{{ item.to }}"') + "  loop:\n"
    return {_TASKS: f"{task}    - {{from: {name}.j2, to: {path}}}\n", f"roles/host/templates/{name}.j2": content}


def _template(path: str, content: str, name: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    return {_TASKS: _task("template", f"src: {name}", f"dest: {path}"), f"roles/host/templates/{name}": content}


def ansible_template(path: str, content: str) -> Files | None:
    return _template(path, content, f"{posixpath.basename(path)}.j2")


def ansible_template_of_another_name(path: str, content: str) -> Files | None:
    return _template(path, content, "file.j2")


def ansible_block(path: str, content: str) -> Files | None:
    if path.endswith("/token"):
        return None  # the lines that mark the block would belong to the token
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    return {_TASKS: _task("blockinfile", f"path: {path}", "create: true", "block: |") + indent(content, " " * 6)}


def ansible_line(path: str, content: str) -> Files | None:
    if _COMMENT_OF_JINJA in content:
        return None  # likewise
    return {_TASKS: _task("lineinfile", f"path: {path}", "create: true", "line: |-") + indent(content, " " * 6)}


# --- objects of clusters, and containers ----------------------------------------------------------------------------


_TOLD_BY_PLACE = ("/etc/default/k3s", "/etc/rancher/k3s/token", ".service.d/10-args.conf")
"""What is known by the folder that it lies in. A full token is known by itself, but lies where a plain one does."""


def _is_told_by_place(path: str, content: str) -> bool:
    """Whether nothing would tell a file by the last part of its path, which is all of it that a key keeps."""
    return path.endswith(_TOLD_BY_PLACE) and not content.startswith("K10")


def _object(kind: str, name: str, part: str, path: str, value: str) -> str:
    head = f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n"
    return f"{head}{part}:\n  {posixpath.basename(path)}: {value}"


def config_map(path: str, content: str) -> Files | None:
    if _is_told_by_place(path, content):
        return None  # a key is no path
    return {"object.yaml": _object("ConfigMap", "files", "data", path, f"|\n{indent(content, ' ' * 4)}")}


def secret(path: str, content: str) -> Files | None:
    if _is_told_by_place(path, content):
        return None  # likewise
    return {"object.yaml": _object("Secret", "files", "stringData", path, f"|\n{indent(content, ' ' * 4)}")}


def secret_base64(path: str, content: str) -> Files | None:
    if _is_told_by_place(path, content):
        return None  # likewise
    # Every Secret of every cluster is base64: only one that is called K3s's is worth decoding.
    return {"object.yaml": _object("Secret", "k3s-files", "data", path, f"{_in_base64(content)}\n")}


def config_map_in_one_line(path: str, content: str) -> Files | None:
    if _is_told_by_place(path, content):
        return None  # likewise
    return {"object.yaml": _object("ConfigMap", "files", "data", path, f"{json.dumps(content)}\n")}


def config_map_binary(path: str, content: str) -> Files | None:
    if _is_told_by_place(path, content):
        return None  # likewise
    return {"object.yaml": _object("ConfigMap", "files", "binaryData", path, f"{_in_base64(content)}\n")}


def compose_config(path: str, content: str) -> Files:
    # Whatever is mounted belongs to a server, as Docker mounts a config into a service alone.
    mounted = f"    configs:\n      - source: file\n        target: {path}\n"
    services = f"services:\n  outer:\n    image: rancher/k3s\n    command: server\n{mounted}"
    written = indent(content.replace("$", "$$"), " " * 6)
    return {"compose.yaml": f"{services}configs:\n  file:\n    content: |\n{written}"}


_CARRIERS: tuple[Carrier, ...] = (
    here_document, tee, printf, printf_lines, commands_before_tee, decoded_by_script, moved_by_script, another_shell,
    piped_to_ssh, echo, workflow, workflow_variable, vagrant, dockerfile, dockerfile_folder,
    cloud_init, cloud_init_base64, cloud_init_gzip, k3os, kairos, butane, butane_unit, ignition, ignition_base64, nixos,
    ansible_copy, ansible_args, ansible_action, ansible_words, ansible_stdin, ansible_loop,
    ansible_template, ansible_template_of_another_name, ansible_block, ansible_line,
    config_map, config_map_in_one_line, config_map_binary, secret, secret_base64, compose_config,
)  # fmt: skip

CARRIERS = {carrier.__name__: carrier for carrier in _CARRIERS}
"""Every carrier but the repository itself."""

SHELL = (
    here_document, tee, printf, echo, printf_lines, commands_before_tee, decoded_by_script, moved_by_script,
    another_shell,
)  # fmt: skip
"""Carriers that are a script which can be run as it is."""

STARTING = (k3os, compose_config)
"""Carriers that start K3s on the host, so that what the file says is said to a server."""

OPEN = (
    here_document, tee, printf, printf_lines, commands_before_tee, decoded_by_script, moved_by_script, another_shell,
    piped_to_ssh, echo, workflow, workflow_variable, vagrant, dockerfile, dockerfile_folder, nixos,
    ansible_stdin, ansible_block, ansible_line,
)  # fmt: skip
"""Carriers that something may add to: a script goes on, a base image has files, a module of NixOS or a task writes too.

What rules conclude from the absence of a setting may differ there.
"""

WITHOUT_PATH = (config_map, config_map_in_one_line, config_map_binary, secret, secret_base64)
"""Carriers that keep no more of a path than its last part."""
