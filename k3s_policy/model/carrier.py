"""What a carrier says of the files that it brings, laid on what comes of them.

What changes how a File is read goes down with it; what only colours the result is laid on here: the branches that it
stands in, what nobody sees of its host, the container that starts what it starts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.model.file import Provenance
from k3s_policy.model.fragment import (
    ConfigFile,
    Database,
    EnvironmentFile,
    HostName,
    HostVariables,
    NotJudged,
    OtherCommand,
    Override,
    Registries,
    Service,
    Start,
    Unit,
    UnreadFile,
    UnusedOptions,
)
from k3s_policy.model.invocation import BrokenFile
from k3s_policy.model.subjects import ClusterSecret, Credential
from k3s_policy.text.branch import both

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.model.file import Collected, File
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["stamped", "unused", "within"]

_OF_REPOSITORY = (HostName, HostVariables, Override, Service, Database)
"""What counts for the whole repository: what is written to a host, or applied to a cluster elsewhere, does not."""
_ABOUT_THE_WHOLE = (BrokenFile, NotJudged, UnreadFile)
"""What is said of a whole file, and not of a piece."""


def within(outer: File, inner: File) -> File:
    """Lay on a File what holds of the one that it stands in: its branches, and what is said of whatever is started."""
    when = both(outer.when, inner.when)
    said = inner.said if outer.said is None else _said(outer.said, inner.said)
    return inner if when == inner.when and said is inner.said else inner._replace(when=when, said=said)


def _said(outer: Start, inner: Start | None) -> Start:
    """Put together what two carriers say: what the inner one says itself comes first."""
    if inner is None:
        return outer
    return replace(
        inner,
        unseen=tuple(dict.fromkeys((*inner.unseen, *outer.unseen))),
        host=inner.host or outer.host,
        isolated=inner.isolated or outer.isolated,
        version=inner.version or outer.version,
        addresses=inner.addresses or outer.addresses,
        workload=inner.workload or outer.workload,
        environment_files=inner.environment_files or outer.environment_files,
        interpolates=inner.interpolates or outer.interpolates,
        image=inner.image or outer.image,
    )


def stamped(fragment: Fragment, file: File) -> Fragment | None:
    """Lay on a fragment what its File says; None where it means nothing there."""
    if file.partial and isinstance(fragment, _ABOUT_THE_WHOLE):
        return None
    if file.provenance is not Provenance.REPOSITORY and isinstance(fragment, _OF_REPOSITORY):
        return None
    match fragment:
        case Start():
            fragment = _started(_in_branch(fragment, file.when), file.said)
        case ConfigFile():
            fragment = _config(fragment, file)
        case EnvironmentFile() if file.when:
            variables = tuple(one._replace(when=both(file.when, one.when)) for one in fragment.variables)
            fragment = replace(fragment, variables=variables)
        case Registries() if file.partial:
            # Where a piece begins in the middle, its keys are not those of the top.
            fragment = replace(fragment, is_open=True, unknown=())
        case Unit() if file.partial or file.said is not None:
            unseen = file.said.unseen if file.said is not None else ()
            fragment = replace(fragment, template=fragment.template or file.partial, unseen=unseen)
    return fragment


def _in_branch(start: Start, when: When) -> Start:
    if not when:
        return start
    arguments = tuple(one._replace(when=both(when, one.when)) for one in start.arguments)
    variables = tuple(one._replace(when=both(when, one.when)) for one in start.variables)
    return replace(start, arguments=arguments, variables=variables, when=both(when, start.when))


def _started(start: Start, said: Start | None) -> Start:
    """Add to a start what its carrier says; one that is isolated already has a carrier of its own."""
    if said is None or start.isolated:
        return start
    start = replace(start, unseen=(*start.unseen, *said.unseen))
    if said.host not in (None, start.host):
        return start
    return replace(
        start,
        isolated=said.isolated,
        version=start.version or said.version,
        addresses=start.addresses or said.addresses,
        workload=start.workload or said.workload,
        environment_files=said.environment_files,
        interpolates=said.interpolates,
        image=start.image or said.image,
    )


def _config(config: ConfigFile, file: File) -> ConfigFile:
    if file.when or file.may_go_on:
        entries = tuple(
            one._replace(when=both(file.when, one.when), may_go_on=file.may_go_on) for one in config.entries
        )
        config = replace(config, entries=entries, when=both(file.when, config.when))
    return replace(config, open_places=(file.text,), error=None, partial=True) if file.partial else config


def unused(collected: Iterable[Collected], found: Iterable[Fragment]) -> Iterator[Fragment]:
    """Yield what scripts collect in variables whose values nothing that was found is made of.

    What is yielded of one script counts as found for those behind it.
    """
    used = {place for one in found for place in _places(one)}
    for script in collected:
        made = [fragment for value, fragment in script.entries if used.isdisjoint(_within(value))]
        used.update(place for one in made for place in _places(one))
        yield from made


def _within(value: Text) -> Iterator[tuple[str, int]]:
    """Yield every place inside a value: what uses a variable is cut from its value, never copied."""
    for run in value.runs:
        if run.text:
            yield from ((run.source.path, start) for start in range(run.start, max(run.end, run.start + 1)))


def _places(fragment: Fragment) -> Iterator[tuple[str, int]]:
    """Yield where the texts begin that a fragment is made of."""
    yield from ((run.source.path, run.start) for text in _texts(fragment) for run in text.runs)


def _texts(fragment: Fragment) -> Iterator[Text]:
    """Yield what is cut from the values of variables: what uses one never copies it."""
    match fragment:
        case Start():
            yield fragment.at
            yield from (argument.text for argument in fragment.arguments)
            yield from (variable.value for variable in fragment.variables)
        case OtherCommand() | UnusedOptions():
            yield from (argument.text for argument in fragment.arguments)
        case ConfigFile():
            yield fragment.text
        case Credential() | ClusterSecret():
            yield fragment.value
