"""Environment= and EnvironmentFile=, and the files that names.

After `config_parse_environ` and `config_parse_unit_env_file` in systemd src/core/load-fragment.c, `load_env_file` in
src/basic/env-file.c, and src/basic/env-util.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.formats.systemd.character import NOT_UTF8, VARIABLE_NAME, simplified, size
from k3s_policy.formats.systemd.specifier import resolved
from k3s_policy.formats.systemd.unit import UnitError
from k3s_policy.formats.systemd.words import BLANKS, Escapes, Flaw, after_blanks, join, stand_in, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.text import Text

__all__ = [
    "Assignments",
    "EnvironmentFile",
    "EnvironmentPath",
    "Variable",
    "assignments",
    "environment",
    "environment_file",
    "environment_path",
    "merged",
]


@dataclass(frozen=True, repr=False)
class Variable:
    """One environment variable as it is assigned."""

    name: Text
    value: Text
    quoted: tuple[Text, ...] = ()
    """The parts in quotes that a value in an environment file begins with, as they are written."""
    plain: Text | None = None
    """What stands behind these, to the end of the line."""


@dataclass(frozen=True, repr=False)
class Assignments:
    """The variables of one Environment=, in order, and what systemd ignores of it."""

    variables: tuple[Variable, ...]
    ignored: tuple[Flaw, ...]


@dataclass(frozen=True, repr=False)
class EnvironmentPath:
    """An EnvironmentFile=: its path, which may hold wildcards; with `optional` (a leading `-`) it may be missing."""

    path: Text
    optional: bool


@dataclass(frozen=True, repr=False)
class EnvironmentFile:
    """An environment file: its variables, in order; the last of a name wins.

    `dropped` have names that are none (`export A`), `ignored` are lines without `=`; `comments` may go over several
    lines. With an `error` systemd uses nothing of the file: the service does not start, unless the path has a `-`.
    """

    variables: tuple[Variable, ...]
    dropped: tuple[Variable, ...] = ()
    ignored: tuple[Text, ...] = ()
    error: UnitError | None = None
    comments: tuple[Text, ...] = ()


def assignments(value: Text, unit_name: str, *, lenient: bool = False) -> Assignments:
    """Read the value of one Environment=. A bad word is lost alone, a bad quote or escape loses the rest too.

    With `lenient`, a `%` that begins no specifier stands for itself.
    """
    variables: list[Variable] = []
    ignored: list[Flaw] = []
    for word in words(value, Escapes.STRICT):
        assignment = word if isinstance(word, Flaw) else resolved(word, unit_name, lenient=lenient)
        if isinstance(assignment, Flaw):
            ignored.append(assignment)
            continue
        name, equals, content = assignment.partition("=")
        if not equals or not VARIABLE_NAME.fullmatch(str(name)) or NOT_UTF8.search(str(content)):
            ignored.append(Flaw("this is no assignment of a variable", assignment))
            continue
        variables.append(Variable(name, content))
    return Assignments(tuple(variables), tuple(ignored))


def environment(value: Text, unit_name: str) -> tuple[Variable, ...]:
    """Return the variables of one Environment=, in order. An empty value has none; in a unit it resets the list."""
    return assignments(value, unit_name).variables


def environment_path(value: Text, unit_name: str, *, lenient: bool = False) -> EnvironmentPath | Flaw:
    """Read the value of one EnvironmentFile=, which is not empty: one path, without quotes or comments.

    With `lenient`, a `%` that begins no specifier stands for itself.
    """
    written = resolved(value, unit_name, lenient=lenient)
    if isinstance(written, Flaw):
        return written
    optional = written.startswith("-")
    path = written[1:] if optional else written
    if not path.startswith("/"):
        return Flaw("the path of an environment file is absolute, and has no quotes", path)
    path = simplified(path)
    parts = str(path).split("/")
    if ".." in parts or any(size(part) > 255 for part in parts) or size(str(path)) >= 4096:
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
    comments: list[Text] = []
    position = after_blanks(content, 0)
    while position < len(content):
        if comment := _ENV_COMMENT.match(content, position):
            comments.append(text.cut(comment))
            position = after_blanks(content, comment.end())
            continue
        end = _end(_ENV_NAME, content, position)
        name = text[position:end].rstrip(BLANKS)
        if not content.startswith("=", end):
            ignored.append(name)
            position = after_blanks(content, end)
            continue
        variable, position = _env_variable(name, text, end + 1)
        for part in (variable.name, variable.value):
            if NOT_UTF8.search(str(part)):
                return EnvironmentFile((), error=UnitError("the file is not UTF-8", part, "EINVAL"))
        (variables if VARIABLE_NAME.fullmatch(str(variable.name)) else dropped).append(variable)
        position = after_blanks(content, position)
    return EnvironmentFile(tuple(variables), tuple(dropped), tuple(ignored), comments=tuple(comments))


def _end(pattern: re.Pattern[str], value: str, start: int) -> int:
    """Return the position behind what a pattern matches at `start`."""
    match = pattern.match(value, start)
    return match.end() if match else start


def _env_variable(name: Text, text: Text, start: int) -> tuple[Variable, int]:
    """Return the variable whose value begins at `start`, and the position of the line break behind it."""
    content = str(text)
    pieces: list[Text] = []
    parts: list[Text] = []
    position = start
    while quoted := _ENV_QUOTED.match(content, position):
        if quoted["single"] is None:
            pieces += _env_unescaped(text.cut(quoted, "double"), _ENV_DOUBLE_ESCAPE)
        else:
            pieces.append(text.cut(quoted, "single"))
        parts.append(text.cut(quoted).lstrip(BLANKS))
        position = quoted.end()
    end = _end(_ENV_UNQUOTED, content, position)
    plain = _env_unescaped(text[position:end].lstrip(BLANKS), _ENV_UNQUOTED_ESCAPE)
    # An escaped blank is a piece of its own, and stays.
    pieces += [*plain[:-1], plain[-1].rstrip(BLANKS)]
    return Variable(name, join(pieces, text[start:start]), tuple(parts), text[position:end]), end


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
