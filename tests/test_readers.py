"""What readers and lowering make of files, by the cases of `tests/readers/<format>.md`."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_cases import Case, actual_settings, cases, difference, titles

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


@pytest.mark.parametrize("case", _parameters())
def test_settings_of_a_case(case: Case) -> None:
    different = difference(case.expected, actual_settings(case))
    assert not different, f"\n{case.page}.md:{case.line}: {case.title} (- expected, + found)\n{different}"


def test_every_reader_has_a_page() -> None:
    package = Path(__file__).parent.parent / "k3s_policy" / "readers"
    readers = {path.stem for path in package.iterdir() if not path.name.startswith("_")} - {"dispatch"}
    assert readers == {page.stem for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_heading_is_a_case(page: Path) -> None:
    own = [case for case in CASES if case.page == page.stem]
    assert len(own) == len(titles(page))
    assert len(own) >= 6
    assert len({case.title for case in own}) == len(own), "two cases share a title"
    assert all(case.kind == "settings" for case in own)
    assert any(not case.expected.strip() for case in own), "nothing is left alone"
