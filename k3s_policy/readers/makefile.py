"""Makefiles: each line of a recipe is a command of its own for the shell.

Make fills in `$(NAME)` and `${NAME}` first and turns `$$` into `$`
(https://www.gnu.org/software/make/manual/html_node/Recipes.html). A variable that the file assigns once, outside of
conditions, has that value; whatever else make fills in is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.program import SHELL
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import TOO_MUCH, Start, Unfollowed
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Variable
from k3s_policy.text import Text, join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import Values, replaced

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_ASSIGNMENT = pattern(
    r"[ ]*(?P<export>(?:(?:override|private|export)[ \t]+)*)(?P<name>[A-Za-z_][\w.-]*)[ \t]*"
    r"(?P<operator>:::?=|[:?+!]?=)[ \t]*(?P<value>.*)"
)
_EXPORTED = pattern(r"[ ]*export[ \t]+(?P<names>[\w \t.-]+)$")
_EXPORTS_ALL = pattern(r"[ ]*(?:export[ \t]*|\.EXPORT_ALL_VARIABLES[ \t]*:.*)$")
_RULE = pattern(r"(?P<targets>[^\t#=:][^#=:]*|[^\t#=:]):(?![=:]*=)(?P<rest>[^;]*)(?:;(?P<recipe>.*))?$")
_CONDITION = pattern(r"[ ]*(?P<word>ifeq|ifneq|ifdef|ifndef|endif)\b")
_DEFINE = pattern(r"[ ]*(?:(?:override|export)[ \t]+)*define\b")
_END = pattern(r"[ ]*endef\b")
_ONE_SHELL = pattern(r"(?m)^\.ONESHELL[ \t]*:")
_SHELL = pattern(rf"(?m)^(?:override[ \t]+)?SHELL[ \t]*[:?]?=[^\n]*?(?:(?P<posix>\b{SHELL}\b)|(?P<other>$))")
_OTHER_SHELL = pattern(r"\b(?:pwsh|powershell|cmd|fish|nu|t?csh|python[0-9.]*|perl|ruby|node)\b(?!/)")
_INCLUDES = pattern(r"[ ]*(?:-|s)?include[ \t]")
_REFERENCE = pattern(r"\$(?:\$|[({]|.)")
_WORD = pattern(r"[A-Za-z_]\w*")
_NAME = pattern(r"[A-Za-z_][\w.-]*")
_PREFIX = pattern(r"[ \t]*[@+-][@+ \t-]*")
_INDENTATION = pattern(r"[@+ \t-]+")


@dataclass(repr=False)
class _Makefile:
    """What a makefile says outside of its recipes, and the recipes, by the places of their rules."""

    assigned: list[Variable] = field(default_factory=list)
    """Every assignment of a value that is written out."""
    values: dict[str, Text | None] = field(default_factory=dict)
    """None for what has several, or depends on something."""
    names: dict[str, Text] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    exports_all: bool = False
    unseen: list[Unseen] = field(default_factory=list)
    recipes: list[tuple[str, list[Text]]] = field(default_factory=list)


def claims(_: Seen) -> bool:
    """Whether a file is a makefile: its name says so."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read the recipes, and the credentials among the variables."""
    text = seen.text
    makefile = _taken_apart(text)
    yield from credentials_of_k3s(makefile.assigned)
    if _is_for_another_shell(str(text)):
        return
    known = {name: value for name, value in makefile.values.items() if value is not None}
    given = [
        Variable(makefile.names[name], value or makefile.names[name].unknown(), Form.VARIABLE)
        for name, value in makefile.values.items()
        if makefile.exports_all or name in makefile.exported
    ]
    values = Values(known)
    others = {str(one.name): one for one in given if not _is_of_k3s(one)}
    own = [one for one in given if _is_of_k3s(one)]
    one_shell = _ONE_SHELL.search(str(text)) is not None
    said = Start.without_words(text[:0], Form.COMMAND, unseen=tuple(makefile.unseen))
    for host, lines in makefile.recipes:
        # Of a recipe for one shell of POSIX make takes all blanks in front of every line, here-documents' included, and
        # the same characters wherever it finds them among these (GNU make src/job.c, construct_command_argv_internal).
        prefix = _INDENTATION if one_shell else _PREFIX
        commands = [expanded(_without(line, prefix), values) for line in lines]
        if one_shell and commands:
            commands = [join(commands, "\n")]
        for command in commands:
            wanted = [others[name] for name in dict.fromkeys(_WORD.findall(str(command))) if name in others]
            yield File(text=command, path="", read_as=ReadAs.SCRIPT, host=host, given=(*own, *wanted), said=said)
    if values.spent:
        yield Unfollowed.at(text, TOO_MUCH)


def _is_of_k3s(variable: Variable) -> bool:
    """Whether K3s or its install script reads a variable, whatever command it is given to."""
    name = str(variable.name)
    return name.startswith(("K3S_", "INSTALL_K3S_", "GITHUB_URL")) or bool(flags().by_environment(name))


def _is_for_another_shell(content: str) -> bool:
    """Whether recipes are for a shell that is known to be none of POSIX; what is computed counts as one."""
    shells = list(_SHELL.finditer(content))
    return any(_OTHER_SHELL.search(one[0]) for one in shells) and not any(one["posix"] for one in shells)


def _taken_apart(text: Text) -> _Makefile:
    """Go through the lines: assignments, rules, and what belongs to the rule above."""
    makefile = _Makefile()
    conditions, defines = 0, False
    for line in _logical_lines(text):
        written = str(line)
        if defines:
            defines = _END.match(written) is None
        elif written.startswith("\t") and makefile.recipes:
            makefile.recipes[-1][1].append(line[1:])
        elif condition := _CONDITION.match(written):
            conditions += -1 if condition["word"] == "endif" else 1
        elif _DEFINE.match(written):
            defines = True
        elif found := _ASSIGNMENT.match(written):
            _assign(makefile, line, found, sure=not conditions)
        elif not _shares(makefile, line) and (found := _RULE.match(written)):
            _begin(makefile, line, found)
    return makefile


def _shares(makefile: _Makefile, line: Text) -> bool:
    """Take note of a line that says what the shell finds in its environment."""
    written = str(line)
    if _EXPORTS_ALL.match(written):
        makefile.exports_all = True
    elif found := _EXPORTED.match(written):
        makefile.exported.update(found["names"].split())
    elif _INCLUDES.match(written):
        makefile.unseen.append(Unseen(Input.ENVIRONMENT, "another makefile may give variables", line))
    else:
        return False
    return True


def _begin(makefile: _Makefile, line: Text, match: re.Match[str]) -> None:
    """Begin a rule, or take note of the variable that it alone has."""
    if own := _ASSIGNMENT.match(match["rest"]):
        _assign(makefile, line.cut(match, "rest"), own, sure=False)
        return
    recipe = [line.cut(match, "recipe")] if match["recipe"] else []
    makefile.recipes.append((host_at(line), recipe))


def _assign(makefile: _Makefile, line: Text, match: re.Match[str], *, sure: bool) -> None:
    """Take note of an assignment; `sure` says that no condition decides about it."""
    name, value = match["name"], line.cut(match, "value")
    comment = str(value).find(" #")
    value = (value if comment < 0 else value[:comment]).rstrip()
    plain = match["operator"] not in ("+=", "!=") and "$" not in str(value).replace("$$", "")
    again = name in makefile.values
    if plain:
        value = expanded(value, Values({}))
        makefile.assigned.append(Variable(line.cut(match, "name"), value, Form.VARIABLE))
    makefile.values[name] = value if plain and sure and not again else None
    makefile.names[name] = line.cut(match, "name")
    if "export" in match["export"]:
        makefile.exported.add(name)


def _logical_lines(text: Text) -> Iterator[Text]:
    """Yield lines with those that continue them; in a recipe the shell gets the backslash, and not the next tab."""
    parts: list[Text] = []
    for line in text.lines():
        recipe = bool(parts) and parts[0].startswith("\t")
        parts.append(line[1:] if recipe and line.startswith("\t") else line)
        if str(line).endswith("\\"):
            if not recipe and not line.startswith("\t"):
                parts[-1] = Text((*line[:-1].runs, *line[-1:].stand_in(" ").runs))
            continue
        yield _joined(parts)
        parts = []
    if parts:
        yield _joined(parts)


def _joined(parts: list[Text]) -> Text:
    if len(parts) == 1:
        return parts[0]
    if parts[0].startswith("\t"):
        return join(parts, "\n")
    return Text(run for part in parts for run in part.runs)


def _without(line: Text, prefix: re.Pattern[str]) -> Text:
    """Leave out `@`, `-` and `+`, which are for make, and the blanks that it takes with them."""
    match = prefix.match(str(line))
    return line[match.end() :] if match else line


def expanded(text: Text, values: Values) -> Text:
    """Return what make hands to the shell: with the values of variables, and the rest marked as not known."""
    return replaced(text, _references(text, values)) if "$" in str(text) else text


def _references(text: Text, values: Values) -> Iterator[tuple[int, int, Text]]:
    content = str(text)
    position = 0
    while found := _REFERENCE.search(content, position):
        position = _end(content, found)
        whole = text[found.start() : position]
        name = content[found.end() : position - 1].strip()
        if found[0] == "$$":
            yield found.start(), position, whole[1:]
        else:
            value = values.take(name) if found[0] in ("$(", "${") and _NAME.fullmatch(name) else None
            yield found.start(), position, whole.unknown() if value is None else value


def _end(content: str, match: re.Match[str]) -> int:
    """Return where a reference ends: behind its closing parenthesis, of which it may hold others."""
    if match[0] not in ("$(", "${"):
        return match.end()
    opening, closing = ("(", ")") if match[0] == "$(" else ("{", "}")
    depth = 1
    for position in range(match.end(), len(content)):
        depth += (content[position] == opening) - (content[position] == closing)
        if depth == 0:
            return position + 1
    return len(content)
