"""How the source is written, where no linter asks."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "k3s_policy"
MOST_BY_POSITION = 4
"""Arguments of a constructor that a reader can tell apart without their names."""


def unnamed(code: str) -> Iterator[str]:
    """Yield the line and class of each constructor that is given more than a few arguments by position."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and len(node.args) > MOST_BY_POSITION:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name.lstrip("_")[:1].isupper():
                yield f"{node.lineno}: {name}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_constructors_of_many_arguments_are_called_with_keywords(path: Path) -> None:
    assert not list(unnamed(path.read_text(encoding="utf-8")))


def test_a_constructor_of_many_arguments_is_found() -> None:
    assert list(unnamed("Cut(1, 2, 3, 4)\ncut(1, 2, 3, 4, 5)\nformats.Cut(1, 2,\n3, 4, 5)\n_Cut(1, 2, 3, 4, 5)")) == [
        "3: Cut",
        "5: _Cut",
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_records_do_not_print_what_they_hold(path: Path) -> None:
    """It may be a credential, which a traceback or a log would show; and the code for it takes time to make."""
    decorators = [
        ast.unparse(decorator)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
    ]
    assert all("repr=False" in one for one in decorators if one.startswith("dataclass"))
