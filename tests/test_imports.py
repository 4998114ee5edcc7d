"""Imports go one way: the table in CONTRIBUTING.md is the order."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from k3s_policy.text.pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

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


# --- circles ----------------------------------------------------------------------------------------------


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def at_run_time(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of a module and of its functions, but for those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from at_run_time(ast.Module([other], []))
        else:
            yield from at_run_time(child)


def needed(name: str, code: str, modules: Collection[str]) -> Iterator[str]:
    """Yield the modules that a module loads: those it names, and the packages that they lie in and it does not."""
    for node in at_run_time(ast.parse(code)):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            named = [part if part in modules else str(node.module) for part in parts]
        for one in named:
            if one in modules:
                yield one
            for package in packages(one):
                if package in modules and not f"{name}.".startswith(f"{package}."):
                    yield package


def packages(module: str) -> Iterator[str]:
    parts = module.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts)))


def circle(code: Mapping[str, str]) -> list[str]:
    """Return a circle, if there is one: each module loads the next, and the first stands at the end once more."""
    try:
        TopologicalSorter({name: set(needed(name, own, code)) for name, own in code.items()}).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]
    return []


def test_modules_import_each_other_in_no_circle() -> None:
    code = {dotted(path): path.read_text(encoding="utf-8") for path in MODULES}
    assert circle(code) == []


@pytest.mark.parametrize(
    "code",
    [
        {"a": "import b", "b": "import a"},
        {"a": "from b import x", "b": "def f():\n    from c import y", "c": "try:\n    import a\nfinally:\n    pass"},
        {"p": "from p.one import x", "p.one": "from p import y"},
        {"p": "from p.one import x", "p.one": "from q import x", "q": "from p.two import y", "p.two": ""},
        {"a": "if TYPE_CHECKING:\n    pass\nelse:\n    import b", "b": "from a import x"},
    ],
)
def test_a_circle_is_found(code: dict[str, str]) -> None:
    found = circle(code)
    assert found[0] == found[-1]
    assert len(set(found)) > 1


@pytest.mark.parametrize(
    "code",
    [
        {"a": "import b\nimport os", "b": "from os import path"},
        {"a": "from b import x", "b": "if TYPE_CHECKING:\n    from a import y"},
        {"p": "from p import one\nfrom p.two import x", "p.one": "", "p.two": "from p import one"},
        {"p": "", "p.one": "from p import y", "p.two": "from p.one import x"},
    ],
)
def test_no_circle_is_found_where_there_is_none(code: dict[str, str]) -> None:
    assert circle(code) == []


# --- readers ----------------------------------------------------------------------------------------------


READERS = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] == "readers"]
DOOR = "k3s_policy.readers.door"


def reader(module: str) -> str:
    """Return the name of the reader that a module is, or is a part of."""
    return ".".join(module.split(".")[:3])


def readers_named(path: Path) -> Iterator[str]:
    """Yield the modules of readers that a module imports, those for annotations too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("k3s_policy.readers"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("k3s_policy.readers"))


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_reader_imports_another(path: Path) -> None:
    own = reader(dotted(path))
    assert [name for name in readers_named(path) if reader(name) != own] == []


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path not in READERS], ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_nobody_calls_a_reader_but_the_door(path: Path) -> None:
    assert {reader(name) for name in readers_named(path)} <= {DOOR}


def test_only_the_door_names_readers_by_their_paths() -> None:
    naming = [
        path for path in MODULES if "k3s_policy.readers." in path.read_text(encoding="utf-8").replace("from ", "")
    ]
    loading = [path for path in naming if re.search(r"import_module\(.*readers", path.read_text(encoding="utf-8"))]
    assert [dotted(path) for path in loading] == [DOOR, "k3s_policy.readers.manifest"]


def test_patterns_that_are_compiled_later_can_be() -> None:
    found = 0
    for path in MODULES:
        for value in vars(import_module(dotted(path))).values():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, LazyPattern):
                    re.compile(*one.compiling)
                    found += 1
    assert found > 50
