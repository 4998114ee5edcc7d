"""Who may know whom, beyond the order of stages: reports, checks and formats know no more than they need."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from k3s_policy.judge.rule import names

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "k3s_policy"
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "core", "shared"}


def _modules(folder: str = "") -> list[Path]:
    return sorted(path for path in (PACKAGE / folder).rglob("*.py") if path != PACKAGE / "__init__.py")


def _imports(path: Path) -> Iterator[str]:
    """Yield the dotted names, below the package, that a module imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("k3s_policy"):
            below = (node.module or "").removeprefix("k3s_policy").removeprefix(".")
            yield from (f"{below}.{alias.name}".removeprefix(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports by relative path"


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_there_are_modules() -> None:
    assert len(_modules()) > 30
    assert len(_modules("checks")) >= 10
    assert len(_modules("reports")) >= 5


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_no_module_is_called_something_vague(path: Path) -> None:
    assert not VAGUE & {part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts}


@pytest.mark.parametrize("path", _modules("reports"), ids=_name)
def test_reports_see_only_the_report(path: Path) -> None:
    allowed = ("model.finding.", "model.masking.", "text.", "k3s.data", "reports", "address.")
    assert [name for name in _imports(path) if not name.startswith(allowed)] == []


@pytest.mark.parametrize("path", _modules("checks"), ids=_name)
def test_checks_know_what_they_judge_and_not_each_other(path: Path) -> None:
    forbidden = (
        *("checks", "judge", "run", "cli", "reports"),
        *("readers", "assemble", "discover"),
    )
    rule = path.relative_to(PACKAGE / "checks").parts[0]
    found = [name for name in _imports(path) if not name.startswith(("judge.rule.", f"checks.{rule}."))]
    assert [name for name in found if name.partition(".")[0] in forbidden] == []


@pytest.mark.parametrize("module", ["judge/__init__", "judge/redact", "run"])
def test_the_pipeline_knows_no_rule_by_name(module: str) -> None:
    content = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    assert [name for name in names() if name in content] == []


@pytest.mark.parametrize("path", _modules("readers"), ids=_name)
def test_readers_know_nothing_of_judging(path: Path) -> None:
    forbidden = (
        *("checks", "judge.", "run", "cli", "reports", "model.finding"),
        *("assemble", "discover"),
    )
    assert [name for name in _imports(path) if name.startswith(forbidden)] == []


@pytest.mark.parametrize("path", [*_modules("text"), *_modules("formats")], ids=_name)
def test_formats_know_nothing_of_k3s(path: Path) -> None:
    assert [name for name in _imports(path) if not name.startswith(("text", "formats"))] == []


@pytest.mark.parametrize("path", _modules("k3s"), ids=_name)
def test_facts_of_k3s_know_nothing_of_the_model(path: Path) -> None:
    assert [name for name in _imports(path) if not name.startswith(("text", "formats", "k3s"))] == []


def _rules() -> list[Path]:
    """Return the module of each rule: one of several modules is a folder."""
    folder = PACKAGE / "checks"
    return [
        path
        for path in [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
        if path.parent != folder or path.stem != "__init__"
    ]


@pytest.mark.parametrize("path", _rules(), ids=_name)
def test_a_check_has_one_entry(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert public == ["check"]
