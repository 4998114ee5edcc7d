"""What counts as different from the findings that a case expects, and what is written into its page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from finding_lines import Found, Line, asserted_helps, findings_difference, update
from markdown_cases import cases

TESTS = Path(__file__).parent

X = Found(Line("a:1:1-2 low ", "xyz"))
HELPED = Found(Line("a:1:1-2 low ", "x"), "do y")
RELATED = Found(Line("a:1:1-2 low ", "x"), "", (Line("    related b:1:1 ", "y"),))
FULL = Found(
    Line("a:1:1-2 low ", "x"), "do y\nor z", (Line("    related b:1:1 ", "y"), Line("    related c:1:1 ", "z"))
)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("", [], True),
        ("", [X], False),
        ("a:1:1-2 low xyz\n", [], False),
        ("a:1:1-2 low xyz\n", [X], True),
        ("a:1:1-2 low x…\n", [X], True),
        ("a:1:1-2 low …\n", [X], False),
        ("a:1:1-2 low x\n", [X], False),
        ("a:1:1-2 high xyz\n", [X], False),
        ("a:1:1-3 low xyz\n", [X], False),
        ("a:1:1-2 low xyz\na:1:1-2 low xyz\n", [X], False),
        ("a:1:1-2 low x\n", [HELPED], False),
        ("a:1:1-2 low x\n    help do y\n", [HELPED], True),
        ("a:1:1-2 low x\n    help do…\n", [HELPED], False),
        ("a:1:1-2 low x\n    help do z\n", [HELPED], False),
        ("a:1:1-2 low xyz\n    help do y\n", [X], False),
        ("a:1:1-2 low x\n", [RELATED], False),
        ("a:1:1-2 low x\n    related b:1:1 y\n", [RELATED], True),
        ("a:1:1-2 low x\n    related b:1:1 y…\n", [RELATED], True),
        ("a:1:1-2 low x\n    related b:1:1 …\n", [RELATED], False),
        ("a:1:1-2 low x\n    related b:1:2 y\n", [RELATED], False),
        ("a:1:1-2 low x\n    related b:1:1 y\n    related c:1:1 z\n", [RELATED], False),
        ("a:1:1-2 low xyz\n    related b:1:1 y\n", [X], False),
        ("a:1:1-2 low x\n    help do y\n    help or z\n    related b:1:1 y\n    related c:1:1 z\n", [FULL], True),
        ("a:1:1-2 low x\n    help do y\n    related b:1:1 y\n    related c:1:1 z\n", [FULL], False),
        ("a:1:1-2 low x\n    help do y\n    help or z\n    related b:1:1 y\n", [FULL], False),
        ("a:1:1-2 low x\n    related b:1:1 y\n    related c:1:1 z\n    help do y\n    help or z\n", [FULL], False),
        ("a:1:1-2 low xyz\nb:1:1-2 low y\n", [Found(Line("b:1:1-2 low ", "y")), X], False),
        ("a:1:1-2 low xyz\nb:1:1-2 low y\n", [X, Found(Line("b:1:1-2 low ", "y"))], True),
    ],
)
def test_what_counts_as_different(expected: str, found: list[Found], *, same: bool) -> None:
    assert (findings_difference(expected, found) == "") is same


def test_a_help_that_the_page_says_elsewhere_can_be_left_out() -> None:
    assert not findings_difference("a:1:1-2 low x\n", [HELPED], {"do y"})
    assert findings_difference("a:1:1-2 low x\n    help do z\n", [HELPED], {"do y", "do z"})


def test_a_finding_that_is_missing_leaves_the_others_as_they_are() -> None:
    different = findings_difference("0:1:1-2 low y\na:1:1-2 low x…\n", [X])
    assert different.splitlines() == ["- 0:1:1-2 low y", "  a:1:1-2 low x…"]


# --- writing ----------------------------------------------------------------------------------------------

HTTP = "etc/rancher/k3s/config.yaml:1:9-13 high/medium K3s does not join: only https:// URLs are supported"
PAGE = f"""\
# join-url

A page.

## Upper-case letters

````yaml path=etc/rancher/k3s/config.yaml crlf unterminated
server: HTTPS://10.0.0.1:6443
```findings
a fence within a file
````

```findings
```

## http

```yaml path=etc/rancher/k3s/config.yaml crlf
server: http://10.0.0.1:6443
```

```findings
{HTTP}
```

## http once more

```yaml path=etc/rancher/k3s/config.yaml
server: http://10.0.0.1:6443
```

````findings
{HTTP}
````

The prose  below,\ttoo.
"""
FILLED = PAGE.replace(HTTP, f"{HTTP}\n    help write https://", 1)
ALL = {"Upper-case letters", "http", "http once more"}


def _updated(folder: Path, content: str, chosen: set[str]) -> str:
    page = folder / "join-url.md"
    page.write_bytes(content.encode())
    update(page, chosen)
    return page.read_bytes().decode()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_help_is_added_where_it_appears_first_and_nothing_else_changes(tmp_path: Path, ending: str) -> None:
    written, filled = PAGE.replace("\n", ending), FILLED.replace("\n", ending)
    assert _updated(tmp_path, written, ALL) == filled
    assert _updated(tmp_path, filled, ALL) == filled


def test_a_page_that_says_everything_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "join-url.md"
    page.write_bytes(FILLED.encode())
    os.utime(page, (0, 0))
    update(page, ALL)
    assert page.stat().st_mtime == 0


def test_only_the_cases_chosen_are_written(tmp_path: Path) -> None:
    last = PAGE[::-1].replace(HTTP[::-1], f"{HTTP}\n    help write https://"[::-1], 1)[::-1]
    assert _updated(tmp_path, PAGE, {"http once more"}) == last
    # The page says it, if not where it appears first.
    assert _updated(tmp_path, last, ALL) == last
    assert _updated(tmp_path, PAGE, set()) == PAGE


@pytest.mark.parametrize(
    ("expected", "written"),
    [
        (HTTP.replace("only", "but"), f"{HTTP}\n    help write https://"),
        (f"{HTTP[:70]}…", f"{HTTP[:70]}…\n    help write https://"),
        (f"{HTTP.partition('K3s does')[0]}…", f"{HTTP}\n    help write https://"),
        (f"{HTTP[:70]}, or else…", f"{HTTP}\n    help write https://"),
        (f"{HTTP}\n    help write\n    help it", f"{HTTP}\n    help write https://"),
    ],
)
def test_words_are_written(tmp_path: Path, expected: str, written: str) -> None:
    assert _updated(tmp_path, PAGE.replace(HTTP, expected, 1), ALL) == PAGE.replace(HTTP, written, 1)


@pytest.mark.parametrize(
    "expected",
    [
        HTTP.replace("etc/", "srv/"),
        HTTP.replace(":1:9-13", ":2:9-13"),
        HTTP.replace(":1:9-13", ":1:9-14"),
        HTTP.replace("high/medium", "high"),
        HTTP.replace("high/medium", "low/medium"),
        f"[invalid-value] {HTTP}",
        f"{HTTP}\n{HTTP}",
        f"{HTTP}\n    related a:1:1 y",
        f"{HTTP}\n    hlep write",
        "",
    ],
)
def test_a_case_that_finds_something_else_is_left_as_it_is(tmp_path: Path, expected: str) -> None:
    left = expected.replace("only", "but")
    before = PAGE.replace(HTTP, left, 1)
    # Its help now appears first in the next case.
    assert _updated(tmp_path, before, ALL) == before.replace(f"\n{HTTP}\n", f"\n{HTTP}\n    help write https://\n")


def test_a_case_that_is_known_to_fail_says_nothing_for_others(tmp_path: Path) -> None:
    page = tmp_path / "join-url.md"
    page.write_text(FILLED.replace("## http\n", "## http xfail: not yet\n"), encoding="utf-8")
    assert asserted_helps(cases(page)) == frozenset()
    update(page, ALL)
    assert page.read_text(encoding="utf-8").count("help write https://") == 2


JOINED = """\
# join-url

## The address of a server

```ini path=one/etc/systemd/system/k3s.service
[Service]
ExecStart=/usr/local/bin/k3s server --node-ip 10.0.0.1
```

```ini path=two/etc/systemd/system/k3s-agent.service
[Service]
ExecStart=/usr/local/bin/k3s agent --server https://10.0.0.1 --token-file /root/token
```

```findings
two/etc/systemd/system/k3s-agent.service:2:45-61 high/medium K3s does not join…
    help add the port: :6443
```
"""
OWNER = "    related one/etc/systemd/system/k3s.service:2:37 one/etc/systemd/system/k3s.service has this address…\n"


def test_related_places_are_added_and_their_words_written(tmp_path: Path) -> None:
    title = {"The address of a server"}
    written = _updated(tmp_path, JOINED, title)
    assert len(written.splitlines()) == len(JOINED.splitlines()) + 1
    assert OWNER[:-2] in written
    abbreviated = JOINED.replace("6443\n```", f"6443\n{OWNER}```")
    assert _updated(tmp_path, abbreviated, title) == abbreviated
    assert _updated(tmp_path, abbreviated.replace("has this", "had this"), title) == written


def test_places_of_related_lines_are_never_written(tmp_path: Path) -> None:
    elsewhere = JOINED.replace("6443\n```", f"6443\n{OWNER}```").replace(":2:37 ", ":2:38 ")
    assert _updated(tmp_path, elsewhere, {"The address of a server"}) == elsewhere


# --- the command ------------------------------------------------------------------------------------------


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder that has the module of the cases of all rules, and one page."""
    for name in ("conftest.py", "finding_lines.py", "markdown_cases.py", "test_checks.py"):
        shutil.copy(TESTS / name, folder)
    environment = os.environ | {"UPDATE_CASES": "1", "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_checks.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _page(folder: Path, content: str) -> Path:
    page = folder / "checks" / "join-url.md"
    page.parent.mkdir()
    page.write_text(content, encoding="utf-8")
    return page


def test_the_command_writes_the_cases_that_it_runs(tmp_path: Path) -> None:
    old = PAGE.replace(HTTP, HTTP.replace("only", "but"))
    page = _page(tmp_path, old)
    run = _pytest(tmp_path, "-k", "join-url: and once")
    assert run.returncode == 0, run.stdout
    (first, last) = re.split("(?<=\n)(?=## http once more)", old)
    assert page.read_text(encoding="utf-8") == first + last.replace("but", "only").replace(
        "supported\n", "supported\n    help write https://\n"
    )


def test_several_processes_do_not_write_pages(tmp_path: Path) -> None:
    page = _page(tmp_path, PAGE)
    run = _pytest(tmp_path, "-n", "2")
    assert (run.returncode, page.read_text(encoding="utf-8")) == (pytest.ExitCode.USAGE_ERROR, PAGE)
    assert "leave -n out" in run.stderr
