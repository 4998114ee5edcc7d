"""Which files a scan reads: listing by git and by walking, the sieves by name and content, decoding."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from k3s_policy.discover import (
    HOOK_FILES,
    SEARCHED_FILES,
    UNREAD_NAMES,
    UNREAD_SUFFIXES,
    Candidate,
    Discovery,
    decode,
    discover,
    may_be_read,
    may_be_searched,
    neighbours,
    read,
    worth_reading,
)
from k3s_policy.discover.encoding import flaw
from k3s_policy.discover.search import Search
from k3s_policy.discover.sieve import tells_program
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.sieve import needles
from k3s_policy.model.finding import ScanError
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Callable

FLAGS = needles(["token", "server", "write-kubeconfig-mode", "node-label", "etcd-s3-bucket", "lb-server-port"])
HOOKS = Path(__file__).parents[1] / ".pre-commit-hooks.yaml"


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git as it is installed, without the configuration or the hook of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("write-kubeconfig-mode: 644\n", encoding="utf-8")


def repository(folder: Path, *paths: str) -> Path:
    """Make a git repository in which these files are committed."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    write(folder, *paths)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Start")
    return folder


def found(discovery: Discovery) -> list[str]:
    return [candidate.path for candidate in discovery.candidates]


def _written(status: os.stat_result) -> tuple[int, int, int]:
    """Return what of a file's state changes when it is written; reading changes the rest."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def scan(folder: Path, *, tracked: bool = False) -> list[str]:
    """Return the paths found below a folder, which must raise neither problems nor notes."""
    discovery = discover([str(folder)], tracked=tracked)
    assert not discovery.problems
    assert not discovery.notes
    return found(discovery)


class TestGit:
    def test_lists_tracked_staged_and_untracked_files_but_no_ignored_ones(self, tmp_path: Path) -> None:
        top = repository(tmp_path / "top", "z.yaml", "a/b.yaml")
        write(top, "staged.yaml", "untracked.yaml", "ignored.yaml", "a/ignored.yaml")
        git(top, "add", "staged.yaml")
        (top / ".gitignore").write_text("ignored.yaml\n")
        assert scan(top) == [".gitignore", "a/b.yaml", "staged.yaml", "untracked.yaml", "z.yaml"]
        assert scan(top, tracked=True) == ["a/b.yaml", "staged.yaml", "z.yaml"]

    def test_files_tracked_although_ignored_are_read(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "kept.yaml")
        (top / ".git/info/exclude").write_text("*.yaml\n")
        assert scan(top) == ["kept.yaml"]

    def test_deleted_files_are_left_out_staged_or_not(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "a.yaml", "b.yaml", "c.yaml", "d/e.yaml")
        git(top, "rm", "--quiet", "a.yaml")
        (top / "b.yaml").unlink()
        (top / "d/e.yaml").unlink()
        (top / "d").rmdir()
        (top / "d").write_text("a file where a folder was\n")
        assert scan(top) == ["c.yaml", "d"]
        assert scan(top, tracked=True) == ["c.yaml"]

    def test_a_folder_is_scanned_alone_with_paths_from_the_top(self, tmp_path: Path) -> None:
        top = repository(tmp_path / "top", "a.yaml", "sub/b.yaml", "sub*/c.yaml", "subway/d.yaml")
        discovery = discover([str(top / "sub")])
        assert found(discovery) == ["sub/b.yaml"]
        assert discovery.top == str(top)
        assert scan(top / "sub*") == ["sub*/c.yaml"]

    def test_an_unmerged_file_is_read_once(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "a.yaml")
        for branch, text in (("one", "1"), ("two", "2")):
            git(top, "checkout", "--quiet", "-b", branch, "main")
            (top / "a.yaml").write_text(text)
            git(top, "commit", "--quiet", "--all", "--message=Change")
        subprocess.run(["git", "merge", "one"], cwd=top, check=False, capture_output=True)
        assert git(top, "ls-files", "--unmerged")
        assert scan(top) == ["a.yaml"]

    def test_paths_do_not_depend_on_folder_or_form_of_the_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top = repository(tmp_path / "top", "a.yaml", "sub/b.yaml")
        (tmp_path / "link").symlink_to("top")
        expected = discover([str(top)])
        monkeypatch.chdir(top / "sub")
        assert discover([".."]) == expected
        assert discover(["top"], directory=str(tmp_path)) == expected
        assert discover([str(tmp_path / "link")]) == expected
        assert discover([str(top), str(top / "sub"), str(top / "a.yaml")]).seen == 2

    @pytest.mark.parametrize("locale", ["C", "C.UTF-8", "de_DE.ISO-8859-1"])
    def test_paths_do_not_depend_on_the_locale(self, tmp_path: Path, locale: str) -> None:
        repository(tmp_path, "grüße.yaml")
        script = "from k3s_policy.discover import *; print(ascii([c.path for c in discover(['.']).candidates]))"
        environment = {**os.environ, "LC_ALL": locale, "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-c", script]
        listing = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert listing.stdout.strip() == r"['gr\xfc\xdfe.yaml']"

    def test_names_that_are_not_utf_8_are_shown_escaped_and_opened_as_they_are(self, tmp_path: Path) -> None:
        top = repository(tmp_path)
        with open(os.fsencode(top) + b"/k3s-\xe9.yaml", "wb") as file:
            file.write(b"token: x\n")
        write(top, 'quo"te\n\ttab.yaml')
        git(top, "add", "--all")
        for tracked in (False, True):
            candidates = discover([str(top)], tracked=tracked).candidates
            assert [candidate.path for candidate in candidates] == ["k3s-\\xe9.yaml", 'quo"te\n\ttab.yaml']
            source = read(candidates[0], FLAGS)
            assert isinstance(source, Source)
            assert source.path.encode() == b"k3s-\\xe9.yaml"

    def test_index_of_a_hook_is_honoured_in_its_own_repository_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top = repository(tmp_path / "top", "a.yaml", "sub/b.yaml")
        other = repository(tmp_path / "other", "c.yaml")
        monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index")
        monkeypatch.setenv("GIT_DIR", ".git")
        write(top, "new.yaml")
        git(top, "read-tree", "HEAD")
        git(top, "add", "new.yaml")
        monkeypatch.chdir(top)
        assert scan(Path(), tracked=True) == ["a.yaml", "new.yaml", "sub/b.yaml"]
        monkeypatch.chdir(top / "sub")
        assert scan(Path(), tracked=True) == ["sub/b.yaml"]
        assert scan(other, tracked=True) == ["c.yaml"]
        monkeypatch.setenv("GIT_INDEX_FILE", str(top / ".git/next-index"))
        assert scan(top, tracked=True) == ["a.yaml", "new.yaml", "sub/b.yaml"]

    def test_a_worktree_is_a_top_level_and_is_left_out_of_the_repository_around_it(self, tmp_path: Path) -> None:
        top = repository(tmp_path / "top", "a.yaml")
        git(top, "worktree", "add", "--quiet", "trees/feature")
        write(top / "trees/feature", "b.yaml")
        worktree = discover([str(top / "trees/feature")])
        assert worktree.top == str(top / "trees/feature")
        assert found(worktree) == ["a.yaml", "b.yaml"]
        around = discover([str(top)])
        assert found(around) == ["a.yaml"]
        assert around.notes == ("left out, being repositories of their own: trees/feature",)
        assert scan(top, tracked=True) == ["a.yaml"]

    @pytest.mark.parametrize("tracked", [False, True])
    def test_a_submodule_is_a_top_level_and_is_left_out_with_a_note(self, tmp_path: Path, *, tracked: bool) -> None:
        part = repository(tmp_path / "part", "b.yaml")
        top = repository(tmp_path / "top", "a.yaml")
        git(top, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part), "parts/one")
        around = discover([str(top)], tracked=tracked)
        assert found(around) == [".gitmodules", "a.yaml"]
        assert around.notes == ("left out, being repositories of their own: parts/one",)
        assert scan(top / "parts/one", tracked=tracked) == ["b.yaml"]

    def test_a_submodule_that_is_not_checked_out_is_nothing(self, tmp_path: Path) -> None:
        part = repository(tmp_path / "part", "b.yaml")
        top = repository(tmp_path / "top", "a.yaml")
        git(top, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part), "part")
        git(top, "submodule", "--quiet", "deinit", "--force", "part")
        assert scan(top) == [".gitmodules", "a.yaml"]

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        write(tmp_path, "outside/k3s.yaml")
        top = repository(tmp_path / "top", "inside/a.yaml")
        (top / "file.yaml").symlink_to("inside/a.yaml")
        (top / "folder").symlink_to("../outside")
        (top / "broken.yaml").symlink_to("missing")
        assert scan(top) == ["inside/a.yaml"]
        git(top, "add", "--all")
        assert scan(top, tracked=True) == ["inside/a.yaml"]

    def test_a_link_in_place_of_a_tracked_folder_does_not_lead_out(self, tmp_path: Path) -> None:
        write(tmp_path, "outside/deep/k3s.yaml")
        top = repository(tmp_path / "top", "a.yaml", "folder/deep/k3s.yaml")
        (top / "folder").rename(tmp_path / "moved")
        (top / "folder").symlink_to("../outside")
        assert scan(top, tracked=True) == ["a.yaml"]

    def test_pipes_and_sockets_are_never_opened(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "a.yaml", "k3s.yaml")
        (top / "k3s.yaml").unlink()
        os.mkfifo(top / "k3s.yaml")
        os.mkfifo(top / "k3s-untracked")
        assert scan(top) == ["a.yaml"]

    def test_an_ignored_folder_has_nothing_to_scan(self, tmp_path: Path) -> None:
        top = repository(tmp_path)
        write(top, "build/k3s.yaml")
        (top / ".git/info/exclude").write_text("build\n")
        assert discover([str(top / "build")]) == Discovery(str(top), (), seen=0)


class TestRefusal:
    def test_dubious_ownership_walks_with_a_note(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        top = repository(tmp_path / "top", "a.yaml", "sub/b.yaml")
        (top / ".gitignore").write_text("ignored.yaml\n")
        write(top, "ignored.yaml", "node_modules/k3s.yaml")
        repository(top / "other", "c.yaml")
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        discovery = discover([str(top)])
        assert discovery.top == str(top)
        assert found(discovery) == [".gitignore", "a.yaml", "ignored.yaml", "sub/b.yaml"]
        assert discovery.notes == (
            "git does not list the files (dubious ownership): all are read, those that it ignores too",
            "left out, being repositories of their own: other",
        )
        assert not discovery.problems

    def test_without_git_a_repository_is_walked_with_a_note(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top = repository(tmp_path / "top", "a.yaml")
        monkeypatch.setenv("PATH", str(tmp_path))
        (discovery,) = {discover([str(top)]), discover([str(top), str(top)])}
        assert found(discovery) == ["a.yaml"]
        assert "it is not installed" in discovery.notes[0]

    def test_a_broken_repository_is_walked_with_a_note(self, tmp_path: Path) -> None:
        write(tmp_path, "a.yaml")
        (tmp_path / ".git").write_text("gitdir: /nowhere\n")
        discovery = discover([str(tmp_path)])
        assert found(discovery) == ["a.yaml"]
        assert "exit code 128" in discovery.notes[0]

    def test_a_folder_called_git_without_a_head_makes_no_repository(self, tmp_path: Path) -> None:
        top = repository(tmp_path / "top", "sub/a.yaml")
        (top / "sub/.git").mkdir()
        assert discover([str(top / "sub")]).top == str(top)


class TestSafety:
    """A repository is data: nothing that its own configuration names may be run."""

    @staticmethod
    def trap(tmp_path: Path) -> tuple[Path, Callable[[], bool]]:
        """Return a program that leaves a trace, and a question whether it has been run."""
        trace = tmp_path / "trace"
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\necho run >> '{trace}'\nexit 1\n")
        program.chmod(0o755)

        def sprung() -> bool:
            was_run = trace.exists()
            trace.unlink(missing_ok=True)
            return was_run

        return program, sprung

    def test_fsmonitor_is_not_run(self, tmp_path: Path) -> None:
        program, sprung = self.trap(tmp_path)
        top = repository(tmp_path / "top", "a.yaml")
        git(top, "config", "core.fsmonitor", str(program))
        git(top, "ls-files")
        assert sprung(), "the trap has to work, or this test shows nothing"
        assert scan(top) == ["a.yaml"]
        assert scan(top, tracked=True) == ["a.yaml"]
        assert not sprung()

    def test_nothing_is_fetched_for_a_partial_clone(self, tmp_path: Path) -> None:
        program, sprung = self.trap(tmp_path)
        top = repository(tmp_path / "top", "a.yaml")
        (top / ".gitignore").write_text("ignored\n")
        git(top, "add", ".gitignore")
        blob = git(top, "rev-parse", ":.gitignore").strip()
        git(top, "update-index", "--skip-worktree", ".gitignore")
        (top / ".gitignore").unlink()
        (top / ".git/objects" / blob[:2] / blob[2:]).unlink()
        for setting in (
            "extensions.partialClone=origin",
            "remote.origin.promisor=true",
            f"remote.origin.url=ext::{program}",
            "protocol.ext.allow=always",
            "core.repositoryFormatVersion=1",
        ):
            git(top, "config", *setting.split("=", 1))
        write(top, "untracked.yaml")
        command = ["git", "ls-files", "--others", "--exclude-standard"]
        subprocess.run(command, cwd=top, check=False, capture_output=True)
        assert sprung(), "the trap has to work, or this test shows nothing"
        assert scan(top) == ["a.yaml", "untracked.yaml"]
        assert not sprung()

    def test_git_is_not_taken_from_the_scanned_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program, sprung = self.trap(tmp_path)
        top = repository(tmp_path / "top", "a.yaml")
        program.rename(top / "git")
        monkeypatch.chdir(top)
        monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
        assert scan(top) == ["a.yaml", "git"]
        assert not sprung()

    def test_nothing_is_written(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "a.yaml")
        before = _written((top / ".git/index").stat())
        os.utime(top / "a.yaml", (1, 1))
        scan(top)
        assert _written((top / ".git/index").stat()) == before

    def test_single_files_start_no_process(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "a.yaml")
        script = "import sys; from k3s_policy.discover import discover; discover(['a.yaml'])"
        script += "; sys.exit('subprocess' in sys.modules or 'pathlib' in sys.modules)"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run([sys.executable, "-S", "-c", script], cwd=top, env=environment, check=True)


class TestWalk:
    def test_a_plain_folder_is_walked_without_a_note(self, tmp_path: Path) -> None:
        write(tmp_path, "b.yaml", "a/c.yaml", ".hidden/d.yaml", "vendor/e.yaml")
        write(tmp_path, "node_modules/x.yaml", "a/.venv/x.yaml", "__pycache__/x.yaml", ".terraform/x.yaml")
        (tmp_path / ".gitignore").write_text("*\n")
        discovery = discover([str(tmp_path)])
        assert found(discovery) == [".gitignore", ".hidden/d.yaml", "a/c.yaml", "b.yaml", "vendor/e.yaml"]
        assert discovery == Discovery(str(tmp_path), discovery.candidates, seen=5)

    def test_repositories_below_a_plain_folder_are_entered(self, tmp_path: Path) -> None:
        repository(tmp_path / "one", "a.yaml")
        repository(tmp_path / "two", "b.yaml")
        assert scan(tmp_path) == ["one/a.yaml", "two/b.yaml"]

    def test_links_pipes_and_sockets_are_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path, "top/a.yaml", "outside/k3s.yaml")
        top = tmp_path / "top"
        (top / "file.yaml").symlink_to("a.yaml")
        (top / "folder").symlink_to("../outside")
        (top / "circle").symlink_to(".")
        os.mkfifo(top / "k3s-pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(top / "k3s.sock"))
            assert scan(top) == ["a.yaml"]

    def test_a_folder_that_cannot_be_listed_is_a_problem(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path, "a.yaml", "closed/b.yaml")
        scandir = os.scandir

        def refuse(folder: str) -> object:
            if folder.endswith("closed"):
                raise PermissionError(errno.EACCES, "Permission denied", folder)
            return scandir(folder)

        monkeypatch.setattr(os, "scandir", refuse)
        discovery = discover([str(tmp_path)])
        assert found(discovery) == ["a.yaml"]
        assert discovery.problems == (ScanError("cannot be listed: Permission denied", "closed"),)

    def test_a_file_that_cannot_be_looked_at_is_a_problem(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "a.yaml", "b.yaml", "c.yaml")
        lstat = os.lstat
        errors = {"b.yaml": PermissionError(errno.EACCES, "Permission denied"), "c.yaml": OSError(errno.ENOENT, "Gone")}

        def refuse(file: str) -> os.stat_result:
            if os.path.basename(file) in errors:
                raise errors[os.path.basename(file)]
            return lstat(file)

        monkeypatch.setattr(os, "lstat", refuse)
        discovery = discover([str(tmp_path)])
        assert found(discovery) == ["a.yaml"]
        assert discovery.problems == (ScanError("cannot be read: Permission denied", "b.yaml"),)

    def test_an_empty_folder_has_nothing_to_scan(self, tmp_path: Path) -> None:
        assert discover([str(tmp_path)]).candidates == ()
        assert discover([]).candidates == ()

    def test_paths_keep_the_folders_by_which_k3s_knows_its_files(self, tmp_path: Path) -> None:
        write(tmp_path, "host/etc/rancher/k3s/config.yaml")
        for path in ("host/etc/rancher/k3s", "host/etc/rancher", "host/etc/rancher/k3s/config.yaml"):
            discovery = discover([path], directory=str(tmp_path))
            assert discovery.candidates[0].path.endswith("etc/rancher/k3s/config.yaml")
            assert discovery.candidates[0].promising
        assert discover(["."], directory=str(tmp_path / "host/etc/rancher/k3s")).top == str(tmp_path / "host")


class TestNamedFiles:
    def test_are_candidates_whatever_they_are_called(self, tmp_path: Path) -> None:
        top = repository(tmp_path, "README.md", "main.go", "sub/a.yaml")
        (top / ".git/info/exclude").write_text("ignored.yaml\n")
        write(top, "ignored.yaml")
        paths = ["README.md", "main.go", "ignored.yaml", "./sub/../sub/a.yaml"]
        discovery = discover(paths, directory=str(top), tracked=True, files_only=True)
        assert found(discovery) == ["README.md", "ignored.yaml", "main.go", "sub/a.yaml"]
        assert all(candidate.named for candidate in discovery.candidates)
        assert discovery.seen == 4
        assert not discovery.problems

    def test_are_read_whatever_they_hold(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text("nothing")
        (candidate,) = discover(["a.md"], directory=str(tmp_path)).candidates
        source = read(candidate, FLAGS)
        assert isinstance(source, Source)
        assert source.content == "nothing"

    def test_may_be_links(self, tmp_path: Path) -> None:
        write(tmp_path, "a.yaml")
        (tmp_path / "link.yaml").symlink_to("a.yaml")
        (candidate,) = discover(["link.yaml"], directory=str(tmp_path)).candidates
        assert candidate.path == "link.yaml"
        assert isinstance(read(candidate, FLAGS), Source)

    def test_may_be_large(self, tmp_path: Path) -> None:
        (tmp_path / "large.yaml").write_text("a: b\n" * 300_000)
        (candidate,) = discover(["large.yaml"], directory=str(tmp_path)).candidates
        source = read(candidate, FLAGS)
        assert isinstance(source, Source)
        assert len(source.content) == 1_500_000

    def test_outside_a_repository_are_shown_from_the_working_folder_if_they_lie_below(self, tmp_path: Path) -> None:
        write(tmp_path, "here/k3s/config.yaml", "there/config.yaml")
        here = str(tmp_path / "here")
        assert found(discover(["k3s/config.yaml"], directory=here)) == ["k3s/config.yaml"]
        assert found(discover(["../there/config.yaml"], directory=here)) == ["there/config.yaml"]

    def test_outside_of_the_top_are_shown_relative_to_it(self, tmp_path: Path) -> None:
        top = repository(tmp_path / "top", "a.yaml")
        write(tmp_path, "other/b.yaml")
        for order in (["a.yaml", "../other"], ["../other/b.yaml", "."]):
            discovery = discover(order, directory=str(top))
            assert discovery.top == str(top)
            assert found(discovery) == ["../other/b.yaml", "a.yaml"]

    def test_that_cannot_be_read_are_problems(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path, "a.yaml", "secret.yaml")
        os.mkfifo(tmp_path / "pipe")
        stat = os.stat

        def refuse(path: str, **options: bool) -> os.stat_result:
            if str(path).endswith("secret.yaml"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return stat(path, **options)

        monkeypatch.setattr(os, "stat", refuse)
        paths = ["missing/b.yaml", "a.yaml/c", "pipe", "", "secret.yaml"]
        discovery = discover(paths, directory=str(tmp_path))
        assert discovery.problems == (
            ScanError("is an empty path", ""),
            ScanError("does not exist", "a.yaml/c"),
            ScanError("does not exist", "missing/b.yaml"),
            ScanError("is not a regular file", "pipe"),
            ScanError("cannot be read: Permission denied", "secret.yaml"),
        )
        assert not discovery.candidates
        assert not discovery.notes

    def test_only_means_no_folders(self, tmp_path: Path) -> None:
        write(tmp_path, "sub/a.yaml")
        discovery = discover(["sub"], directory=str(tmp_path), files_only=True)
        assert discovery.problems == (ScanError("is a folder, and only files are read", "."),)
        assert not discovery.candidates


class TestCandidates:
    def test_names_that_no_reader_has_a_use_for_are_seen_but_not_read(self, tmp_path: Path) -> None:
        write(tmp_path, "README.md", "k3s/main.c", "a.yaml", "yarn.lock", "k3s/pnpm-lock.yaml")
        discovery = discover([str(tmp_path)])
        assert found(discovery) == ["a.yaml"]
        assert discovery.seen == 5

    def test_programs_are_read_for_patterns_and_never_by_their_names_alone(self, tmp_path: Path) -> None:
        write(tmp_path, "k3s/main.go", "k3s/main_test.go", "vendor/k3s.io/a.go", "main.tf", "k3s.py")
        candidates = {one.path: one for one in discover([str(tmp_path)]).candidates}
        assert {path for path, one in candidates.items() if one.program} == {"k3s/main.go", "k3s.py"}
        assert not candidates["main.tf"].program
        assert not candidates["k3s.py"].promising
        assert read(candidates["k3s.py"], FLAGS) is None
        (tmp_path / "k3s.py").write_text("run(['k3s', 'server'])\n")
        assert read(candidates["k3s.py"], FLAGS) is not None

    def test_a_config_beside_files_of_k3s_is_promising(self, tmp_path: Path) -> None:
        write(tmp_path, "one/config.yaml", "one/k3s-agent.service", "one/values.yaml", "one/config.yaml.d/10.yml")
        write(tmp_path, "two/config.yml", "two/registries.yaml", "three/config.yaml", "three/k3s.md")
        promising = [candidate.path for candidate in discover([str(tmp_path)]).candidates if candidate.promising]
        assert promising == [
            "one/config.yaml",
            "one/config.yaml.d/10.yml",
            "one/k3s-agent.service",
            "two/config.yml",
            "two/registries.yaml",
        ]

    def test_large_files_are_left_out_with_a_note_if_they_are_called_like_k3s(self, tmp_path: Path) -> None:
        for name in ("dump.json", "k3s.json", "edge.json", "k3s.md"):
            (tmp_path / name).write_bytes(b" " * ((1 << 20) + (name != "edge.json")))
        discovery = discover([str(tmp_path)])
        assert found(discovery) == ["edge.json"]
        assert discovery.notes == ("left out, being larger than 1 MiB: 1 file with a name of K3s's",)
        (tmp_path / "k3s.yaml").write_bytes(b" " * (1 << 21))
        assert discover([str(tmp_path)]).notes[0].endswith("2 files with a name of K3s's")


class TestPrefilter:
    @pytest.mark.parametrize(
        "path",
        [
            *("k3s.conf", "conf.d/k3s", "K3S/x", "etc/rancher/registries.yaml", "a/Rancher/b.txt", "roles/k3s/x.j2"),
            *("registries.yaml", "deep/registries.yml", "docker-compose.yml-org", "docker-compose"),
            "k3s-token-secret.env",
        ],
    )
    def test_paths_of_k3s(self, path: str) -> None:
        assert worth_reading(path, b"", FLAGS)

    @pytest.mark.parametrize("path", ["config.yaml", "compose.yaml", "my-docker-compose.yml", "x/registries.yaml.bak"])
    def test_paths_that_say_nothing(self, path: str) -> None:
        assert not worth_reading(path, b"token: x\nserver: y\n", FLAGS)

    @pytest.mark.parametrize(
        "path", ["k3s.md", "k3s/a.GO", "k3s.tar.gz", "k3s.min.js", "k3s/package-lock.json", "k3s.timer", "k3s.rst"]
    )
    def test_paths_that_are_never_read(self, path: str) -> None:
        assert not worth_reading(path, b"k3s", FLAGS)

    @pytest.mark.parametrize(
        "path",
        [
            *("a.yaml", "a.json", "a.service", "a.conf", "a.env", "default/a", "a.sh", "a.zsh", "a.ksh", "a.bash"),
            *(
                "a.tpl",
                "a.tftpl",
                "a.tmpl",
                "a.j2",
                "a.template",
                "user-data",
                "a.py.j2",
                "a.tf",
                "a.nix",
                "Vagrantfile",
            ),
            # Names that would be left out as ends of names.
            *("lock", "img", "bin/map", "a.d/go"),
        ],
    )
    def test_paths_that_may_be_read(self, path: str) -> None:
        assert may_be_read(path)
        assert worth_reading(path, b"curl -sfL https://get.k3s.io | sh -", FLAGS)

    @pytest.mark.parametrize(
        "data",
        [
            b"x: rancher/k3s:v1.30",
            b"K3S_TOKEN=x",
            b"kind: KThreesControlPlane",
            b"apiVersion: k3d.io/v1alpha5",
            b"K10abc::server:4f1c9a7b",
            b"mirrors:\n  a: b",
            b"# x\nmirrors:\n",
            b"content: |\n  mirrors:\n",
            b"data:,mirrors%3A%0A",
            b"encoding: b64\ncontent: ZXhlYyBrM3Mgc2VydmVyIC0tZGVidWcK",
            b"encoding: gz+b64\ncontent: H4sIAAAAAAACA0utSE1WyDYuVihOLSpLLVLQ1U1JTSpN5wIAUYUKvhgAAAA=",
            b"write-kubeconfig-mode: 644",
            b"\xef\xbb\xbfwrite-kubeconfig-mode: 644",
            b"a: b\r\nnode-label+: x\r\n",
            b"vars:\n  settings:\n    node-label: x\n",
            b'{\n"node-label": ["a=b"]}',
            b'{"node-label": ["a=b"]}',
            # A text in one line, in YAML and JSON, and JSON in JSON.
            b'data: {a.yaml: "token: x\\nnode-label: a=b\\n"}',
            b'{"data":{"a.yaml":"node-label: a=b"}}',
            b'{"data":{"a.json":"{\\n  \\"node-label\\": 1}"}}',
            b"binaryData:\n  a.yaml: d3JpdGUta3ViZWNvbmZpZy1tb2RlOiAiMDYwMCIK",
            b"userDataBase64: IyEvYmluL3NoCmszcyBhZ2VudCAtLWRlYnVnCg==",
            b"exec server --node-label=a=b",
            b"'--node-label'",
            b"----etcd-s3-bucket x",
            b"x\n--lb-server-port",
            "write-kubeconfig-mode: 644".encode("utf-16"),
            "\ufeffa: b\nnode-label: c".encode("utf-16-be"),
        ],
    )
    def test_content_of_k3s(self, data: bytes) -> None:
        assert worth_reading("a.yaml", data, FLAGS)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"token: x",
            b"--token x --server y",
            b"node-labels: x",
            b"--node-label-file",
            b"my-node-label: x",
            b"a: node-label",
            b"-node-label",
            b"---\nnode-\nlabel",
            b'x: "node-label"',
            b"kind: Secret\ndata:\n  a.yaml: d3JpdGUta3ViZWNvbmZpZy1tb2RlOiAiMDYwMCIK",
            "token: x".encode("utf-16"),
        ],
    )
    def test_content_of_others(self, data: bytes) -> None:
        assert not worth_reading("a.yaml", data, FLAGS)

    @given(
        before=st.binary(max_size=40),
        after=st.sampled_from([b"", b"=", b":", b" ", b"+: x", b"\n", b"'", b'"', b"\\", b"\0", b"\xff", b"_", b"$"]),
        flag=st.sampled_from(sorted(FLAGS)),
        mark=st.sampled_from([b"\n", b"--", b'\n"', b"\n  "]),
    )
    def test_no_flag_is_missed_at_the_start_of_a_line_or_behind_dashes(
        self, before: bytes, after: bytes, flag: bytes, mark: bytes
    ) -> None:
        data = b"#" + before + mark + flag + after + before
        assert worth_reading("a.yaml", data, FLAGS) or re.search(re.escape(mark + flag) + rb"[a-z0-9-]", data)

    def test_every_hyphenated_name_of_the_flag_table_is_found(self) -> None:
        names = [name for flag in flags() for name in (flag.name, *flag.aliases) if "-" in name]
        assert len(names) > 100
        table = needles(flags().hyphenated)
        for name in names:
            assert worth_reading("a.yaml", f"{name}: x".encode(), table), name
            assert worth_reading("a.sh", f"x --{name}=y".encode(), table), name

    def test_needles_are_the_hyphenated_names(self) -> None:
        assert needles(["token", "tls-san", "etcd-s3", "v"]) == {b"tls-san", b"etcd-s3"}

    @pytest.mark.parametrize("name", ["Node-label", "node-label_x", "-x", "grün-x", "node-label\n"])
    def test_names_that_the_search_would_miss_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="does not find"):
            needles([name])


class TestRead:
    @staticmethod
    def candidate(tmp_path: Path, data: bytes, *, named: bool = False, promising: bool = False) -> Candidate:
        (tmp_path / "a.yaml").write_bytes(data)
        return Candidate("shown/a.yaml", str(tmp_path / "a.yaml"), named, promising)

    def test_keeps_what_passes_the_prefilter(self, tmp_path: Path) -> None:
        source = read(self.candidate(tmp_path, b"node-label: x\r\n"), FLAGS)
        assert isinstance(source, Source)
        assert (source.path, source.content) == ("shown/a.yaml", "node-label: x\r\n")

    def test_drops_what_does_not(self, tmp_path: Path) -> None:
        assert read(self.candidate(tmp_path, b"token: x\n"), FLAGS) is None
        assert isinstance(read(self.candidate(tmp_path, b"token: x\n", promising=True), FLAGS), Source)

    @pytest.mark.parametrize("size", [0, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 20])
    def test_reads_to_the_end(self, tmp_path: Path, size: int) -> None:
        source = read(self.candidate(tmp_path, b"x" * size, promising=True), FLAGS)
        assert isinstance(source, Source)
        assert len(source.content) == size

    def test_drops_binary_files_even_if_named(self, tmp_path: Path) -> None:
        assert read(self.candidate(tmp_path, b"k3s\0", named=True), FLAGS) is None

    def test_a_file_that_went_is_a_problem_only_if_named(self, tmp_path: Path) -> None:
        gone = Candidate("a.yaml", str(tmp_path / "a.yaml"))
        assert read(gone, FLAGS) is None
        assert read(gone._replace(named=True), FLAGS) == ScanError("does not exist", "a.yaml")

    def test_an_unreadable_file_is_a_problem(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        candidate = self.candidate(tmp_path, b"")
        monkeypatch.setattr(os, "open", refuse)
        assert read(candidate, FLAGS) == ScanError("cannot be read: Permission denied", "shown/a.yaml")

    def test_a_link_or_a_pipe_that_took_the_place_of_a_file_leads_nowhere(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("k3s")
        (tmp_path / "k3s.yaml").symlink_to("secret")
        assert isinstance(read(Candidate("k3s.yaml", str(tmp_path / "k3s.yaml")), FLAGS), ScanError)
        os.mkfifo(tmp_path / "pipe")
        assert read(Candidate("pipe", str(tmp_path / "pipe")), FLAGS) is None


class TestDecode:
    @pytest.mark.parametrize(
        ("data", "text"),
        [
            (b"", ""),
            ("grün".encode(), "grün"),
            (b"\xef\xbb\xbfa", "\ufeffa"),
            ("\ufeffgrün".encode("utf-16-le"), "\ufeffgrün"),
            ("\ufeffgrün".encode("utf-16-be"), "\ufeffgrün"),
            (b"\xff\xfea\0\x00\xd8", "\ufeffa\ufffd"),
            (b"gr\xfcn", "gr\ufffdn"),
            (b"\xe2\x82x\xf0\x9f", "\ufffd\ufffdx\ufffd\ufffd"),
            ("\U0001f600".encode() + b"\xff", "\U0001f600\ufffd"),
        ],
    )
    def test_text(self, data: bytes, text: str) -> None:
        assert decode(data) == text

    @pytest.mark.parametrize("data", [b"a\0", b"\x7fELF\0", "\ufeffa".encode("utf-32-le"), b"a\0b\0"])
    def test_binary(self, data: bytes) -> None:
        assert decode(data) is None

    @pytest.mark.parametrize(
        ("data", "offset"),
        [(b"gr\xfcn", 2), ("ü\ufffd".encode(), None), ("ü\ufffd".encode() + b"\xe2\x82", 2), (b"abc", None)],
    )
    def test_the_first_byte_that_is_no_utf_8(self, data: bytes, offset: int | None) -> None:
        assert flaw(data, decode(data) or "") == offset

    @given(st.binary(max_size=60))
    def test_any_bytes_give_text_that_can_be_written_or_nothing(self, data: bytes) -> None:
        text = decode(data)
        assert text is None or text.encode().decode() == text


class TestPrograms:
    """What patterns are looked for in, by name and by content."""

    @pytest.mark.parametrize(
        "path",
        ["main.tf", "tests/main.tf", "a.pkr.hcl", "a.tfvars", "cmd/k3s.go", "latest/a.py", "a.ts", "b.test.rb"],
    )
    def test_searched(self, path: str) -> None:
        assert may_be_searched(path)

    @pytest.mark.parametrize(
        "path",
        [
            *(
                "main_test.go",
                "tests/a.py",
                "test_a.py",
                "a_test.py",
                "a.test.ts",
                "a.spec.tsx",
                "e2e/a.go",
                "a_spec.rb",
            ),
            *("vendor/a.go", "x/node_modules/a.js", "a.min.js", "a.d.ts", ".terraform.lock.hcl", "a.pkrtpl.hcl", "a.c"),
        ],
    )
    def test_not_searched(self, path: str) -> None:
        assert not may_be_searched(path)

    @pytest.mark.parametrize(
        "content",
        [
            b"curl https://get.k3s.io", b'exec.Command("k3s", "server")', b'env["K3S_TOKEN"]', b"k3s --cluster-init",
            b"k3s server -c", b"spawn('k3s', ['agent'])", b"/etc/rancher/k3s/config.yaml", b"k3sup install",
        ],
    )  # fmt: skip
    def test_content_that_starts_k3s(self, content: bytes) -> None:
        assert tells_program(content)

    @pytest.mark.parametrize(
        "content", [b"the k3s cluster", b"--cluster-init", b"github.com/k3s-io/kine", b"k3s kubectl get nodes", b""]
    )
    def test_content_that_does_not(self, content: bytes) -> None:
        assert not tells_program(content)


class TestHooks:
    """`.pre-commit-hooks.yaml` says what the tables say."""

    @given(
        st.text(alphabet="aAbkmd3/.-s\n\r", max_size=20).flatmap(
            lambda stem: st.sampled_from(
                [stem, *(f"{stem}.{suffix}" for suffix in ("md", "MD", "yaml", "go", "json", "tar.gz", "md\n"))]
            )
        )
    )
    def test_every_path_that_may_be_read_is_passed(self, path: str) -> None:
        assert bool(re.search(HOOK_FILES, path)) is may_be_read(path)

    def test_every_end_and_name_is_left_out_anywhere(self) -> None:
        for path in (*UNREAD_NAMES, *(f"a.{suffix}" for suffix in UNREAD_SUFFIXES)):
            assert not may_be_read(path)
            assert not re.search(HOOK_FILES, path)
            assert not re.search(HOOK_FILES, f"k3s/{path.upper()}")
            assert re.search(HOOK_FILES, f"{path}.yaml")

    @pytest.mark.parametrize("path", ["main.tf", "a.py", "k3s/main.go", "a.tsx", "config.yaml", "vendor/a.rb"])
    def test_programs_are_passed_to_the_hook_that_searches_them(self, path: str) -> None:
        assert re.search(SEARCHED_FILES, path)
        assert not re.search(SEARCHED_FILES, f"{path}.md")
        assert may_be_read(path) is (path.rpartition(".")[2] in ("tf", "yaml"))

    def test_the_manifest_holds_the_expression(self) -> None:
        hooks = {hook["id"]: hook for hook in YAML(typ="safe").load(HOOKS)}
        assert set(hooks) == {"k3s-policy", "k3s-policy-files", "k3s-policy-semgrep"}
        searching = hooks.pop("k3s-policy-semgrep")
        assert searching["files"] == SEARCHED_FILES
        assert "--require-semgrep" in searching["entry"]
        assert searching["types"] == ["text"]
        assert {hook["files"] for hook in hooks.values()} == {HOOK_FILES}
        assert all(hook["types"] == ["text"] and hook["require_serial"] for hook in hooks.values())

    def test_the_manifest_is_valid(self) -> None:
        subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)], check=True)


def test_windows_separators_become_slashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    search = Search(str(tmp_path), str(tmp_path), tracked=False)
    monkeypatch.setattr(os, "sep", "\\")
    assert search.shown(f"{tmp_path}/a\\b.yaml") == "a/b.yaml"


def test_neighbours_are_what_k3s_reads_with_a_named_file(tmp_path: Path) -> None:
    drop_ins = tmp_path / "config.yaml.d"
    drop_ins.mkdir()
    for path in (tmp_path / "config.yaml", drop_ins / "a.yaml", drop_ins / "b.yaml", tmp_path / "other.yaml"):
        path.write_text("token-file: /token\n")
    named = discover(["config.yaml"], directory=str(tmp_path)).candidates
    assert [candidate.path for candidate in neighbours(named)] == ["config.yaml.d/a.yaml", "config.yaml.d/b.yaml"]
    named = discover(["config.yaml.d/a.yaml"], directory=str(tmp_path)).candidates
    assert [os.path.basename(candidate.file) for candidate in neighbours(named)] == ["config.yaml", "b.yaml"]
    assert neighbours(discover([str(tmp_path)]).candidates) == ()


def test_variables_of_hosts_are_read_with_a_named_inventory(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("inventory/lab/hosts.yml", "inventory/lab/group_vars/all/k3s.yml", "host_vars/one.yml", "site.yml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("k3s_version: v1.33.4+k3s1\n")
    named = discover([str(tmp_path / "inventory/lab/hosts.yml")]).candidates
    beside = [candidate.path for candidate in neighbours(named)]
    assert beside == ["host_vars/one.yml", "inventory/lab/group_vars/all/k3s.yml"]
    assert neighbours(discover([str(tmp_path / "site.yml")]).candidates) == ()
