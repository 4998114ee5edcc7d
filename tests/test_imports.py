"""Imports go one way: the table in CONTRIBUTING.md is the order."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from k3s_policy.text.pattern import Later

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "k3s_policy"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def stages() -> list[list[str]]:
    """Return the modules of each row of the table."""
    table = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| stage | modules |")[2]
    rows = re.findall(r"(?m)^\| \w+ \| (`.*?`) \|", table.partition("\n\n")[0])
    return [re.findall(r"`([a-z0-9_*]+)`", cell) for cell in rows]


def stage(module: str) -> int:
    """Return the number of the one row that a module stands in."""
    (number,) = [n for n, names in enumerate(stages()) if any(fnmatchcase(module, name) for name in names)]
    return number


def imported(path: Path) -> Iterator[str]:
    """Yield the module or folder of the package that each import names, those for annotations too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "k3s_policy":
            below = (node.module or "").split(".")[1:]
            yield from below[:1] or (alias.name for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nothing_imports_a_later_stage(path: Path) -> None:
    own = stage(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))
    assert [name for name in imported(path) if stage(name) > own] == []


def test_every_row_of_the_table_names_modules_that_exist() -> None:
    assert len(stages()) == 13
    for names in stages():
        assert all(list(PACKAGE.glob(name)) or list(PACKAGE.glob(f"{name}.py")) for name in names)


def test_patterns_that_are_compiled_later_can_be() -> None:
    found = 0
    for path in MODULES:
        name = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        for value in vars(import_module(name)).values():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, Later):
                    re.compile(*one.compiling)
                    found += 1
    assert found > 50
