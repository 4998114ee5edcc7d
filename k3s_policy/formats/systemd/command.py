"""Values of Exec*= (systemd `config_parse_exec` in src/core/load-fragment.c)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.formats.systemd.character import UNSAFE, simplified, size
from k3s_policy.formats.systemd.specifier import resolved
from k3s_policy.formats.systemd.unit import UnitError
from k3s_policy.formats.systemd.words import BLANKS, Escapes, Flaw, Word, after_blanks, first_word, stand_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from k3s_policy.text import Text

__all__ = ["EXEC_KEYS", "ExecCommand", "ExecFlag", "ExecResult", "exec_commands"]


# Every Exec*= of a service, in the order systemd runs them.
EXEC_KEYS = ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost")


class ExecFlag(Enum):
    """A prefix of a command, by what it does."""

    IGNORE_FAILURE = "ignore-failure"  # -
    NO_ENV_EXPAND = "no-env-expand"  # :
    PRIVILEGED = "privileged"  # +
    NO_SETUID = "no-setuid"  # !
    AMBIENT = "ambient"  # !!


@dataclass(frozen=True, repr=False)
class ExecCommand:
    """One command: unquoted, specifiers resolved, `$` not expanded yet.

    `path` is the program, simplified as systemd does it; `argv[0]` is the path as it is written, or the word that an
    `@` puts in its place. Give `argv` to `expand` unless `flags` have NO_ENV_EXPAND.
    """

    path: Text
    argv: tuple[Text, ...]
    flags: frozenset[ExecFlag]


@dataclass(frozen=True, repr=False)
class ExecResult:
    """The commands of one value, and what became of the rest of it.

    With an `error` systemd refuses the unit (the drop-in, if it stands in one). `ignored` only loses that command and
    what follows in the value.
    """

    commands: tuple[ExecCommand, ...]
    error: UnitError | None = None
    ignored: Flaw | None = None


_Resolve: TypeAlias = "Callable[[Text], Text | Flaw]"
"""Puts in a word's specifiers what they stand for."""

_ROOTLESS = frozenset({ExecFlag.PRIVILEGED, ExecFlag.NO_SETUID, ExecFlag.AMBIENT})  # one of them at most
_PREFIXES = {"-": ExecFlag.IGNORE_FAILURE, ":": ExecFlag.NO_ENV_EXPAND, "+": ExecFlag.PRIVILEGED}


def exec_commands(value: Text, unit_name: str, *, lenient: bool = False) -> ExecResult:
    """Read the value of one Exec*= of a service. An empty value has no commands; in a unit it resets the list.

    With `lenient`, a `%` that begins no specifier stands for itself: the commands as they are meant, which are not
    those that systemd runs.
    """
    resolve = partial(resolved, unit_name=unit_name, lenient=lenient)
    commands: list[ExecCommand] = []
    position = 0
    while word := first_word(value, position, Escapes.KEPT):
        if isinstance(word, Flaw):
            return ExecResult(tuple(commands), ignored=word)
        if str(word.text) == ";":
            position = word.end
            continue
        flags, named_apart, program = _without_prefixes(word.text)
        read = _command(value, program, word.end, resolve, named_apart=named_apart)
        if isinstance(read, Flaw) and ExecFlag.IGNORE_FAILURE in flags:
            return ExecResult(tuple(commands), ignored=read)
        if isinstance(read, Flaw):
            return ExecResult(tuple(commands), error=UnitError(read.message, read.at, "ENOEXEC", read.specifier))
        path, argv, position = read
        commands.append(ExecCommand(path, tuple(argv), flags))
    return ExecResult(tuple(commands))


def _command(
    value: Text, program: Text, position: int, resolve: _Resolve, *, named_apart: bool
) -> tuple[Text, list[Text], int] | Flaw:
    """Return path and argv of the command whose arguments begin at `position`, and the position behind it."""
    path = _program(program, resolve)
    if isinstance(path, Flaw):
        return path
    arguments = _arguments(value, position, resolve)
    if isinstance(arguments, Flaw):
        return arguments
    argv, end = arguments
    if not named_apart:
        argv.insert(0, path)
    if not argv:
        return Flaw("after @ the word that names the process is missing", program)
    return simplified(path), argv, end


def _without_prefixes(word: Text) -> tuple[frozenset[ExecFlag], bool, Text]:
    """Return the flags of the first word, whether argv[0] is given apart, and the rest."""
    flags: set[ExecFlag] = set()
    named_apart = False
    for position, character in enumerate(str(word)):
        flag = _PREFIXES.get(character)
        if character == "@" and not named_apart:
            named_apart = True
        elif character == "!" and not flags & _ROOTLESS:
            flags.add(ExecFlag.NO_SETUID)
        elif character == "!" and flags & _ROOTLESS == {ExecFlag.NO_SETUID}:
            flags ^= {ExecFlag.NO_SETUID, ExecFlag.AMBIENT}
        elif flag and flag not in flags and not (flag in _ROOTLESS and flags & _ROOTLESS):
            flags.add(flag)
        else:
            return frozenset(flags), named_apart, word[position:]
    return frozenset(flags), named_apart, word[len(word) :]


def _program(written: Text, resolve: _Resolve) -> Text | Flaw:
    """Return the path of a command with its specifiers resolved, or what is wrong with it."""
    path = resolve(written)
    if isinstance(path, Flaw):
        return path
    value = str(path)
    parts = value.split("/")
    if not value:
        flaw = "the command names no program"
    elif UNSAFE.search(value):
        flaw = "the program's name has a quote, a backslash or a control character"
    elif value.endswith("/"):
        flaw = "the program is a directory"
    elif any(size(part) > 255 for part in parts) or size(value) >= 4096:
        flaw = "the program's name is too long"
    elif value in {".", ".."} or (len(parts) > 1 and parts[0] and path[:1].known):
        flaw = "the program is neither an absolute path nor a bare name"
    else:
        return path
    return Flaw(flaw, path or written)


def _arguments(value: Text, position: int, resolve: _Resolve) -> tuple[list[Text], int] | Flaw:
    """Return the words up to the end of a command, and the position behind it."""
    argv: list[Text] = []
    while argument := _argument(value, position, resolve):
        if isinstance(argument, Flaw):
            return argument
        argv.append(argument.text)
        position = argument.end
    if position < len(value):
        position = after_blanks(str(value), position + 1)
    return argv, position


def _argument(value: Text, position: int, resolve: _Resolve) -> Word | Flaw | None:
    """Return the next word of a command with its specifiers resolved; None at its end or at the `;` behind it."""
    characters = str(value)
    # Both are looked for before unquoting: ";" and \\; are ordinary words.
    if _is_word(characters, position, ";"):
        return None
    if _is_word(characters, position, "\\;"):
        return Word(stand_in(value[position : position + 2], ";"), after_blanks(characters, position + 2))
    word = first_word(value, position, Escapes.KEPT)
    if not isinstance(word, Word):
        return word
    text = resolve(word.text)
    return text if isinstance(text, Flaw) else Word(text, word.end)


def _is_word(value: str, position: int, word: str) -> bool:
    end = position + len(word)
    return value.startswith(word, position) and (end == len(value) or value[end] in BLANKS)
