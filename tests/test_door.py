"""What a file holds is opened where it stands: in order, on a host of its own, as deep as is sensible, and once."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from carriers import (
    CARRIERS,
    STARTING,
    WITHOUT_PATH,
    ansible_loop,
    ansible_template,
    cloud_init,
    cloud_init_base64,
    here_document,
)

from k3s_policy.formats.shell import read_script
from k3s_policy.formats.tree import read_yaml
from k3s_policy.judge.rule import names
from k3s_policy.run import Policy, assembled, examine
from k3s_policy.show import overview
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from carriers import Carrier, Files

    from k3s_policy.model.finding import Report
    from k3s_policy.show.overview import ClusterView, NodeView

CONFIG = "/etc/rancher/k3s/config.yaml"


def report_of(files: Files) -> Report:
    return examine([Source(*file) for file in files.items()], Policy(names(), chosen=False))


def rules_of(files: Files) -> set[str]:
    return {finding.rule for finding in report_of(files).findings}


def nodes_of(files: Files) -> tuple[NodeView, ...]:
    return overview(assembled([Source(*file) for file in files.items()])).nodes


def clusters_of(files: Files) -> tuple[ClusterView, ...]:
    return overview(assembled([Source(*file) for file in files.items()])).clusters


# --- in order -----------------------------------------------------------------------------------------------


CLOUD_CONFIG_THAT_WRITES = f"""\
#cloud-config
write_files:
  - path: {CONFIG}
    permissions: "0644"
    content: |
      token: 4f1c9a7be2d0836f5512cc
"""

SCRIPT_THAT_WRITES = f"""\
#!/bin/sh
install -D -m 0644 /dev/stdin {CONFIG} <<'END'
token: 4f1c9a7be2d0836f5512cc
END
"""

SCRIPT_THAT_CLOSES = f"""\
#!/bin/sh
chmod 600 {CONFIG}
"""


def _message(*parts: str) -> Files:
    """Put parts of user-data into one message; what each is it says in its first line."""
    written = "".join(f"--part\nContent-Type: text/plain\n\n{part}" for part in parts)
    return {"user-data": f'Content-Type: multipart/mixed; boundary="part"\nMIME-Version: 1.0\n\n{written}--part--\n'}


@pytest.mark.parametrize("writes", [CLOUD_CONFIG_THAT_WRITES, SCRIPT_THAT_WRITES], ids=["cloud-config", "script"])
def test_a_part_that_is_not_followed_leaves_the_file_readable(writes: str) -> None:
    assert rules_of(_message(writes)) == {"plaintext-credential", "readable-credential-file"}


@pytest.mark.parametrize("writes", [CLOUD_CONFIG_THAT_WRITES, SCRIPT_THAT_WRITES], ids=["cloud-config", "script"])
def test_a_later_part_closes_a_file(writes: str) -> None:
    assert rules_of(_message(writes, SCRIPT_THAT_CLOSES)) == {"plaintext-credential"}


def test_an_earlier_part_does_not_close_a_file() -> None:
    # cloud-init runs scripts in their order. What a cloud-config writes it writes before any of them, so that only
    # of two scripts the order in the message decides.
    files = _message(SCRIPT_THAT_CLOSES, SCRIPT_THAT_WRITES)
    assert rules_of(files) == {"plaintext-credential", "readable-credential-file"}


# --- on a host of its own -------------------------------------------------------------------------------------


OF_ONE_HOST = [carrier for carrier in CARRIERS.values() if carrier not in (*STARTING, *WITHOUT_PATH)]
"""Carriers that write to a place on a host, and say nothing of K3s by themselves."""


def _that_write(path: str, carriers: Sequence[Carrier] = OF_ONE_HOST) -> list[Carrier]:
    return [carrier for carrier in carriers if carrier(path, "some: text\n") is not None]


def _twice(carrier: Carrier, path: str, first: str, second: str) -> Files:
    """Carry two files to the same place, from two folders of a repository."""
    contents = {"one": first, "two": second}
    carried = {folder: carrier(path, content) for folder, content in contents.items()}
    return {f"{folder}/{name}": text for folder, files in carried.items() for name, text in (files or {}).items()}


def _settings_by_folder(files: Files) -> dict[str, set[str]]:
    """Return which flags each host sets, by the folder that all its files lie in."""
    found: dict[str, set[str]] = {}
    for node in nodes_of(files):
        (folder,) = {path.partition("/")[0] for path in node.files}
        found.setdefault(folder, set()).update(setting.flag for setting in node.settings)
    return found


FOUNDS = "cluster-init: true\nnode-name: first\nwrite-kubeconfig-group: admin\n"
JOINS = "server: https://10.9.9.9:6443\nnode-name: second\ntoken-file: /etc/token\nflannel-backend: none\n"


@pytest.mark.parametrize("carrier", _that_write(CONFIG), ids=lambda carrier: carrier.__name__)
def test_two_configs_of_one_path_are_of_two_hosts(carrier: Carrier) -> None:
    files = _twice(carrier, CONFIG, FOUNDS, JOINS)
    assert _settings_by_folder(files) == {
        "one": {"cluster-init", "node-name", "write-kubeconfig-group"},
        "two": {"server", "node-name", "token-file", "flannel-backend"},
    }


def test_two_scripts_that_write_one_config_start_two_hosts() -> None:
    files = _twice(here_document, CONFIG, FOUNDS, JOINS)
    started = {path: f"{content}k3s server --debug\n" for path, content in files.items()}
    assert _settings_by_folder(started) == {
        "one": {"cluster-init", "node-name", "write-kubeconfig-group", "debug"},
        "two": {"server", "node-name", "token-file", "flannel-backend", "debug"},
    }


def _compose(*arguments: str) -> str:
    return f"services:\n  server:\n    image: rancher/k3s\n    command: server {' '.join(arguments)}\n"


COMPOSE = "/srv/compose.yaml"


@pytest.mark.parametrize("carrier", _that_write(COMPOSE), ids=lambda carrier: carrier.__name__)
def test_two_compose_files_of_one_path_are_of_two_hosts(carrier: Carrier) -> None:
    # As long as each other: neither the path nor the offset in the file may name the host.
    first, second = _compose("--node-name=a", "--cluster-init"), _compose("--node-name=b", "--disable-etcd")
    assert len(first) == len(second)
    files = _twice(carrier, COMPOSE, first, second)
    assert _settings_by_folder(files) == {"one": {"node-name", "cluster-init"}, "two": {"node-name", "disable-etcd"}}


# --- and not for the whole repository -------------------------------------------------------------------------------


WRITING = [carrier for carrier in OF_ONE_HOST if carrier not in (ansible_template, ansible_loop)]
"""A template that keeps the name of what it becomes is a file of the repository too, and counts as such."""

FIRST = "cluster-init: true\nnode-name: k3s-first\ntoken-file: /etc/token\n"
SECOND = "server: https://10.9.9.9:6443\nnode-name: k3s-second\ntoken-file: /etc/token\ndisable: traefik\n"
HOSTS_APART = {"first/etc/rancher/k3s/config.yaml": FIRST, "second/etc/rancher/k3s/config.yaml": SECOND}
NAMES = "10.9.9.9 k3s-first\n"


def test_a_hosts_file_of_the_repository_says_who_is_meant() -> None:
    assert clusters_of(HOSTS_APART) == ()
    (cluster,) = clusters_of({**HOSTS_APART, "etc/hosts": NAMES})
    assert len(cluster.servers) == 2


@pytest.mark.parametrize("carrier", _that_write("/etc/hosts", WRITING), ids=lambda carrier: carrier.__name__)
def test_a_hosts_file_that_is_written_says_nothing_of_other_hosts(carrier: Carrier) -> None:
    assert clusters_of({**HOSTS_APART, **(carrier("/etc/hosts", NAMES) or {})}) == ()


def test_a_line_that_a_script_adds_to_hosts_says_nothing_of_other_hosts() -> None:
    script = f"#!/bin/sh\ncat >> /etc/hosts <<'EOF'\n{NAMES}EOF\n"
    assert clusters_of({**HOSTS_APART, "prepare.sh": script}) == ()


SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: k3s-first
  namespace: lab
spec:
  selector:
    app: first
  ports:
    - port: 6443
"""


def _workload(name: str, *words: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {name}
  namespace: lab
spec:
  serviceName: {name}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: k3s
          image: rancher/k3s
          args: [{", ".join(words)}]
"""


WORKLOADS = {
    "first.yaml": _workload("first", "server", "--cluster-init"),
    "second.yaml": _workload("second", "server", "--server=https://k3s-first:6443", "--token-file=/etc/token"),
}


def test_a_service_of_the_repository_says_who_is_meant() -> None:
    assert clusters_of(WORKLOADS) == ()
    (cluster,) = clusters_of({**WORKLOADS, "service.yaml": SERVICE})
    assert len(cluster.servers) == 2


@pytest.mark.parametrize("command", ["kubectl apply -f -", "cat > /srv/service.yaml", "tee /srv/service.yaml"])
def test_a_service_in_a_script_says_nothing_of_the_repository(command: str) -> None:
    assert clusters_of({**WORKLOADS, "apply.sh": f"#!/bin/sh\n{command} <<'EOF'\n{SERVICE}EOF\n"}) == ()


MANIFEST = "/var/lib/rancher/k3s/server/manifests/service.yaml"


@pytest.mark.parametrize("carrier", _that_write(MANIFEST, WRITING), ids=lambda carrier: carrier.__name__)
def test_a_service_that_is_written_says_nothing_of_the_repository(carrier: Carrier) -> None:
    assert clusters_of({**WORKLOADS, **(carrier(MANIFEST, SERVICE) or {})}) == ()


# --- as deep as is sensible ---------------------------------------------------------------------------------------


INNERMOST = "write-kubeconfig-mode: '0644'\n"


def _nested(carrier: Carrier, levels: int) -> Files:
    """Carry a config in user-data, that in user-data, and so on."""
    path, content = CONFIG, INNERMOST
    for level in range(levels):
        (content,) = (carrier(path, content) or {}).values()
        path = f"/root/{level}/user-data"
    return {"user-data": content}


@pytest.mark.parametrize("carrier", [cloud_init, cloud_init_base64], ids=lambda carrier: carrier.__name__)
@pytest.mark.parametrize("levels", [1, 2, 3, 10])
def test_what_lies_deep_is_found(carrier: Carrier, levels: int) -> None:
    report = report_of(_nested(carrier, levels))
    assert [finding.rule for finding in report.findings] == ["world-readable-kubeconfig"]
    assert report.notes == ()


@pytest.mark.parametrize(("carrier", "levels"), [(cloud_init, 60), (cloud_init_base64, 13), (cloud_init_base64, 16)])
def test_what_lies_too_deep_is_told(carrier: Carrier, levels: int) -> None:
    report = report_of(_nested(carrier, levels))
    assert report.findings == ()
    assert len([note for note in report.notes if "levels" in note]) == 1


# --- and once -----------------------------------------------------------------------------------------------------


MOST = 100
"""How often a thousand aliases may have their content read: far less often than there are any."""


@contextmanager
def _counting() -> Iterator[list[str]]:
    """Count how often a content is parsed, by whatever name a module calls the functions that do it."""
    parsers = {function.__code__: function.__name__ for function in (read_yaml, read_script)}
    calls: list[str] = []

    def noted(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in parsers:
            calls.append(parsers[frame.f_code])

    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        yield calls
    finally:
        sys.setprofile(before)


CONTENTS = {
    "a config": ("config.yaml.d/{}.yaml", "write-kubeconfig-mode: '0644'"),
    "the same place": ("config.yaml", "write-kubeconfig-mode: '0644'"),
    "user-data": ("{}/user-data", "#cloud-config\nruncmd:\n  - k3s server --write-kubeconfig-mode 644"),
    "a script": ("{}.sh", "#!/bin/sh\nk3s server --write-kubeconfig-mode 644"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_thousand_aliases_are_not_read_a_thousand_times(name: str) -> None:
    path, content = CONTENTS[name]
    anchor = "".join(f"  {line}\n" for line in content.split("\n"))
    files = "".join(f"  - {{path: /etc/rancher/k3s/{path.format(n)}, content: *x}}\n" for n in range(1000))
    with _counting() as calls:
        report = report_of({"user-data": f"#cloud-config\nx: &x |\n{anchor}write_files:\n{files}"})
    assert {finding.rule for finding in report.findings} == {"world-readable-kubeconfig"}
    assert 0 < len(calls) <= MOST


@pytest.mark.parametrize("carrier", [cloud_init, cloud_init_base64], ids=lambda carrier: carrier.__name__)
def test_what_has_one_place_because_it_is_encoded_is_told_all_the_same(carrier: Carrier) -> None:
    report = report_of(carrier(CONFIG, "docker: maybe\nrootless: perhaps\ndisable-etcd: no-way\n") or {})
    assert [finding.rule for finding in report.findings] == ["invalid-value"] * 3
    assert len({finding.message for finding in report.findings}) == 3
