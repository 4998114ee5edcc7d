"""Hostile input costs no more than its size: aliases, long numbers, thousands of credentials."""

from __future__ import annotations

from time import monotonic

import pytest

from k3s_policy.judge.rule import names
from k3s_policy.readers import door
from k3s_policy.run import Policy, assembled, examine
from k3s_policy.show import overview
from k3s_policy.text import Source

LONGEST = 20.0
"""Seconds; each case takes well under two on a small machine."""

ALIASES = "\n".join(
    f"x{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9) if level else 'rancher/k3s'}]" for level in range(12)
)
CASES = {
    "aliases of aliases in a manifest": (
        "k3s.yaml",
        "apiVersion: v1\nkind: Deployment\nspec:\n  a: &a0 [x]\n"
        + "".join(f"  b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    ),
    "aliases of aliases in a config": ("etc/rancher/k3s/config.yaml", f"{ALIASES}\ntls-san: *a11\n"),
    "a number of many digits": ("etc/rancher/k3s/config.yaml", f"tls-san: {'9' * 5000}\ntoken: 1{'0' * 5000}\n"),
    "a mode of many digits": ("etc/rancher/k3s/config.yaml", f'write-kubeconfig-mode: "{"7" * 600_000}"\n'),
    "a thousand commands with a credential": (
        "run.sh",
        "".join(f"k3s server --token 4f1c9a7be2d0836f{n}\n" for n in range(1000)),
    ),
    "exported variables and commands": (
        "run.sh",
        "".join(f"export V{n}=1\n" for n in range(300)) + "curl -sfL https://get.k3s.io | sh -\n" * 300,
    ),
    "braces that never close": ("k3s.service.j2", "[Service]\nExecStart=k3s server " + "{{ {% " * 20_000),
    "commands that go on": ("k3s.service", "[Service]\n" + "ExecStart=\\\n" * 40_000),
    "aliases of aliases of nothing": (
        "etc/rancher/k3s/config.yaml",
        "x0: &x0 []\n"
        + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 11))
        + "node-name: {a: *x10}\n",
    ),
    "a long chain of aliases": (
        "etc/rancher/k3s/config.yaml",
        "x0: &x0 [a]\n" + "".join(f"x{n}: &x{n} [*x{n - 1}]\n" for n in range(1, 2000)) + "disable: {a: *x1999}\n",
    ),
    "a long list": ("etc/rancher/k3s/config.yaml", "disable:\n" + "".join(f"  - item-{n}\n" for n in range(8000))),
    "a key that is added to again and again": (
        "etc/rancher/k3s/config.yaml",
        "".join(f"node-name+: a{n}\n" for n in range(2000)),
    ),
    "two arms without an end": ("k3s.service.j2", "[Service]\nExecStart=k3s server " + "{% if a %}x{% else %}" * 5000),
    "commands that are aliases": (
        "user-data",
        "#cloud-config\nx: &x k3s server --debug " + "a" * 5000 + "\nruncmd: [" + "*x, " * 5000 + "]\n",
    ),
    "files that are aliases": (
        "user-data",
        "#cloud-config\nx: &x |\n"
        + "  k3s server --debug\n" * 200
        + "write_files:\n"
        + "".join(f"  - {{path: /opt/{n}.sh, content: *x}}\n" for n in range(3000)),
    ),
    "stages that are aliases": (
        "kairos.yaml",
        "x: &x [" + "{commands: [k3s server]}, " * 300 + "]\nstages:\n" + "".join(f"  s{n}: *x\n" for n in range(3000)),
    ),
    "many hosts in one file": (
        "user-data",
        "#cloud-config\nwrite_files:\n"
        + "".join(
            f"  - {{path: /etc/rancher/k3s/config.yaml.d/{n}.yaml, content: 'token: abc', permissions: 0644}}\n"
            for n in range(1000)
        ),
    ),
    "drop-ins and wildcards that change modes": (
        "run.sh",
        "".join(
            f"cat > /etc/rancher/k3s/config.yaml.d/{n}.yaml <<EOF\ntoken: $T\nEOF\nchmod 600 /etc/rancher/k3s/{n}*\n"
            for n in range(2000)
        )
        + "k3s server\n",
    ),
    "registries through an anchor": (
        "etc/rancher/k3s/registries.yaml",
        "a0: &a\n" + "".join(f"  k{n}: v\n" for n in range(6000)) + "".join(f"y{n}: *a\n" for n in range(6000)),
    ),
    "statements that never close": ("etc/rancher/k3s/config.yaml.j2", f'token: "{"{%" * 40_000}"\n'),
    "arms that never close": ("etc/rancher/k3s/config.yaml.j2", f'token: "{"{% if {% else " * 10_000}"\n'),
    "many logins of registries": (
        "etc/rancher/k3s/registries.yaml",
        "configs:\n"
        + "".join(f"  r{n}.example.com:\n    auth: {{password: s3cr3tpassw{n:06d}}}\n" for n in range(4000)),
    ),
    "references that never close": (
        "compose.yaml",
        f'services:\n  s:\n    image: rancher/k3s\n    command: server "{"${a:-" * 40_000}"\n',
    ),
    "long values in a makefile": (
        "Makefile",
        f"A = {'a' * 8000}\nup:\n\tk3s server {'$(A)' * 3000}\n" + "\tk3s server $(A)\n" * 3000,
    ),
    "long values in a justfile": (
        "justfile",
        f"a := '{'a' * 8000}'\nup:\n  k3s server {'{{a}}' * 3000}\n" + "  k3s server {{a}}\n" * 3000,
    ),
    "long values in a Vagrantfile": (
        "Vagrantfile",
        f"A = '{'a' * 8000}'\n"
        'm.provision "shell", inline: "k3s server '
        + "#{A}" * 3000
        + '"\n'
        + 'm.provision "shell", inline: "k3s server #{A}"\n' * 2000,
    ),
    "comments of Ruby that never end": ("Vagrantfile", "# k3s\n" + "=begin\n" * 100_000),
    "downloads that are run": (
        "run.sh",
        "curl -o i.sh https://get.k3s.io\n" * 1000 + "sh i.sh --debug\n" * 1000,
    ),
    "exported variables of a makefile": (
        "Makefile",
        "".join(f"export V{n} = 1\n" for n in range(2000)) + "up:\n" + "\tk3s server --debug\n" * 2000,
    ),
    "hosts by many ranges": (
        "hosts.ini",
        f"[server]\nk3s{'[1:99]' * 5}\nk3s{'[1:99]' * 4000}\nk3s{'[1:99]' * 4}[9:1]\n",
    ),
    "a range of many digits": ("hosts.ini", f"[server]\nk3s[{'9' * 5000}:1]\nk3s[1:{'9' * 9}:{'9' * 5000}]\n"),
    "an inventory at the root": ("/etc/hosts.yml", "k3s: {hosts: {one: }}\n"),
    "groups of groups": (
        "hosts.ini",
        "[server]\nk3s\n" + "".join(f"[g{n}:children]\ng{n + 1}\n" for n in range(3000)) + "[g3000:children]\nserver\n",
    ),
    "groups in a circle": ("hosts.ini", "[a]\nk3s\n[a:children]\nb\n[b:children]\na\n"),
    "groups that are aliases": (
        "hosts.yml",
        "all:\n  vars: {k3s_version: v1}\n  children:\n    g0: &a0 {hosts: {h: }}\n"
        + "".join(
            f"    g{n}: &a{n} {{children: {{{', '.join(f'c{k}: *a{n - 1}' for k in range(8))}}}}}\n"
            for n in range(1, 12)
        ),
    ),
    "hosts that are aliases": (
        "hosts.yml",
        "all:\n  children:\n    k3s: {hosts: &h {"
        + ", ".join(f"'a{n}[1:99]': " for n in range(90))
        + "}}\n"
        + "".join(f"    g{n}: {{hosts: *h}}\n" for n in range(2000)),
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
    "plays that are aliases": (
        "site.yml",
        "- &p {hosts: a, tasks: [" + "{shell: k3s server --debug}, " * 500 + "]}\n" + "- *p\n" * 3000,
    ),
    "conditions": (
        "tasks/main.yml",
        "".join(f'- {{name: k3s, shell: echo, when: "not condition_{n}_x == {n}"}}\n' for n in range(12000)),
    ),
    "an installer's address again and again": (
        "group_vars/all.yml",
        f'k3s_x: "{"get.k3s.io " * 9000}"\nk3s_y: "{"-c " * 40_000}"\n',
    ),
    "a filter of many digits": (
        "k3d.yaml",
        "apiVersion: k3d.io/v1alpha5\nkind: Simple\nservers: 1\nenv:\n"
        '  - {envVar: K3S_X=1, nodeFilters: ["server:0-' + "9" * 5000 + '"]}\n',
    ),
    "unknown keys": ("etc/rancher/k3s/config.yaml", "".join(f"unknown-key-{n}: x\n" for n in range(3000))),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_input_comes_to_an_end(name: str) -> None:
    path, content = CASES[name]
    start = monotonic()
    report = examine([Source(path, content)], Policy(names()))
    assert monotonic() - start < LONGEST
    assert report.errors == ()


def test_a_long_command_is_shown_in_time() -> None:
    words = " ".join(f"--disable item-{n}" for n in range(3000))
    source = Source("etc/systemd/system/k3s.service", f"[Service]\nExecStart=/usr/local/bin/k3s server {words}\n")
    start = monotonic()
    (node,) = overview(assembled([source])).nodes
    assert monotonic() - start < LONGEST
    assert len(node.argv) == 6002


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
    """Twice the hosts take about twice the time: no rule compares each with each."""
    taken = []
    for number in (301, 1201):
        files = _hosts(number)
        start = monotonic()
        report = examine(files, Policy(names()))
        taken.append(monotonic() - start)
        assert report.findings == ()
    assert taken[1] < 10 * taken[0], taken


@pytest.mark.parametrize(
    "value",
    [
        "mysql://" + "@/" * 50_000,
        "mysql://k3s@tcp(db)/k3s?" + "a=b&" * 20_000,
        "postgres://" + "h:1," * 12_000 + "h/k3s",
        "postgres://k3s@db/k3s?host=" + "%2C" * 30_000,
        "https://" + ",".join(["a:2379"] * 8_000),
        "nats://" + ",nats://".join(["a:4222"] * 5_000),
        "mysql://" + "${A}" * 30_000,
        "postgres://u:" + "%" * 100_000 + "@db/k3s",
    ],
    ids=lambda value: value[:28],
)
def test_a_long_endpoint_is_judged_in_time(value: str) -> None:
    start = monotonic()
    examine([Source("etc/rancher/k3s/config.yaml", f'datastore-endpoint: "{value}"\n')], Policy(names()))
    assert monotonic() - start < LONGEST / 2


def test_a_large_inventory_is_put_together_in_time() -> None:
    """Twice the hosts take about twice the time: what each is given is looked up."""
    taken = []
    for number in (500, 2000):
        lines = "".join(f"k3s-{n} x=1\n" for n in range(number))
        files = [Source("hosts.ini", f"[server]\n{lines}")]
        files += [Source(f"host_vars/k3s-{n}.yml", "k3s_version: v1.33.4+k3s1\n") for n in range(number)]
        start = monotonic()
        examine(files, Policy(names()))
        taken.append(monotonic() - start)
    assert taken[1] < 10 * taken[0], taken
