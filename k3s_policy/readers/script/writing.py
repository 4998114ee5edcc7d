"""What the commands of a script write: `tee`, redirections of `cat`, `echo` and `printf`, here-documents."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.user_data import decoded
from k3s_policy.model.file import File
from k3s_policy.readers.script.call import unwrapped
from k3s_policy.text import Text, join
from k3s_policy.text.branch import both, exclusive
from k3s_policy.text.filling import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.readers.script.call import Call
    from k3s_policy.text import Run
    from k3s_policy.text.branch import When

__all__ = ["Writing", "gather", "installed_input", "moved", "received", "writings"]

_INTO = frozenset({">", ">>", ">|"})
_ELSEWHERE = ">&"
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


@dataclass(frozen=True, eq=False)
class Writing:
    """A piece that one command writes to a file."""

    path: str
    output: Output
    appends: bool
    redirection: object
    """The same for all that goes through one redirection, one after the other."""


def writings(call: Call, standard_input: tuple[Text, ...] = (), *, bash: bool = False) -> Iterator[Writing]:
    """Yield what a command writes where, piece by piece.

    `standard_input` is what the whole script is fed, and so a command that nothing is piped into; `bash` says that
    no other shell runs it.
    """
    targets = [*_redirected(call), *_named(call)]
    for output in _outputs(call, standard_input, bash=bash) if targets else ():
        for target, appends in targets:
            yield Writing(str(target), output, appends, target)


def _redirected(call: Call) -> list[tuple[Text, bool]]:
    """Return where the output of a command goes, and whether it is appended there: of several, the last one tells."""
    redirects = [one for one in call.command.redirects if one.operator in _INTO or one.operator == _ELSEWHERE]
    if not redirects or redirects[-1].operator == _ELSEWHERE or redirects[-1].target is None:
        return []
    return [(redirects[-1].target.text, redirects[-1].operator == ">>")]


def _named(call: Call) -> Iterator[tuple[Text, bool]]:
    """Yield the files that a command writes its input to."""
    words = [word.text for word in call.words[1:]]
    if call.name in ("tee", "sponge"):
        appends = any(str(word) in ("-a", "--append") for word in words)
        yield from ((word, appends) for word in words if not word.startswith("-"))
    elif call.name == "dd":
        yield from ((word[len("of=") :], False) for word in words if word.startswith("of="))
    yield from ((target, False) for target in installed_input(call))


def installed_input(call: Call) -> list[Text]:
    """Return the files that `install /dev/stdin FILE` makes of what it is fed."""
    words = [word.text for word in call.words] if call.name in ("install", "cp") else []
    return [target for source, target in pairwise(words) if str(source) == _STANDARD_INPUT]


def received(call: Call, standard_input: tuple[Text, ...] = (), *, bash: bool = False) -> tuple[Text, ...]:
    """Return what a command reads as its standard input, as far as the script says it; nothing where a piece is not."""
    pieces = list(_inputs(call, standard_input, (), 0, bash=bash))
    return (_joined(pieces),) if pieces and all(one.text is not None and one.sure for one in pieces) else ()


def moved(written: Sequence[Writing], source: Text, path: str, when: When) -> Iterator[Writing]:
    """Yield what a file of a script's own becomes that is copied or moved to another path where branches are taken."""
    redirections: dict[int, object] = {}
    for one in written:
        if one.path == str(source):
            # Whatever was at that path is replaced.
            appends = one.appends and bool(redirections)
            redirection = redirections.setdefault(id(one.redirection), object())
            output = one.output._replace(when=both(when, one.output.when))
            yield Writing(path, output, appends, redirection)


# --- what is printed --------------------------------------------------------------------------------------


def _outputs(
    call: Call, standard_input: tuple[Text, ...], encodings: tuple[str, ...] = (), depth: int = 0, *, bash: bool
) -> Iterator[Output]:
    """Yield what a command prints; `encodings` is what those that it is piped into decode."""
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
                yield from _outputs(upstream, standard_input, encodings, depth + 1, bash=bash)
            if upstream is not None and (_passes_on(upstream) or _encoding(upstream)):
                read.add(id(one.piped))  # the next of a group finds nothing left
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
    return Output(_interpreted(text) if interpreted else text, when, "n" not in letters, sure)


_DIRECTIVE = re.compile(r"%[sb%]")
_LARGEST = 1 << 17
"""Characters that `printf` makes of a few: more nobody writes into a configuration."""


def _formatted(template: Text, values: Sequence[Text]) -> Text | None:
    """Return what `printf` makes of a format, used again and again until no value is left.

    None where its directives do more than to put a value in.
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
    runs: list[Run] = []
    for _ in range(rounds):
        at = 0
        for match in directives:
            runs.extend(_interpreted(template[at : match.start()]).runs)
            at = match.end()
            if match[0] == "%%":
                runs.extend(template[match.start() : match.start() + 1].runs)
            elif (value := next(left, None)) is not None:
                runs.extend((_interpreted(value) if match[0] == "%b" else value).runs)
        runs.extend(_interpreted(template[at:]).runs)
    return Text(runs)


_ESCAPE = re.compile(r"\\([nt\\\"'])")
_STANDS_FOR = {"n": "\n", "t": "\t"}


def _interpreted(text: Text) -> Text:
    r"""Replace what `printf` and `echo -e` interpret: `\n` and its kind."""
    escapes = _ESCAPE.finditer(str(text))
    return replaced(text, ((*one.span(), text.cut(one).stand_in(_STANDS_FOR.get(one[1], one[1]))) for one in escapes))


# --- what becomes of it -----------------------------------------------------------------------------------


@dataclass
class _Version:
    """A file as it is where some branches of a script are taken."""

    path: str
    when: When
    pieces: list[Output]
    partial: bool


def gather(every: Iterable[Writing]) -> list[File]:
    """Put together what is written to one file: a later `>` starts anew, `>>` goes on.

    So do the commands of a group, which share its one redirection. What is appended to a file that nobody has
    written is a piece of it, and so is one to which something unknown is added.
    """
    versions: dict[str, list[_Version]] = {}
    redirections: dict[str, object] = {}
    for writing in every:
        path = posixpath.normpath(writing.path)
        of_path = versions.setdefault(path, [])
        if writing.appends or redirections.get(path) is writing.redirection:
            _go_on(of_path, writing)
        else:
            of_path[:] = [one for one in of_path if one.when != writing.output.when]
            of_path.append(_Version(writing.path, writing.output.when, [writing.output], partial=False))
        redirections[path] = writing.redirection
    return [_file(one) for of_path in versions.values() for one in of_path if _known(one.pieces)]


def _go_on(versions: list[_Version], writing: Writing) -> None:
    """Add a piece to the version of a file that it goes on with, and say of the others that it may be added."""
    when = writing.output.when
    same = next((one for one in reversed(versions) if one.when == when), None)
    before = next((one for one in reversed(versions) if set(one.when) < set(when)), None)
    within = [one for one in versions if set(one.when) > set(when)]
    for one in within:
        one.pieces.append(writing.output)
    beside = [one for one in versions if one not in (same, before, *within) and not exclusive(one.when, when)]
    for one in (*beside, *((before,) if before and same is None else ())):
        one.partial = True
    if same is not None:
        same.pieces.append(writing.output)
        same.partial = same.partial or bool(beside)
    elif before is not None:
        pieces = [*before.pieces, writing.output]
        versions.append(_Version(writing.path, when, pieces, partial=bool(beside) or not _known(before.pieces)))
    elif not within:
        versions.append(_Version(writing.path, when, [writing.output], partial=True))


def _known(pieces: Iterable[Output]) -> list[tuple[Text, Output]]:
    return [(piece.text, piece) for piece in pieces if piece.text is not None]


def _file(version: _Version) -> File:
    partial = version.partial or not all(piece.text is not None and piece.sure for piece in version.pieces)
    return File(text=_joined(version.pieces), path=version.path, when=version.when, may_go_on=True, partial=partial)


def _joined(pieces: Iterable[Output]) -> Text:
    """Put pieces together: each begins a line but behind one that has not ended its own."""
    lines: list[list[Text]] = []
    begins = True
    for text, piece in _known(pieces):
        if begins:
            lines.append([])
        lines[-1].append(text)
        begins = piece.ends_line and str(text[-1:]) != "\n"
    return join((join(one, "") for one in lines), "\n")
