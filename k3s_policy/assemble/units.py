"""What systemd units start: each with its drop-ins and the environment files that it names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.assemble import host_paths
from k3s_policy.assemble.host_paths import Purpose, Wanted
from k3s_policy.assemble.nodes import Launch
from k3s_policy.formats import systemd
from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.program import is_k3s, is_shell
from k3s_policy.model.committed import credentials
from k3s_policy.model.file import File
from k3s_policy.model.fragment import TOO_MUCH, Start, Unfollowed
from k3s_policy.model.invocation import BrokenFile, Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.subjects import FileMode
from k3s_policy.readers import door
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from k3s_policy.model.fragment import EnvironmentFile, Fragment, Unit
    from k3s_policy.text import Text

__all__ = ["FindEnvironmentFiles", "launches", "starts"]

FindEnvironmentFiles: TypeAlias = "Callable[[str], Sequence[EnvironmentFile]]"
"""Looks up the file that EnvironmentFile= names by its path on the host; several where that has wildcards."""

_CHMOD = pattern(r"(?:^|/)chmod$")


def launches(
    units: Sequence[Unit], files: Sequence[EnvironmentFile], wanted: list[Wanted]
) -> tuple[list[Launch], list[Fragment]]:
    """Return what each unit with its drop-ins starts, and what else was found in units.

    An environment file that a unit names and that is not among `files` is added to `wanted`.
    """
    started: list[Launch] = []
    others: list[Fragment] = []
    for path, group in host_paths.unit_groups(units):
        search = _Search(path, [file for file in files if file.host in (None, group[0].host)], wanted)
        for fragment in list(starts(group, search.find)):
            if isinstance(fragment, Start):
                texts = [unit.text for unit in group] + [file.text for file in search.found]
                read = tuple(dict.fromkeys(text.span.source.path for text in texts))
                started.append(Launch(replace(fragment, host=group[0].host), path, read, tuple(search.found)))
            else:
                others.append(fragment)
    return started, others


class _Search:
    """The search for the environment files that one unit names."""

    def __init__(self, path: str, files: Sequence[EnvironmentFile], wanted: list[Wanted]) -> None:
        self.found: list[EnvironmentFile] = []
        self._path = path
        self._files = files
        self._wanted = wanted

    def find(self, name: str) -> list[EnvironmentFile]:
        """Return the files of a name, and want one that may be there where none is."""
        named = host_paths.environment_files(name, self._path, self._files)
        self.found.extend(named)
        if not named:
            self._wanted.append(Wanted(Purpose.ENVIRONMENT, host_paths.named_paths(name, self._path)))
        return named


def starts(units: Sequence[Unit], find: FindEnvironmentFiles) -> Iterator[Fragment]:
    """Yield what a unit starts; `units` are the unit and its drop-ins, or drop-ins alone.

    `find` looks up the environment files they name. A command that systemd refuses for a `%` that begins no specifier
    is read as it is meant, so that what it holds is judged.
    """
    first = units[0]
    service = _combined(units, lenient=False)
    templates = [unit for unit in units if unit.template]
    if not templates:
        yield from _errors(service, units)
    spoilt = any(error.specifier for error in service.errors) or any(flaw.specifier for flaw in service.ignored)
    meant = _combined(units, lenient=True) if spoilt else service
    refused = not service.commands.get("ExecStart") and bool(meant.commands.get("ExecStart"))
    if not refused:
        yield from credentials(_left_out(service, meant))
    read = meant if refused else service
    variables = _variables(read, units, find)
    allowance = Allowance()
    yield from credentials(variables.dropped)
    yield from _around(read, variables, allowance)
    unseen = (
        *(Unseen(Input.ARGUMENTS, "a template may add arguments", unit.text[:0]) for unit in templates),
        *(one for unit in units for one in unit.unseen),
    )
    commands = read.commands.get("ExecStart", ())
    for command in commands:
        yield from _started(command, variables, allowance, unseen, refused=refused)
    if allowance.spent:
        yield Unfollowed.at(first.text, TOO_MUCH)
    if not commands:
        unseen = (*unseen, *variables.unseen, Unseen(Input.ARGUMENTS, f"{first.path} has no ExecStart="))
        yield Start(
            at=first.text[:0], role=None, arguments=(), form=Form.UNIT, variables=variables.given, unseen=unseen
        )


def _errors(service: systemd.Service, units: Sequence[Unit]) -> Iterator[BrokenFile]:
    """Yield what systemd refuses a unit for, except what the reader of one of its files has said already."""
    for error in service.errors:
        if error.at and not error.specifier and not any(error is unit.file.error for unit in units):
            yield BrokenFile(error.at, error.message, "systemd")


def _around(service: systemd.Service, variables: _Variables, allowance: Allowance) -> Iterator[Fragment]:
    """Read the commands that run before or after K3s."""
    for key, commands in service.commands.items():
        for command in commands if key != "ExecStart" else ():
            yield from _beside(systemd.expand(command.argv, variables.values, keep_missing=True, allowance=allowance))


def _combined(units: Sequence[Unit], *, lenient: bool) -> systemd.Service:
    first, *rest = units
    drop_ins = {unit.path.rpartition("/")[2]: unit.file for unit in rest}
    return systemd.combine(first.file, drop_ins, first.name, lenient=lenient)


def _left_out(service: systemd.Service, meant: systemd.Service) -> Iterator[Variable]:
    """Yield the variables of Environment= that systemd leaves out for a `%` that begins no specifier."""
    kept = {variable.name.span for variable in service.environment}
    for variable in meant.environment:
        if variable.name.span not in kept:
            yield Variable(variable.name, variable.value, Form.UNIT_ENVIRONMENT)


@dataclass(frozen=True, repr=False)
class _Variables:
    """The environment of a service, as far as it was seen."""

    given: tuple[Variable, ...]
    dropped: tuple[Variable, ...]
    """What systemd does not take over of its files."""
    unseen: tuple[Unseen, ...]
    settled: bool
    """Whether nothing is missing but files that the service starts without."""

    @cached_property
    def values(self) -> dict[str, Text]:
        """What commands expand."""
        return {str(variable.name): variable.value for variable in self.given}


def _variables(service: systemd.Service, units: Iterable[Unit], find: FindEnvironmentFiles) -> _Variables:
    given = [Variable(one.name, one.value, Form.UNIT_ENVIRONMENT) for one in service.environment]
    dropped: list[Variable] = []
    unseen: list[Unseen] = []
    hidden = list(_from_elsewhere(units))
    settled = not hidden
    for reference in service.environment_files:
        files = find(str(reference.path))
        if not files:
            unseen.append(Unseen(Input.ENVIRONMENT, f"{reference.path} is not in the repository"))
            settled = settled and reference.optional
        elif any(wildcard in str(reference.path) for wildcard in "*?["):
            unseen.append(Unseen(Input.ENVIRONMENT, f"{reference.path} may name files that are not in the repository"))
            settled = settled and reference.optional
        for file in files:
            given.extend(variable for variable in file.variables if variable not in file.exported)
            dropped.extend(file.exported)
    return _Variables(tuple(given), tuple(dropped), (*unseen, *hidden), settled)


def _from_elsewhere(units: Iterable[Unit]) -> Iterator[Unseen]:
    """Yield where a unit may get variables from that nobody sees: a template, the service manager."""
    for unit in units:
        if unit.template:
            yield Unseen(Input.ENVIRONMENT, "a template may add variables", unit.text[:0])
        for directive in unit.file.directives:
            if directive.section == "Service" and str(directive.key) == "PassEnvironment" and directive.value:
                yield Unseen(Input.ENVIRONMENT, "the service manager passes variables on", directive.value)


def _started(
    command: systemd.ExecCommand,
    variables: _Variables,
    allowance: Allowance,
    unseen: tuple[Unseen, ...],
    *,
    refused: bool,
) -> Iterator[Fragment]:
    """Read a command of ExecStart=: K3s, or a shell that starts it."""
    values = variables.values
    expands = systemd.ExecFlag.NO_ENV_EXPAND not in command.flags
    # A variable that is nowhere set is judged as one that is not known, though systemd leaves it out.
    words = list(command.argv)
    if expands:
        words = systemd.expand(command.argv, values, keep_missing=True, allowance=allowance)
    program = _program(words, command)
    if program is not None:
        exact = systemd.expand(command.argv, values) if expands and variables.settled and not allowance.spent else words
        written = command.argv if expands else ()
        for start in _start(tuple(words[program:]), variables.given, (*unseen, *variables.unseen)):
            yield replace(start, words=tuple(exact[program:]), source_words=written[program:], refused=refused)
    elif is_shell(str(command.path)) and len(words) >= 3 and str(words[1]).startswith("-"):
        for fragment in door.read(_script(words[2], variables.given)):
            if isinstance(fragment, Start):
                unread = (*fragment.unseen, *unseen, *variables.unseen)
                yield replace(fragment, unseen=unread, refused=refused)
            else:
                yield fragment


def _script(text: Text, given: tuple[Variable, ...]) -> File:
    """Return what a unit gives a shell to run."""
    return File(text=text, path="", read_as=ReadAs.SCRIPT, form=Form.UNIT, given=given)


def _program(words: Sequence[Text], command: systemd.ExecCommand) -> int | None:
    """Return which word of a command is K3s: the first, or one that another program starts (`ip vrf exec mgmt k3s`)."""
    if is_k3s(str(command.path)):
        return 0
    for number, (word, following) in enumerate(pairwise(words)):
        if number and is_k3s(str(word)) and str(following) in ("server", "agent"):
            return number
    return None


def _beside(words: list[Text]) -> Iterator[Fragment]:
    """Read a command that runs before or after K3s: what it does to the files of K3s."""
    if len(words) >= 3 and is_shell(str(words[0])) and str(words[1]).startswith("-"):
        yield from door.read(_script(words[2], ()))
    elif words and _CHMOD.search(str(words[0])):
        yield from (FileMode(path, words[1]) for path in words[2:])


def _start(words: tuple[Text, ...], variables: tuple[Variable, ...], unseen: tuple[Unseen, ...]) -> Iterator[Start]:
    position = next((number for number, word in enumerate(words) if number and not word.startswith("-")), None)
    role = str(words[position]) if position is not None else None
    if position is None or (role not in ("server", "agent") and words[position].known):
        return
    arguments = tuple(Argument(word) for word in words[1:position] + words[position + 1 :])
    yield Start(
        at=words[position],
        role=role if role in ("server", "agent") else None,
        arguments=arguments,
        form=Form.UNIT,
        variables=variables,
        unseen=unseen,
    )
