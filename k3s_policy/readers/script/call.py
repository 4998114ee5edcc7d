"""A command of a script without what stands in front of it: `sudo -E`, `env A=b`, `nohup`."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.invocation import Form
from k3s_policy.model.lower import Variable
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.formats.shell import Assignment, Command, Word
    from k3s_policy.text import Text

__all__ = ["Call", "options", "shell_options", "unwrapped", "upstream", "upstream_words", "without_options"]

OPTIONS_WITH_VALUE = {
    "arch-chroot": "u",
    "chroot": "",
    "command": "",
    "curtin": "",
    "doas": "uC",
    "env": "uCS",
    "exec": "a",
    "ionice": "cn",
    "nice": "n",
    "nohup": "",
    "nsenter": "tSG",
    "ssh": "bcDEeFIiJLlmOopQRSWw",
    "sshpass": "pfdP",
    "stdbuf": "ioe",
    "sudo": "ugpCThRrDU",
    "systemd-run": "puMHE",
    "time": "fo",
    "timeout": "ks",
    "xargs": "IndLPsEa",
}
"""Letters of the options that take the next word, by program."""

_WRAPPERS = frozenset(OPTIONS_WITH_VALUE) - {"ssh"}
_WITH_OPERAND = frozenset({"arch-chroot", "chroot", "curtin", "timeout"})
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
# `sh -s` and a long dash: one that a word processor made longer is taken for the one that was meant.
_RUNS_A_SHELL = re.compile(r"-[A-Za-z]*[si]|--(?:shell|login)")
_DASHES = frozenset({"-", "--", "\u2013", "\u2014"})


class Call(NamedTuple):
    """What really runs: the program, its words, and every variable it is given."""

    program: str
    """As written, with its path."""
    words: tuple[Word, ...]
    """The program first."""
    variables: tuple[Variable, ...]
    """Weakest first: those a caller gives, exported ones, those in front of the command."""
    command: Command

    @property
    def name(self) -> str:
        """The program without its path."""
        return self.program.rpartition("/")[2]

    def located(self, path: Text) -> Text:
        """Return a path of this command as seen from the folder that the script begins in."""
        folder = self.command.folder
        if not folder or not path.known or path.startswith("/"):
            return path
        return path.stand_in(posixpath.join(folder, str(path)))


def unwrapped(command: Command, given: tuple[Variable, ...] = ()) -> Call | None:
    """Take wrappers away from a command; None where nothing is left, or the program is a variable."""
    words = list(command.words)
    variables = [*given, *_exported(command), *(_variable(one) for one in command.assignments)]
    while words:
        program = str(words[0].text)
        name = program.rpartition("/")[2]
        if name not in _WRAPPERS:
            return Call(program, tuple(words), tuple(variables), command)
        behind = list(without_options(words[1:], OPTIONS_WITH_VALUE[name]))
        if name == "sudo" and not behind and (shell := _shell_option(words)) is not None:
            return Call("sh", (shell,), tuple(variables), command)
        words = behind
        if name in _WITH_OPERAND:
            # `curtin in-target --target=/target -- command` has options behind its operand too.
            words = list(without_options(words[1:], ""))
        while words and (match := _ASSIGNMENT.match(str(words[0].text))):
            word = words.pop(0)
            variables.append(Variable(word.text.cut(match, 1), word.text[match.end() :], Form.INSTALLER, word.when))
    return None


def _shell_option(words: Sequence[Word]) -> Word | None:
    """Return a shell in place of the option by which `sudo` runs one: `-s`, `-i`."""
    option = next(
        (word for word in words[1:] if re.fullmatch(r"-[A-Za-z]*[si]|--(?:shell|login)", str(word.text))), None
    )
    return replace(option, text=option.text.stand_in("sh")) if option is not None else None


def _exported(command: Command) -> Iterator[Variable]:
    for assignments in command.environment.values():
        for assignment in assignments:
            if not exclusive(assignment.when, command.when):
                yield _variable(assignment)


def _variable(assignment: Assignment) -> Variable:
    return Variable(assignment.name, assignment.value, Form.INSTALLER, assignment.when)


def without_options(words: Sequence[Word], with_value: str) -> Sequence[Word]:
    """Leave out a command's own options, `with_value` being the letters of those that take the next word."""
    position = 0
    while position < len(words) and len(value := str(words[position].text)) > 1 and value[0] == "-":
        position += 1
        if value == "--":
            break
        if value[1] != "-" and value[-1] in with_value and (len(value) == 2 or value[1] not in with_value):
            position += 1
    return words[position:]


def shell_options(words: Sequence[Word]) -> tuple[str, Sequence[Word], Word | None]:
    """Split the words behind `sh` into option letters, operands, and the script of `-c`."""
    letters = ""
    position = 0
    while position < len(words):
        value = str(words[position].text)
        if value in _DASHES:
            position += 1
            break
        if not words[position].text.known or not re.fullmatch(r"[-+][A-Za-z]+", value):
            break
        position += 1
        letters += value[1:]
        if "c" in value[1:] and position < len(words):
            return letters, words[position + 1 :], words[position]
        if value[-1] in "oO":
            position += 1
    return letters, words[position:], None


def upstream(command: Command) -> Iterator[Command]:
    """Yield every command whose output reaches this one through pipes, each once."""
    seen: set[int] = set()
    ahead = [command.piped]
    while ahead:
        piped = ahead.pop()
        if id(piped) not in seen:
            seen.add(id(piped))
            yield from piped
            ahead += (one.piped for one in piped)


def upstream_words(command: Command) -> Iterator[Word]:
    """Yield the words of every command whose output reaches this one through pipes."""
    for one in upstream(command):
        yield from one.words


def options(words: Sequence[Word]) -> Iterator[tuple[Text, Word | None, Word]]:
    """Yield each option's name, its value behind `=` or in the next word, and the word it stands in."""
    for position, word in enumerate(words):
        if word.text.startswith("-"):
            name, equals, value = word.text.partition("=")
            following = words[position + 1] if position + 1 < len(words) else None
            yield name, (replace(word, text=value) if equals else following), word
