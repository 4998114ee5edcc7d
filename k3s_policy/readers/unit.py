"""systemd units that run K3s, and their drop-ins."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats import systemd, template
from k3s_policy.k3s.program import is_k3s, is_shell
from k3s_policy.model import BrokenFile, FileMode, Form, Unseen
from k3s_policy.model.fragment import LooseOptions, Start, Unit
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.readers import environment
from k3s_policy.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from k3s_policy.model.fragment import EnvironmentFile, Fragment

__all__ = ["FindEnvironmentFiles", "claims", "read", "starts"]

FindEnvironmentFiles: TypeAlias = "Callable[[str], Sequence[EnvironmentFile]]"
"""Looks up the file that EnvironmentFile= names by its path on the host; several where that has wildcards."""

_TEMPLATE_SUFFIX = r"(?:\.(?:j2|jinja2?|tftpl|tpl|tmpl|template))?$"
_DROP_IN = re.compile(r"(?:^|/)(?P<unit>(?:[^/]+\.)?service)\.d/[^/]+\.conf" + _TEMPLATE_SUFFIX)
_HEADER = re.compile(r"(?m)^\[(?:Unit|Service|Install)\][ \t\r]*$")
_EXEC = re.compile(r"[ \t]*Exec[A-Za-z]*[ \t]*=")
_K3S = re.compile(r"\bk3s\b")
_NAME = re.compile(r"(?:^|/)(?P<name>[^/]+\.service)" + _TEMPLATE_SUFFIX)
_OPTION = re.compile(r"[ \t]*['\"]?--[a-z]")
_CHMOD = re.compile(r"(?:^|/)chmod$")


def claims(path: str, content: str) -> bool:
    """Whether a file is a unit that runs K3s, or a drop-in for such a unit."""
    drop_in = _DROP_IN.search(path)
    if drop_in:
        return "k3s" in drop_in["unit"] or _runs_k3s(content) or (drop_in["unit"] == "service" and "K3S_" in content)
    name = _NAME.search(path)
    if name is None or not _HEADER.search(content):
        return False
    return "k3s" in name["name"] or _runs_k3s(content)


def _runs_k3s(content: str) -> bool:
    """Whether the word k3s stands in a command, which may go on over several lines."""
    command = False
    for line in content.splitlines():
        command = command or _EXEC.match(line) is not None
        if command and _K3S.search(line):
            return True
        command = command and line.endswith("\\")
    return False


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read one unit file or drop-in; what a template fills in is not known."""
    syntax = template.syntax_of(path, str(text))
    file = systemd.read_unit(template.filled(text, syntax) if syntax else text)
    if file.error is not None and syntax is None:
        yield BrokenFile(file.error.at, file.error.message, "systemd")
    drop_in = _DROP_IN.search(path)
    name = _NAME.search(path)
    unit_name = drop_in["unit"] if drop_in else name["name"] if name else path[path.rfind("/") + 1 :]
    yield Unit(text, file, path, unit_name, drop_in is not None, host, syntax is not None)
    yield from _without_command(file)


def _without_command(file: systemd.UnitFile) -> Iterator[LooseOptions]:
    """Yield lines of options that no backslash joins with the command above, so that systemd ignores them."""
    for line in file.lines:
        if isinstance(line.item, systemd.Directive | systemd.Flaw) and _OPTION.match(str(line.parts[0])):
            words = [word for part in line.parts for word in systemd.words(part.rstrip("\\"), systemd.Escapes.KEPT)]
            arguments = tuple(Argument(word) for word in words if isinstance(word, Text))
            if arguments:
                yield LooseOptions(arguments[0].text, arguments)


def starts(units: Sequence[Unit], find: FindEnvironmentFiles) -> Iterator[Fragment]:
    """Yield what a unit starts; `units` are the unit and its drop-ins, or drop-ins alone.

    `find` looks up the environment files they name. A command that systemd refuses for a `%` that begins no specifier
    is read as it is meant, so that what it holds is judged.
    """
    first = units[0]
    service = _combined(units, lenient=False)
    templates = [unit for unit in units if unit.template]
    for error in service.errors:
        if error.at and not (templates or error.specifier or any(error is unit.file.error for unit in units)):
            yield BrokenFile(error.at, error.message, "systemd")
    spoilt = any(error.specifier for error in service.errors) or any(flaw.specifier for flaw in service.ignored)
    meant = _combined(units, lenient=True) if spoilt else service
    refused = not service.commands.get("ExecStart") and bool(meant.commands.get("ExecStart"))
    if not refused:
        yield from environment.credentials(_left_out(service, meant))
    read = meant if refused else service
    variables = _variables(read, units, find)
    yield from environment.credentials(variables.dropped)
    for key, others in read.commands.items():
        for command in others if key != "ExecStart" else ():
            yield from _beside(systemd.expand(command.argv, variables.values, keep_missing=True))
    unseen = tuple(Unseen("arguments", "a template may add arguments", unit.text[:0]) for unit in templates)
    commands = read.commands.get("ExecStart", ())
    for command in commands:
        yield from _started(command, variables, unseen, refused=refused)
    if not commands:
        unseen = (*unseen, *variables.unseen, Unseen("arguments", f"{first.path} has no ExecStart="))
        yield Start(first.text[:0], None, (), Form.UNIT, variables.given, unseen=unseen)


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


class _Variables(NamedTuple):
    """The environment of a service, as far as it was seen."""

    given: tuple[Variable, ...]
    dropped: tuple[Variable, ...]
    """What systemd does not take over of its files."""
    unseen: tuple[Unseen, ...]
    settled: bool
    """Whether nothing is missing but files that the service starts without."""

    @property
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
            unseen.append(Unseen("environment", f"{reference.path} is not in the repository"))
            settled = settled and reference.optional
        elif any(wildcard in str(reference.path) for wildcard in "*?["):
            unseen.append(Unseen("environment", f"{reference.path} may name files that are not in the repository"))
            settled = settled and reference.optional
        for file in files:
            given.extend(variable for variable in file.variables if variable not in file.exported)
            dropped.extend(file.exported)
    return _Variables(tuple(given), tuple(dropped), (*unseen, *hidden), settled)


def _from_elsewhere(units: Iterable[Unit]) -> Iterator[Unseen]:
    """Yield where a unit may get variables from that nobody sees: a template, the service manager."""
    for unit in units:
        if unit.template:
            yield Unseen("environment", "a template may add variables", unit.text[:0])
        for directive in unit.file.directives:
            if directive.section == "Service" and str(directive.key) == "PassEnvironment" and directive.value:
                yield Unseen("environment", "the service manager passes variables on", directive.value)


def _started(
    command: systemd.ExecCommand, variables: _Variables, unseen: tuple[Unseen, ...], *, refused: bool
) -> Iterator[Fragment]:
    """Read a command of ExecStart=: K3s, or a shell that starts it."""
    values = variables.values
    expands = systemd.ExecFlag.NO_ENV_EXPAND not in command.flags
    # A variable that is nowhere set is judged as one that is not known, though systemd leaves it out.
    words = systemd.expand(command.argv, values, keep_missing=True) if expands else list(command.argv)
    program = _program(words, command)
    if program is not None:
        exact = systemd.expand(command.argv, values) if expands and variables.settled else words
        written = command.argv if expands else ()
        for start in _start(tuple(words[program:]), variables.given, (*unseen, *variables.unseen)):
            yield replace(start, words=tuple(exact[program:]), written=written[program:], refused=refused)
    elif is_shell(str(command.path)) and len(words) >= 3 and str(words[1]).startswith("-"):
        from k3s_policy.readers import script  # noqa: PLC0415  tree-sitter is loaded only where a shell is met

        for fragment in script.read(words[2], variables.given, Form.UNIT):
            if isinstance(fragment, Start):
                unread = (*fragment.unseen, *unseen, *variables.unseen)
                yield replace(fragment, unseen=unread, refused=refused)
            else:
                yield fragment


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
    if len(words) >= 3 and is_shell(str(words[0])) and str(words[1]).startswith("-") and "k3s" in str(words[2]):
        from k3s_policy.readers import script  # noqa: PLC0415  few units have such commands

        yield from script.read(words[2], (), Form.UNIT)
    elif words and _CHMOD.search(str(words[0])):
        yield from (FileMode(path, words[1]) for path in words[2:])


def _start(words: tuple[Text, ...], variables: tuple[Variable, ...], unseen: tuple[Unseen, ...]) -> Iterator[Start]:
    place = next((number for number, word in enumerate(words) if number and not word.startswith("-")), None)
    role = str(words[place]) if place is not None else None
    if place is None or (role not in ("server", "agent") and words[place].known):
        return
    arguments = tuple(Argument(word) for word in words[1:place] + words[place + 1 :])
    yield Start(
        at=words[place],
        role=role if role in ("server", "agent") else None,
        arguments=arguments,
        form=Form.UNIT,
        variables=variables,
        unseen=unseen,
    )
