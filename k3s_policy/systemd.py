"""systemd unit files and environment files, read as systemd reads them.

`read_unit` cuts a unit file into directives; `combine` makes of a unit and its drop-ins what the service gets;
`exec_commands`, `environment` and `environment_path` read one value each; `expand` puts variables into a command;
`environment_file` reads an EnvironmentFile=. Every word is a Text: each character still knows where it was
written, through quotes, continued lines and variables. Nothing here reads the host or raises on bad input.

The behaviour is that of systemd 252 (system manager). Newer versions differ in corners only; each function names
the source file it follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy.text import Text
from k3s_policy.words import BLANKS, Escapes, Flaw, Word, after_blanks, first_word, join, stand_in, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "EXEC_KEYS",
    "Assignments",
    "Directive",
    "EnvironmentFile",
    "EnvironmentPath",
    "ExecCommand",
    "ExecFlag",
    "ExecResult",
    "LoadState",
    "Service",
    "UnitError",
    "UnitFile",
    "Variable",
    "assignments",
    "combine",
    "drop_in_folders",
    "environment",
    "environment_file",
    "environment_path",
    "exec_commands",
    "expand",
    "merged",
    "read_unit",
]


# --- Unit files: src/shared/conf-parser.c, and `read_line_full` in src/basic/fileio.c


@dataclass(frozen=True)
class UnitError:
    """Why systemd refuses a file: the reason, the characters at fault, and the name of its error number."""

    message: str
    at: Text
    code: str


@dataclass(frozen=True)
class Directive:
    """One assignment. `section` is empty in front of the first header, where systemd ignores assignments.

    `value` is stripped, and may be continued over several lines: the backslash at the end of a line is then a
    blank, and comment lines in between are gone.
    """

    section: str
    key: Text
    value: Text


@dataclass(frozen=True)
class UnitFile:
    """A unit file or drop-in, unknown sections and keys included.

    With an `error`, systemd stopped there; `directives` are those in front of it. `ignored` are lines that systemd
    warns about and skips.
    """

    directives: tuple[Directive, ...]
    error: UnitError | None
    ignored: tuple[Flaw, ...]
    text: Text


_LINE = re.compile(r"(?!\Z)([^\n\r\0]*)(?:\r\n?\0?|\n\r?\0?|\0|\Z)")
_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_LINE = 1 << 20  # LONG_LINE_MAX in src/basic/def.h, in bytes

# What `utf8_is_valid` in src/basic/utf8.c refuses: raw bytes, but also code points that are no characters.
_NOT_UTF8 = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
)

# What `string_is_safe` in src/basic/string-util.c refuses.
_UNSAFE = re.compile(r"[\x01-\x1f\x7f\"'\\]")


def read_unit(text: Text) -> UnitFile:
    """Read a unit file or drop-in (`config_parse` and `parse_line` in src/shared/conf-parser.c)."""
    directives: list[Directive] = []
    ignored: list[Flaw] = []
    error: UnitError | None = None
    section = ""
    for logical in _logical_lines(text):
        item = logical if isinstance(logical, UnitError) else _read_line(logical.strip(BLANKS), section)
        match item:
            case str():
                section = item
            case Directive():
                directives.append(item)
            case Flaw():
                ignored.append(item)
            case UnitError():
                error = item
                break
    return UnitFile(tuple(directives), error, tuple(ignored), text)


def _logical_lines(text: Text) -> Iterator[Text | UnitError]:
    """Yield the lines as systemd sees them: comments gone, continued lines joined."""
    value = str(text)
    marked = _BYTE_ORDER_MARK in value
    pieces: list[Text] = []
    size = 0
    error: UnitError | None = None
    for match in _LINE.finditer(value):
        start, end = match.span(1)
        line = match[1]
        if line.lstrip(BLANKS).startswith(("#", ";")):
            continue  # also within a continued line, which goes on behind it
        if _size(line) >= _LONGEST_LINE or size + _size(line) > _LONGEST_LINE:
            error = UnitError("the line is too long for systemd", text[start : start + 1], "ENOBUFS")
            break
        if marked and line.startswith(_BYTE_ORDER_MARK):
            marked = False  # systemd removes one, from whichever line has it first
            start += 1
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pieces += text[start : end - 1], text[end - 1 : end].stand_in(" ")
            size += _size(line)
            continue
        pieces.append(text[start:end])
        yield join(pieces, text[start:start])
        pieces, size = [], 0
    if error:
        yield error
    elif pieces:
        yield join(pieces, text[:0])


def _size(characters: str) -> int:
    """Return the length in bytes; a raw byte, which is half a surrogate pair here, counts as one."""
    return len(characters) if characters.isascii() else len(characters.encode("utf-8", "replace"))


def _read_line(line: Text, section: str) -> Directive | Flaw | UnitError | str | None:
    """Return what a line is: an assignment, a section's name, nothing, or what is wrong with it."""
    if not line:
        return None
    if _NOT_UTF8.search(str(line)):
        return UnitError("the line is not UTF-8", line, "EINVAL")
    if line.startswith("["):
        return _section(line)
    at = line.find("=")
    if at <= 0:
        return Flaw("systemd ignores a line without a key and =", line)
    return Directive(section, line[:at].rstrip(BLANKS), line[at + 1 :].lstrip(BLANKS))


def _section(header: Text) -> str | UnitError:
    name = str(header[1:-1])
    if len(header) < 2 or not str(header).endswith("]"):
        return UnitError("the section header does not end in ]", header, "EBADMSG")
    if _UNSAFE.search(name):
        return UnitError("the section header has a character that is not allowed there", header, "EBADMSG")
    return name


# --- Specifiers: src/shared/specifier.c, `unit_full_printf` in src/core/unit-printf.c

_SPECIFIER = re.compile(r"%(.)", re.DOTALL)

# The same on every host, for the system manager.
_FIXED_SPECIFIERS = {
    "%": "%",
    "C": "/var/cache",
    "E": "/etc",
    "G": "0",
    "L": "/var/log",
    "S": "/var/lib",
    "T": "/tmp",  # noqa: S108 - a fact about systemd
    "U": "0",
    "V": "/var/tmp",  # noqa: S108 - a fact about systemd
    "g": "root",
    "h": "/root",
    "t": "/run",
    "u": "root",
}

# Machine, boot, host name, kernel, os-release, shell, control group: valid, but only the host knows them.
_HOST_SPECIFIERS = frozenset("ABHMRWabclmoqrsvw")

# Those that a template (k3s@.service) cannot tell: its instances do.
_INSTANCE_SPECIFIERS = frozenset("INdfin")
_NAME_SPECIFIERS = frozenset("INPJdfijnp")

_UNIT_FOLDER = "/etc/systemd/system"  # where the K3s install script puts its units (SYSTEMD_DIR in install.sh)
_NAME_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2}))?")


def _resolved(word: Text, unit_name: str) -> Text | Flaw:
    """Return the word with its specifiers resolved, or the specifier that spoils it.

    What only the host knows stays as it is written and is not known. A `%` in text that is not known itself (a
    template's) is left alone.
    """
    value = str(word)
    if "%" not in value:
        return word
    pieces: list[Text] = []
    position = 0
    for match in _SPECIFIER.finditer(value):
        written = word.cut(match)
        resolved = _specifier(written, match[1], unit_name) if written.known else written
        if isinstance(resolved, Flaw):
            return resolved
        pieces += word[position : match.start()], resolved
        position = match.end()
    pieces.append(word[position:])
    return join(pieces, word[:0])


def _specifier(written: Text, letter: str, unit_name: str) -> Text | Flaw:
    if letter in _HOST_SPECIFIERS or (letter in _INSTANCE_SPECIFIERS and "@." in unit_name):
        return written.unknown()
    if letter in _NAME_SPECIFIERS:
        value = _of_unit_name(letter, unit_name)
        return Flaw("systemd cannot unescape the unit's name", written) if value is None else stand_in(written, value)
    if letter in _FIXED_SPECIFIERS:
        return stand_in(written, _FIXED_SPECIFIERS[letter])
    if letter in "yY":
        # Where the unit will lie is likely, not certain.
        return stand_in(written, _UNIT_FOLDER + (f"/{_file_name(unit_name)}" if letter == "y" else "")).unknown()
    if letter.isascii() and letter.isalnum():
        return Flaw("systemd knows no such specifier; a percent sign is written %%", written)
    return written


def _file_name(unit_name: str) -> str:
    """Return the name of the file a unit is made of: an instance is made of its template."""
    prefix, at, rest = unit_name.partition("@")
    return f"{prefix}@.{rest.rpartition('.')[2]}" if at else unit_name


def _of_unit_name(letter: str, unit_name: str) -> str | None:
    """Return what a specifier takes from the unit's name; None where its escapes are invalid."""
    bare = unit_name.rpartition(".")[0] or unit_name
    prefix, _, instance = bare.partition("@")
    last = prefix.rpartition("-")[2]
    plain = {
        "n": unit_name, "N": bare, "p": prefix, "i": instance, "j": last, "d": f"/run/credentials/{unit_name}",
    }  # fmt: skip
    if letter in plain:
        return plain[letter]
    if letter == "f":
        return _unescaped_path(instance or bare)
    return _unescaped({"P": prefix, "I": instance, "J": last}[letter])


def _unescaped(name: str) -> str | None:
    """Undo systemd-escape (`unit_name_unescape` in src/basic/unit-name.c)."""
    if any(match[1] is None for match in _NAME_ESCAPE.finditer(name)):
        return None
    octets = _NAME_ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), name.replace("-", "/"))
    # Below 0x80 `surrogateescape` has no place for a byte.
    ascii_back = re.sub("[\udc00-\udc7f]", lambda match: chr(ord(match[0]) - 0xDC00), octets)
    return ascii_back.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _unescaped_path(name: str) -> str | None:
    """Undo systemd-escape --path (`unit_name_path_unescape` in src/basic/unit-name.c)."""
    if name == "-":
        return "/"
    path = _unescaped(name)
    if not path or path.startswith("/") or path.endswith("/") or {".", "..", ""} & set(path.split("/")):
        return None
    return f"/{path}"


# --- Exec*=: `config_parse_exec` in src/core/load-fragment.c

# Every Exec*= of a service, in the order systemd runs them.
EXEC_KEYS = ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost")


class ExecFlag(Enum):
    """A prefix of a command, by what it does."""

    IGNORE_FAILURE = "ignore-failure"  # -
    NO_ENV_EXPAND = "no-env-expand"  # :
    PRIVILEGED = "privileged"  # +
    NO_SETUID = "no-setuid"  # !
    AMBIENT = "ambient"  # !!


@dataclass(frozen=True)
class ExecCommand:
    """One command: unquoted, specifiers resolved, `$` not expanded yet.

    `path` is the program, simplified as systemd does it; `argv[0]` is the path as it is written, or the word that an
    `@` puts in its place. Give `argv` to `expand` unless `flags` have NO_ENV_EXPAND.
    """

    path: Text
    argv: tuple[Text, ...]
    flags: frozenset[ExecFlag]


@dataclass(frozen=True)
class ExecResult:
    """The commands of one value, and what became of the rest of it.

    With an `error` systemd refuses the unit (the drop-in, if it stands in one). `ignored` only loses that command and
    what follows in the value.
    """

    commands: tuple[ExecCommand, ...]
    error: UnitError | None = None
    ignored: Flaw | None = None


_ROOTLESS = frozenset({ExecFlag.PRIVILEGED, ExecFlag.NO_SETUID, ExecFlag.AMBIENT})  # one of them at most
_PREFIXES = {"-": ExecFlag.IGNORE_FAILURE, ":": ExecFlag.NO_ENV_EXPAND, "+": ExecFlag.PRIVILEGED}


def exec_commands(value: Text, unit_name: str) -> ExecResult:
    """Read the value of one Exec*= of a service. An empty value has no commands; in a unit it resets the list."""
    commands: list[ExecCommand] = []
    position = 0
    while word := first_word(value, position, Escapes.KEPT):
        if isinstance(word, Flaw):
            return ExecResult(tuple(commands), ignored=word)
        if str(word.text) == ";":
            position = word.end
            continue
        flags, named_apart, program = _without_prefixes(word.text)
        read = _command(value, program, word.end, unit_name, named_apart=named_apart)
        if isinstance(read, Flaw) and ExecFlag.IGNORE_FAILURE in flags:
            return ExecResult(tuple(commands), ignored=read)
        if isinstance(read, Flaw):
            return ExecResult(tuple(commands), error=UnitError(read.message, read.at, "ENOEXEC"))
        path, argv, position = read
        commands.append(ExecCommand(path, tuple(argv), flags))
    return ExecResult(tuple(commands))


def _command(
    value: Text, program: Text, position: int, unit_name: str, *, named_apart: bool
) -> tuple[Text, list[Text], int] | Flaw:
    """Return path and argv of the command whose arguments begin at `position`, and the position behind it."""
    path = _program(program, unit_name)
    if isinstance(path, Flaw):
        return path
    arguments = _arguments(value, position, unit_name)
    if isinstance(arguments, Flaw):
        return arguments
    argv, end = arguments
    if not named_apart:
        argv.insert(0, path)
    if not argv:
        return Flaw("after @ the word that names the process is missing", program)
    return _simplified(path), argv, end


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


def _program(written: Text, unit_name: str) -> Text | Flaw:
    """Return the path of a command with its specifiers resolved, or what is wrong with it."""
    path = _resolved(written, unit_name)
    if isinstance(path, Flaw):
        return path
    value = str(path)
    parts = value.split("/")
    if not value:
        flaw = "the command names no program"
    elif _UNSAFE.search(value):
        flaw = "the program's name has a quote, a backslash or a control character"
    elif value.endswith("/"):
        flaw = "the program is a directory"
    elif any(_size(part) > 255 for part in parts) or _size(value) >= 4096:
        flaw = "the program's name is too long"
    elif value in {".", ".."} or (len(parts) > 1 and parts[0]):
        flaw = "the program is neither an absolute path nor a bare name"
    else:
        return path
    return Flaw(flaw, path or written)


def _arguments(value: Text, position: int, unit_name: str) -> tuple[list[Text], int] | Flaw:
    """Return the words up to the end of a command, and the position behind it."""
    argv: list[Text] = []
    while argument := _argument(value, position, unit_name):
        if isinstance(argument, Flaw):
            return argument
        argv.append(argument.text)
        position = argument.end
    if position < len(value):
        position = after_blanks(str(value), position + 1)
    return argv, position


def _argument(value: Text, position: int, unit_name: str) -> Word | Flaw | None:
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
    resolved = _resolved(word.text, unit_name)
    return resolved if isinstance(resolved, Flaw) else Word(resolved, word.end)


def _is_word(value: str, position: int, word: str) -> bool:
    end = position + len(word)
    return value.startswith(word, position) and (end == len(value) or value[end] in BLANKS)


_REDUNDANT = re.compile(r"//|/\.(?:/|\Z)|/\Z")
_PATH_PART = re.compile(r"/([^/]+)")


def _simplified(path: Text) -> Text:
    """Return an absolute path without doubled slashes and dots (`path_simplify` in src/basic/path-util.c)."""
    if not _REDUNDANT.search(str(path)):
        return path
    parts = [path.cut(match) for match in _PATH_PART.finditer(str(path)) if match[1] != "."]
    return join(parts, path[:1])


# --- Variables in commands: `replace_env_argv` and `replace_env_n` in src/basic/env-util.c

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$(?:\$|\{(?P<name>[^}:]*)(?P<end>\}|:|\Z))")


def expand(argv: Iterable[Text], environment: Mapping[str, Text], *, keep_missing: bool = False) -> list[Text]:
    """Return the words a process gets: `$NAME` as a whole word split at blanks, `${NAME}` anywhere as it is.

    Characters of a value keep the place where the value was written. A variable that is not in `environment` is
    empty, and `$NAME` vanishes; with `keep_missing` (not all of the environment was seen) it stays as it is written
    and is not known. Names that no variable can have are empty all the same.
    """
    expanded: list[Text] = []
    for word in argv:
        value = str(word)
        if "$" not in value:
            expanded.append(word)
        elif value.startswith("$") and not value.startswith(("${", "$$")):
            expanded += _expanded_whole(word, environment, keep_missing=keep_missing)
        else:
            expanded.append(_expanded_inside(word, environment, keep_missing=keep_missing))
    return expanded


def _expanded_whole(word: Text, environment: Mapping[str, Text], *, keep_missing: bool) -> list[Text]:
    if not word[:1].known:
        return [word]
    name = str(word[1:])
    value = _variable(name, environment)
    if value is not None:
        return [part for part in words(value, Escapes.DROPPED) if isinstance(part, Text)]
    return [word.unknown()] if keep_missing and _VARIABLE_NAME.fullmatch(name) else []


def _expanded_inside(word: Text, environment: Mapping[str, Text], *, keep_missing: bool) -> Text:
    pieces: list[Text] = []
    position = 0
    for match in _REFERENCE.finditer(str(word)):
        written = word.cut(match)
        pieces.append(word[position : match.start()])
        position = match.end()
        name = match["name"]
        if not written.known or (name is not None and match["end"] != "}"):
            pieces.append(written)
        elif name is None:
            pieces.append(stand_in(written, "$"))
        elif (value := _variable(name, environment)) is not None:
            pieces.append(value)
        elif keep_missing and _VARIABLE_NAME.fullmatch(name):
            pieces.append(written.unknown())
    pieces.append(word[position:])
    return join(pieces, word[:0])


def _variable(name: str, environment: Mapping[str, Text]) -> Text | None:
    """Return a variable's value. systemd looks for `name=` among assignments, so `A=b` finds c in `A=b=c`."""
    name, equals, begin = name.partition("=")
    value = environment.get(name)
    if value is None or not equals:
        return value
    return value[len(begin) + 1 :] if value.startswith(f"{begin}=") else None


# --- Environment= and EnvironmentFile=: `config_parse_environ`, `config_parse_unit_env_file` in
# --- src/core/load-fragment.c; `load_env_file` in src/basic/env-file.c; src/basic/env-util.c


@dataclass(frozen=True)
class Variable:
    """One environment variable as it is assigned."""

    name: Text
    value: Text


@dataclass(frozen=True)
class Assignments:
    """The variables of one Environment=, in order, and what systemd ignores of it."""

    variables: tuple[Variable, ...]
    ignored: tuple[Flaw, ...]


@dataclass(frozen=True)
class EnvironmentPath:
    """An EnvironmentFile=: its path, which may hold wildcards; with `optional` (a leading `-`) it may be missing."""

    path: Text
    optional: bool


@dataclass(frozen=True)
class EnvironmentFile:
    """An environment file: its variables, in order; the last of a name wins.

    `dropped` have names that are none (`export A`), `ignored` are lines without `=`. With an `error` systemd uses
    nothing of the file: the service does not start, unless the path has a `-`.
    """

    variables: tuple[Variable, ...]
    dropped: tuple[Variable, ...] = ()
    ignored: tuple[Text, ...] = ()
    error: UnitError | None = None


def assignments(value: Text, unit_name: str) -> Assignments:
    """Read the value of one Environment=. A bad word is lost alone, a bad quote or escape loses the rest too."""
    variables: list[Variable] = []
    ignored: list[Flaw] = []
    for word in words(value, Escapes.STRICT):
        assignment = word if isinstance(word, Flaw) else _resolved(word, unit_name)
        if isinstance(assignment, Flaw):
            ignored.append(assignment)
            continue
        name, equals, content = assignment.partition("=")
        if not equals or not _VARIABLE_NAME.fullmatch(str(name)) or _NOT_UTF8.search(str(content)):
            ignored.append(Flaw("this is no assignment of a variable", assignment))
            continue
        variables.append(Variable(name, content))
    return Assignments(tuple(variables), tuple(ignored))


def environment(value: Text, unit_name: str) -> tuple[Variable, ...]:
    """Return the variables of one Environment=, in order. An empty value has none; in a unit it resets the list."""
    return assignments(value, unit_name).variables


def environment_path(value: Text, unit_name: str) -> EnvironmentPath | Flaw:
    """Read the value of one EnvironmentFile=, which is not empty: one path, without quotes or comments."""
    resolved = _resolved(value, unit_name)
    if isinstance(resolved, Flaw):
        return resolved
    optional = resolved.startswith("-")
    path = resolved[1:] if optional else resolved
    if not path.startswith("/"):
        return Flaw("the path of an environment file is absolute, and has no quotes", path)
    path = _simplified(path)
    parts = str(path).split("/")
    if ".." in parts or any(_size(part) > 255 for part in parts) or _size(str(path)) >= 4096:
        return Flaw("systemd does not take a path that is too long or leads upwards", path)
    return EnvironmentPath(path, optional)


def merged(*lists: Iterable[Variable]) -> dict[str, Text]:
    """Return the environment of a process: the last of a name wins.

    Give the service's own variables first, then those of its environment files, which always beat them
    (`build_environment` in src/core/execute.c).
    """
    return {str(variable.name): variable.value for variables in lists for variable in variables}


_ENV_COMMENT = re.compile(r"[#;][^\\\n\r]*(?:\\.[^\\\n\r]*)*\\?", re.DOTALL)
_ENV_NAME = re.compile(r"[^\n\r][^=\n\r]*")
_ENV_QUOTED = re.compile(
    r"""[ \t]*(?:'(?P<single>[^']*)'?|"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?\Z))""", re.DOTALL
)
_ENV_UNQUOTED = re.compile(r"[^\\\n\r]*(?:\\.[^\\\n\r]*)*\\?", re.DOTALL)
_ENV_DOUBLE_ESCAPE = re.compile(r'\\(?:\n|(?P<kept>["\\`$]))')
_ENV_UNQUOTED_ESCAPE = re.compile(r"\\(?:[\n\r]|\Z|(?P<kept>.))", re.DOTALL)


def environment_file(text: Text) -> EnvironmentFile:
    """Read an environment file (`parse_env_file_internal` in src/basic/env-file.c).

    It looks like shell and is not: no `export`, no `$`, no comment behind a value, and quotes count only at the
    start of a value. A comment that ends in a backslash swallows the next line (until systemd 254).
    """
    content = str(text)
    if (nul := content.find("\0")) >= 0:
        return EnvironmentFile((), error=UnitError("the file has a NUL character", text[nul : nul + 1], "EBADMSG"))
    variables: list[Variable] = []
    dropped: list[Variable] = []
    ignored: list[Text] = []
    position = after_blanks(content, 0)
    while position < len(content):
        if comment := _ENV_COMMENT.match(content, position):
            position = after_blanks(content, comment.end())
            continue
        end = _end(_ENV_NAME, content, position)
        name = text[position:end].rstrip(BLANKS)
        if not content.startswith("=", end):
            ignored.append(name)
            position = after_blanks(content, end)
            continue
        value, position = _env_value(text, end + 1)
        variable = Variable(name, value)
        for part in (variable.name, variable.value):
            if _NOT_UTF8.search(str(part)):
                return EnvironmentFile((), error=UnitError("the file is not UTF-8", part, "EINVAL"))
        (variables if _VARIABLE_NAME.fullmatch(str(variable.name)) else dropped).append(variable)
        position = after_blanks(content, position)
    return EnvironmentFile(tuple(variables), tuple(dropped), tuple(ignored))


def _end(pattern: re.Pattern[str], value: str, start: int) -> int:
    """Return the position behind what a pattern matches at `start`."""
    match = pattern.match(value, start)
    return match.end() if match else start


def _env_value(text: Text, start: int) -> tuple[Text, int]:
    """Return the value that begins at `start`, and the position of the line break behind it."""
    content = str(text)
    pieces: list[Text] = []
    position = start
    while quoted := _ENV_QUOTED.match(content, position):
        if quoted["single"] is None:
            pieces += _env_unescaped(text.cut(quoted, "double"), _ENV_DOUBLE_ESCAPE)
        else:
            pieces.append(text.cut(quoted, "single"))
        position = quoted.end()
    end = _end(_ENV_UNQUOTED, content, position)
    plain = _env_unescaped(text[position:end].lstrip(BLANKS), _ENV_UNQUOTED_ESCAPE)
    # An escaped blank is a piece of its own, and stays.
    pieces += [*plain[:-1], plain[-1].rstrip(BLANKS)]
    return join(pieces, text[start:start]), end


def _env_unescaped(text: Text, escapes: re.Pattern[str]) -> list[Text]:
    """Return the pieces of a value without its escapes; the last one is what follows the last escape."""
    pieces: list[Text] = []
    position = 0
    for match in escapes.finditer(str(text)):
        pieces.append(text[position : match.start()])
        if match["kept"]:
            pieces.append(stand_in(text.cut(match), match["kept"]))
        position = match.end()
    pieces.append(text[position:])
    return pieces


# --- A service: src/core/load-dropin.c, src/shared/dropin.c, `service_verify` in src/core/service.c


class LoadState(Enum):
    """What `systemctl show --property LoadState` says of a unit."""

    LOADED = "loaded"
    MASKED = "masked"  # an empty file
    BAD_SETTING = "bad-setting"  # a command is wrong, or the settings do not fit together
    ERROR = "error"  # the file cannot be read to its end


@dataclass(frozen=True)
class Service:
    """What a service gets from its unit and drop-ins, after all resets, and whether systemd takes it.

    `environment` holds Environment= only, in order, the last of a name wins; environment files beat it.
    `commands` have the keys in EXEC_KEYS that are set. `errors` are all that systemd met, also in drop-ins, where
    an error only ends that drop-in; `refused` is why the unit is not `loaded`.
    """

    load_state: LoadState
    environment: tuple[Variable, ...]
    environment_files: tuple[EnvironmentPath, ...]
    commands: Mapping[str, tuple[ExecCommand, ...]]
    refused: UnitError | None
    errors: tuple[UnitError, ...]
    ignored: tuple[Flaw, ...]


def drop_in_folders(unit_name: str) -> tuple[str, ...]:
    """Return the names of the folders with a unit's drop-ins, the first to be asked first.

    For k3s-agent.service: k3s-agent.service.d, k3s-.service.d, service.d. Folders of one name lie in /etc, /run and
    /usr, asked in that order; service.d comes last of all. A file name (`*.conf`, no leading dot) counts once, where
    it is found first.
    """
    bare, _, suffix = unit_name.rpartition(".")
    prefix, at, instance = bare.partition("@")
    names = dict.fromkeys(_drop_in_names(prefix, at + instance))
    return (*(f"{name}.{suffix}.d" for name in names), f"{suffix}.d")


def _drop_in_names(prefix: str, instance: str) -> Iterator[str]:
    """Yield the names a unit answers to: its own, its template's, then those of each shorter prefix."""
    yield prefix + instance
    if len(instance) > 1:
        yield from _drop_in_names(prefix, "@")
    dash = prefix.removesuffix("-").rfind("-")
    if dash > 0:
        yield from _drop_in_names(prefix[: dash + 1], instance)


def combine(main: UnitFile, drop_ins: Mapping[str, UnitFile], unit_name: str) -> Service:
    """Put a service's unit and its drop-ins, by file name, together.

    Drop-ins follow the unit in byte order of their file names, wherever they lie. An empty Environment=,
    EnvironmentFile= or Exec*= resets what was set before.
    """
    settings = _Settings(unit_name)
    main_error = settings.take(main)
    for _, drop_in in sorted(drop_ins.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape")):
        settings.take(drop_in)
    state, refused = LoadState.LOADED, main_error
    if not main.text:
        state = LoadState.MASKED
    elif main_error:
        state = LoadState.BAD_SETTING if main_error.code == "ENOEXEC" else LoadState.ERROR
    elif refused := settings.contradiction(main.text[:0]):
        state = LoadState.BAD_SETTING
    return Service(
        load_state=state,
        environment=tuple(settings.environment),
        environment_files=tuple(settings.environment_files),
        commands={key: tuple(settings.commands[key]) for key in EXEC_KEYS if settings.commands[key]},
        refused=refused,
        errors=tuple(settings.errors),
        ignored=tuple(settings.ignored),
    )


# The settings that decide, with the commands, whether a service is taken, and the values systemd knows for them.
_TRUE = re.compile("1|yes|y|true|t|on", re.IGNORECASE)
_CHOICES = {
    "Type": re.compile("simple|exec|forking|oneshot|dbus|notify|idle"),
    "Restart": re.compile("no|always|on-(?:success|failure|abnormal|watchdog|abort)"),
    "RemainAfterExit": re.compile("1|yes|y|true|t|on|0|no|n|false|f|off", re.IGNORECASE),
    "BusName": re.compile(".*"),
    "SuccessAction": re.compile(".*"),
}


@dataclass
class _Settings:
    """A service while its files are put together."""

    unit_name: str
    environment: list[Variable] = field(default_factory=list)
    environment_files: list[EnvironmentPath] = field(default_factory=list)
    commands: dict[str, list[ExecCommand]] = field(default_factory=lambda: {key: [] for key in EXEC_KEYS})
    choices: dict[str, Text] = field(default_factory=dict)
    errors: list[UnitError] = field(default_factory=list)
    ignored: list[Flaw] = field(default_factory=list)

    def take(self, file: UnitFile) -> UnitError | None:
        """Take in a file up to the first error, and return that."""
        self.ignored += file.ignored
        for directive in file.directives:
            error = self._assign(directive)
            if error:
                self.errors.append(error)
                return error
        if file.error:
            self.errors.append(file.error)
        return file.error

    def _assign(self, directive: Directive) -> UnitError | None:
        match directive.section, str(directive.key):
            case "Service", "Environment":
                self._assign_environment(directive.value)
            case "Service", "EnvironmentFile":
                self._assign_environment_file(directive.value)
            case "Service", key if key in self.commands:
                return self._assign_commands(key, directive.value)
            case ("Service", ("Type" | "Restart" | "RemainAfterExit" | "BusName") as key) | (
                "Unit",
                "SuccessAction" as key,
            ):
                if _CHOICES[key].fullmatch(str(directive.value)):
                    self.choices[key] = directive.value
        return None

    def _assign_environment(self, value: Text) -> None:
        if not value:
            self.environment.clear()
        read = assignments(value, self.unit_name)
        self.environment += read.variables
        self.ignored += read.ignored

    def _assign_environment_file(self, value: Text) -> None:
        if not value:
            self.environment_files.clear()
            return
        path = environment_path(value, self.unit_name)
        if isinstance(path, Flaw):
            self.ignored.append(path)
        else:
            self.environment_files.append(path)

    def _assign_commands(self, key: str, value: Text) -> UnitError | None:
        if not value:
            self.commands[key].clear()
        read = exec_commands(value, self.unit_name)
        self.commands[key] += read.commands
        if read.ignored:
            self.ignored.append(read.ignored)
        return read.error

    def contradiction(self, place: Text) -> UnitError | None:
        """Return why the settings together are refused; `place` is for what is missing."""
        start = self.commands["ExecStart"]
        success = self._choice("SuccessAction", "none") != "none"
        kind = self._choice("Type", "simple" if start or self._choice("BusName", "") else "oneshot")
        restart = self._choice("Restart", "no")
        remains = _TRUE.fullmatch(self._choice("RemainAfterExit", "no"))
        message = ""
        if not start and not self.commands["ExecStop"] and not success:
            message = "a service has ExecStart=, ExecStop= or SuccessAction="
        elif not start and (kind != "oneshot" or not (success or remains)):
            message = "a service without ExecStart= is Type=oneshot, with RemainAfterExit=yes or SuccessAction="
        elif kind != "oneshot" and len(start) > 1:
            message, place = "only Type=oneshot has more than one ExecStart= command", start[1].path
        elif kind == "oneshot" and restart in {"always", "on-success"}:
            message, place = f"Type=oneshot does not go with Restart={restart}", self.choices["Restart"]
        return UnitError(message, place, "ENOEXEC") if message else None

    def _choice(self, key: str, default: str) -> str:
        return str(self.choices[key]) if key in self.choices else default
