"""What files beside a compose file give its services: `env_file:`, and `.env`, whose variables fill the file in."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.interpolate import filled_in
from k3s_policy.model import Unseen
from k3s_policy.place import Wanted, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from k3s_policy.fragment import EnvironmentFile, Start
    from k3s_policy.lower import Variable
    from k3s_policy.text import Text

__all__ = ["given"]


def given(start: Start, files: Sequence[EnvironmentFile], wanted: list[Wanted]) -> Start:
    """Add the variables of the files that a start names, and fill in what it leaves open; what is missing is wanted."""
    by_path = {file.path: file for file in files}
    folder = folder_of(start.at.span.source.path)
    values: dict[str, Text] = {}
    if any(not text.known for text in _texts(start)):
        beside = by_path.get(_beside(folder, ".env"))
        if beside is None:
            wanted.append(Wanted("environment", (_beside(folder, ".env"),)))
        else:
            values = {str(variable.name): variable.value for variable in beside.variables}
    named: list[Variable] = []
    unseen: list[Unseen] = []
    for name in start.environment_files:
        path = _beside(folder, str(name))
        if path in by_path:
            named += by_path[path].variables
        else:
            wanted.append(Wanted("environment", (path,)))
            unseen.append(Unseen("environment", f"{name} is not in the repository", name))
    own = [variable._replace(value=filled_in(variable.value, values)) for variable in start.variables]
    return replace(
        _filled_in(start, values), variables=(*named, *own), unseen=(*start.unseen, *unseen), environment_files=()
    )


def _filled_in(start: Start, values: Mapping[str, Text]) -> Start:
    return replace(
        start,
        arguments=tuple(argument._replace(text=filled_in(argument.text, values)) for argument in start.arguments),
        words=tuple(filled_in(word, values) for word in start.words),
        addresses=tuple(filled_in(address, values) for address in start.addresses),
    )


def _texts(start: Start) -> Iterator[Text]:
    yield from (argument.text for argument in start.arguments)
    yield from (variable.value for variable in start.variables)


def _beside(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))
