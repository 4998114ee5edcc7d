"""The README says what is so: real output, every rule, every option, snippets that are valid.

`UPDATE_GOLDEN=1 pytest tests/test_readme.py` writes the generated parts anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from k3s_policy.assemble import options
from k3s_policy.judge.rule import load, names
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.model.finding import RuleCard

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
PROGRAM = Path(sys.executable).with_name("k3s-policy")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FORCE_COLOR"))} | {
    "COLUMNS": "200",
    "NO_COLOR": "1",
}
SECTION = r"(?s)(?<=<!-- begin {name} -->\n).*?(?=<!-- end {name} -->\n)"


def run(*arguments: str, folder: Path = PROJECT) -> str:
    """Return what the installed command prints."""
    result = subprocess.run(
        [str(PROGRAM), *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )
    assert not result.stderr
    return result.stdout


def check_section(name: str, expected: str) -> None:
    """Compare a generated part of the README with what it should be, or write it."""
    content = README.read_text(encoding="utf-8")
    pattern = SECTION.format(name=name)
    match = re.search(pattern, content)
    assert match is not None
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(content[: match.start()] + expected + content[match.end() :], encoding="utf-8")
    else:
        assert match.group() == expected


def fences(language: str) -> list[str]:
    """Return the content of every fence of a language."""
    found = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"))
    assert found
    return found


def snippet(wanted: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """Return the one YAML fence that has a line starting so."""
    (content,) = [fence for fence in fences("yaml") if re.search(rf"(?m)^{re.escape(wanted)}", fence)]
    return YAML(typ="safe").load(content)


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rank(card: RuleCard) -> str:
    """Return the severity of a rule, and its profile where that is not the default one."""
    return card.severity.word if card.profile == "default" else f"{card.severity.word}, {card.profile}"


def scan_options() -> list[tuple[str, str]]:
    """Return every option of `scan` with its value, and its help text."""
    found = re.findall(
        r"(?m)^  (--[a-z0-9-]+(?: \S+)?)\s{2,}(\S.*)$", run("scan", "--help").replace("\n" + " " * 24, "  ")
    )
    return [(option, help_text) for option, help_text in found]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of the examples alone."""
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    shutil.copy(PROJECT / ".k3s-policy.yaml", tmp_path)
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    return tmp_path


def test_output_is_what_the_command_prints(repository: Path) -> None:
    command = re.search(r"(?m)^\$ k3s-policy (scan examples/bad\S*)$", README.read_text(encoding="utf-8"))
    assert command is not None
    output = run(*command[1].split(), folder=repository)
    assert "finding" in output
    check_section("output", f"```console\n$ k3s-policy {command[1]}\n{output}```\n")


def test_overview_is_what_the_command_prints(repository: Path) -> None:
    command = "show examples/bad/hosts/north-2"
    output = run(*command.split(), folder=repository)
    assert output.startswith("server ")
    check_section("show", f"```console\n$ k3s-policy {command}\n{output}```\n")


def test_every_rule_is_listed() -> None:
    cards = [load(name).card for name in names()]
    rows = [(f"`{card.name}`", rank(card), card.summary) for card in cards]
    check_section("rules", table(("rule", "severity", "what it finds"), rows))


def test_every_option_is_listed() -> None:
    listed = scan_options()
    assert len(listed) > 10
    rows = [(f"`{option}`".replace("|", "\\|"), help_text.replace("|", "\\|")) for option, help_text in listed]
    check_section("options", table(("option", "what it does"), rows))


def test_every_option_named_anywhere_exists() -> None:
    known = {option.split()[0] for option, _ in scan_options()}
    code = "\n".join((*fences("yaml"), *fences("console")))
    used = re.findall(r"k3s-policy (?:scan|rules|explain)\b.*", code)
    assert used
    assert {word for line in used for word in re.findall(r"--[a-z0-9-]+", line)} <= known


@pytest.mark.parametrize("end", ["/k3s-policy scan examples/", "/python -m pytest -n logical"])
def test_one_line_sets_up_and_runs(end: str) -> None:
    # `.ci/run` takes the lines out of the README by these ends, and runs them in a clone.
    (line,) = [line for line in "".join(fences("bash")).splitlines() if line.endswith(end)]
    assert line.startswith("python3 -m venv .venv && ")
    ci = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert end.removeprefix("/") in ci


def test_hooks_of_the_snippet_exist() -> None:
    hooks = {hook["id"] for hook in YAML(typ="safe").load(PROJECT / ".pre-commit-hooks.yaml")}
    assert {hook["id"] for repository in snippet("repos:")["repos"] for hook in repository["hooks"]} <= hooks
    assert set(re.findall(r"`(k3s-policy-\w+)`", README.read_text(encoding="utf-8"))) < hooks


def test_the_workflow_uploads_after_findings_too() -> None:
    (job,) = snippet("name: k3s-policy")["jobs"].values()
    *_, scan, upload = job["steps"]
    assert upload["if"] == "always()"
    assert f"--output sarif:{upload['with']['sarif_file']}" in scan["run"]


def test_options_of_the_snippet_are_understood() -> None:
    (content,) = [fence for fence in fences("yaml") if "\nclusters:" in fence]
    parsed = options.parse(Source(options.FILE_NAME, content).text)
    assert [(cluster.name, len(cluster.servers), len(cluster.agents)) for cluster in parsed.clusters] == [
        ("production", 2, 1)
    ]
    assert parsed.version is not None


def test_named_files_exist() -> None:
    content = README.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", content)
    schemas = re.findall(r"schemas/[a-z0-9-]+\.json", content)
    assert linked
    assert schemas
    assert [path for path in (*linked, *schemas) if not (PROJECT / path).exists()] == []
