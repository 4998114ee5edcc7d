"""Every rule judged by the cases of its page, `tests/checks/<rule>.md`.

`pytest tests/test_checks.py -k "RULE:"` runs the cases of one rule. With `UPDATE_CASES=1` before it, the messages and
helps that are found are written into the page first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from finding_lines import actual_findings, asserted_helps, findings_difference, update
from markdown_cases import Case, cases, titles

from k3s_policy.assemble.scope import Scope
from k3s_policy.judge.rule import names
from k3s_policy.run import Policy, examine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


class Page(NamedTuple):
    """A page of cases, as it is when the tests run."""

    cases: dict[str, Case]
    """The cases, by their titles."""
    helps: frozenset[str]
    """Every help that the page asserts somewhere."""


@pytest.fixture(scope="session")
def pages(request: pytest.FixtureRequest) -> dict[str, Page]:
    """Return all pages by their names, with the words of the cases that are run brought up to date if that is asked."""
    if os.environ.get("UPDATE_CASES"):
        chosen = list(_chosen(request.session.items))
        for page in PAGES:
            update(page, {case.title for case in chosen if case.page == page.stem})
    own = {page.stem: cases(page) for page in PAGES}
    return {name: Page({case.title: case for case in page}, asserted_helps(page)) for name, page in own.items()}


def _chosen(items: Iterable[pytest.Item]) -> Iterator[Case]:
    """Yield the cases whose findings are tested in this run."""
    for item in items:
        if isinstance(item, pytest.Function) and item.function is test_findings_of_a_case:
            case = item.callspec.params["case"]
            assert isinstance(case, Case)
            yield case


@pytest.mark.parametrize("case", _parameters())
def test_findings_of_a_case(case: Case, pages: dict[str, Page]) -> None:
    page = pages[case.page]
    case = page.cases[case.title]
    different = findings_difference(case.expected, actual_findings(case), page.helps)
    left = (
        "\nNot updated: places, severities or the number of findings differ." if os.environ.get("UPDATE_CASES") else ""
    )
    assert not different, f"\n{case.page}.md:{case.line}: {case.title} (- expected, + found)\n{different}{left}"


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
