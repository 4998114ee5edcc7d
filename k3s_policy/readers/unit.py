"""systemd units that run K3s, and their drop-ins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy import systemd, template
from k3s_policy.fragment import Start, Unit
from k3s_policy.lower import Argument, Variable
from k3s_policy.model import BrokenFile, FileMode, Form, Unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from k3s_policy.fragment import EnvironmentFile, Fragment
    from k3s_policy.text import Text

__all__ = ["FindEnvironmentFile", "claims", "read", "starts"]

FindEnvironmentFile: TypeAlias = "Callable[[str], EnvironmentFile | None]"
"""Looks up the file that EnvironmentFile= names by its path on the host."""

_DROP_IN = re.compile(r"(?:^|/)(?P<unit>[^/]+\.service)\.d/[^/]+\.conf$")
_HEADER = re.compile(r"(?m)^\[(?:Unit|Service|Install)\][ \t\r]*$")
_EXEC = re.compile(r"[ \t]*Exec[A-Za-z]*[ \t]*=")
_K3S = re.compile(r"\bk3s\b")
_NAME = re.compile(r"(?:^|/)(?P<name>[^/]+\.service)(?:\.(?:j2|jinja2?|tftpl|tpl|tmpl|template))?$")
_PROGRAM = re.compile(r"(?:^|/)k3s(?:-(?:arm64|armhf|s390x|amd64))?$")
_CHMOD = re.compile(r"(?:^|/)chmod$")
_SHELL = re.compile(r"(?:^|/)(?:ba|da|a|z|k)?sh$")


def claims(path: str, content: str) -> bool:
    """Whether a file is a unit that runs K3s, or a drop-in for such a unit."""
    drop_in = _DROP_IN.search(path)
    if drop_in:
        return "k3s" in drop_in["unit"] or _runs_k3s(content)
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


def starts(units: Sequence[Unit], find: FindEnvironmentFile) -> Iterator[Fragment]:
    """Yield what a unit starts; `units` are the unit and its drop-ins, or drop-ins alone.

    `find` looks up the environment files they name.
    """
    first, *rest = units
    service = systemd.combine(first.file, {unit.path.rpartition("/")[2]: unit.file for unit in rest}, first.name)
    templates = [unit for unit in units if unit.template]
    for error in service.errors:
        if error.at and not templates and all(error is not unit.file.error for unit in units):
            yield BrokenFile(error.at, error.message, "systemd")
    given, missing_files = _variables(service, find)
    unseen = [Unseen("arguments", "a template may add arguments", unit.text[:0]) for unit in templates]
    unseen.extend(missing_files)
    environment = {str(variable.name): variable.value for variable in given}
    for key, others in service.commands.items():
        for command in others if key != "ExecStart" else ():
            yield from _beside(systemd.expand(command.argv, environment, keep_missing=True))
    commands = service.commands.get("ExecStart", ())
    for command in commands:
        words = systemd.expand(command.argv, environment, keep_missing=True)
        if _PROGRAM.search(str(command.path)):
            yield from _start(tuple(words), tuple(given), tuple(unseen))
        elif _SHELL.search(str(command.path)) and len(words) >= 3 and str(words[1]).startswith("-"):
            from k3s_policy.readers import script  # noqa: PLC0415  tree-sitter is loaded only where a shell is met

            yield from script.read(words[2], tuple(given), Form.UNIT)
    if not commands:
        missing = Unseen("arguments", f"{first.path} has no ExecStart=")
        yield Start(first.text[:0], None, (), Form.UNIT, tuple(given), unseen=(*unseen, missing))


def _variables(service: systemd.Service, find: FindEnvironmentFile) -> tuple[list[Variable], list[Unseen]]:
    """Return what the environment of a service holds, and which of its files were not seen."""
    given = [Variable(one.name, one.value, Form.UNIT_ENVIRONMENT) for one in service.environment]
    unseen = []
    for reference in service.environment_files:
        file = find(str(reference.path))
        if file is None:
            unseen.append(Unseen("environment", f"{reference.path} is not in the repository"))
        else:
            given.extend(file.variables)
    return given, unseen


def _beside(words: list[Text]) -> Iterator[Fragment]:
    """Read a command that runs before or after K3s: what it does to the files of K3s."""
    if len(words) >= 3 and _SHELL.search(str(words[0])) and str(words[1]).startswith("-") and "k3s" in str(words[2]):
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
        words=words,
    )
