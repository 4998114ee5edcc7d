"""What the simple commands and assignments of a script come to: words, redirections, substitutions, values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.formats.shell.builtin import NAME, run_builtin
from k3s_policy.formats.shell.page import LOOSE
from k3s_policy.formats.shell.script import Command, Redirect
from k3s_policy.formats.shell.variables import Assignment, Binding, Part, Word
from k3s_policy.formats.shell.words import Piece, concatenate, pieces, shape_of
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS, When
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tree_sitter import Node

    from k3s_policy.formats.shell.page import Page
    from k3s_policy.formats.shell.variables import Variables
    from k3s_policy.text import Text

__all__ = ["Evaluation", "Place", "Record", "prints_elsewhere"]

_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<index>\[[^\]\n]*\])?(?P<operator>\+?=)")
_REDIRECTION = re.compile(r"<<<|<<-?|>>|>&|>\||<&|<>|[<>]|&>>|&>")
_NOT_A_COMMAND = ("[[", "((")
_LOCAL = {"declare", "local", "typeset"}
_BESIDE_WORDS = {"file_redirect", "variable_assignment", "comment"}


@dataclass(frozen=True, repr=False)
class Place:
    """Where a command stands: in which arms and function, and what reaches it from the groups around it."""

    when: When = ALWAYS
    inside: str | None = None
    piped: tuple[Command, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    input: tuple[Text, ...] = ()
    printing: list[Command] | None = None
    """Takes the commands that print into the pipe behind."""
    depth: int = 0

    def deeper(self) -> Place:
        """Return the place within a statement here."""
        return replace(self, depth=self.depth + 1)


@dataclass(repr=False)
class Record:
    """What a walk through a script has found so far."""

    commands: list[Command] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    broken: list[Text] = field(default_factory=list)


_Run: TypeAlias = "Callable[[Text, Place, Variables], None]"


class Evaluation:
    """The evaluation of one page: each step is handed its place and the variables, which it may change.

    `run` walks through the script of a substitution.
    """

    def __init__(self, page: Page, record: Record, run: _Run) -> None:
        self._page = page
        self._record = record
        self._run = run

    def simple(self, nodes: Sequence[Node], place: Place, variables: Variables) -> None:
        """Read a simple command, given by its words, the assignments in front of it and its redirections."""
        redirections = [node for node in nodes if node.type == "file_redirect"]
        redirects, fed, more = self.redirections(redirections, place, variables)
        spots = self._spots(nodes)
        found = [self._page.pieces(start, end) for start, end in sorted([*spots, *more])]
        if spots and self._page.shape.startswith(_NOT_A_COMMAND, spots[0][0]):
            for one in found:
                self.substitutions(one, place, variables)
            return
        prefix = [node for node in nodes if node.type == "variable_assignment"]
        assignments = [made for node in prefix for made in self._prefix(node, place, variables)]
        words = [word for one in found for word in self._expand(one, place, variables)]
        if not words:
            return
        command = Command(
            words=tuple(words),
            assignments=tuple(assignments),
            environment=variables.environment,
            piped=place.piped,
            input=fed or place.input,
            redirects=(*place.redirects, *redirects),
            when=place.when,
            at=self._page.cut(min(node.start_byte for node in nodes), max(node.end_byte for node in nodes)),
            inside=place.inside,
            folder=variables.folder,
        )
        self._record.commands.append(command)
        if place.printing is not None and not prints_elsewhere(redirects):
            place.printing.append(command)
        run_builtin([word.text for word in words], variables)

    def _spots(self, nodes: Iterable[Node]) -> list[tuple[int, int]]:
        """Return where the words of a command stand; a stray `fi`, read as its name, is none."""
        spots = [(node.start_byte, node.end_byte) for node in nodes if node.type not in _BESIDE_WORDS]
        while spots and self._page.outline.stencil[slice(*spots[0])].strip("a"):
            self._record.broken.append(self._page.cut(*spots.pop(0)))
        return spots

    def redirections(
        self,
        nodes: Iterable[Node],
        place: Place,
        variables: Variables,
    ) -> tuple[list[Redirect], tuple[Text, ...], list[tuple[int, int]]]:
        """Read redirections: themselves, what is fed through them, and the words the grammar took for targets."""
        redirects = []
        fed: list[Text] = []
        more: list[tuple[int, int]] = []
        for node in nodes:
            found = _REDIRECTION.match(self._page.shape, node.start_byte)
            targets = [child for child in node.children if child.is_named]
            if found is None or not targets:
                continue
            more += [(target.start_byte, target.end_byte) for target in targets[1:]]
            operator = found[0]
            if operator in {"<<", "<<-"}:
                fed += self._here_document(node.start_byte, place, variables)
                redirects.append(Redirect(operator, None))
                continue
            target = self._target(targets[0], place, variables)
            if operator == "<<<":
                fed.append(target.text)
            implied = "1" if operator.startswith(">") else "0"
            descriptor = self._page.outline.descriptors.get(node.start_byte, implied)
            redirects.append(Redirect(operator if descriptor == implied else descriptor + operator, target))
        return redirects, tuple(fed), more

    def _target(self, node: Node, place: Place, variables: Variables) -> Word:
        found = self._page.pieces_of(node)
        self.substitutions(found, place, variables)
        return Word(variables.only(found, place.when), place.when, any(piece.quoted for piece in found))

    def _here_document(self, at: int, place: Place, variables: Variables) -> list[Text]:
        document = self._page.outline.here_documents.get(at)
        if document is None:  # the script ends before its body
            return []
        body = self._page.cut(document.start, document.end)
        if document.tabs:
            tabs = re.finditer(r"^\t+", shape_of(body), re.MULTILINE)
            body = replaced(body, ((*match.span(), body[:0]) for match in tabs))
        if document.literal:
            return [body]
        found = pieces(body, body=True)
        self.substitutions(found, place, variables)
        return [variables.only(found, place.when)] if found else [body]

    def _expand(self, found: list[Piece], place: Place, variables: Variables) -> list[Word]:
        self.substitutions(found, place, variables)
        return variables.words(found, place.when)

    def substitutions(self, found: list[Piece], place: Place, variables: Variables) -> None:
        """Go through the command substitutions of a word, and give variables the defaults it assigns.

        A substitution whose output the script itself says becomes a variable without a name, which holds it.
        """
        for number, piece in enumerate(found):
            before = len(self._record.commands)
            for script in piece.scripts:
                inner = Place(place.when, place.inside, depth=place.depth + 1)
                self._run(script, inner, variables.copy())
            if piece.is_substitution and (output := _printed(self._record.commands[before:], place.when)):
                nameless = f"({piece.text.span.start})"
                variables.bind(nameless, (Binding((Part(output),), ALWAYS),))
                found[number] = piece._replace(name=nameless)
            if piece.argument is not None and variables.default(piece):
                name = piece.text[2 : 2 + len(piece.name)]
                values = variables.values(pieces(piece.argument, body=piece.quoted), place.when)
                self._bind(_Assigned(name, piece.argument), values, variables)

    # Assignments

    def assign(self, node: Node, place: Place, variables: Variables, *, exported: bool = False) -> None:
        """Read an assignment to a variable of the script."""
        assigned, values = self._evaluate(node, place, variables)
        if assigned.indexed:  # one element: the rest is not known from here on
            variables.forget(str(assigned.name))
        else:
            self._bind(assigned, values, variables, exported=exported)

    def _prefix(self, node: Node, place: Place, variables: Variables) -> list[Assignment]:
        """Read an assignment in front of a command, which leaves the script's variables alone."""
        assigned, values = self._evaluate(node, place, variables)
        return [made for binding in values for made in assigned.records(binding, exported=True)]

    def _evaluate(self, node: Node, place: Place, variables: Variables) -> tuple[_Assigned, list[Binding]]:
        shape = self._page.shape
        found = _ASSIGNED.match(shape, node.start_byte)
        at = found.end() if found else node.start_byte
        assigned = _Assigned(
            self._page.cut(*found.span("name")) if found else self._page.cut(at, at),
            self._page.cut(at, max(at, node.end_byte)),
            append=bool(found and found["operator"] == "+="),
            indexed=bool(found and found["index"]),
        )
        array = next((child for child in node.children if child.type == "array"), None)
        if array is not None:
            spots = [child for child in array.children if child.type in LOOSE]
            words = [word for child in spots for word in self._expand(self._page.pieces_of(child), place, variables)]
            elements = tuple(Part(word.text, word.when) for word in words)
            values = [Binding(elements, place.when, array=True).limited()]
        else:
            pieces_of_value = self._page.pieces(at, max(at, node.end_byte))
            self.substitutions(pieces_of_value, place, variables)
            values = variables.values(pieces_of_value, place.when)
        if assigned.append:
            values = variables.appended(assigned.name, values, place.when)
        return assigned, values

    def _bind(
        self,
        assigned: _Assigned,
        values: list[Binding],
        variables: Variables,
        *,
        exported: bool = False,
    ) -> None:
        name = str(assigned.name)
        exported = exported or name in variables.exported or variables.exports_all
        bindings = []
        for binding in values:
            records = assigned.records(binding, exported=exported)
            self._record.assignments += records
            bindings.append(replace(binding, assignments=tuple(records)))
        variables.bind(name, tuple(bindings))
        if exported:
            variables.exported.add(name)

    def declare(self, node: Node, place: Place, variables: Variables) -> None:
        """Read `export`, `local`, `declare` and their kind."""
        keyword, *declared = node.children
        words: list[tuple[Node, list[Word]]] = []
        options = ""
        for child in declared:
            found = (
                []
                if child.type == "variable_assignment"
                else self._expand(self._page.pieces_of(child), place, variables)
            )
            options += "".join(str(word.text)[1:] for word in found if word.text.startswith("-"))
            words.append((child, found))
        exported = (keyword.type == "export" and "n" not in options) or "x" in options
        if "f" in options or "p" in options:  # functions, or only printed
            return
        local = keyword.type in _LOCAL and "g" not in options
        for child, found in words:
            if child.type == "variable_assignment":
                name = _ASSIGNED.match(self._page.shape, child.start_byte)
                if local and name:
                    variables.localize(name["name"])
                self.assign(child, place, variables, exported=exported)
            for word in found:
                self._declare_word(word, variables, local=local, exported=exported, marks=keyword.type == "export")

    def _declare_word(
        self,
        word: Word,
        variables: Variables,
        *,
        local: bool,
        exported: bool,
        marks: bool,
    ) -> None:
        """Declare the variable a word names: it may be made local, be given a value, or be exported or no longer so."""
        found = _ASSIGNED.match(shape_of(word.text))
        name = found["name"] if found else str(word.text)
        if not NAME.fullmatch(name):
            return
        if local:
            variables.localize(name)
        if found:
            assigned = _Assigned(word.text.cut(found, "name"), word.text[found.end() :])
            self._bind(assigned, [Binding((Part(assigned.written),), word.when)], variables, exported=exported)
        elif exported or marks:
            variables.export(name, exported=exported)
        elif local and variables.in_function:
            variables.forget(name)


@dataclass(frozen=True, repr=False)
class _Assigned:
    """An assignment as it is written."""

    name: Text
    written: Text
    append: bool = False
    indexed: bool = False

    def records(self, binding: Binding, *, exported: bool) -> list[Assignment]:
        """Return what is told of it: one Assignment for each value it may have."""
        return [
            Assignment(
                name=self.name,
                value=self._value(alternative),
                exported=exported,
                when=alternative.when,
                append=self.append,
            )
            for alternative in ([binding] if binding.array else binding.alternatives())
        ]

    def _value(self, binding: Binding) -> Text:
        if binding.array or not binding.parts:
            return self.written.unknown()
        return concatenate([part.text for part in binding.parts])


def _printed(commands: Sequence[Command], when: When) -> Text | None:
    """Return what the commands of a substitution print, where that is one `echo` or a `cat` of a here-document."""
    if len(commands) != 1 or any(word.when != when for word in commands[0].words):
        return None
    name, *words = (word.text for word in commands[0].words)
    output = None
    if str(name) == "cat" and not words and len(commands[0].input) == 1:
        output = commands[0].input[0]
    elif str(name) == "echo":
        words = words[1:] if words and str(words[0]) == "-n" else words
        output = join(words, " ") if words and not words[0].startswith("-e") else None
    return output.rstrip("\n") if output is not None else None


def prints_elsewhere(redirects: Iterable[Redirect]) -> bool:
    """Whether redirections take what is printed away from a pipe."""
    return any(one.operator.startswith((">", "&>")) for one in redirects)
