"""The variables of a shell script: what each may hold at a point, and what a word becomes with it.

A variable has one or more bindings. Several stand in exclusive arms of a fork: `if`, `case`, or
`[ test ] && X=1`. Where the arms only add to what the variable held before, it keeps one binding whose
parts say in which arm each was added. So five `if ...; then ARGS="$ARGS --flag"; fi` make six words with
their conditions, not thirty-two command lines.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.shell.words import BLANKS, Piece, concatenate, shape_of
from k3s_policy.text.branch import ALWAYS, Branch, When, both, exclusive, possible
from k3s_policy.text.substitution import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.text import Text

__all__ = ["Assignment", "Binding", "Environment", "Part", "Variables", "Word", "both"]

MOST_COMBINATIONS = 8
"""How many alternatives the inside of one word may have before it counts as not known."""

MOST_BINDINGS = 16
"""How many alternatives a variable may have before it counts as not known."""

MOST_TRIED = 256
"""How many combinations of bindings are looked at; of variables set in the same arms few can be together."""

MOST_PARTS = 1000
"""How many parts a value may have before it counts as not known: `X="$X$X"` doubles each time."""


@dataclass(frozen=True, repr=False)
class Word:
    """One word of a command, after expansion and splitting; `quoted` if some part of it was quoted."""

    text: Text
    when: When
    quoted: bool


@dataclass(frozen=True, repr=False)
class Assignment:
    """A variable given a value: `X=1`, `export X=1`, `X+=1`, `: ${X:=1}`.

    `value` has its quotes removed and its expansions made; with `append` it is the whole value afterwards.
    That of an array is its elements as they are written, in parentheses. What stands in front of a command
    counts as exported: the command finds it in its environment.
    """

    name: Text
    value: Text
    exported: bool
    when: When
    append: bool


Environment = Mapping[str, tuple[Assignment, ...]]
"""Exported variables with their last assignments; several where they stand in different arms."""


class Part(NamedTuple):
    """A part of a value, or an element of an array, that is there in some arms."""

    text: Text
    when: When = ALWAYS


@dataclass(frozen=True, repr=False)
class Binding:
    """What a variable holds in some arms. Without parts that are known, nothing is known of it."""

    parts: tuple[Part, ...]
    when: When
    array: bool = False
    forks: tuple[tuple[Branch, ...], ...] = ()  # the forks its parts depend on, each with all its arms
    assignments: tuple[Assignment, ...] = ()

    @cached_property
    def known(self) -> bool:
        """Whether its value says more than the variable's name does."""
        if self.array:
            return True
        texts = [part.text for part in self.parts if part.text]
        return bool(self.parts) and (not texts or any(run.known for text in texts for run in text.runs))

    @cached_property
    def size(self) -> int:
        """How many characters it has, those of all arms together."""
        return sum(len(part.text) for part in self.parts)

    @cached_property
    def separable(self) -> bool:
        """Whether no word of it depends on more than one part, so that each can carry its own arms."""
        if self.array or not self.forks:
            return True
        parts = [part for part in self.parts if part.text]
        return all(
            one.when == other.when or _ends_blank(one.text) or _begins_blank(other.text)
            for one, other in pairwise(parts)
        )

    def limited(self) -> Binding:
        """Return the same, or an unknown one if it has grown beyond measure."""
        return self if len(self.parts) <= MOST_PARTS else Binding((), self.when)

    def alternatives(self) -> list[Binding]:
        """Return bindings without conditional parts that together say the same; an unknown one if too many."""
        if not self.forks:
            return [self]
        if prod(len(fork) for fork in self.forks) > MOST_COMBINATIONS:
            return [Binding((), self.when)]
        found: dict[tuple[int, ...], Binding] = {}
        for arms in product(*self.forks):
            when = both(self.when, arms)
            parts = tuple(Part(part.text) for part in self.parts if not exclusive(part.when, when))
            same = found.get(key := tuple(id(part.text) for part in parts))
            if same:  # what differs has no bearing on it
                when = tuple(branch for branch in when if branch in same.when)
            found[key] = Binding(parts, when, self.array)
        return list(found.values())

    def under(self, arm: Branch) -> Binding:
        """Return the same for when an arm is taken."""
        when = both(self.when, (arm,))
        return replace(self, when=when, assignments=_under(self.assignments, arm))


def _under(assignments: tuple[Assignment, ...], arm: Branch) -> tuple[Assignment, ...]:
    return tuple(replace(assignment, when=both(assignment.when, (arm,))) for assignment in assignments)


def _ends_blank(text: Text) -> bool:
    return shape_of(text)[-1] in " \t\n"


def _begins_blank(text: Text) -> bool:
    return shape_of(text)[0] in " \t\r\n"


class Variables:
    """What is known of variables at a point of a script.

    `later` holds what the script binds after a function was defined and before it is called. `allowance` says how much
    the values that are filled in may come to.
    """

    def __init__(
        self, later: Mapping[str, tuple[Binding, ...]] | None = None, allowance: Allowance | None = None
    ) -> None:
        self.bound: dict[str, tuple[Binding, ...]] = {}
        self.exported: set[str] = set()
        self.exports_all = False
        self.ended = False  # by exit or return
        self.folder = ""  # that commands work in; empty where nobody knows
        self.later = later or {}
        self._allowance = allowance or Allowance()
        self.in_function = False
        self._environment: Environment | None = None
        self._locals: dict[str, tuple[Binding, ...] | None] = {}

    def copy(self) -> Variables:
        """Return the variables as a subshell gets them."""
        other = Variables(self.later, self._allowance)
        other.bound = dict(self.bound)
        other.exported = set(self.exported)
        other.exports_all = self.exports_all
        other.folder = self.folder
        other.in_function = self.in_function
        other._environment = self._environment
        other._locals = self._locals  # shared: an arm of a fork declares for the whole function
        return other

    def lookup(self, name: str) -> tuple[Binding, ...]:
        """Return what a variable may hold, or nothing if the script has not assigned it."""
        if self.in_function and name not in self.bound:
            return self.later.get(name, ())
        return self.bound.get(name, ())

    @property
    def environment(self) -> Environment:
        """What a command started now would find in its environment, as far as the script has set it."""
        if self._environment is None:
            bound = {**self.later, **self.bound} if self.in_function else self.bound
            exported = {
                name: tuple(found for binding in bindings for found in binding.assignments if found.exported)
                for name, bindings in bound.items()
            }
            self._environment = MappingProxyType({name: found for name, found in exported.items() if found})
        return self._environment

    def bind(self, name: str, bindings: tuple[Binding, ...]) -> None:
        """Give a variable new contents."""
        self.bound[name] = bindings
        self._environment = None

    def take(self, given: Iterable[tuple[str, Text, When]]) -> None:
        """Bind variables that come from outside; they are in the environment of commands already."""
        for name, value, when in given:
            before = self.bound.get(name, ()) if when else ()
            self.bind(name, (*before, Binding((Part(value),), when)))

    def forget(self, name: str) -> None:
        """Bind a variable to something that is not known."""
        self.bind(name, (Binding((), ALWAYS),))

    def unset(self, name: str) -> None:
        """Remove a variable."""
        self.bound.pop(name, None)
        self.exported.discard(name)
        self._environment = None

    def export(self, name: str, *, exported: bool = True) -> None:
        """Mark a variable as exported, now and when it is assigned again."""
        (self.exported.add if exported else self.exported.discard)(name)
        marked = (
            replace(binding, assignments=tuple(replace(found, exported=exported) for found in binding.assignments))
            for binding in self.bound.get(name, ())
        )
        if name in self.bound:
            self.bind(name, tuple(marked))

    @contextmanager
    def function(self) -> Iterator[None]:
        """Go through the body of a function: what it declares local is forgotten afterwards."""
        outside = self.in_function, self.ended, self.folder, self._locals
        self.in_function, self.folder, self._locals, self._environment = True, "", {}, None
        yield
        for name, before in self._locals.items():
            if before is None:
                self.unset(name)
            else:
                self.bind(name, before)
        self.in_function, self.ended, self.folder, self._locals = outside
        self._environment = None

    def go_to(self, folders: Sequence[Text]) -> None:
        """Go to the folder that `cd` is given: a variable, a home and the folder before name one that nobody knows."""
        known = len(folders) == 1 and folders[0].known and not folders[0].startswith(("-", "~"))
        self.folder = posixpath.join(self.folder, str(folders[0])) if known else ""

    def localize(self, name: str) -> None:
        """Declare a variable local to the function, if in one."""
        if self.in_function:
            self._locals.setdefault(name, self.bound.get(name))

    def appended(self, name: Text, values: list[Binding], when: When) -> list[Binding]:
        """Return what a variable holds once these values have been added to it."""
        written = Part(name.stand_in(f"${name}", known=False))
        result = []
        for before, added in product(self._bindings(str(name), when) or [Binding((), ALWAYS)], values):
            both_when = both(before.when, added.when)
            if not possible(both_when):
                continue
            # An array does not come from the environment: one that was never assigned is empty.
            parts = before.parts if before.known or added.array else (written,)
            forks = tuple(dict.fromkeys((*before.forks, *added.forks)))
            result.append(Binding((*parts, *added.parts), both_when, before.array or added.array, forks).limited())
        return result

    # Expansion

    def words(self, found: Sequence[Piece], when: When) -> list[Word]:
        """Return the words that one word of a command becomes."""
        if len(found) == 1 and not found[0].expansion:
            return [Word(found[0].text, when, found[0].quoted)] if found[0].text or found[0].quoted else []
        if not any(piece.name for piece in found):
            return _Fields(found, {}, when).words
        whole = len(found) == 1
        joined = not whole or (found[0].quoted and found[0].every != "@")
        apart = joined or not all(binding.separable for binding in self._bindings(found[0].name, when))
        combinations = self._combinations(found, when, apart=apart)
        if len(combinations) > (MOST_BINDINGS if whole else MOST_COMBINATIONS):
            combinations = [({}, when)]
        return [
            word for chosen, taken in combinations for word in _Fields(found, self._allowed(found, chosen), taken).words
        ]

    def _bindings(self, name: str, when: When) -> list[Binding]:
        return [binding for binding in self.lookup(name) if not exclusive(binding.when, when)]

    def _combinations(
        self,
        found: Sequence[Piece],
        when: When,
        *,
        apart: bool,
    ) -> list[tuple[dict[str, Binding], When]]:
        """Choose a binding for each variable, in every way the script can take; none at all if there are too many.

        With `apart`, a binding whose parts have conditions counts as several.
        """
        names = dict.fromkeys(piece.name for piece in found if piece.name)
        choices = []
        for name in names:
            bindings = self._bindings(name, when)
            if apart:
                bindings = [alternative for binding in bindings for alternative in binding.alternatives()]
            choices.append(bindings or [Binding((), ALWAYS)])
        if prod(len(bindings) for bindings in choices) > MOST_TRIED:
            return [({}, when)]
        combinations = (
            (dict(zip(names, chosen, strict=True)), both(when, *(binding.when for binding in chosen)))
            for chosen in product(*choices)
        )
        return [(chosen, taken) for chosen, taken in combinations if possible(taken)]

    def only(self, found: Sequence[Piece], when: When) -> Text:
        """Return the text of pieces that are not split; what has several alternatives stays as written."""
        chosen: dict[str, Binding] = {}
        for piece in found:
            bindings = self._bindings(piece.name, when)
            if len(bindings) == 1 and not bindings[0].forks:
                chosen[piece.name] = bindings[0]
        allowed = self._allowed(found, chosen)
        return concatenate([part.text for piece in found for part in _parts(piece, allowed)])

    def _allowed(self, found: Sequence[Piece], chosen: Mapping[str, Binding]) -> Mapping[str, Binding]:
        """Return the bindings to fill in; none at all where they come to too much."""
        size = sum(chosen[piece.name].size for piece in found if piece.name in chosen)
        return chosen if self._allowance.take(size) else {}

    def values(self, found: Sequence[Piece], when: When) -> list[Binding]:
        """Return what a variable holds once these pieces have been assigned to it."""
        combinations = self._combinations(found, when, apart=False)
        if len(combinations) > MOST_COMBINATIONS:
            return [Binding((), when)]
        values = []
        for chosen, taken in combinations:
            allowed = self._allowed(found, chosen)
            parts = [part for piece in found for part in _parts(piece, allowed)]
            forks = dict.fromkeys(fork for binding in chosen.values() for fork in binding.forks)
            values.append(Binding(tuple(parts), taken, forks=tuple(forks)).limited())
        return values

    def default(self, piece: Piece) -> bool:
        """Whether `${X:=default}` gives X its default here: the script has not given it another value."""
        if piece.operator not in {":=", "="} or piece.argument is None:
            return False
        bindings = self.lookup(piece.name)
        return not bindings or (piece.operator == ":=" and all(_is_empty(binding) for binding in bindings))

    # Forks

    def merge(self, arms: Sequence[tuple[Branch, Variables]], others: Branch, *, exhaustive: bool) -> None:
        """Go on after a fork, of which these were the arms.

        `others` is the arm nothing is written for, where the arms are not exhaustive. It also stands for all
        arms that leave a variable alone, where there are several.
        """
        going_on = [(arm, variables) for arm, variables in arms if not variables.ended]
        if not going_on and exhaustive:
            self.ended = True
            going_on = list(arms)
        for name in self._changed([variables for _, variables in going_on]):
            before = self.bound.get(name, ())
            after = [(arm, variables.bound.get(name, ())) for arm, variables in going_on]
            changed = [(arm, bindings) for arm, bindings in after if bindings is not before]
            untouched = [arm for arm, bindings in after if bindings is before] + ([] if exhaustive else [others])
            other = others if len(untouched) > 1 else next(iter(untouched), None)
            if not self._add(name, before, changed, other):
                self._choose(name, before, changed, other)
        folders = {variables.folder for _, variables in going_on} | (set() if exhaustive else {self.folder})
        self.folder = folders.pop() if len(folders) == 1 else ""
        for _, variables in going_on:
            self.exported |= variables.exported
            self.exports_all = self.exports_all or variables.exports_all

    def _changed(self, arms: Iterable[Variables]) -> Iterable[str]:
        """Return the names of the variables that hold something else in one of these arms."""
        changed: dict[str, None] = {}
        for variables in arms:
            for name, bindings in variables.bound.items():
                if self.bound.get(name) is not bindings:
                    changed[name] = None
            changed |= dict.fromkeys(name for name in self.bound if name not in variables.bound)
        return changed

    def _choose(
        self,
        name: str,
        before: tuple[Binding, ...],
        changed: Sequence[tuple[Branch, tuple[Binding, ...]]],
        other: Branch | None,
    ) -> None:
        nothing = (Binding((), ALWAYS),)
        after = [binding.under(arm) for arm, bindings in changed for binding in bindings or nothing]
        if other is not None:
            after += [binding.under(other) for binding in before or nothing]
        if len(after) > MOST_BINDINGS:
            assignments = [found for binding in after for found in binding.assignments]
            after = [Binding((), ALWAYS, assignments=tuple(assignments[:MOST_BINDINGS]))]
        self.bind(name, tuple(after))

    def _add(
        self,
        name: str,
        before: tuple[Binding, ...],
        changed: Sequence[tuple[Branch, tuple[Binding, ...]]],
        other: Branch | None,
    ) -> bool:
        """Bind what a variable held before with what the arms have added to it, if that is all they did."""
        if len(before) != 1 or not before[0].parts:
            return False
        base = before[0]
        ahead: list[Part] = []
        behind: list[Part] = []
        arms = [arm for arm, _ in changed]
        forks = [*base.forks, tuple(arms if other is None else [*arms, other])]
        for arm, bindings in changed:
            start = _contains(bindings[0], base) if len(bindings) == 1 else None
            if start is None:
                return False
            parts = bindings[0].parts
            ahead += [Part(part.text, both(part.when, (arm,))) for part in parts[:start]]
            behind += [Part(part.text, both(part.when, (arm,))) for part in parts[start + len(base.parts) :]]
            forks += [fork for fork in bindings[0].forks if fork not in forks]
        assignments = [found for arm, bindings in changed for found in _under(bindings[0].assignments, arm)]
        if other is not None:
            assignments[:0] = _under(base.assignments, other)
        self.bind(
            name,
            (
                Binding(
                    parts=(*ahead, *base.parts, *behind),
                    when=base.when,
                    array=base.array,
                    forks=tuple(forks),
                    assignments=tuple(assignments),
                ),
            ),
        )
        return True


def _contains(binding: Binding, base: Binding) -> int | None:
    """Return where the parts of one binding stand among those of another that was made from it."""
    if binding.array != base.array:
        return None
    texts = [id(part.text) for part in binding.parts]
    wanted = [id(part.text) for part in base.parts]
    for start in range(len(texts) - len(wanted) + 1):
        if texts[start : start + len(wanted)] == wanted:
            return start
    return None


def _is_empty(binding: Binding) -> bool:
    return binding.known and not any(part.text for part in binding.parts)


def _value(piece: Piece, chosen: Mapping[str, Binding]) -> Binding | None:
    """Return the binding an expansion is replaced by, or None if it stays as written."""
    binding = chosen.get(piece.name) if piece.name else None
    if binding is None or not binding.known or (piece.operator.startswith(":") and _is_empty(binding)):
        return None
    return binding


def _parts(piece: Piece, chosen: Mapping[str, Binding]) -> list[Part]:
    """Return what a piece stands for where nothing is split: in quotes, or as a value."""
    if not piece.expansion:
        return [Part(piece.text)]
    binding = _value(piece, chosen)
    if binding is None:
        return [Part(piece.text.unknown())]
    if not binding.array:
        return list(binding.parts)
    if not piece.every:
        return list(binding.parts[:1])
    parts = list(binding.parts[:1])
    for part in binding.parts[1:]:
        parts += [Part(piece.text.stand_in(" "), part.when), part]
    return parts or [Part(piece.text.stand_in(""))]


class _Fields:
    """The words that the pieces of one word become, with a binding chosen for each variable."""

    def __init__(self, found: Sequence[Piece], chosen: Mapping[str, Binding], when: When) -> None:
        self.words: list[Word] = []
        self.when = when
        self.texts: list[Text] = []
        self.conditions: list[When] = []
        self.quoted = False
        for piece in found:
            binding = _value(piece, chosen) if piece.expansion else None
            if binding is None:
                self._add(piece.text.unknown() if piece.expansion else piece.text, quoted=piece.quoted)
            else:
                self._expand(piece, binding)
        self._end()

    def _add(self, text: Text, *, quoted: bool, when: When = ALWAYS) -> None:
        if text or quoted:
            self.texts.append(text)
            self.quoted = self.quoted or quoted
            if when:
                self.conditions.append(when)

    def _end(self) -> None:
        if self.texts:
            when = both(self.when, *self.conditions) if self.conditions else self.when
            self.words.append(Word(concatenate(self.texts), when, self.quoted))
            self.texts, self.conditions, self.quoted = [], [], False

    def _expand(self, piece: Piece, binding: Binding) -> None:
        every = binding.array and bool(piece.every)
        if piece.quoted and not (every and piece.every == "@"):
            for part in _parts(piece, {piece.name: binding}):
                self._add(part.text, quoted=True, when=part.when)
            return
        for index, part in enumerate(binding.parts if every or not binding.array else binding.parts[:1]):
            if every and index:
                self._end()
            if piece.quoted:
                self._add(part.text, quoted=True, when=part.when)
            else:
                self._split(part)

    def _split(self, part: Part) -> None:
        shape = shape_of(part.text)
        at = 0
        for blanks in BLANKS.finditer(shape):
            self._add(part.text[at : blanks.start()], quoted=False, when=part.when)
            self._end()
            at = blanks.end()
        self._add(part.text[at:] if at else part.text, quoted=False, when=part.when)
