"""The example repository: every mistake of its bad form is found where it stands, the mended form is clean.

`examples.tsv` was written from the files: a row says which characters of a line a rule has to point at, and the
characters themselves stand beside the columns.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parent.parent
BAD = PROJECT / "examples" / "bad"
MENDED = PROJECT / "examples" / "mended"

FLAGSHIPS = (
    "mysql-tls-skip-verify",
    "certfile-without-keyfile",
    "credential-on-command-line",
    "sqlite-with-multiple-servers",
)
SHOWN = frozenset(
    {
        *FLAGSHIPS,
        "credential-in-unit-environment",
        "plaintext-credential",
        "removed-flag",
        "syntax-error",
        "unknown-flag",
        "world-readable-kubeconfig",
    }
)

# One file of each kind of input, and what a rule finds in it; a drop-in whose file is healthy by itself has none.
INPUTS = {
    "config file": ("hosts/north-1/etc/rancher/k3s/config.yaml", "mysql-tls-skip-verify"),
    "config drop-in": ("hosts/lab-2/etc/rancher/k3s/config.yaml.d/10-join.yml", "sqlite-with-multiple-servers"),
    "config under another name": ("image/k3s-server.yaml", "certfile-without-keyfile"),
    "config of an agent": ("hosts/north-agent-1/etc/rancher/k3s/config.yaml", "unknown-flag"),
    "registries": ("hosts/north-agent-1/etc/rancher/k3s/registries.yaml", "registry-plaintext"),
    "broken config": ("hosts/spare/etc/rancher/k3s/config.yaml", "syntax-error"),
    "unit": ("hosts/north-2/etc/systemd/system/k3s.service", "credential-on-command-line"),
    "unit drop-in": (
        "hosts/north-2/etc/systemd/system/k3s.service.d/10-environment.conf",
        "credential-in-unit-environment",
    ),
    "environment file of a unit": ("hosts/north-agent-1/etc/systemd/system/k3s-agent.service.env", "removed-flag"),
    "default file of a unit": ("hosts/north-1/etc/default/k3s", ""),
    "environment file alone": ("image/k3s-server.env", "certfile-without-keyfile"),
    "inventory": ("ansible/inventory.yml", "even-etcd-members"),
    "variables of a role": ("ansible/group_vars/k3s_cluster.yml", "credential-on-command-line"),
    "tasks": ("ansible/roles/k3s/tasks/main.yml", "removed-flag"),
    "unit template": ("ansible/roles/k3s/templates/k3s.service.j2", "mysql-tls-skip-verify"),
    "script template": ("terraform/templates/server.sh.tftpl", "credential-on-command-line"),
    "container and its script": ("manifests/virtual-cluster/statefulset.yaml", "credential-on-command-line"),
    "ConfigMap and Secret with a config": ("manifests/virtual-cluster/configs.yaml", "mysql-tls-skip-verify"),
    "Secret of a snapshot bucket": ("manifests/backup/s3-config.yaml", "plaintext-credential"),
    "install script with flags": ("scripts/install-server.sh", "credential-on-command-line"),
    "install script with variables": ("scripts/install-agent.sh", "unknown-flag"),
    "flags collected in variables": ("scripts/bootstrap.sh", "certfile-without-keyfile"),
    "config written by a script": ("scripts/provision.sh", "mysql-tls-skip-verify"),
    "k3sup": ("scripts/k3sup.sh", "sqlite-with-multiple-servers"),
    "docker run": ("scripts/dev-cluster.sh", "removed-flag"),
    "ssh": ("scripts/add-agent.sh", "credential-on-command-line"),
    "k3s etcd-snapshot": ("scripts/snapshot.sh", "credential-on-command-line"),
    "cloud-init": ("cloud/buoy-1.yaml.tftpl", "readable-credential-file"),
    "Butane": ("cloud/buoy-2.bu", "unknown-flag"),
    "Kairos": ("cloud/buoy-3.yaml", "plaintext-credential"),
    "k3OS": ("cloud/buoy-4.yaml", "credential-on-command-line"),
    "compose file": ("compose/docker-compose.yml", "sqlite-with-multiple-servers"),
    "image build": ("lab/Containerfile", "insecure-download"),
    "makefile": ("lab/Makefile", "world-readable-kubeconfig"),
    "file of just": ("lab/justfile", "unknown-flag"),
    "Vagrantfile": ("lab/Vagrantfile", "removed-flag"),
    "workflow": (".github/workflows/smoke.yaml", "world-readable-kubeconfig"),
    "NixOS module": ("nixos/edge.nix", "credential-on-command-line"),
    "variables of an OpenRC service": ("alpine/etc/conf.d/k3s", "credential-on-command-line"),
    "declared cluster of scripts": ("scripts/west/join.sh", "sqlite-with-multiple-servers"),
}

CREDENTIALS = (
    "0hG9-drydock-b44c81f6e27a",
    "17c9f2e05b8d64a3",
    "2f6b8d04e7915ca3",
    "3be90c74d15f28a6",
    "4d8e1f6a0b7c92e5",
    "51ce8b07f3d94a26",
    "5b0e7d94a1c8f263",
    "5fQ-anchorage-0c3e",
    "60d7c1f5a82e9b34",
    "6b13d8e07f42c95a",
    "7c1e09ad5b3f42688d90c4f7e61b2a35",
    "8a41-capstan-2f9e",
    "8d21f7a05c3e49b6",
    "93ad0e7c5b2f4168",
    "96c0e2d8f1a74b35",
    "Hx2.breakwater.77",
    "OGQzLWxlZXdhcmQtNWExZTkwYzc=",
    "Wq7-tidewater-91",
    "a6e40d1f9c7b5823",
    "b81f5e3d907a4c26",
    "c07e95b1d8f2463a",
    "c93a5e0d7f2b4816",
    "d0f2a86b19e4c753",
    "d94f07b3e1a86c52",
    "e2b7f09c6a1d4853",
    "e84c1f6072d9b35a",
    "e85a1c60b7f9234d",
    "f1b60e8d3c7a9254",
    "qN4_lighthouse_58",
    "snapshot-writer-7q2x",
    "tR8-windlass-4be0",
    "v3M_jetty_60",
)
DECODED = ("8d3-leeward-5a1e90c7",)


class Row(NamedTuple):
    """A mistake in `examples/bad`."""

    path: str
    line: int
    column: int
    end_column: int
    rule: str
    text: str


def _rows() -> tuple[Row, ...]:
    lines = (PROJECT / "tests" / "examples.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == list(Row._fields)
    cells = (line.split("\t", 5) for line in lines[1:])
    return tuple(Row(path, int(line), int(start), int(end), rule, text) for path, line, start, end, rule, text in cells)


ROWS = _rows()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Git repository that holds nothing but the examples, whatever else lies in this one."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(PROJECT / "examples", folder / "examples")
    shutil.copy(PROJECT / ".k3s-policy.yaml", folder)
    subprocess.run(["git", "init", "--quiet", "."], cwd=folder, check=True)
    return folder


def scan(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as it is installed."""
    program = Path(sys.executable).with_name("k3s-policy")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FORCE_COLOR"))}
    command = [str(program), "scan", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=1200
    )


def files_below(folder: Path) -> list[str]:
    """Return the path of every file below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.path}:{row.line}:{row.column}-{row.rule}")
def test_a_row_says_what_stands_at_its_columns(row: Row) -> None:
    line = (BAD / row.path).read_text(encoding="utf-8").splitlines()[row.line - 1]
    assert line[row.column - 1 : row.end_column - 1] == row.text.replace("\\t", "\t")


@pytest.mark.parametrize("scanned", ["examples/bad", "examples"])
def test_every_mistake_is_found_at_its_characters_and_nothing_else(repository: Path, scanned: str) -> None:
    result = scan(repository, scanned, "--format", "json")
    findings = [
        (one["path"].removeprefix("examples/bad/"), one["line"], one["column"], one["end_column"], one["rule"])
        for one in json.loads(result.stdout)["findings"]
    ]
    expected = [row[:5] for row in ROWS]
    missing = sorted((Counter(expected) - Counter(findings)).elements())
    surplus = sorted((Counter(findings) - Counter(expected)).elements())
    assert (missing, surplus) == ([], [])
    assert (result.returncode, result.stderr) == (1, "")


def test_the_mended_form_is_clean(repository: Path) -> None:
    result = scan(repository, "examples/mended")
    assert result.stdout.startswith("no findings in ")
    assert (result.returncode, result.stderr) == (0, "")


def test_both_forms_have_the_same_files() -> None:
    assert files_below(BAD) == files_below(MENDED)


def test_every_file_is_read(repository: Path) -> None:
    for form in ("bad", "mended"):
        result = scan(repository, f"examples/{form}", "--list-files")
        assert [path.removeprefix(f"examples/{form}/") for path in result.stdout.splitlines()] == files_below(BAD)


@pytest.mark.parametrize(("path", "rule"), INPUTS.values(), ids=INPUTS.keys())
def test_every_kind_of_input_is_shown(path: str, rule: str) -> None:
    assert (BAD / path).is_file()
    assert not rule or any((row.path, row.rule) == (path, rule) for row in ROWS)


def test_the_rules_are_shown_and_the_gravest_in_several_forms() -> None:
    forms = Counter(rule for rule, _ in {(row.rule, row.path) for row in ROWS})
    assert set(forms) >= SHOWN
    assert {rule: forms[rule] for rule in FLAGSHIPS if forms[rule] < 4} == {}


@pytest.mark.parametrize("form", ["text", "json", "sarif", "color", "files"])
def test_no_output_shows_a_credential(repository: Path, form: str) -> None:
    arguments = {
        "color": ["--color", "always"],
        "files": ["--output", "all.txt", "--output", "all.json", "--output", "all.sarif"],
    }.get(form, ["--format", form])
    result = scan(repository, "examples/bad", *arguments)
    written = "".join(path.read_text(encoding="utf-8") for path in repository.glob("all.*"))
    output = result.stdout + result.stderr + written
    assert result.returncode == 1
    assert [credential for credential in (*CREDENTIALS, *DECODED) if credential in output] == []


def test_each_credential_stands_in_the_bad_form_and_none_in_the_mended() -> None:
    bad = "".join((BAD / path).read_text(encoding="utf-8") for path in files_below(BAD))
    mended = "".join((MENDED / path).read_text(encoding="utf-8") for path in files_below(MENDED))
    assert [credential for credential in CREDENTIALS if credential not in bad] == []
    assert [credential for credential in CREDENTIALS if credential in mended] == []
