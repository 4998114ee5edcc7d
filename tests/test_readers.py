"""What readers and lowering make of files, by the cases of `tests/readers/<format>.md`.

`pytest tests/test_readers.py -k "FORMAT:"` runs the cases of one reader.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_cases import Case, actual_settings, cases, difference, settings_of, titles

from k3s_policy.semgrep.searched import Patterns, search

if TYPE_CHECKING:
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Source

PAGES = sorted((Path(__file__).parent / "readers").glob("*.md"))
CASES = [case for page in PAGES for case in cases(page)]


def _parameters() -> list[object]:
    return [
        pytest.param(
            case,
            id=f"{case.page}: {case.title}",
            marks=[pytest.mark.xfail(reason=case.xfail, strict=True)] if case.xfail else [],
        )
        for case in CASES
    ]


SEARCHED = "semgrep"
"""The page whose files are searched by patterns, all of them at once: each run of Semgrep takes its time."""


@pytest.fixture(scope="session")
def searched() -> dict[str, list[str]]:
    """Return the settings of each case of that page, by its title."""
    moved: dict[str, tuple[Source, ...]] = {}
    own = [case for case in CASES if case.page == SEARCHED]
    for number, case in enumerate(own):
        moved[case.title] = tuple(replace(source, path=f"case-{number}/{source.path}") for source in case.sources)
    found = search([source for sources in moved.values() for source in sources], [], Patterns(), {})
    assert not found.errors
    by_folder: dict[str, list[Fragment]] = {}
    for folder, fragment in found.fragments:
        by_folder.setdefault(folder.path.partition("/")[0], []).append(fragment)
    return {
        case.title: [
            line.replace(f"case-{number}/", "") for line in settings_of(by_folder.get(f"case-{number}", []), case)
        ]
        for number, case in enumerate(own)
    }


@pytest.mark.parametrize("case", _parameters())
def test_settings_of_a_case(case: Case, request: pytest.FixtureRequest) -> None:
    own = request.getfixturevalue("searched")[case.title] if case.page == SEARCHED else actual_settings(case)
    different = difference(case.expected.splitlines(), own)
    assert not different, f"\n{case.page}.md:{case.line}: {case.title} (- expected, + found)\n{different}"


def test_every_reader_has_a_page() -> None:
    package = Path(__file__).parent.parent / "k3s_policy" / "readers"
    readers = {path.stem for path in package.iterdir() if not path.name.startswith("_")}
    objects = {path.stem for path in (package / "manifest").iterdir() if not path.name.startswith("_")}
    assert readers | objects | {SEARCHED, "described"} == {page.stem for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_heading_is_a_case(page: Path) -> None:
    own = [case for case in CASES if case.page == page.stem]
    assert len(own) == len(titles(page))
    assert len(own) >= 6
    assert len({case.title for case in own}) == len(own), "two cases share a title"
    assert all(case.kind == "settings" for case in own)
    assert any(not case.expected.strip() for case in own), "nothing is left alone"
