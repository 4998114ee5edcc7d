"""Whom a check judges, read in its source, so that it is imported only where it can have something to say.

What is read stands there for its readers too: the kinds in the signature of `check`, and `flags` and `fields` of its
decorator. It takes some 0.01 ms a rule, and cannot be out of date, as an index of all rules could.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.finding import CheckFailedError
from k3s_policy.model.invocation import Agent, Invocation, Server

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Head", "Subjects", "read", "subjects_of"]


class Subjects(NamedTuple):
    """What there is to judge, as far as it decides which checks are asked."""

    kinds: frozenset[str]
    invocations: tuple[Invocation, ...]
    flags: frozenset[str]
    """The names of all flags that an invocation is given."""


class Head(NamedTuple):
    """What a check says of itself."""

    kinds: tuple[str, ...]
    flags: tuple[str, ...] = ()
    """The flags of which an Invocation has to be given one; `etcd-s3*` are all whose names begin so."""
    fields: tuple[str, ...] = ()
    """The fields of an Invocation of which one has to be filled, where it is given none of the flags."""

    def applies(self, there: Subjects) -> bool:
        """Whether the check can have something to say about what there is."""
        judged = there.kinds.intersection(self.kinds)
        if judged - _INVOCATIONS or not (self.flags or self.fields):
            return bool(judged)
        return bool(judged) and (any(_is_given(flag, there.flags) for flag in self.flags) or self._is_filled(there))

    def _is_filled(self, there: Subjects) -> bool:
        return any(getattr(invocation, field) for field in self.fields for invocation in there.invocations)


_INVOCATIONS = frozenset(kind.__name__ for kind in (Invocation, Server, Agent))


def _is_given(flag: str, given: Collection[str]) -> bool:
    return any(name.startswith(flag[:-1]) for name in given) if flag.endswith("*") else flag in given


def subjects_of(subjects: Iterable[object]) -> Subjects:
    """Return what some subjects are."""
    every = tuple(subjects)
    invocations = tuple(subject for subject in every if isinstance(subject, Invocation))
    return Subjects(
        frozenset(kind.__name__ for subject_type in set(map(type, every)) for kind in subject_type.__mro__),
        invocations,
        frozenset(setting.flag.name for invocation in invocations for setting in invocation.settings),
    )


def read(name: str, file: str) -> Head:
    """Read the head of a rule's check in its file.

    Raises CheckFailedError where it is not written as it has to be: the signature in one line, flags and fields as
    texts in parentheses.
    """
    # What is decoded is no more than the head. Patterns would take longer to compile than this takes.
    with open(file, "rb") as source:
        content = source.read()
    start = content.find(b"\n@rule(")
    end = content.find(b"\n", content.find(b"\ndef check(", start) + 1)
    decorator, _, signature = content[start:end].decode().partition("\ndef check(")
    kinds, closed, _ = signature.partition(": ")[2].partition(") -> Problems:")
    if start < 0 or not closed or not all(kind.isidentifier() for kind in kinds.split(" | ")):
        raise CheckFailedError(f"the signature of the rule {name} cannot be read: it has to stand in one line")
    return Head(tuple(kinds.split(" | ")), _texts(name, decorator, "flags"), _texts(name, decorator, "fields"))


def _texts(name: str, decorator: str, argument: str) -> tuple[str, ...]:
    """Return the texts that an argument of a decorator lists."""
    _, given, rest = decorator.partition(f"{argument}=")
    listed, closed, behind = rest.removeprefix("(").partition(")")
    texts = [item.strip() for item in listed.split(",") if item.strip()]
    plain = rest.startswith("(") and closed and behind.lstrip()[:1] in (",", ")")
    if given and not (plain and texts and all(text[0] == text[-1] == '"' for text in texts)):
        raise CheckFailedError(f"{argument} of the rule {name} cannot be read: write texts in parentheses")
    return tuple(text.strip('"') for text in texts)
