"""Rules: one module of `k3s_policy/checks/` each, found by lying there.

The module's name is the rule's name, its docstring the documentation, the annotation of `check` says whom it
judges. Nothing is registered by hand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from k3s_policy import fragment, model
from k3s_policy.finding import Confidence, Related, RuleCard, Severity
from k3s_policy.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from k3s_policy.text import Text

__all__ = ["Cards", "Check", "Problem", "Problems", "Rule", "load", "load_for", "names", "rule"]


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
        return tuple(dict.fromkeys(Related(text.span, message) for text, message in self.related))


Problems: TypeAlias = "Iterator[Problem]"


@dataclass(frozen=True)
class Check:
    """A module's `check` and what its decorator says about it."""

    function: Callable[[Any], Problems]
    severity: Severity
    see: tuple[str, ...]
    tags: tuple[str, ...]
    owns_credential: bool
    yields_credential: bool


@dataclass(frozen=True)
class Rule:
    """One rule: its card, whom it judges, and the check."""

    card: RuleCard
    judges: tuple[type, ...]
    check: Callable[[Any], Problems]
    owns_credential: bool = False
    """Whether a credential that it finds is its own, and no matter of a rule that yields."""
    yields_credential: bool = False
    """Whether it is silent about a credential that a rule which owns it has found."""

    @property
    def name(self) -> str:
        """The name users write: the module's, with hyphens."""
        return self.card.name


def rule(
    *,
    severity: str,
    see: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    owns_credential: bool = False,
    yields_credential: bool = False,
) -> Callable[[Callable[[Any], Problems]], Check]:
    """Make a module's function its check, giving the rule's severity, addresses to read more at, and tags.

    A credential gets one finding: see `Rule` for those that own it and those that yield.
    """

    def made(function: Callable[[Any], Problems]) -> Check:
        return Check(function, Severity[severity.upper()], see, tags, owns_credential, yields_credential)

    return made


def names() -> tuple[str, ...]:
    """Return the names of all rules, in their order."""
    files = (name for name in os.listdir(_FOLDER) if name.endswith(".py") and not name.startswith("_"))
    return tuple(sorted(name.removesuffix(".py").replace("_", "-") for name in files))


def load(name: str) -> Rule:
    """Load a rule by its name. Raises ModuleNotFoundError where there is none."""
    module = import_module(f"k3s_policy.checks.{name.replace('-', '_')}")
    check: Check = module.check
    summary, _, page = (module.__doc__ or "").strip().partition("\n")
    tags = ("security", "k3s", *check.tags)
    card = RuleCard(name, summary.rstrip("."), page.strip() + "\n", check.severity, check.see, tags)
    judges = tuple(_judged(check.function))
    return Rule(card, judges, check.function, check.owns_credential, check.yields_credential)


def load_for(wanted: Iterable[str], subjects: Iterable[object]) -> list[Rule]:
    """Load those rules that judge one of some subjects.

    Whom a check judges is read in its signature: a rule about clusters is not imported where there is none.
    """
    kinds = {kind.__name__ for subject_type in set(map(type, subjects)) for kind in subject_type.__mro__}
    return [load(name) for name in wanted if not kinds.isdisjoint(_kinds(name))]


def _kinds(name: str) -> list[str]:
    with open(os.path.join(_FOLDER, f"{name.replace('-', '_')}.py"), encoding="utf-8") as file:
        signature = _SIGNATURE.search(file.read())
    return signature[1].split(" | ") if signature else []


_FOLDER = os.path.join(os.path.dirname(__file__), "checks")
_SIGNATURE = pattern(r"\ndef check\(\w+: ([\w |]+)\)")


class Cards(Sequence[RuleCard]):
    """The cards of all rules, in the order of their names; a card is loaded when it is looked at."""

    def __init__(self) -> None:
        """Know their names."""
        self._names = names()

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> RuleCard: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RuleCard]: ...
    def __getitem__(self, index: int | slice) -> RuleCard | Sequence[RuleCard]:
        if isinstance(index, slice):
            return [load(name).card for name in self._names[index]]
        return load(self._names[index]).card


def _judged(function: Callable[[Any], Problems]) -> Iterator[type]:
    """Read the annotation of the first parameter: `Server`, or several kinds joined by `|`."""
    annotation = next(iter(function.__annotations__.values()))
    for kind in map(str.strip, str(annotation).split("|")):
        if kind == "Datastore":
            from k3s_policy.datastore import Datastore  # noqa: PLC0415  loaded where there is one

            yield Datastore
        else:
            yield getattr(model, kind) if hasattr(model, kind) else getattr(fragment, kind)
