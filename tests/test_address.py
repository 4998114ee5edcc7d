"""The address of the project: whatever shows it agrees with k3s_policy/address.py.

`UPDATE_GOLDEN=1 pytest tests/test_address.py` writes it everywhere, after it was changed there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from k3s_policy.address import ADDRESS

PROJECT = Path(__file__).parent.parent
SOURCE = Path("k3s_policy", "address.py")
SHOWN_IN = (
    "pyproject.toml",
    "README.md",
    "SECURITY.md",
    ".github/ISSUE_TEMPLATE/config.yml",
    "tests/golden/report.sarif",
)
END_OF_ADDRESS = r"(?![\w-])"


def files(folder: Path) -> list[Path]:
    """Return the files of the project, but for the one that everything else follows."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=True).stdout
    paths = [Path(path) for path in listed.split("\0") if path]
    return [path for path in paths if path != SOURCE and (folder / path).is_file()]


def texts(folder: Path) -> dict[Path, str]:
    """Return the content of each file of the project that is text."""
    found = {}
    for path in files(folder):
        try:
            found[path] = (folder / path).read_bytes().decode()
        except UnicodeDecodeError:
            continue
    return found


def told() -> str:
    """Return the address as the package index is told it, which is what all files show until they are written anew."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        address = tomllib.load(file)["project"]["urls"]["Repository"]
    assert isinstance(address, str)
    return address


@pytest.fixture(scope="module", autouse=True)
def _written() -> None:
    """Write the address anew, where that is asked for."""
    if os.environ.get("UPDATE_GOLDEN"):
        old = re.compile(re.escape(told()) + END_OF_ADDRESS)
        for path, content in texts(PROJECT).items():
            changed = old.sub(lambda _: ADDRESS, content)
            if changed != content:
                (PROJECT / path).write_bytes(changed.encode())


def test_it_can_be_followed_by_a_path() -> None:
    assert re.fullmatch(r"https://[a-z0-9.-]+(?:/[\w.-]*[\w-])+", ADDRESS)


def test_every_file_that_shows_it_agrees() -> None:
    assert told() == ADDRESS
    assert [path for path in SHOWN_IN if ADDRESS not in (PROJECT / path).read_text(encoding="utf-8")] == []


def test_no_file_shows_another() -> None:
    ours = re.compile(re.escape(ADDRESS) + END_OF_ADDRESS)
    others = {
        (str(path), address)
        for path, content in texts(PROJECT).items()
        for address in re.findall(r"https?://[^\s\"'<>()`]*k3s-policy[^\s\"'<>()`]*", content)
        if not ours.match(address)
    }
    assert others == set()


def test_a_new_one_is_written_everywhere(tmp_path: Path) -> None:
    """What CONTRIBUTING.md tells to do, in a copy of the project."""
    for path in (SOURCE, *files(PROJECT)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / path, tmp_path / path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    new = "https://git.example.org/operations/k3s-checker"
    source = (tmp_path / SOURCE).read_text(encoding="utf-8")
    (tmp_path / SOURCE).write_text(source.replace(ADDRESS, new), encoding="utf-8")

    def ran(*arguments: str, **variables: str) -> int:
        # What surrounds this test is not to reach those of the copy: its flags, or that it writes goldens itself.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "UPDATE", "GIT_"))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        environment = kept | {"PYTHONPATH": str(tmp_path)} | variables
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False).returncode

    tests = ("tests/test_address.py", "tests/test_reports.py", "-k", "golden or it_can or every_file or no_file")
    assert ran("tests/test_address.py", "-k", "every_file") == 1
    assert ran("tests/test_address.py", "-k", "every_file", UPDATE_GOLDEN="1") == 0
    assert ran(*tests) == 0
    assert [path for path, content in texts(tmp_path).items() if ADDRESS in content] == []
