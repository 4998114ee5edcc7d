"""What the commands of a script print: `echo` and `printf`, here-documents, and what pipes pass on or decode."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.user_data import decoded
from k3s_policy.readers.script.call import unwrapped
from k3s_policy.text import Text, join
from k3s_policy.text.branch import both, exclusive
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.readers.script.call import Call
    from k3s_policy.text.branch import When

__all__ = ["Output", "installed_input", "joined", "outputs", "reads_input", "received"]

_PRINT_NOTHING = frozenset(
    {":", "[", "cd", "chmod", "chown", "export", "mkdir", "read", "rm", "set", "shift", "sleep", "test", "true"}
)
_STANDARD_INPUT = "/dev/stdin"
_DEEPEST = 20
"""Commands of a pipe that pass on what they are fed."""


class Output(NamedTuple):
    """A piece of what a command prints."""

    text: Text | None
    """None where the script does not say."""
    when: When
    ends_line: bool = True
    """Whether what is printed next begins a line."""
    sure: bool = True
    """Whether every shell prints the same."""


def received(call: Call, standard_input: tuple[Text, ...] = (), *, bash: bool = False) -> tuple[Text, ...]:
    """Return what a command reads as its standard input, as far as the script says it; nothing where a piece is not."""
    pieces = list(_inputs(call, standard_input, (), 0, bash=bash))
    return (joined(pieces),) if pieces and all(one.text is not None and one.sure for one in pieces) else ()


def joined(pieces: Iterable[Output]) -> Text:
    """Put the known pieces together: each begins a line but behind one that has not ended its own."""
    lines: list[list[Text]] = []
    begins = True
    for piece in pieces:
        if piece.text is None:
            continue
        if begins:
            lines.append([])
        lines[-1].append(piece.text)
        begins = piece.ends_line and str(piece.text[-1:]) != "\n"
    return join((join(one, "") for one in lines), "\n")


def installed_input(call: Call) -> list[Text]:
    """Return the files that `install /dev/stdin FILE` makes of what it is fed."""
    words = [word.text for word in call.words] if call.name in ("install", "cp") else []
    return [target for source, target in pairwise(words) if str(source) == _STANDARD_INPUT]


def reads_input(call: Call) -> bool:
    """Whether a command reads what it is fed to its end, so that nothing is left for the next one of its group."""
    return _passes_on(call) or bool(_encoding(call))


def outputs(
    call: Call, standard_input: tuple[Text, ...], encodings: tuple[str, ...] = (), depth: int = 0, *, bash: bool
) -> Iterator[Output]:
    """Yield what a command prints, piece by piece.

    `standard_input` is what the whole script is fed, and so a command that nothing is piped into; `encodings` is what
    those that it is piped into decode; `bash` says that no other shell runs it.
    """
    if call.name in ("echo", "printf"):
        for one, when in _alternatives(call):
            printed = _printed(one, bash=bash)
            yield _decoded(printed._replace(when=when), encodings)
    elif _passes_on(call):
        yield from _inputs(call, standard_input, encodings, depth, bash=bash)
    elif encoding := _encoding(call):
        yield from _inputs(call, standard_input, (*encodings, encoding), depth, bash=bash)
    elif call.name not in _PRINT_NOTHING:
        yield Output(None, call.command.when)


def _inputs(
    call: Call, standard_input: tuple[Text, ...], encodings: tuple[str, ...], depth: int, *, bash: bool
) -> Iterator[Output]:
    """Yield what a command is fed: its last here-document, what is piped into it, or what the script is fed."""
    command = call.command
    sources = [one.operator for one in command.redirects if one.operator.startswith("<")]
    if (sources and sources[-1] == "<") or depth == _DEEPEST:
        yield Output(None, command.when)  # a file, or too long a pipe
    elif command.input:
        yield _decoded(Output(command.input[-1], command.when), encodings)
    elif command.piped:
        read: set[int] = set()
        for one in command.piped:
            upstream = unwrapped(one)
            if upstream is None:
                yield Output(None, one.when)
            elif one.input or not one.piped or id(one.piped) not in read:
                yield from outputs(upstream, standard_input, encodings, depth + 1, bash=bash)
            if upstream is not None and reads_input(upstream):
                read.add(id(one.piped))
    else:
        text = join(standard_input, "\n") if standard_input else None
        yield _decoded(Output(text, command.when), encodings)


def _passes_on(call: Call) -> bool:
    """Whether a command prints, or writes, what it is fed, and nothing else."""
    operands = [str(word.text) for word in call.words[1:] if not word.text.startswith("-") or str(word.text) == "-"]
    match call.name:
        case "cat":
            return all(operand in ("-", _STANDARD_INPUT) for operand in operands)
        case "tee" | "sponge":
            return True
        case "dd":
            return not any(operand.startswith("if=") for operand in operands)
        case "envsubst":
            return True
        case "install" | "cp":
            return bool(installed_input(call))
    return False


def _encoding(call: Call) -> str:
    """Return what a command decodes, empty where it does something else."""
    words = {str(word.text) for word in call.words[1:]}
    if (call.name == "base64" and words & {"-d", "-D", "--decode", "-di"}) or (
        call.name == "openssl" and {"base64", "-d"} <= words
    ):
        return "base64"
    return "gzip" if call.name in ("gunzip", "zcat") or (call.name == "gzip" and words & {"-d", "-dc"}) else ""


def _decoded(output: Output, encodings: tuple[str, ...]) -> Output:
    if output.text is None or not encodings:
        return output
    return output._replace(text=decoded(output.text, *encodings), ends_line=False)


def _alternatives(call: Call) -> Iterator[tuple[Call, When]]:
    """Yield a call for each branch that decides about one of its words: `echo X=$x`, where `x` has two values."""
    branches = dict.fromkeys(word.when for word in call.words if not set(word.when) <= set(call.command.when))
    for when in branches or (call.command.when,):
        words = tuple(word for word in call.words if not exclusive(word.when, when))
        yield call._replace(words=words), both(call.command.when, when)


def _printed(call: Call, *, bash: bool) -> Output:
    words = [word.text for word in call.words[1:]]
    when = call.command.when
    if call.name == "printf":
        words = words[1:] if words and str(words[0]) == "--" else words
        text = _formatted(words[0], words[1:]) if words and not words[0].startswith("-") else None
        return Output(text, when, ends_line=False)
    letters = ""
    while words and re.fullmatch(r"-[neE]+", str(words[0])):
        letters += str(words.pop(0))[1:]
    text = join(words, " ") if words else call.words[0].text[:0]
    # The `sh` of Debian and Ubuntu interprets what bash only does with `-e` (dash(1), echo).
    interpreted = "e" in letters or not bash
    sure = bash or "e" in letters or "\\" not in str(text)
    return Output(_interpreted(text, _ECHOED) if interpreted else text, when, "n" not in letters, sure)


_DIRECTIVE = re.compile(r"%[sb%]")
_LARGEST = 1 << 17
"""Characters that `printf` makes of a few: more nobody writes into a configuration."""


def _formatted(template: Text, values: Sequence[Text]) -> Text | None:
    """Return what `printf` makes of a format, used again and again until no value is left.

    None where its directives do more than to put a value in, or an escape in a value of `%b` ends the output.
    """
    written = str(template)
    directives = list(_DIRECTIVE.finditer(written))
    if "%" in _DIRECTIVE.sub("", written):
        return None
    taken = sum(match[0] != "%%" for match in directives)
    rounds = max(1, -(-len(values) // taken)) if taken else 1
    if rounds * len(template) > _LARGEST:
        return None
    left = iter(values)
    pieces: list[Text | None] = []
    for _ in range(rounds):
        at = 0
        for match in directives:
            pieces.append(_interpreted(template[at : match.start()], _FORMATTED))
            at = match.end()
            if match[0] == "%%":
                pieces.append(template[match.start() : match.start() + 1])
            elif (value := next(left, None)) is not None:
                pieces.append(_interpreted(value, _ECHOED) if match[0] == "%b" else value)
        pieces.append(_interpreted(template[at:], _FORMATTED))
    known = [piece for piece in pieces if piece is not None]
    return Text(run for piece in known for run in piece.runs) if len(known) == len(pieces) else None


# bash(1), `echo` and `printf`. `echo` wants a zero in front of the digits of an octal number, knows no quotes, and ends
# at `\c`, as `%b` does.
_ECHOED = re.compile(r"\\(?P<letter>[\\abceEfnrtv])|(?P<bytes>(?:\\(?:0[0-7]{1,3}|x[0-9a-fA-F]{1,2}))+)")
_FORMATTED = re.compile(r"\\(?P<letter>[\\abeEfnrtv\"'])|(?P<bytes>(?:\\(?:[0-7]{1,3}|x[0-9a-fA-F]{1,2}))+)")
_BYTE = re.compile(r"\\(?:x(?P<hex>[0-9a-fA-F]{1,2})|0?(?P<octal>[0-7]{1,3}))")
_STANDS_FOR = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _interpreted(text: Text, escapes: re.Pattern[str]) -> Text | None:
    r"""Replace what `printf` and `echo -e` interpret: `\n` and its kind; None where `\c` ends all output."""
    found = list(escapes.finditer(str(text)))
    if any(one["letter"] == "c" for one in found):
        return None
    return replaced(text, ((*one.span(), text.cut(one).stand_in(_meant(one))) for one in found))


def _meant(escape: re.Match[str]) -> str:
    if escape["letter"]:
        return _STANDS_FOR.get(escape["letter"], escape["letter"])
    codes = (int(one["octal"], 8) if one["octal"] else int(one["hex"], 16) for one in _BYTE.finditer(escape["bytes"]))
    return bytes(code % 256 for code in codes).decode("utf-8", "replace")
