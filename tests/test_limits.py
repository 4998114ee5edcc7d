"""Hostile input costs no more than its size: aliases, long numbers, thousands of credentials."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import growth
import pytest

from k3s_policy.judge.rule import names
from k3s_policy.model.fragment import TOO_MUCH
from k3s_policy.readers import door
from k3s_policy.run import Policy, assembled, examine
from k3s_policy.semgrep import Match, fragments
from k3s_policy.show import overview
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = "etc/rancher/k3s/config.yaml"
REGISTRIES = "etc/rancher/k3s/registries.yaml"
UNIT = "etc/systemd/system/k3s.service"


K3S_SERVER = "[Service]\nExecStart=/usr/local/bin/k3s server"

numbers = count()


def lines(number: int, line: str) -> str:
    """Return a line again and again, with its number in place of `#`."""
    return "".join(line.replace("#", str(n)) for n in range(number))


def new_names(number: int, line: str) -> str:
    """Return a line again and again, with a name in place of `#` that nothing has looked up before."""
    return "".join(line.replace("#", f"unknown-name-{next(numbers)}") for _ in range(number))


ALIASES = "\n".join(
    f"x{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9) if level else 'rancher/k3s'}]" for level in range(12)
)
MULTIPLYING = {
    "aliases of aliases in a manifest": (
        "k3s.yaml",
        "apiVersion: v1\nkind: Deployment\nspec:\n  a: &a0 [x]\n"
        + "".join(f"  b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    ),
    "aliases of aliases in a config": (CONFIG, f"{ALIASES}\ntls-san: *a11\n"),
    "aliases of aliases of nothing": (
        CONFIG,
        "x0: &x0 []\n"
        + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 11))
        + "node-name: {a: *x10}\n",
    ),
    "merge keys of merge keys": (
        "group_vars/all.yml",
        "k3s_version: v1\nx0: &x0 {a: b}\n"
        + "".join(f"x{n}: &x{n} {{<<: [*x{n - 1}, *x{n - 1}, *x{n - 1}]}}\n" for n in range(1, 40)),
    ),
    "exported variables and commands": (
        # Each command is given each variable: what comes of it is the product of both.
        "run.sh",
        lines(300, "export V#=1\n") + "curl -sfL https://get.k3s.io | sh -\n" * 300,
    ),
    "hosts by many ranges": (
        "hosts.ini",
        f"[server]\nk3s{'[1:99]' * 5}\nk3s{'[1:99]' * 4000}\nk3s{'[1:99]' * 4}[9:1]\n",
    ),
    "a range of many digits": ("hosts.ini", f"[server]\nk3s[{'9' * 5000}:1]\nk3s[1:{'9' * 9}:{'9' * 5000}]\n"),
    "an inventory at the root": ("/etc/hosts.yml", "k3s: {hosts: {one: }}\n"),
    "groups in a circle": ("hosts.ini", "[a]\nk3s\n[a:children]\nb\n[b:children]\na\n"),
    "groups that are aliases": (
        "hosts.yml",
        "all:\n  vars: {k3s_version: v1}\n  children:\n    g0: &a0 {hosts: {h: }}\n"
        + "".join(
            f"    g{n}: &a{n} {{children: {{{', '.join(f'c{k}: *a{n - 1}' for k in range(8))}}}}}\n"
            for n in range(1, 12)
        ),
    ),
    "variables that are aliases": (
        "group_vars/all.yml",
        "k3s_version: v1\na0: &a0 {k: v}\n"
        + "".join(f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(12))}}}\n" for n in range(1, 9)),
    ),
    "blocks that are aliases": (
        "tasks/main.yml",
        "- &a0 {name: x, shell: k3s server}\n"
        + "".join(f"- &a{n} {{name: x, block: [{', '.join([f'*a{n - 1}'] * 8)}]}}\n" for n in range(1, 14)),
    ),
    "a filter of many digits": (
        "k3d.yaml",
        "apiVersion: k3d.io/v1alpha5\nkind: Simple\nservers: 1\nenv:\n"
        '  - {envVar: K3S_X=1, nodeFilters: ["server:0-' + "9" * 5000 + '"]}\n',
    ),
}
"""Some hundred bytes each, that would come to more than any memory holds: path and content."""

GROWING: dict[str, tuple[str, int, Callable[[int], str]]] = {
    "a file that is copied to and fro": (
        "run.sh",
        150,
        lambda number: (
            "echo 'debug: true' > /etc/rancher/k3s/config.yaml\n"
            + "cp /etc/rancher/k3s/config.yaml /tmp/c.yaml\ncp /tmp/c.yaml /etc/rancher/k3s/config.yaml\n" * number
            + "k3s server\n"
        ),
    ),
    "a group that is piped into a group": (
        "run.sh",
        100,
        lambda number: (
            "{\n"
            + lines(number, "echo 'node-label: a=#'\n")
            + "} | {\n"
            + "tee /etc/rancher/k3s/config.yaml\n" * number
            + "}\nk3s server\n"
        ),
    ),
    "a number of many digits": (CONFIG, 50_000, lambda n: f"tls-san: {'9' * n}\ntoken: 1{'0' * n}\n"),
    "a mode of many digits": (CONFIG, 150_000, lambda n: f'write-kubeconfig-mode: "{"7" * n}"\n'),
    "commands with a credential": ("run.sh", 100, lambda n: lines(n, "k3s server --token 4f1c9a7be2d0836f#\n")),
    "braces that never close": (
        "k3s.service.j2",
        1000,
        lambda n: "[Service]\nExecStart=k3s server " + "{{ {% " * n,
    ),
    "commands that go on": ("k3s.service", 2500, lambda n: "[Service]\n" + "ExecStart=\\\n" * n),
    "a port of many digits": (CONFIG, 50_000, lambda n: f"service-node-port-range: {'9' * n}-1\n"),
    "a port of a component of many digits": (
        CONFIG,
        50_000,
        lambda n: f"kubelet-arg: read-only-port={'1' * n}\n",
    ),
    "long words in a Taskfile": (
        "Taskfile.yml",
        3000,
        lambda n: f"vars: {{A: {'a' * n}}}\ntasks:\n  up:\n    cmds: [k3s server]\n",
    ),
    "empty lines": (CONFIG, 10_000, lambda n: f"datastore-endpoint: {chr(10) * n}'mysql://k3s@tcp(db)/k3s'\n"),
    "a long chain of aliases": (
        CONFIG,
        500,
        lambda n: (
            "x0: &x0 [a]\n"
            + "".join(f"x{k}: &x{k} [*x{k - 1}]\n" for k in range(1, n))
            + f"disable: {{a: *x{n - 1}}}\n"
        ),
    ),
    "a long list": (CONFIG, 500, lambda n: "disable:\n" + lines(n, "  - item-#\n")),
    "a key that is added to again and again": (CONFIG, 500, lambda n: lines(n, "node-name+: a#\n")),
    "two arms without an end": (
        "k3s.service.j2",
        1250,
        lambda n: "[Service]\nExecStart=k3s server " + "{% if a %}x{% else %}" * n,
    ),
    "commands that are aliases": (
        "user-data",
        1250,
        lambda n: "#cloud-config\nx: &x k3s server --debug " + "a" * n + "\nruncmd: [" + "*x, " * n + "]\n",
    ),
    "files that are aliases": (
        "user-data",
        250,
        lambda n: (
            "#cloud-config\nx: &x |\n"
            + "  k3s server --debug\n" * 200
            + "write_files:\n"
            + lines(n, "  - {path: /opt/#.sh, content: *x}\n")
        ),
    ),
    "stages that are aliases": (
        "kairos.yaml",
        750,
        lambda n: "x: &x [" + "{commands: [k3s server]}, " * 300 + "]\nstages:\n" + lines(n, "  s#: *x\n"),
    ),
    "many hosts in one file": (
        "user-data",
        100,
        lambda n: (
            "#cloud-config\nwrite_files:\n"
            + lines(n, "  - {path: /etc/rancher/k3s/config.yaml.d/#.yaml, content: 'token: abc', permissions: 0644}\n")
        ),
    ),
    "drop-ins and wildcards that change modes": (
        "run.sh",
        150,
        lambda n: (
            lines(
                n,
                "cat > /etc/rancher/k3s/config.yaml.d/#.yaml <<EOF\ntoken: $T\nEOF\nchmod 600 /etc/rancher/k3s/#*\n",
            )
            + "k3s server\n"
        ),
    ),
    "registries through an anchor": (
        REGISTRIES,
        1500,
        lambda n: "a0: &a\n" + lines(n, "  k#: v\n") + lines(n, "y#: *a\n"),
    ),
    "mirrors through an anchor": (
        REGISTRIES,
        150,
        lambda n: (
            "mirrors:\n  docker.io: &shared\n    endpoint:\n"
            + lines(n, "      - http://mirror-#.example.com\n")
            + lines(n, "  registry-#.example.com: *shared\n")
        ),
    ),
    "statements that never close": (f"{CONFIG}.j2", 10_000, lambda n: f'token: "{"{%" * n}"\n'),
    "arms that never close": (f"{CONFIG}.j2", 2500, lambda n: f'token: "{"{% if {% else " * n}"\n'),
    "many logins of registries": (
        REGISTRIES,
        300,
        lambda n: "configs:\n" + lines(n, "  r#.example.com:\n    auth: {password: s3cr3tpassw#}\n"),
    ),
    "references that never close": (
        "compose.yaml",
        10_000,
        lambda n: f'services:\n  s:\n    image: rancher/k3s\n    command: server "{"${a:-" * n}"\n',
    ),
    "long values in a makefile": (
        "Makefile",
        300,
        lambda n: f"A = {'a' * 8000}\nup:\n\tk3s server {'$(A)' * n}\n" + "\tk3s server $(A)\n" * n,
    ),
    "long values in a justfile": (
        "justfile",
        300,
        lambda n: f"a := '{'a' * 8000}'\nup:\n  k3s server {'{{a}}' * n}\n" + "  k3s server {{a}}\n" * n,
    ),
    "long values in a Vagrantfile": (
        "Vagrantfile",
        300,
        lambda n: (
            f"A = '{'a' * 8000}'\n"
            'm.provision "shell", inline: "k3s server '
            + "#{A}" * n
            + '"\n'
            + 'm.provision "shell", inline: "k3s server #{A}"\n' * n
        ),
    ),
    "blocks in a Vagrantfile": (
        "Vagrantfile",
        250,
        lambda n: 'm.vm.provision :k3s do |k3s|\n  k3s.args = "server"\nend\n' * n,
    ),
    "comments of Ruby that never end": ("Vagrantfile", 25_000, lambda n: "# k3s\n" + "=begin\n" * n),
    "downloads that are run": (
        "run.sh",
        250,
        lambda n: "curl -o i.sh https://get.k3s.io\n" * n + "sh i.sh --debug\n" * n,
    ),
    "exported variables of a makefile": (
        "Makefile",
        250,
        lambda n: lines(n, "export V# = 1\n") + "up:\n" + "\tk3s server --debug\n" * n,
    ),
    "groups of groups": (
        "hosts.ini",
        750,
        lambda n: (
            "[server]\nk3s\n" + "".join(f"[g{k}:children]\ng{k + 1}\n" for k in range(n)) + f"[g{n}:children]\nserver\n"
        ),
    ),
    "hosts that are aliases": (
        "hosts.yml",
        500,
        lambda n: (
            "all:\n  children:\n    k3s: {hosts: &h {"
            + ", ".join(f"'a{k}[1:99]': " for k in range(90))
            + "}}\n"
            + lines(n, "    g#: {hosts: *h}\n")
        ),
    ),
    "plays that are aliases": (
        "site.yml",
        400,
        lambda n: "- &p {hosts: a, tasks: [" + "{shell: k3s server --debug}, " * 500 + "]}\n" + "- *p\n" * n,
    ),
    "conditions": (
        "tasks/main.yml",
        750,
        lambda n: lines(n, '- {name: k3s, shell: echo, when: "not condition_#_x == #"}\n'),
    ),
    "an installer's address again and again": (
        "group_vars/all.yml",
        2250,
        lambda n: f'k3s_x: "{"get.k3s.io " * n}"\nk3s_y: "{"-c " * 4 * n}"\n',
    ),
    "unknown keys": (CONFIG, 300, lambda n: new_names(n, "#: x\n")),
    "unknown flags": (UNIT, 300, lambda n: f"{K3S_SERVER} {new_names(n, '--# ')}\n"),
    "one key again and again": (CONFIG, 1000, lambda n: lines(n, "node-name: n#\n")),
    "labels of a config": (CONFIG, 1000, lambda n: "node-label:\n" + lines(n, "  - a#=b\n")),
    "labels of a command": (UNIT, 500, lambda n: f"{K3S_SERVER} {lines(n, '--node-label a#=b ')}\n"),
    "a variable that is added to": (
        "run.sh",
        300,
        lambda n: lines(n, 'ARGS="$ARGS --etcd-s3-folder=x#"\n') + "k3s server $ARGS\n",
    ),
    "an array that is added to": (
        "run.sh",
        600,
        lambda n: lines(n, "ARGS+=(--tls-san x#)\n") + 'k3s server "${ARGS[@]}"\n',
    ),
    "branches that add to a variable": (
        "run.sh",
        150,
        lambda n: lines(n, 'if [ $A# ]; then ARGS="$ARGS --tls-san x#"; fi\n') + "k3s server $ARGS\n",
    ),
    "here-documents that are added": (
        "run.sh",
        300,
        lambda n: "cat <<E >> /etc/rancher/k3s/config.yaml\ntoken: a\nE\n" * n + "k3s server\n",
    ),
    "evaluations of evaluations": ("run.sh", 500, lambda n: f"k3s server\n{'eval ' * n}k3s server --debug\n"),
    "merge keys in a row": (
        "group_vars/all.yml",
        1000,
        lambda n: (
            "k3s_version: v1\nx0: &x0 {a: b}\n" + "".join(f"x{k}: &x{k} {{<<: *x{k - 1}}}\n" for k in range(1, n))
        ),
    ),
}
"""Path, size, and the content of a file of that size."""

LONG_VALUES: dict[str, tuple[str, str]] = {
    "used by a unit": (
        UNIT,
        f"[Service]\nEnvironment='A={lines(4000, '--tls-san=x# ')}'\nExecStart=/usr/local/bin/k3s server "
        + "$A " * 400,
    ),
    "used by commands before a unit": (
        UNIT,
        f"[Service]\nEnvironment='A={lines(4000, 'x# ')}'\n"
        + "ExecStartPre=/bin/chmod 600 $A\n" * 400
        + "ExecStart=/usr/local/bin/k3s server\n",
    ),
    "used by a script": ("run.sh", f"A='{lines(4000, '--tls-san=x# ')}'\n" + "k3s server $A\n" * 400),
    "collected by a script": (
        "run.sh",
        f"A='{lines(4000, '--etcd-s3-folder=x# ')}'\n" + lines(400, 'B#="$A --debug"\n'),
    ),
    "used by scripts in a script": (
        "run.sh",
        f"export A='{lines(4000, '--tls-san=x# ')}'\n" + "bash -c 'k3s server $A'\n" * 400,
    ),
    "used by a makefile": ("Makefile", f"A = {'a' * 40_000}\nup:\n" + "\tk3s server $(A)\n" * 100),
    "used by a justfile": ("justfile", f"a := '{'a' * 40_000}'\nup:\n" + "  k3s server {{a}}\n" * 100),
    "used by a Taskfile": (
        "Taskfile.yml",
        f"vars: {{A: {'a' * 40_000}}}\ntasks:\n  up:\n    cmds:\n" + "      - k3s server {{.A}}\n" * 100,
    ),
    "used by a Vagrantfile": (
        "Vagrantfile",
        f"A = '{'a' * 40_000}'\n" + 'm.provision "shell", inline: "k3s server #{A}"\n' * 100,
    ),
}
"""Values that would come to a hundred times the file, and to more than any file that is read."""


PROGRAMS: dict[str, tuple[str, str, int, Callable[[int], str]]] = {
    "brackets that never close": ("main.py", "script", 10_000, lambda n: "k3s = " + "[" * n),
    "brackets around strings": ("main.py", "script", 500, lambda n: "['k3s server --debug', " * n),
    "expressions that never close": ("main.tf", "script", 10_000, lambda n: '"${' * n),
    "comments that never close": ("main.tf", "script", 10_000, lambda n: "/* " * n),
    "here-documents that never close": ("main.tf", "script", 10_000, lambda n: "<<A\n" * n),
    "entries of a map": ("main.tf", "map", 2500, lambda n: "{" + lines(n, "k# = a\n") + "}"),
    "conditions in a map": ("main.tf", "map", 2500, lambda n: "{k = a ?\n" + "\n" * n + "}"),
}
"""Path, how a pattern reads it, size, and the content of a file of that size, all of which the pattern matches."""


@pytest.mark.parametrize("name", MULTIPLYING)
def test_what_multiplies_is_cut_off(name: str) -> None:
    with growth.processor_time(at_most=10):
        report = examine([Source(*MULTIPLYING[name])], Policy(names()))
    assert report.errors == ()


@pytest.mark.parametrize("name", GROWING)
def test_hostile_input_costs_no_more_than_its_size(name: str) -> None:
    path, size, content = GROWING[name]

    def judge(number: int) -> None:
        report = examine([Source(path, content(number))], Policy(names()))
        assert report.errors == ()

    growth.assert_linear(judge, size)


@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_programs_cost_no_more_than_their_size(name: str) -> None:
    path, reads, size, content = PROGRAMS[name]

    def read(number: int) -> None:
        source = Source(path, content(number))
        metadata = {"k3s-policy": {"reads": reads}}
        tuple(fragments([Match("rule", source, 0, len(source.content), "", "", metadata)]))

    growth.assert_linear(read, size)


@pytest.mark.parametrize("name", LONG_VALUES)
def test_long_values_are_not_filled_in_without_end_and_it_is_said(name: str) -> None:
    path, content = LONG_VALUES[name]
    with growth.processor_time(at_most=60):
        report = examine([Source(path, content)], Policy(names()))
    assert report.errors == ()
    assert any(TOO_MUCH in note for note in report.notes)


def test_a_long_command_is_shown_in_time() -> None:
    def shown(number: int) -> None:
        words = lines(number, "--disable item-# ")
        (node,) = overview(assembled([Source(UNIT, f"{K3S_SERVER} {words}\n")])).nodes
        assert len(node.argv) == 2 + 2 * number

    growth.assert_linear(shown, 750)


def test_one_file_that_cannot_be_read_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:

    read = door.read
    monkeypatch.setattr(door, "read", lambda file: 1 / 0 if file.path == "bad.yaml" else read(file))
    good = Source("etc/rancher/k3s/config.yaml", 'write-kubeconfig-mode: "0644"\n')
    report = examine([Source("bad.yaml", ""), good], Policy(names()))
    assert [error.path for error in report.errors] == ["bad.yaml"]
    assert [finding.rule for finding in report.findings] == ["world-readable-kubeconfig"]


def _hosts(number: int) -> list[Source]:
    """Return the files of a cluster: a first server, many that join it, and what each is called."""
    files = [Source("hosts", "".join(f"10.0.{n // 256}.{n % 256} host-{n}\n" for n in range(number)))]
    for n in range(number):
        join = "cluster-init: true" if n == 0 else "server: https://10.0.0.0:6443"
        config = f"{join}\nnode-ip: 10.0.{n // 256}.{n % 256}\nnode-name: host-{n}\ntoken-file: /t\ntls-san: lb\n"
        files.append(Source(f"h{n}/etc/rancher/k3s/config.yaml", config))
        unit = "[Service]\nExecStart=/usr/local/bin/k3s server\n"
        files.append(Source(f"h{n}/etc/systemd/system/k3s.service", unit))
    return files


def test_a_large_cluster_is_judged_in_time() -> None:
    """No rule compares each host with each."""

    def judge(number: int) -> None:
        assert examine(files[number], Policy(names())).findings == ()

    files = {number: _hosts(number + 1) for number in (300, 1200)}
    growth.assert_linear(judge, 300)


@pytest.mark.parametrize(
    ("size", "value"),
    [
        (12_500, lambda n: "mysql://" + "@/" * n),
        (5000, lambda n: "mysql://k3s@tcp(db)/k3s?" + "a=b&" * n),
        (3000, lambda n: "postgres://" + "h:1," * n + "h/k3s"),
        (7500, lambda n: "postgres://k3s@db/k3s?host=" + "%2C" * n),
        (2000, lambda n: "https://" + ",".join(["a:2379"] * n)),
        (1250, lambda n: "nats://" + ",nats://".join(["a:4222"] * n)),
        (7500, lambda n: "mysql://" + "${A}" * n),
        (25_000, lambda n: "postgres://u:" + "%" * n + "@db/k3s"),
    ],
    ids=["at", "parameters", "hosts", "escapes", "addresses", "servers", "variables", "passwords"],
)
def test_a_long_endpoint_is_judged_in_time(size: int, value: Callable[[int], str]) -> None:
    def judge(number: int) -> None:
        examine([Source(CONFIG, f'datastore-endpoint: "{value(number)}"\n')], Policy(names()))

    growth.assert_linear(judge, size)


def test_a_large_inventory_is_put_together_in_time() -> None:
    """What each host is given is looked up."""

    def judge(number: int) -> None:
        files = [Source("hosts.ini", f"[server]\n{lines(number, 'k3s-# x=1' + chr(10))}")]
        files += [Source(f"host_vars/k3s-{n}.yml", "k3s_version: v1.33.4+k3s1\n") for n in range(number)]
        examine(files, Policy(names()))

    growth.assert_linear(judge, 500)
