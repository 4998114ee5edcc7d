"""The hooks as pre-commit runs them: installed from a clone of this project, on files that are really staged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parent.parent
PRE_COMMIT = (sys.executable, "-m", "pre_commit")
MARKER = "9f86d081884c7d659a2feaa0"
CONFIG = "etc/rancher/k3s/config.yaml"
BAD = f"token: {MARKER}\n"
GOOD = "token-file: /etc/rancher/k3s/token\n"
CLUSTER = "clusters:\n  edge:\n    servers: [hosts/*/]\n"
FIRST = "node-ip: 10.0.0.1\n" + GOOD
SECOND = "server: https://10.0.0.1:6443\n" + GOOD


class Outcome(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    output: str


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment that no configuration of the user and no surrounding hook reaches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    who = {f"GIT_{role}_{what}": "tester@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    home = str(tmp_path_factory.mktemp("pre-commit"))
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return {**kept, **who, **nobody, "PRE_COMMIT_HOME": home, "PRE_COMMIT_COLOR": "never"}


class Repository:
    """A git repository in which things are staged and committed."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self._variables = variables
        self.git("init", "--quiet", "--initial-branch=main")

    def run(self, *command: str, **variables: str) -> Outcome:
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env={**self._variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Outcome(ran.returncode, ran.stdout)

    def git(self, *arguments: str) -> str:
        code, output = self.run("git", *arguments)
        assert code == 0, output
        return output.strip()

    def write(self, files: dict[str, str]) -> None:
        for path, content in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")

    def stage(self, files: dict[str, str]) -> None:
        self.write(files)
        self.git("add", "--", *files)

    def committed(self, files: dict[str, str]) -> None:
        """Commit some files past the hooks."""
        self.stage(files)
        self.git("commit", "--quiet", "--no-verify", "--message", "before")

    def commit(self, *, without: str = "k3s-policy-files") -> Outcome:
        """Commit what is staged, by way of the hooks."""
        return self.run("git", "commit", "--message", "change", SKIP=without)


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> tuple[str, str]:
    """Return a repository with this project as it stands in the working folder, and its commit."""
    repository = Repository(tmp_path_factory.mktemp("project"), variables)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for path in filter(None, listed.stdout.decode().split("\0")):
        if (PROJECT / path).is_file() and not path.startswith("tests/"):
            (repository.folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / path, repository.folder / path)
    repository.git("add", "--all", "--force")
    repository.git("commit", "--quiet", "--message", "snapshot")
    return str(repository.folder), repository.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, variables: dict[str, str], snapshot: tuple[str, str]) -> Repository:
    """Return a repository whose commits go by our hooks; all share one installation of them."""
    place, revision = snapshot
    folder = tmp_path / "a user's repository"
    folder.mkdir()
    made = Repository(folder, variables)
    hooks = "".join(f"      - id: {name}\n" for name in ("k3s-policy", "k3s-policy-files"))
    made.committed({".pre-commit-config.yaml": f"repos:\n  - repo: {place}\n    rev: {revision}\n    hooks:\n{hooks}"})
    assert made.run(*PRE_COMMIT, "install").code == 0
    return made


def summaries(output: str) -> list[str]:
    """Return the last but one line of each call of the program."""
    return re.findall(r"^(?:no findings|\d+ findings? ).* looked at\)$", output, re.MULTILINE)


def test_the_manifest_is_valid(variables: dict[str, str]) -> None:
    ran = subprocess.run(
        [*PRE_COMMIT, "validate-manifest", ".pre-commit-hooks.yaml"],
        cwd=PROJECT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_trying_the_repository(tmp_path: Path, variables: dict[str, str], snapshot: tuple[str, str]) -> None:
    """What the README tells newcomers to do, with all hooks at once but the one that fetches Semgrep."""
    repository = Repository(tmp_path, variables)
    repository.committed({f"old/{CONFIG}": 'write-kubeconfig-mode: "0644"\n'})
    repository.stage({f"new/{CONFIG}": BAD})
    code, output = repository.run(*PRE_COMMIT, "try-repo", snapshot[0], "--verbose", SKIP="k3s-policy-semgrep")
    assert code == 1
    whole, staged, *_ = output.split("- hook id: ")[1:]
    assert whole.startswith("k3s-policy\n")
    assert "2 findings (1 high, 1 medium) in 2 K3s files" in whole
    assert staged.startswith("k3s-policy-files\n")
    assert "1 finding (1 high) in 1 K3s file" in staged
    assert MARKER not in output


# --- k3s-policy ------------------------------------------------------------------------------------------


def test_a_bad_commit_is_stopped_and_nothing_leaks(repository: Repository) -> None:
    repository.stage({CONFIG: BAD})
    code, output = repository.commit()
    assert code == 1
    assert f"{CONFIG}:1:8: high[plaintext-credential]" in output
    assert MARKER not in output
    assert repository.git("log", "--format=%s") == "before"


def test_a_good_commit_passes(repository: Repository) -> None:
    repository.stage({CONFIG: GOOD})
    code, output = repository.commit()
    assert code == 0, output
    assert repository.git("log", "-1", "--format=%s") == "change"


def test_the_staged_content_counts(repository: Repository) -> None:
    repository.stage({CONFIG: GOOD})
    repository.write({CONFIG: BAD})
    assert repository.commit().code == 0
    repository.stage({CONFIG: BAD})
    repository.write({CONFIG: GOOD})
    assert repository.commit().code == 1


def test_untracked_files_are_not_judged(repository: Repository) -> None:
    repository.write({f"hosts/untracked/{CONFIG}": BAD})
    repository.stage({CONFIG: GOOD})
    code, output = repository.commit()
    assert code == 0, output


def test_the_whole_repository_is_judged_in_one_call(repository: Repository) -> None:
    repository.committed({f"hosts/committed/{CONFIG}": 'write-kubeconfig-mode: "0644"\n'})
    repository.stage({f"hosts/{number}/{CONFIG}": BAD for number in range(60)})
    code, output = repository.commit()
    assert code == 1
    assert summaries(output) == ["61 findings (60 high, 1 medium) in 61 K3s files (62 files looked at)"]


def test_a_mistake_between_a_staged_and_a_committed_file(repository: Repository) -> None:
    repository.committed({".k3s-policy.yaml": CLUSTER, f"hosts/first/{CONFIG}": FIRST})
    repository.stage({f"hosts/second/{CONFIG}": SECOND})
    code, output = repository.commit()
    assert code == 1
    assert f"hosts/second/{CONFIG}:1:1: high[sqlite-with-multiple-servers]" in output
    assert f"hosts/first/{CONFIG}" in output
    repository.stage({f"hosts/first/{CONFIG}": "cluster-init: true\n" + FIRST, f"hosts/third/{CONFIG}": SECOND})
    assert repository.commit().code == 0


def test_a_commit_that_only_deletes(repository: Repository) -> None:
    drop_in = "etc/rancher/k3s/config.yaml.d/key.yaml"
    unit = "[Service]\nExecStart=/usr/local/bin/k3s server\n"
    repository.committed(
        {
            CONFIG: "datastore-endpoint: https://etcd:2379\ndatastore-certfile: /tls.crt\n",
            drop_in: "datastore-keyfile: /tls.key\n",
            "etc/systemd/system/k3s.service": unit,
        }
    )
    assert repository.run(*PRE_COMMIT, "run", "k3s-policy").code == 0
    repository.git("rm", "--quiet", drop_in)
    code, output = repository.commit()
    assert code == 1
    assert f"{CONFIG}:2:1: high[certfile-without-keyfile]" in output


def test_a_path_with_spaces_and_a_commit_from_a_subfolder(repository: Repository) -> None:
    path = f"two words/\u6771/{CONFIG}"
    repository.stage({path: BAD})
    code, output = repository.run("git", "-C", "two words", "commit", "--message", "change")
    assert code == 1
    assert f"{path}:1:8: high[plaintext-credential]" in output


# --- k3s-policy-files ----------------------------------------------------------------------------------------


def test_only_staged_files_are_judged(repository: Repository) -> None:
    repository.committed(
        {f"hosts/committed/{CONFIG}": BAD, ".k3s-policy.yaml": CLUSTER, f"hosts/first/{CONFIG}": FIRST}
    )
    repository.stage({f"hosts/second/{CONFIG}": SECOND, "README.md": f"token: {MARKER}\n"})
    code, output = repository.commit(without="k3s-policy")
    assert code == 0, output
    repository.stage({f"hosts/third/{CONFIG}": BAD})
    code, output = repository.commit(without="k3s-policy")
    assert code == 1
    assert re.findall(r"^(\S+):\d+:\d+:", output, re.MULTILINE) == [f"hosts/third/{CONFIG}"]
    assert MARKER not in output


def test_there_is_nothing_to_do_without_a_file_that_could_be_one(repository: Repository) -> None:
    repository.stage({"README.md": "token\n", "main.go": "package main\n", "logo.svg": "<svg/>\n"})
    code, output = repository.commit(without="k3s-policy")
    assert code == 0
    assert re.search(r"k3s-policy \(staged files\)\.+\(no files to check\)Skipped", output)
