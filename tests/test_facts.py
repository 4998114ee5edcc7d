"""Every known way to get K3s wrong is a case, or it is said why no static check can see it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_cases import cases

TESTS = Path(__file__).parent
ROWS = [
    line.split("\t")
    for line in (TESTS / "facts.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith(("#", "fact\t"))
]


def _numbers(kind: str) -> set[int]:
    return {int(fact.split()[1]) for fact, *_ in ROWS if fact.startswith(kind)}


def test_every_fact_is_in_the_table() -> None:
    assert _numbers("table") == set(range(1, 65))
    assert _numbers("pitfall") == set(range(1, 22))
    assert _numbers("mistake") == set(range(1, 31))
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row[2] != "-"], ids=lambda row: f"{row[0]} {row[1]}")
def test_a_fact_is_found_by_a_case(row: list[str]) -> None:
    _, _, rule, title = row
    found = [case for case in cases(TESTS / "checks" / f"{rule}.md") if case.title == title]
    assert len(found) == 1, f"{rule}.md has no case called {title}"
    assert re.search(r"(?m)^\S+:\d+:\d+", found[0].expected), f"nothing is found by the case {title} of {rule}.md"


def test_most_facts_can_be_seen() -> None:
    unseen = [row for row in ROWS if row[2] == "-"]
    assert all(row[3] for row in unseen)
    assert len(ROWS) - len(unseen) >= 98
