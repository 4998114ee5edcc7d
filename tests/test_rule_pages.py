"""Every rule's docstring: its page is in order, and its examples are judged as it says."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest
from markdown_cases import fences

from k3s_policy.assemble.options import ClusterOptions, Options
from k3s_policy.assemble.scope import Scope
from k3s_policy.judge import rule as catalogue
from k3s_policy.judge.rule import load, names
from k3s_policy.model.finding import Severity
from k3s_policy.run import Policy, examine
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from markdown_cases import Fence

    from k3s_policy.model.finding import Finding

_PATHS = {
    "yaml": "etc/rancher/k3s/config.yaml",
    "sh": "install.sh",
    "ini": "etc/systemd/system/k3s.service",
}
RULES = names()


def _page(rule: str) -> str:
    return importlib.import_module(f"k3s_policy.checks.{rule.replace('-', '_')}").__doc__ or ""


def _examples(rule: str, kind: str) -> list[Fence]:
    return [fence for fence in fences(_page(rule)) if kind in fence.words]


def _judged(examples: list[Fence], rules: tuple[str, ...]) -> tuple[Finding, ...]:
    """Judge examples as one repository; each declared cluster has the folders of its files as servers."""
    sources = [Source(_path(fence), fence.content) for fence in examples]
    assert len({source.path for source in sources}) == len(sources), "two examples lie at one path"
    return examine(sources, Policy(rules), Scope(Options(tuple(_clusters(examples))))).findings


def _path(fence: Fence) -> str:
    return fence.value("path") or _PATHS[fence.language]


def _clusters(examples: list[Fence]) -> Iterator[ClusterOptions]:
    for name in dict.fromkeys(fence.value("cluster") for fence in examples):
        if name is not None:
            paths = [_path(fence) for fence in examples if fence.value("cluster") == name]
            yield ClusterOptions(name, tuple(f"/{path.partition('/')[0]}/" for path in paths))


@pytest.mark.parametrize("rule", RULES)
def test_wrong_examples_are_found(rule: str) -> None:
    examples = _examples(rule, "wrong")
    assert examples
    findings = _judged(examples, (rule,))
    assert findings
    assert {finding.rule for finding in findings} == {rule}


@pytest.mark.parametrize("rule", RULES)
def test_right_examples_are_clean(rule: str) -> None:
    examples = _examples(rule, "right")
    assert examples
    assert not _judged(examples, (rule,))


@pytest.mark.parametrize("rule", RULES)
def test_right_examples_show_no_grave_mistake_of_another_kind(rule: str) -> None:
    found = _judged(_examples(rule, "right"), RULES)
    assert not [finding for finding in found if finding.severity is Severity.HIGH]


@pytest.mark.parametrize("rule", RULES)
def test_every_example_is_wrong_or_right(rule: str) -> None:
    kinds = ["wrong" if "wrong" in fence.words else "right" for fence in fences(_page(rule))]
    assert len(kinds) == len(_examples(rule, "wrong")) + len(_examples(rule, "right"))
    assert kinds == sorted(kinds, reverse=True), "what is wrong stands before what is right"
    assert all(fence.content.strip() for fence in fences(_page(rule)))


@pytest.mark.parametrize("rule", RULES)
def test_the_page_is_in_order(rule: str) -> None:
    page = _page(rule)
    summary, blank, _ = page.split("\n", 2)
    assert summary.endswith("."), "the summary is a sentence"
    assert not summary.endswith("..")
    assert not blank, "the summary is one line"
    assert not re.search(r"[`*_\[]", summary), "the summary is plain text"
    assert summary[0].isupper()
    prose, _, examples = page.partition("```")
    assert len(prose.split("\n\n")) >= 2, "the page says why it matters"
    assert all(not after.strip() for after in re.split(r"(?ms)^```.*?^```$", f"```{examples}")), "examples come last"


@pytest.mark.parametrize("rule", RULES)
def test_the_card(rule: str) -> None:
    card = load(rule).card
    assert card.name == rule
    assert card.summary
    assert not card.summary.endswith(".")
    assert card.documentation.startswith(_page(rule).split("\n\n")[1][:20])
    assert card.see
    assert all(re.fullmatch(r"https://\S+", address) for address in card.see)
    assert {"security", "k3s"} <= set(card.tags)
    assert load(rule).judges


def test_only_modules_are_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = ("one_rule.py~", ".DS_Store", "gone/__pycache__/x.pyc")
    for name in ("one_rule.py", "several/__init__.py", "__init__.py", *stray):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(catalogue, "_FOLDER", str(tmp_path))
    monkeypatch.setattr(catalogue, "_files", catalogue._files.__wrapped__)  # noqa: SLF001  without what it has kept
    monkeypatch.setattr(catalogue, "names", catalogue.names.__wrapped__)
    assert catalogue.names() == ("one-rule", "several")
