"""What is published is what the project says of itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from k3s_policy.judge.rule import names

PROJECT = Path(__file__).parent.parent
TOOLS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = TOOLS["project"]["version"]
UNRELEASED = f"## [{VERSION}] - Unreleased\n"


def workflow(name: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return YAML(typ="safe").load(PROJECT / ".github" / "workflows" / f"{name}.yml")


# --- what is promised -------------------------------------------------------------------------------------


def promised_pythons() -> list[str]:
    """Return the versions of Python that the classifiers name, without the `3` that stands for all of them."""
    classifiers = [name.rpartition(" :: ")[2] for name in TOOLS["project"]["classifiers"] if ":: Python ::" in name]
    return [version for version in classifiers if version.startswith("3.")]


def test_every_python_that_is_promised_is_tried() -> None:
    assert workflow("ci")["jobs"]["linux"]["strategy"]["matrix"]["python"] == promised_pythons()


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = promised_pythons()[0]
    assert TOOLS["project"]["requires-python"] == f">={oldest}"
    assert TOOLS["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"Python {re.escape(oldest)}\s+or\s+newer", readme)


def test_the_types_that_are_promised_are_there() -> None:
    assert "Typing :: Typed" in TOOLS["project"]["classifiers"]
    assert (PROJECT / "k3s_policy" / "py.typed").is_file()
    assert TOOLS["tool"]["mypy"]["strict"]


# --- a release --------------------------------------------------------------------------------------------


def test_the_changelog_names_every_rule() -> None:
    content = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [name for name in names() if f"`{name}`" not in content] == []


def test_the_readme_names_the_revision_of_the_version() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"(?m)^ +rev: .*$", readme)
    assert line.split()[1] == f"v{VERSION}"
    released = UNRELEASED not in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert released != ("not released yet" in line)


def test_what_is_built_once_is_what_all_jobs_use() -> None:
    jobs = workflow("release")["jobs"]
    building = [name for name, job in jobs.items() if "python -m build" in str(job)]
    assert building == ["build"]
    assert "build" in jobs["publish"]["needs"]
    assert "ci" in jobs["publish"]["needs"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the notes are taken from, as on the day of a release."""
    shutil.copytree(PROJECT / ".ci", tmp_path / ".ci")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    body = f"\n### Fixed\n\n- A mistake.\n\n## [{VERSION}rc1] - 2025-12-31\n\n- Another.\n"
    changes = f"# Changelog\n\n## [Unreleased]\n\n## [{VERSION}] - 2026-01-02\n{body}"
    (tmp_path / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    return tmp_path


def notes(project: Path, tag: str = f"v{VERSION}") -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, ".ci/release-notes", tag], cwd=project, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_notes_are_the_section_of_the_changelog(project: Path) -> None:
    assert notes(project) == (0, "### Fixed\n\n- A mistake.\n", "")


def test_notes_of_the_last_section(project: Path) -> None:
    (project / "CHANGELOG.md").write_text(f"## [{VERSION}] - 2026-01-02\n\n- All.\n", encoding="utf-8")
    assert notes(project) == (0, "- All.\n", "")


@pytest.mark.parametrize(
    ("tag", "changes", "reason"),
    [
        ("v999.0.0", None, f"the tag is v999.0.0, and the version in pyproject.toml {VERSION}\n"),
        (f"v{VERSION}", "# Changelog\n", f"CHANGELOG.md has no section [{VERSION}]\n"),
        (
            f"v{VERSION}",
            UNRELEASED,
            f"the section [{VERSION}] of CHANGELOG.md has no date, but says Unreleased\n",
        ),
    ],
)
def test_what_keeps_a_tag_from_being_a_release(project: Path, tag: str, changes: str | None, reason: str) -> None:
    if changes is not None:
        (project / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    assert notes(project, tag) == (1, "", reason)
