"""Rules: one module of `k3s_policy/checks/` each, found by lying there.

The module's name is the rule's name, its docstring the documentation, the annotation of `check` says whom it
judges, and its decorator which flags it is about. Nothing is registered by hand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from k3s_policy.judge import head
from k3s_policy.model import cluster, fragment, invocation, subjects
from k3s_policy.model.finding import PROFILES, Confidence, Related, RuleCard, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from k3s_policy.text import Text

__all__ = ["Cards", "CardsByName", "Check", "Problem", "Problems", "Rule", "load", "load_for", "names", "rule"]


@dataclass(frozen=True, eq=False, repr=False)
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


@dataclass(frozen=True, repr=False)
class Check:
    """A module's `check` and what its decorator says about it."""

    function: Callable[[Any], Problems]
    severity: Severity
    see: tuple[str, ...]
    tags: tuple[str, ...]
    flags: tuple[str, ...]
    fields: tuple[str, ...]
    owns_credential: bool
    yields_credential: bool
    profile: str


@dataclass(frozen=True, repr=False)
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


def rule(  # noqa: PLR0913  one for each thing that is said of a rule
    *,
    severity: str,
    see: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    fields: tuple[str, ...] = (),
    owns_credential: bool = False,
    yields_credential: bool = False,
    profile: str = PROFILES[0],
) -> Callable[[Callable[[Any], Problems]], Check]:
    """Make a module's function its check, giving the rule's severity, addresses to read more at, and tags.

    `flags` and `fields` keep it from being imported where it has nothing to say: of an Invocation it speaks only if
    that is given one of the flags, or one of its fields is filled, as `head.Head` tells. They are read, not run:
    they have to be texts. A credential gets one finding: see `Rule` for those that own it and those that yield. A rule
    of another profile than the first is only asked where a user wants that profile, or the rule by its name.
    """

    def made(function: Callable[[Any], Problems]) -> Check:
        level = Severity[severity.upper()]
        return Check(
            function=function,
            severity=level,
            see=see,
            tags=tags,
            flags=flags,
            fields=fields,
            owns_credential=owns_credential,
            yields_credential=yields_credential,
            profile=profile,
        )

    return made


@cache
def names() -> tuple[str, ...]:
    """Return the names of all rules, in their order."""
    return tuple(sorted(_files()))


def load(name: str) -> Rule:
    """Load a rule by its name. Raises ModuleNotFoundError where there is none."""
    module = import_module(f"k3s_policy.checks.{name.replace('-', '_')}")
    check: Check = module.check
    summary, _, page = (module.__doc__ or "").strip().partition("\n")
    tags = ("security", "k3s", *check.tags)
    card = RuleCard(
        name=name,
        summary=summary.rstrip("."),
        documentation=page.strip() + "\n",
        severity=check.severity,
        see=check.see,
        tags=tags,
        profile=check.profile,
    )
    judges = tuple(_judged(check.function))
    return Rule(
        card=card,
        judges=judges,
        check=check.function,
        owns_credential=check.owns_credential,
        yields_credential=check.yields_credential,
    )


def load_for(wanted: Iterable[str], subjects: Iterable[object]) -> list[Rule]:
    """Load those rules that can have something to say about some subjects.

    A rule about clusters is not imported where there is none, nor one about a flag that nobody sets. Raises
    CheckFailedError where a check does not say as it has to whom it judges.
    """
    there = head.subjects_of(subjects)
    return [load(name) for name in wanted if head.read(name, _files()[name]).applies(there)]


@cache
def _files() -> dict[str, str]:
    """Return the module of each rule, by its name; a rule of several modules is a folder."""
    found = {}
    for module in os.listdir(_FOLDER):
        name, suffix = os.path.splitext(module)
        file = os.path.join(_FOLDER, module) if suffix else os.path.join(_FOLDER, module, "__init__.py")
        if not name.startswith("_") and (suffix == ".py" or (not suffix and os.path.isfile(file))):
            found[name.replace("_", "-")] = file
    return found


_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "checks")


class CardsByName(Mapping[str, RuleCard]):
    """The card of each rule, by its name; a card is loaded when it is looked at."""

    def __len__(self) -> int:
        return len(names())

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __contains__(self, name: object) -> bool:
        return name in names()

    def __getitem__(self, name: str) -> RuleCard:
        if name not in self:
            raise KeyError(name)
        return load(name).card


class Cards(Sequence[RuleCard]):
    """The cards of all rules, in the order of their names; a card is loaded when it is looked at.

    Behind them stand those of rules that the user brought along.
    """

    def __init__(self, foreign: Sequence[RuleCard] = ()) -> None:
        """Know their names."""
        self._names = names()
        self._foreign = tuple(foreign)

    def __len__(self) -> int:
        return len(self._names) + len(self._foreign)

    @overload
    def __getitem__(self, index: int) -> RuleCard: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RuleCard]: ...
    def __getitem__(self, index: int | slice) -> RuleCard | Sequence[RuleCard]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        position = range(len(self))[index]
        own = len(self._names)
        return load(self._names[position]).card if position < own else self._foreign[position - own]


def _judged(function: Callable[[Any], Problems]) -> Iterator[type]:
    """Read the annotation of the first parameter: `Server`, or several kinds joined by `|`."""
    annotation = next(iter(function.__annotations__.values()))
    for kind in map(str.strip, str(annotation).split("|")):
        if kind == "Datastore":
            from k3s_policy.model.datastore import Datastore  # loaded where there is one

            yield Datastore
        else:
            module = next(module for module in _JUDGED if hasattr(module, kind))
            yield getattr(module, kind)


_JUDGED = (invocation, cluster, subjects, fragment)
"""The modules of what checks judge."""
