"""Every rule judged by the cases of its page, `tests/checks/<rule>.md`."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_cases import Case, actual_findings, cases, difference, titles

from k3s_policy.assemble import Scope
from k3s_policy.judge.rule import names
from k3s_policy.run import Policy, examine

PAGES = sorted((Path(__file__).parent / "checks").glob("*.md"))
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
def test_findings_of_a_case(case: Case) -> None:
    different = difference(case.expected, actual_findings(case))
    assert not different, f"\n{case.page}.md:{case.line}: {case.title} (- expected, + found)\n{different}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.page}: {case.title}")
def test_no_rule_raises_on_a_case(case: Case) -> None:
    report = examine(case.sources, Policy(names()), Scope(case.options, case.version))
    assert not report.errors


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert [page.stem for page in PAGES] == list(names())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_cases_that_are_found_and_cases_that_are_clean(page: Path) -> None:
    own = [case for case in CASES if case.page == page.stem]
    assert len(own) >= 5
    assert any(not case.expected.strip() for case in own), "no case is clean"
    assert any(case.expected.strip() for case in own), "nothing is ever found"
    assert all(case.kind == "findings" for case in own)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_heading_is_a_case(page: Path) -> None:
    own = [case.title for case in CASES if case.page == page.stem]
    assert len(own) == len(titles(page))
    assert len(set(own)) == len(own), "two cases share a title"


def test_no_case_is_lost() -> None:
    assert len(CASES) == sum(len(titles(page)) for page in PAGES)
    assert len(CASES) >= 50


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("", [], True),
        ("", ["a:1:1-2 low x"], False),
        ("a:1:1-2 low x\n", [], False),
        ("a:1:1-2 low x\n", ["a:1:1-2 low x"], True),
        ("a:1:1-2 low x…\n", ["a:1:1-2 low xyz"], True),
        ("a:1:1-2 low x\n", ["a:1:1-2 low xyz"], False),
        ("a:1:1-2 low x\n", ["a:1:1-2 low x", "    related b:1:1 y"], True),
        ("a:1:1-2 low x\n    related b:1:1 y\n", ["a:1:1-2 low x", "    related b:1:1 y"], True),
        ("a:1:1-2 low x\n    related b:1:1 y\n", ["a:1:1-2 low x", "    related b:1:2 y"], False),
        ("a:1:1-2 low x\n    related b:1:1 y\n", ["a:1:1-2 low x"], False),
        ("a:1:1-2 low x\nb:1:1-2 low y\n", ["b:1:1-2 low y", "a:1:1-2 low x"], False),
    ],
)
def test_what_counts_as_different(expected: str, actual: list[str], same: bool) -> None:  # noqa: FBT001
    assert (difference(expected, actual) == "") is same
