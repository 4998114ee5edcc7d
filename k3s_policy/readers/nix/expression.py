r"""Expressions of Nix, as far as a configuration is written in them: strings, lists, sets, and what chooses among them.

A parser of the language's grammar (https://nix.dev/manual/nix/latest/language/syntax) that evaluates nothing. What it
does not follow is an `Other`, of which nothing is known. Where it loses the thread it gives up on the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.text import Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from k3s_policy.text import Run

__all__ = [
    "Binding",
    "Call",
    "Choice",
    "Expression",
    "Joined",
    "List",
    "Name",
    "Other",
    "Set",
    "String",
    "UnfollowedError",
    "parse",
]

DEEPEST = 120
"""How deeply expressions and operands may nest; people stop at forty."""


class UnfollowedError(Exception):
    """The text is no Nix, or more of it than this parser knows."""


@dataclass(frozen=True, eq=False, repr=False)
class String:
    """A string, a path or a number: its characters, those that Nix fills in marked as not known."""

    text: Text


@dataclass(frozen=True, eq=False, repr=False)
class List:
    """`[ a b ]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Binding:
    """`a.b.c = value;`."""

    path: tuple[str, ...]
    """An empty name stands for one that is computed."""
    at: Text
    """The last name."""
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Set:
    """`{ ... }`, and `let ... in`, whose bindings are those of the set that its body is."""

    bindings: tuple[Binding, ...]
    at: Text


@dataclass(frozen=True, eq=False, repr=False)
class Name:
    """A variable, or the attribute of something: `lib.mkIf`, `config.networking.hostName`."""

    text: Text


@dataclass(frozen=True, eq=False, repr=False)
class Call:
    """A function with its arguments."""

    function: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Joined:
    """Operands between `++`, `+` or `//`."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Choice:
    """`if ... then one else other`."""

    at: Text
    one: Expression
    other: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Other:
    """Something else, with the expressions in it."""

    at: Text
    inner: tuple[Expression, ...] = ()


Expression: TypeAlias = String | List | Set | Name | Call | Joined | Choice | Other

_BLANK = pattern(r"(?:\s+|#[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)+")
_IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_'-]*")
_NUMBER = pattern(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![A-Za-z_])")
_PATH = pattern(
    r"(?:~|\.{1,2})?(?:/[A-Za-z0-9._+-]+)+/?|\.{1,2}/|<[A-Za-z0-9._+/-]+>|[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)+"
)
_OPEN_PATH = pattern(r"(?:~|\.{1,2})?/(?=\$\{)")
_REST_OF_PATH = pattern(r"[A-Za-z0-9._+/-]+")
_URI = pattern(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9%/?:@&=+$,_.!~*'-]+")
_OPERATOR = pattern(r"\+\+|//|->|==|!=|<=|>=|&&|\|\||\|>|<\||[+*/<>?-]")
_LAMBDA = pattern(r"[A-Za-z_][A-Za-z0-9_'-]*(?:\s|#[^\n]*\n)*(?:@|:(?=\s))")
_FORMALS = pattern(
    r"\{(?:\s|#[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*(?:\.\.\.|\}\s*[:@]|[A-Za-z_][A-Za-z0-9_'-]*(?:\s|#[^\n]*\n)*(?:[,?]|\}))"
)
_KEYWORDS = frozenset({"then", "else", "in", "inherit", "rec", "let", "if", "with", "assert", "or"})
_PARTS = {'"': pattern(r'(?s)\\.|\$\$|\$\{|"'), "''": pattern(r"\$\$|\$\{|''")}
"""What is no character of a string, by its quote: escapes, `$${`, which stands for itself, `${`, and the end."""


def parse(text: Text) -> Expression:
    """Parse a file. Raises UnfollowedError where it is no Nix that this parser knows."""
    parser = _Parser(text)
    expression = parser.expression({})
    if parser.at < len(parser.content):
        raise UnfollowedError
    return expression


Scope: TypeAlias = "dict[str, Expression]"
"""What `let` binds around an expression."""


class _Parser:
    """The text, and how far it has been read: never inside of blanks or a comment."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.content = str(text)
        self.at = 0
        self.depth = 0
        self._skip()

    # --- characters ---

    def _skip(self) -> None:
        blank = _BLANK.match(self.content, self.at)
        if blank is not None:
            self.at = blank.end()

    def _take(self, token: str) -> bool:
        """Go past a token if it is next."""
        if not self.content.startswith(token, self.at):
            return False
        self.at += len(token)
        self._skip()
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise UnfollowedError

    def _matched(self, wanted: re.Pattern[str]) -> Text | None:
        """Go past what a pattern matches, if it does."""
        found = wanted.match(self.content, self.at)
        if found is None:
            return None
        self.at = found.end()
        self._skip()
        return self.text[found.start() : found.end()]

    def _word(self, word: str) -> bool:
        """Go past a keyword if it is next."""
        found = _IDENTIFIER.match(self.content, self.at)
        return found is not None and found[0] == word and self._take(word)

    # --- expressions ---

    def _descend(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnfollowedError

    def expression(self, scope: Scope) -> Expression:
        """Read a whole expression."""
        self._descend()
        start = self.at
        if self._is_function():
            self._parameters(scope)
            found = self.expression(scope)
        elif self._word("let"):
            found = self._let(scope)
        elif self._word("if"):
            self.expression(scope)
            if not self._word("then"):
                raise UnfollowedError
            one = self.expression(scope)
            if not self._word("else"):
                raise UnfollowedError
            found = Choice(self.text[start : start + 2], one, self.expression(scope))
        elif self._word("with") or self._word("assert"):
            self.expression(scope)
            self._expect(";")
            found = self.expression(scope)
        else:
            found = self._operands(scope)
        self.depth -= 1
        return found

    def _is_function(self) -> bool:
        if _LAMBDA.match(self.content, self.at) is not None:
            return True
        return _FORMALS.match(self.content, self.at) is not None

    def _parameters(self, scope: Scope) -> None:
        """Go past `x:`, `{ a, b ? c, ... }:`, and either with `@`."""
        if self._matched(_IDENTIFIER) is not None:
            if self._take("@"):
                self._formals(scope)
        else:
            self._formals(scope)
            if self._take("@"):
                self._matched(_IDENTIFIER)
        self._expect(":")

    def _formals(self, scope: Scope) -> None:
        self._expect("{")
        while not self._take("}"):
            if self._take("...") or self._take(","):
                continue
            if self._matched(_IDENTIFIER) is None:
                raise UnfollowedError
            if self._take("?"):
                self.expression(scope)

    def _let(self, scope: Scope) -> Expression:
        inner = dict(scope)
        for binding in self._bindings(inner, "in"):
            if len(binding.path) == 1:
                inner[binding.path[0]] = binding.value
        return self.expression(inner)

    def _operands(self, scope: Scope) -> Expression:
        """Read operands with what stands between them; of most operators nothing is known."""
        start = self.at
        while self._take("!") or (self.content.startswith("-", self.at) and self._take("-")):
            pass
        operands = [self._application(scope)]
        operators = set()
        while (operator := self._matched(_OPERATOR)) is not None:
            operators.add(str(operator))
            while self._take("!") or self._take("-"):
                pass
            operands.append(self.expression(scope) if self._starts_word() else self._application(scope))
        if not operators:
            return operands[0]
        if len(operators) == 1 and operators <= {"++", "+", "//"}:
            return Joined(operators.pop(), tuple(operands))
        return Other(self.text[start : self.at], tuple(operands))

    def _starts_word(self) -> bool:
        found = _IDENTIFIER.match(self.content, self.at)
        return self._is_function() or (found is not None and found[0] in ("let", "if", "with", "assert"))

    def _application(self, scope: Scope) -> Expression:
        function = self._selected(scope)
        arguments = []
        while self._begins_operand():
            arguments.append(self._selected(scope))
        return Call(function, tuple(arguments)) if arguments else function

    def _begins_operand(self) -> bool:
        if self.at >= len(self.content):
            return False
        found = _IDENTIFIER.match(self.content, self.at)
        if found is not None:
            return found[0] not in _KEYWORDS or found[0] in ("rec", "let")
        character = self.content[self.at]
        if character in '"[{(' or character.isdigit() or self.content.startswith("''", self.at):
            return True
        return character in "./~<" and _PATH.match(self.content, self.at) is not None

    def _selected(self, scope: Scope) -> Expression:
        """Read an operand with the attributes that are taken of it: `a.b or c`."""
        start = self.at
        self._descend()
        found = self._simple(scope)
        self.depth -= 1
        taken = False
        end = self.at
        while self.content.startswith(".", self.at) and not self.content.startswith(("./", "../"), self.at):
            self._take(".")
            self._key(scope)
            taken, end = True, self.at
        if taken and self._word("or"):
            self._selected(scope)
            end = self.at
        if not taken:
            return found
        at = self.text[start:end].rstrip()
        return Name(at) if isinstance(found, Name) else Other(at)

    def _simple(self, scope: Scope) -> Expression:
        start = self.at
        if self.content.startswith(('"', "''"), start):
            return self._string(scope)
        if self._take("["):
            items = []
            while not self._take("]"):
                items.append(self._selected(scope))
            return List(tuple(items))
        if self._take("("):
            inner = self.expression(scope)
            self._expect(")")
            return inner
        if self._word("rec") or self.content.startswith("{", self.at):
            self._expect("{")
            return Set(tuple(self._bindings(scope, "}")), self.text[start : start + 1])
        return self._literal_or_name(scope)

    def _literal_or_name(self, scope: Scope) -> Expression:
        for wanted in (_NUMBER, _URI):
            if (literal := self._matched(wanted)) is not None:
                return String(literal)
        if (path := _PATH.match(self.content, self.at) or _OPEN_PATH.match(self.content, self.at)) is not None:
            return self._path(path, scope)
        name = self._matched(_IDENTIFIER)
        if name is None or str(name) in _KEYWORDS:
            raise UnfollowedError
        return scope.get(str(name), Name(name))

    def _path(self, begun: re.Match[str], scope: Scope) -> String:
        """Read a path, of which expressions may fill in parts."""
        pieces: list[Run] = [*self.text.cut(begun).runs]
        self.at = begun.end()
        while self.content.startswith("${", self.at):
            start = self.at
            self.at += 2
            self._skip()
            inner = self.expression(scope)
            if not self.content.startswith("}", self.at):
                raise UnfollowedError
            self.at += 1
            pieces += _filled_in(self.text[start : self.at], inner).runs
            rest = _REST_OF_PATH.match(self.content, self.at)
            if rest is not None:
                pieces += self.text.cut(rest).runs
                self.at = rest.end()
        self._skip()
        return String(Text(pieces))

    def _bindings(self, scope: Scope, end: str) -> Iterator[Binding]:
        while not (self._word(end) if end == "in" else self._take(end)):
            if self._word("inherit"):
                yield from self._inherited(scope)
                continue
            keys = [self._key(scope)]
            while self._take("."):
                keys.append(self._key(scope))
            self._expect("=")
            value = self.expression(scope)
            self._expect(";")
            path = tuple("" if not key.known else str(key) for key in keys)
            yield Binding(path, keys[-1], value)

    def _inherited(self, scope: Scope) -> Iterator[Binding]:
        """Read `inherit a b;`, which takes values from the scope; those of `inherit (set) a b;` are not known."""
        elsewhere = self._take("(")
        if elsewhere:
            self.expression(scope)
            self._expect(")")
        while not self._take(";"):
            key = self._key(scope)
            yield Binding((str(key),), key, Name(key) if elsewhere else scope.get(str(key), Name(key)))

    def _key(self, scope: Scope) -> Text:
        name = self._matched(_IDENTIFIER)
        if name is not None:
            return name
        if self.content.startswith('"', self.at):
            return self._string(scope).text
        start = self.at
        self._expect("${")
        self.expression(scope)
        self._expect("}")
        return self.text[start : self.at].unknown()

    # --- strings ---

    def _string(self, scope: Scope) -> String:
        """Read a string, in double quotes or in two single ones."""
        closing = "''" if self.content.startswith("''", self.at) else '"'
        position = self.at + len(closing)
        start = position
        pieces: list[Run] = list(self.text[start:start].runs)
        while True:
            part = _PARTS[closing].search(self.content, position)
            if part is None:
                raise UnfollowedError
            pieces += self.text[position : part.start()].runs
            position = part.end()
            if part[0] == "${":
                self.at = position
                self._skip()
                inner = self.expression(scope)
                if not self.content.startswith("}", self.at):
                    raise UnfollowedError
                position = self.at + 1
                pieces += _filled_in(self.text[part.start() : position], inner).runs
            elif part[0] == closing == "''":
                escape = _indented_escape(self.content, position)
                if not escape:
                    break
                pieces += _escaped(
                    self.text[part.start() : position + escape], self.content[position : position + escape]
                ).runs
                position += escape
            elif part[0] == closing:
                break
            elif part[0].startswith("\\"):
                pieces += _escaped(self.text.cut(part), part[0]).runs
            else:
                pieces += self.text.cut(part).runs
        self.at = position
        self._skip()
        found = Text(pieces)
        return String(_outdented(found) if closing == "''" else found)


def _indented_escape(content: str, at: int) -> int:
    r"""Return how many characters behind `''` belong to an escape: `'''`, `''${`, `''\n`."""
    if content.startswith("$", at):
        return 1
    if content.startswith("\\", at):
        return 2
    return 1 if content.startswith("'", at) else 0


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def _escaped(written: Text, escape: str) -> Text:
    """Return the character that an escape stands for."""
    if escape.startswith("\\"):
        return written.stand_in(_ESCAPES.get(escape[1:], escape[1:]))
    return written.stand_in("''" if escape == "'" else escape)


LONGEST = 2000
"""Characters of a string that is filled in into others: `"${a}${a}"` doubles each time."""


def _filled_in(written: Text, value: Expression) -> Text:
    """Return what `${ }` stands for, where a string is bound to it."""
    return value.text if isinstance(value, String) and len(value.text) <= LONGEST else written.unknown()


def _outdented(text: Text) -> Text:
    """Take away the blanks that all lines begin with, and a first line of nothing else, as Nix does."""
    lines = text.split("\n")
    filled = [line for line in lines if str(line).strip(" ")]
    indent = min((len(line) - len(line.lstrip(" ")) for line in filled), default=0)
    if not str(lines[0]).strip(" ") and len(lines) > 1:
        lines = lines[1:]
    kept = [line[indent:] if str(line).strip(" ") else line.lstrip(" ") for line in lines]
    return Text(run for part in _with_breaks(kept) for run in part.runs)


def _with_breaks(lines: list[Text]) -> Iterator[Text]:
    for number, line in enumerate(lines):
        if number:
            yield line[:0].stand_in("\n")
        yield line
