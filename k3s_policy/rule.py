"""Rules: one module of `k3s_policy/checks/` each, found by lying there.

The module's name is the rule's name, its docstring the documentation, the annotation of `check` says whom it
judges. Nothing is registered by hand.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from k3s_policy import model
from k3s_policy.finding import Confidence, Related, RuleCard, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.text import Text

__all__ = ["Problem", "Problems", "Rule", "load", "names", "rule"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a check reports: the characters at fault, and one sentence about them."""

    at: Text
    message: str
    help: str = ""
    severity: Severity | None = None
    """Where this case is graver or milder than the rule's own severity."""
    confidence: Confidence = Confidence.HIGH
    related: tuple[tuple[Text, str], ...] = ()
    """Other places that belong to it, and what stands there."""

    @property
    def places(self) -> tuple[Related, ...]:
        """The related places as a finding holds them."""
        return tuple(Related(text.span, message) for text, message in self.related)


Problems: TypeAlias = "Iterator[Problem]"


@dataclass(frozen=True)
class Rule:
    """One rule: its card, whom it judges, and the check."""

    card: RuleCard
    judges: tuple[type, ...]
    check: Callable[[Any], Problems]

    @property
    def name(self) -> str:
        """The name users write: the module's, with hyphens."""
        return self.card.name


def rule(
    *, severity: str, see: tuple[str, ...] = (), tags: tuple[str, ...] = ()
) -> Callable[[Callable[[Any], Problems]], Callable[[Any], Problems]]:
    """Mark a module's `check`, giving the rule's severity, addresses to read more at, and tags."""

    def mark(check: Callable[[Any], Problems]) -> Callable[[Any], Problems]:
        check.__dict__["about"] = (Severity[severity.upper()], see, tags)
        return check

    return mark


def names() -> tuple[str, ...]:
    """Return the names of all rules, in their order."""
    folder = os.path.join(os.path.dirname(__file__), "checks")
    files = (name for name in os.listdir(folder) if name.endswith(".py") and not name.startswith("_"))
    return tuple(sorted(name.removesuffix(".py").replace("_", "-") for name in files))


def load(name: str) -> Rule:
    """Load a rule by its name. Raises ModuleNotFoundError where there is none."""
    module = import_module(f"k3s_policy.checks.{name.replace('-', '_')}")
    check = module.check
    severity, see, tags = check.about
    summary, _, page = (module.__doc__ or "").strip().partition("\n")
    card = RuleCard(name, summary.rstrip("."), page.strip() + "\n", severity, see, ("security", "k3s", *tags))
    return Rule(card, tuple(_judged(check)), check)


def _judged(check: Callable[[Any], Problems]) -> Iterator[type]:
    """Read the annotation of the first parameter: `Server`, or several kinds joined by `|`."""
    annotation = next(iter(check.__annotations__.values()))
    for kind in str(annotation).split("|"):
        yield getattr(model, kind.strip())
