"""Files of just: each line of a recipe is a command of its own, but for recipes that begin with `#!`.

just fills in `{{ name }}` first (https://just.systems/man/en/). A variable that is assigned a string has that value;
whatever else is filled in is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.program import SHELL, is_shell
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import TOO_MUCH, Start, Unfollowed
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Variable
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import Values, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_ASSIGNMENT = pattern(
    r"(?P<export>(?:export[ \t]+)?)(?P<name>[A-Za-z_][\w-]*)[ \t]*:=[ \t]*"
    r"(?:(?P<quote>['\"])(?P<value>[^'\"\\]*)(?P=quote)[ \t]*(?:#.*)?$)?"
)
_SETTING = pattern(r"set[ \t]+(?P<name>[\w-]+)(?:[ \t]*:=[ \t]*(?P<value>.*))?$")
_RECIPE = pattern(r"@?(?P<name>[A-Za-z_][\w-]*)(?P<parameters>[^:=]*(?:=[^:]*)?):(?!=)")
_SCRIPT = pattern(r"\[.*\bscript\b(?:\([ \t]*['\"](?P<program>[^'\"]+)['\"].*\))?")
_SHEBANG = pattern(r"#![ \t]*(?P<words>.*)")
_REFERENCE = pattern(r"(?s)\{\{\{\{|\{\{(?P<expression>.{0,500}?)\}\}")
_PREFIX = pattern(r"[@-]{1,2}")
_POSIX = pattern(rf"['\"/]{SHELL}['\"]")


class _Recipe(NamedTuple):
    """The lines of a recipe, without their indentation."""

    host: str
    lines: list[Text]
    program: str
    """What runs all lines as one script; empty where each is a command of its own."""


@dataclass(repr=False)
class _Justfile:
    """What a file says: its variables, which of them commands find in their environment, and its recipes."""

    variables: list[Variable] = field(default_factory=list)
    computed: list[Variable] = field(default_factory=list)
    """Those that commands find in their environment, with values that are not known."""
    exported: set[str] = field(default_factory=set)
    exports_all: bool = False
    recipes: list[_Recipe] = field(default_factory=list)
    program: str = ""
    """What an attribute says that runs the next recipe."""
    other_shell: bool = False
    unseen: list[Unseen] = field(default_factory=list)


def claims(_: Seen) -> bool:
    """Whether a file is a justfile: its name says so."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read the recipes, and the credentials among the variables."""
    text = seen.text
    file = _Justfile()
    for line in text.lines():
        _take(file, line)
    yield from credentials_of_k3s(file.variables)
    if file.other_shell:
        return
    values = Values({str(one.name): one.value for one in file.variables})
    given = [one for one in file.variables if file.exports_all or str(one.name) in file.exported]
    given += file.computed
    said = Start.without_words(text[:0], Form.COMMAND, unseen=tuple(file.unseen))
    for recipe in file.recipes:
        for command in _commands(recipe):
            yield File(
                text=_filled_in(command, values),
                path="",
                read_as=ReadAs.SCRIPT,
                host=recipe.host,
                given=tuple(given),
                said=said,
            )
    if values.spent:
        yield Unfollowed.at(text, TOO_MUCH)


def _take(file: _Justfile, line: Text) -> None:
    written = str(line)
    if written[:1] in ("", " ", "\t"):
        if file.recipes:
            file.recipes[-1].lines.append(line)
    elif attribute := _SCRIPT.match(written):
        file.program = attribute["program"] or "sh"
    elif setting := _SETTING.match(written):
        _set(file, line, setting["name"], setting["value"] or "true")
    elif assignment := _ASSIGNMENT.match(written):
        if assignment["value"] is not None:
            name, value_text = line.cut(assignment, "name"), line.cut(assignment, "value")
            file.variables.append(Variable(name, value_text, Form.VARIABLE))
        elif assignment["export"]:
            file.computed.append(
                Variable(line.cut(assignment, "name"), line[assignment.end() :].unknown(), Form.VARIABLE)
            )
        if assignment["export"]:
            file.exported.add(assignment["name"])
    elif _RECIPE.match(written):
        file.recipes.append(_Recipe(host_at(line), [], file.program))
        file.program = ""


def _set(file: _Justfile, line: Text, name: str, value: str) -> None:
    """Take note of a setting of just."""
    if name == "shell":
        file.other_shell = file.other_shell or _POSIX.search(value) is None
    elif name == "export":
        file.exports_all = file.exports_all or value != "false"
    elif name.startswith("dotenv-") and value != "false":
        file.unseen.append(Unseen(Input.ENVIRONMENT, "variables are taken from another file", line))


def _commands(recipe: _Recipe) -> Iterator[Text]:
    """Yield what is run by a shell."""
    first = next((line for line in recipe.lines if line), None)
    if first is None:
        return
    indent = len(first) - len(first.lstrip(" \t"))
    lines = [line[min(indent, len(line) - len(line.lstrip(" \t"))) :] for line in recipe.lines]
    shebang = _SHEBANG.match(str(first).lstrip())
    program = recipe.program or (shebang["words"] if shebang else "")
    if program:
        if any(is_shell(word) for word in program.split()):
            yield join(lines, "\n")
        return
    parts: list[Text] = []
    for line in lines:
        prefix = None if parts else _PREFIX.match(str(line))
        parts.append(line[prefix.end() :] if prefix else line)
        if not str(line).endswith("\\"):
            yield join(parts, "\n")
            parts = []
    if parts:
        yield join(parts, "\n")


def _filled_in(text: Text, values: Values) -> Text:
    """Return a command with the values of variables, and what else is filled in marked as not known."""
    return replaced(
        text,
        (
            (match.start(), match.end(), _value(text.cut(match), match["expression"], values))
            for match in _REFERENCE.finditer(str(text))
        ),
    )


def _value(whole: Text, expression: str | None, values: Values) -> Text:
    """Return what takes the place of `{{ expression }}`, or of `{{{{`, which stands for two braces."""
    if expression is None:
        return whole[:2]
    value = values.take(expression.strip())
    return whole.unknown() if value is None else value
