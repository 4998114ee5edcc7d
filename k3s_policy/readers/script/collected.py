"""What a script only collects in variables: credentials and K3s options that no command seen here uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.shell import split_words
from k3s_policy.k3s.recognise import TELLING_OPTION
from k3s_policy.model.file import Collected
from k3s_policy.model.fragment import UnusedOptions
from k3s_policy.model.invocation import Form
from k3s_policy.model.lower import Argument
from k3s_policy.model.subjects import Credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.formats.shell import Assignment, Script
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["collected"]

_FULL_TOKEN = re.compile(r"^K10[0-9a-f]{16,}::")
_CREDENTIAL_NAME = re.compile(r"^K3S_(?:(?:AGENT_)?TOKEN|CLUSTER_SECRET|(?:DATASTORE|STORAGE)_ENDPOINT|VPN_AUTH)$")


def collected(script: Script) -> Collected:
    """Return what variables hold, to be judged where nothing that is found is made of it."""
    return Collected(tuple(_entries(script)))


def _entries(script: Script) -> Iterator[tuple[Text, Fragment]]:
    for assignment, following in _with_the_next(script.assignments):
        value = assignment.value
        if not value:
            continue
        name = str(assignment.name)
        if _CREDENTIAL_NAME.match(name) or _FULL_TOKEN.match(str(value)):
            yield value, Credential(name, assignment.name, value, Form.VARIABLE)
        # Options that are added to line by line are judged as they are in the end, and not again for each line.
        elif "--" in str(value) and not (following and _goes_on_in(assignment, following)):
            words = split_words(value) or []
            if any(TELLING_OPTION.match(str(word)) for word in words):
                arguments = tuple(Argument(word, assignment.when) for word in words)
                yield value, UnusedOptions(assignment.name, arguments)


def _with_the_next(assignments: Sequence[Assignment]) -> Iterator[tuple[Assignment, Assignment | None]]:
    """Yield each assignment with the next one of the same variable."""
    following: dict[str, Assignment] = {}
    pairs = []
    for assignment in reversed(assignments):
        name = str(assignment.name)
        pairs.append((assignment, following.get(name)))
        following[name] = assignment
    yield from reversed(pairs)


def _goes_on_in(earlier: Assignment, later: Assignment) -> bool:
    """Whether a value is a part of a later one that holds nowhere else."""
    own, whole = earlier.value.runs, later.value.runs
    if later.when != earlier.when or own[0] not in whole:
        return False
    start = whole.index(own[0])
    return whole[start : start + len(own)] == own
