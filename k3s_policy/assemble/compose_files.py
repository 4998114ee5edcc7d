"""What files beside a compose file give its services: `env_file:`, and `.env`, whose variables fill the file in."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.assemble.host_paths import Purpose, Wanted, folder_of
from k3s_policy.formats.interpolate import filled_in
from k3s_policy.model.invocation import INPUT_OF, Input, Unseen
from k3s_policy.model.release import release_of, version_of
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from k3s_policy.model.fragment import EnvironmentFile, Start
    from k3s_policy.model.lower import Variable
    from k3s_policy.text import Text

__all__ = ["fill_compose"]

_LOOKED_FOR = pattern(r"(?:^|/)(?:docker-)?compose(?P<suffix>\.ya?ml)$")


def fill_compose(
    start: Start, files: Mapping[str, EnvironmentFile], overrides: Collection[str], wanted: list[Wanted]
) -> Start:
    """Add the variables of the files that a start names, and fill in what it leaves open; what is missing is wanted.

    `files` are those of variables by their paths, `overrides` the paths of what compose adds to a file unasked.
    """
    path = start.at.span.source.path
    folder = folder_of(path)
    values: dict[str, Text] = {}
    if any(not text.known for text in _texts(start)):
        beside = files.get(_beside(folder, ".env"))
        if beside is None:
            wanted.append(Wanted(Purpose.ENVIRONMENT, (_beside(folder, ".env"),)))
        else:
            values = {str(variable.name): variable.value for variable in beside.variables}
    named: list[Variable] = []
    unseen: list[Unseen] = []
    for name in start.environment_files:
        file = files.get(_beside(folder, str(name)))
        if file is not None:
            named += file.variables
        else:
            wanted.append(Wanted(Purpose.ENVIRONMENT, (_beside(folder, str(name)),)))
            unseen.append(Unseen(Input.ENVIRONMENT, f"{name} is not in the repository", name))
    unseen += _overridden(path, overrides, wanted)
    start = replace(start, unseen=(*start.unseen, *unseen))
    own = [variable._replace(value=filled_in(variable.value, values)) for variable in start.variables]
    return replace(
        _with_release(_filled_in(start, values), values),
        variables=(*named, *own),
        environment_files=(),
    )


def _overridden(path: str, overrides: Collection[str], wanted: list[Wanted]) -> Iterator[Unseen]:
    """Say that nothing is wholly seen where compose adds another file unasked, and want one that may be there.

    It does so for files of the names that it looks for (https://docs.docker.com/reference/cli/docker/compose/).
    """
    match = _LOOKED_FOR.search(path)
    if match is None:
        return
    names = [f"{path[: match.start('suffix')]}.override.{suffix}" for suffix in ("yml", "yaml")]
    found = next((name for name in names if name in overrides), None)
    if found is None:
        wanted.append(Wanted(Purpose.OVERRIDE, tuple(names)))
        return
    for kind in INPUT_OF.values():
        yield Unseen(kind, f"{found.rpartition('/')[2]} may add to the service")


def _with_release(start: Start, values: Mapping[str, Text]) -> Start:
    """Say which release the image of a start has."""
    if start.image is None:
        return start
    image = filled_in(start.image, values)
    version = version_of(image)
    unseen = (version,) if isinstance(version, Unseen) else ()
    return replace(
        start,
        version=start.version if isinstance(version, Unseen) else version,
        release=release_of(image),
        unseen=(*unseen, *start.unseen),
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
    if start.image is not None:
        yield start.image


def _beside(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))
