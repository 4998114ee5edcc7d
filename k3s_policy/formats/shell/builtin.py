"""What the shell's own commands do to its variables."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.formats.shell.variables import Variables
    from k3s_policy.text import Text

__all__ = ["NAME", "run_builtin"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""The name of a variable."""

_VALUED = {"read": "dinNptu", "mapfile": "dnOsuCc", "readarray": "dnOsuCc"}
"""Options whose value is not the name of a variable."""


def run_builtin(words: Sequence[Text], variables: Variables) -> None:
    """Do to the variables what a command does to them, if it is one of the shell's own."""
    name, *arguments = map(str, words)
    match name:
        case "cd" | "pushd" | "popd":
            variables.go_to(words[1:])
        case "exit" | "return":
            variables.ended = True
        case "exec":
            variables.ended = variables.ended or bool(arguments)
        case "unset":
            for argument in arguments:
                variables.unset(argument)
        case "set":
            _set(arguments, variables)
        case "read" | "mapfile" | "readarray" | "getopts" | "printf":
            for variable in _assigned_by(name, arguments):
                variables.forget(variable)
        case _:
            pass


def _set(arguments: list[str], variables: Variables) -> None:
    for argument, following in pairwise([*arguments, ""]):
        if argument == "--":
            return
        if re.fullmatch(r"[-+][a-z]*a[a-z]*", argument) or (argument in {"-o", "+o"} and following == "allexport"):
            variables.exports_all = argument.startswith("-")


def _assigned_by(name: str, arguments: list[str]) -> Iterator[str]:
    """Find the variables that `read`, `mapfile`, `getopts` or `printf -v` give a value nobody can know here."""
    if name == "printf":
        yield from arguments[1:2] if arguments[:1] == ["-v"] else ()
        return
    if name == "getopts":
        yield from ("OPTARG", *arguments[1:2])
        return
    valued = False
    for argument in arguments:
        if argument.startswith("-") and len(argument) > 1:
            valued = argument[-1] in _VALUED[name]
        elif valued:
            valued = False
        elif NAME.fullmatch(argument):
            yield argument
