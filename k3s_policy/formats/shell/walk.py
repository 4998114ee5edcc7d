"""The walk through a script: in order, once, with what its variables may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats.shell.builtin import NAME, run_builtin
from k3s_policy.formats.shell.outline import Outline, draw
from k3s_policy.formats.shell.variables import Assignment, Binding, Environment, Part, Variables, Word
from k3s_policy.formats.shell.words import Piece, concatenate, pieces, shape_of
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS, Branch, When, both
from k3s_policy.text.filling import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tree_sitter import Node, Parser

    from k3s_policy.text import Text

__all__ = ["Command", "Redirect", "Script", "read_script"]

DEEPEST = 40
"""How deeply compound commands may nest; what lies deeper is reported as broken."""


@dataclass(frozen=True)
class Redirect:
    """A redirection: `>`, `>>`, `2>`, `<`, `<<`, `<<<`; the target of a here-document is in the input."""

    operator: str
    target: Word | None


@dataclass(frozen=True)
class Command:
    """A simple command, its words as it would get them, the first one its name.

    Assignments alone, `export X=1` and its kind, `[[ ]]` and `(( ))` are not commands. `redirects` and `input`
    include those of the groups and loops it stands in. `environment` is what the script has exported by then,
    and does not include `assignments`, which stand in front of this command alone.
    """

    words: tuple[Word, ...]
    assignments: tuple[Assignment, ...]
    environment: Environment
    piped: tuple[Command, ...]  # whose output reaches this one through a pipe, in their order
    input: tuple[Text, ...]  # here-documents and here-strings
    redirects: tuple[Redirect, ...]
    when: When
    at: Text  # from its first to its last character
    inside: str | None  # the function it stands in
    folder: str  # it works in, as far as the script has said so; empty where it has not

    @property
    def upstream(self) -> Command | None:
        """The last of the commands that are piped into this one."""
        return self.piped[-1] if self.piped else None


@dataclass(frozen=True)
class Script:
    """What a script does: its commands and its assignments, in the order they are made."""

    commands: tuple[Command, ...]
    assignments: tuple[Assignment, ...]
    broken: tuple[Text, ...]  # stretches that could not be understood


def read_script(text: Text, given: Iterable[tuple[str, Text, When]] = (), folder: str = "") -> Script:
    """Read a shell script. Never fails: what cannot be understood is passed over and told in `broken`.

    `given` are the variables it finds in its environment: name, value and arms. Of equal ones the last counts.
    `folder` is the one that it begins in, empty where that is not known.
    """
    text = text[1:] if text.startswith(_BYTE_ORDER_MARK) else text
    pages: dict[int, _Page] = {}
    given = tuple(given)
    walk = _walked(text, pages, {}, given, folder)
    if walk.functions and walk.variables.bound:
        # A function is defined before it is called, and what it uses may be assigned in between.
        later = walk.variables.bound
        walk = _walked(text, pages, later, given, folder)
    return Script(tuple(walk.commands), tuple(walk.assignments), tuple(walk.broken))


@cache
def _parser() -> Parser:
    # Imported late: most runs meet no script.
    import tree_sitter  # noqa: PLC0415
    import tree_sitter_bash  # noqa: PLC0415

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


_BYTE_ORDER_MARK = "\ufeff"
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<index>\[[^\]\n]*\])?(?P<operator>\+?=)")
_REDIRECTION = re.compile(r"<<<|<<-?|>>|>&|>\||<&|<>|[<>]|&>>|&>")
_MISPLACED = re.compile(r"[);&|]+|[^\n]*\n?")
_CHANGE_FOLDER = frozenset({"cd", "pushd", "popd"})
_NOT_A_COMMAND = ("[[", "((")
_TEST = re.compile(r"\[\[|\(\(|(?:\[|test)(?:[ \t]|$)")
_LOCAL = {"declare", "local", "typeset"}
_LOOSE = {"word", "concatenation", "number", "command_name", "variable_name", "extglob_pattern", "regex"}
_BESIDE_STATEMENTS = {*_LOOSE, "comment", "file_redirect"}
_BESIDE_WORDS = {"file_redirect", "variable_assignment", "comment"}


class _Page:
    """A script or command substitution: its Text, its outline, and what the grammar makes of it."""

    def __init__(self, text: Text) -> None:
        self.text = text
        # A line break of a template still ends a line.
        self.shape = "".join(run.text if run.known else re.sub(r"[^\n]", "a", run.text) for run in text.runs)
        self.outline: Outline = draw(self.shape)
        self.root: Node = _parser().parse(self.outline.stencil.encode()).root_node
        self._pieces: dict[tuple[int, int], list[Piece]] = {}

    def pieces(self, start: int, end: int) -> list[Piece]:
        """Return the pieces of the word between two offsets."""
        key = start, end
        if key not in self._pieces:
            self._pieces[key] = pieces(self.text[start:end])
        return self._pieces[key]

    @property
    def broken(self) -> Iterator[Text]:
        """What tree-sitter could not place, and what is never closed."""
        for at in self.outline.unclosed:
            yield self.text[at : at + 1]
        nodes = [self.root] if self.root.has_error else []
        while nodes:
            node = nodes.pop()
            # Bash does not ask for a `;` between `)` and `}`.
            if (node.is_missing and node.type != ";") or (node.is_error and not _is_whole(node)):
                yield self.text[node.start_byte : node.end_byte]
            else:
                nodes.extend(child for child in reversed(node.children) if child.has_error)


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


@dataclass(frozen=True)
class _Place:
    """Where a command stands: in which arms and function, and what reaches it from the groups around it."""

    when: When = ALWAYS
    inside: str | None = None
    piped: tuple[Command, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    input: tuple[Text, ...] = ()
    printing: list[Command] | None = None
    """Takes the commands that print into the pipe behind."""
    depth: int = 0

    def deeper(self) -> _Place:
        return replace(self, depth=self.depth + 1)


@dataclass
class _Stage:
    """A command of a pipeline, simple or compound, with the redirections behind it."""

    node: Node
    redirections: list[Node] = field(default_factory=list)


class _Pipeline(NamedTuple):
    operator: Node | None  # the `&&` or `||` in front of it
    stages: list[_Stage]


_Arm: TypeAlias = "Callable[[_Place, Variables], None]"


class _Walk:
    """A walk through a script and the substitutions in it, and what it has found so far."""

    def __init__(self, pages: dict[int, _Page], later: Mapping[str, tuple[Binding, ...]]) -> None:
        self.pages = pages
        self.variables = Variables(later)
        self.commands: list[Command] = []
        self.assignments: list[Assignment] = []
        self.broken: list[Text] = []
        self.functions = 0

    def script(self, text: Text, place: _Place, variables: Variables) -> None:
        """Walk through a script, or through the commands of a substitution."""
        if place.depth > DEEPEST:
            self.broken.append(text)
            return
        if id(text) not in self.pages:
            self.pages[id(text)] = _Page(text)
        page = self.pages[id(text)]
        self.broken += page.broken
        _PageWalk(self, page).statements(page.root.children, place, variables)


def _walked(
    text: Text,
    pages: dict[int, _Page],
    later: Mapping[str, tuple[Binding, ...]],
    given: Iterable[tuple[str, Text, When]],
    folder: str,
) -> _Walk:
    walk = _Walk(pages, later)
    walk.variables.take(given)
    walk.variables.folder = folder
    walk.script(text, _Place(), walk.variables)
    return walk


class _PageWalk:
    """A walk through one page. Each step is handed its place and the variables, which it may change."""

    def __init__(self, walk: _Walk, page: _Page) -> None:
        self.walk = walk
        self.page = page

    # Structure

    def statements(self, nodes: Iterable[Node], place: _Place, variables: Variables) -> None:
        """Go through statements in their order; tokens between them are passed over."""
        for node in nodes:
            if not node.is_named or node.type in _BESIDE_STATEMENTS:
                continue
            if place.depth > DEEPEST:
                self.walk.broken.append(self._cut(node.start_byte, node.end_byte))
            elif node.is_error:
                self._error(node, place.deeper(), variables)
            else:
                self._chain(_pipelines(node), place.deeper(), variables)

    def _error(self, node: Node, place: _Place, variables: Variables) -> None:
        """Go through what the grammar could not place.

        Where words of it are loose, whole commands may have been lost: what follows the misplaced operator,
        or else the line, is read once more by itself.
        """
        nodes = node.children
        # Words of the stencil have become tokens of that name.
        if any(child.type in _LOOSE or not child.type.strip("a") for child in nodes):
            text = self._cut(node.start_byte, node.end_byte)
            misplaced = _MISPLACED.match(str(text))
            rest = misplaced.end() if misplaced else len(text)
            nodes = [child for child in nodes if child.end_byte <= node.start_byte + rest]
            self.statements(nodes, place, variables)
            if rest < len(text):
                self.walk.script(text[rest:], place, variables)
        else:
            self.statements(nodes, place, variables)

    def _chain(self, pipelines: list[_Pipeline], place: _Place, variables: Variables) -> None:
        """Go through pipelines joined by `&&` and `||`.

        What follows `||`, and what follows `&&` after a test, may or may not be done.
        """
        at = 0
        while at < len(pipelines):
            operator = pipelines[at].operator
            end = at + 1
            if operator is None or (operator.type == "&&" and not (at and self._is_test(pipelines[at - 1]))):
                self._pipeline(pipelines[at].stages, place, variables)
            elif operator.type == "&&":
                while end < len(pipelines) and _operator(pipelines[end]) == "&&":
                    end += 1
                arms = [self._all(arm) for arm in (pipelines[at:end], pipelines[end : end + 1]) if arm]
                end += 1
                self._fork(operator, arms, place, variables, exhaustive=len(arms) > 1)
            else:
                self._fork(operator, [self._all(pipelines[at:end])], place, variables, exhaustive=False)
            at = end

    def _all(self, pipelines: list[_Pipeline]) -> _Arm:
        def go(place: _Place, variables: Variables) -> None:
            for pipeline in pipelines:
                self._pipeline(pipeline.stages, place, variables)

        return go

    def _is_test(self, pipeline: _Pipeline) -> bool:
        if len(pipeline.stages) != 1 or pipeline.stages[0].node.type != "command":
            return False
        node = pipeline.stages[0].node
        return bool(_TEST.match(self.page.shape, node.start_byte, node.end_byte))

    def _fork(
        self,
        node: Node,
        arms: Sequence[_Arm],
        place: _Place,
        variables: Variables,
        *,
        exhaustive: bool,
    ) -> None:
        span = self._cut(node.start_byte, node.start_byte + 1).span
        taken = []
        for number, arm in enumerate(arms):
            branch = Branch(span.source.path, span.start, number)
            inside = variables.copy()
            arm(replace(place, when=both(place.when, (branch,))), inside)
            taken.append((branch, inside))
        others = Branch(span.source.path, span.start, len(arms))
        variables.merge(taken, others, exhaustive=exhaustive)

    def _pipeline(self, stages: list[_Stage], place: _Place, variables: Variables) -> None:
        if len(stages) == 1:
            self._stage(stages[0], place, variables)
            return
        piped = place.piped
        for number, stage in enumerate(stages):
            printing: list[Command] = []
            first, last = number == 0, number == len(stages) - 1
            stage_place = replace(
                place,
                piped=piped,
                input=place.input if first else (),
                redirects=place.redirects if last else (),
                printing=place.printing if last else printing,
            )
            self._stage(stage, stage_place, variables.copy())
            piped = tuple(printing)

    def _stage(self, stage: _Stage, place: _Place, variables: Variables) -> None:
        node = stage.node
        if node.type == "command":
            self._simple([*node.children, *stage.redirections], place, variables)
        elif node.type == "file_redirect":
            self._simple([node, *stage.redirections], place, variables)
        elif node.type == "variable_assignment":
            self._assign(node, place, variables)
        elif node.type == "declaration_command":
            self._declare(node, place, variables)
        else:
            if stage.redirections:
                redirects, fed, _ = self._redirections(stage.redirections, place, variables)
                printing = None if _prints_elsewhere(redirects) else place.printing
                redirects = [*place.redirects, *redirects]
                place = replace(place, redirects=tuple(redirects), input=fed or place.input, printing=printing)
            self._compound(node, place, variables)

    def _compound(self, node: Node, place: _Place, variables: Variables) -> None:
        match node.type:
            case "if_statement":
                self._if(node, place, variables)
            case "case_statement":
                self._case(node, place, variables)
            case "for_statement":
                self._for(node, place, variables)
            case "c_style_for_statement":
                body = [child for child in node.children if child.type in {"do_group", "compound_statement", "ERROR"}]
                self._loop(body, place, variables)
            case "while_statement":
                self._loop(node.children, place, variables)
            case "function_definition":
                self._function(node, place, variables)
            case "subshell":
                self.statements(node.children, place, variables.copy())
            case _:  # groups, do ... done, several assignments, and whatever an error has left
                self.statements(node.children, place, variables)

    def _if(self, node: Node, place: _Place, variables: Variables) -> None:
        condition, body = _clause(node)
        self.statements(condition, place, variables)
        arms = [self._arm([], body, place)]
        exhaustive = False
        for child in node.children:
            if child.type == "elif_clause":
                arms.append(self._arm(*_clause(child), place))
            elif child.type == "else_clause":
                arms.append(self._arm([], child.children, place))
                exhaustive = True
        self._fork(node, arms, place, variables, exhaustive=exhaustive)

    def _arm(self, condition: list[Node], body: list[Node], outside: _Place) -> _Arm:
        def go(place: _Place, variables: Variables) -> None:
            self.statements(condition, outside, variables)
            self.statements(body, place, variables)

        return go

    def _case(self, node: Node, place: _Place, variables: Variables) -> None:
        arms = []
        exhaustive = False
        for child in node.children:
            if child.type == "case_item":
                patterns, body = _case_item(child)
                exhaustive = exhaustive or any(self.page.shape[p.start_byte : p.end_byte] == "*" for p in patterns)
                arms.append(self._arm([], body, place))
            elif child.type in _LOOSE:
                self._substitutions(self._pieces(child), place, variables)
            elif child.is_error:
                self.statements([child], place, variables)
        self._fork(node, arms, place, variables, exhaustive=exhaustive)

    def _for(self, node: Node, place: _Place, variables: Variables) -> None:
        body = []
        for child in node.children:
            if child.type == "variable_name":
                variables.forget(self.page.shape[child.start_byte : child.end_byte])
            elif child.type in _LOOSE:
                self._substitutions(self._pieces(child), place, variables)
            else:
                body.append(child)
        self._loop(body, place, variables)

    def _loop(self, nodes: Iterable[Node], place: _Place, variables: Variables) -> None:
        ended = variables.ended
        self.statements(nodes, place, variables)
        variables.ended = ended

    def _function(self, node: Node, place: _Place, variables: Variables) -> None:
        self.walk.functions += 1
        name = node.child_by_field_name("name")
        inside = self.page.shape[name.start_byte : name.end_byte] if name else ""
        with variables.function():
            body = [child for child in node.children if child.type not in _LOOSE and child.type != "file_redirect"]
            self.statements(body, _Place(place.when, inside, depth=place.depth), variables)

    # Commands

    def _simple(self, nodes: Sequence[Node], place: _Place, variables: Variables) -> None:
        """Read a simple command, given by its words, the assignments in front of it and its redirections."""
        redirections = [node for node in nodes if node.type == "file_redirect"]
        prefix = [node for node in nodes if node.type == "variable_assignment"]
        spots = [(node.start_byte, node.end_byte) for node in nodes if node.type not in _BESIDE_WORDS]
        redirects, fed, more = self._redirections(redirections, place, variables)
        while spots and self.page.outline.stencil[slice(*spots[0])].strip("a"):
            self.walk.broken.append(self._cut(*spots.pop(0)))  # a stray `fi`, read as the name of a command
        found = [self.page.pieces(start, end) for start, end in sorted([*spots, *more])]
        if spots and self.page.shape.startswith(_NOT_A_COMMAND, spots[0][0]):
            for one in found:
                self._substitutions(one, place, variables)
            return
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
            at=self._cut(min(node.start_byte for node in nodes), max(node.end_byte for node in nodes)),
            inside=place.inside,
            folder=variables.folder,
        )
        self.walk.commands.append(command)
        if place.printing is not None and not _prints_elsewhere(redirects):
            place.printing.append(command)
        name, *arguments = (str(word.text) for word in words)
        if name in _CHANGE_FOLDER:
            variables.go_to([word.text for word in words[1:]])
        run_builtin(name, arguments, variables)

    def _redirections(
        self,
        nodes: Iterable[Node],
        place: _Place,
        variables: Variables,
    ) -> tuple[list[Redirect], tuple[Text, ...], list[tuple[int, int]]]:
        """Read redirections: themselves, what is fed through them, and the words the grammar took for targets."""
        redirects = []
        fed: list[Text] = []
        more: list[tuple[int, int]] = []
        for node in nodes:
            found = _REDIRECTION.match(self.page.shape, node.start_byte)
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
            descriptor = self.page.outline.descriptors.get(node.start_byte, implied)
            redirects.append(Redirect(operator if descriptor == implied else descriptor + operator, target))
        return redirects, tuple(fed), more

    def _target(self, node: Node, place: _Place, variables: Variables) -> Word:
        found = self._pieces(node)
        self._substitutions(found, place, variables)
        return Word(variables.only(found, place.when), place.when, any(piece.quoted for piece in found))

    def _here_document(self, at: int, place: _Place, variables: Variables) -> list[Text]:
        document = self.page.outline.here_documents.get(at)
        if document is None:  # the script ends before its body
            return []
        body = self._cut(document.start, document.end)
        if document.tabs:
            tabs = re.finditer(r"^\t+", shape_of(body), re.MULTILINE)
            body = replaced(body, ((*match.span(), body[:0]) for match in tabs))
        if document.literal:
            return [body]
        found = pieces(body, body=True)
        self._substitutions(found, place, variables)
        return [variables.only(found, place.when)] if found else [body]

    def _expand(self, found: list[Piece], place: _Place, variables: Variables) -> list[Word]:
        self._substitutions(found, place, variables)
        return variables.words(found, place.when)

    def _substitutions(self, found: list[Piece], place: _Place, variables: Variables) -> None:
        """Go through the command substitutions of a word, and give variables the defaults it assigns.

        A substitution whose output the script itself says becomes a variable without a name, which holds it.
        """
        for number, piece in enumerate(found):
            before = len(self.walk.commands)
            for script in piece.scripts:
                inner = _Place(place.when, place.inside, depth=place.depth + 1)
                self.walk.script(script, inner, variables.copy())
            if piece.is_substitution and (output := _printed(self.walk.commands[before:], place.when)):
                nameless = f"({piece.text.span.start})"
                variables.bind(nameless, (Binding((Part(output),), ALWAYS),))
                found[number] = piece._replace(name=nameless)
            if piece.argument is not None and variables.default(piece):
                name = piece.text[2 : 2 + len(piece.name)]
                values = variables.values(pieces(piece.argument, body=piece.quoted), place.when)
                self._bind(_Assigned(name, piece.argument), values, variables)

    # Assignments

    def _assign(self, node: Node, place: _Place, variables: Variables, *, exported: bool = False) -> None:
        assigned, values = self._evaluate(node, place, variables)
        if assigned.indexed:  # one element: the rest is not known from here on
            variables.forget(str(assigned.name))
        else:
            self._bind(assigned, values, variables, exported=exported)

    def _prefix(self, node: Node, place: _Place, variables: Variables) -> list[Assignment]:
        """Read an assignment in front of a command, which leaves the script's variables alone."""
        assigned, values = self._evaluate(node, place, variables)
        return [made for binding in values for made in assigned.records(binding, exported=True)]

    def _evaluate(self, node: Node, place: _Place, variables: Variables) -> tuple[_Assigned, list[Binding]]:
        shape = self.page.shape
        found = _ASSIGNED.match(shape, node.start_byte)
        at = found.end() if found else node.start_byte
        assigned = _Assigned(
            self._cut(*found.span("name")) if found else self._cut(at, at),
            self._cut(at, max(at, node.end_byte)),
            append=bool(found and found["operator"] == "+="),
            indexed=bool(found and found["index"]),
        )
        array = next((child for child in node.children if child.type == "array"), None)
        if array is not None:
            spots = [child for child in array.children if child.type in _LOOSE]
            words = [word for child in spots for word in self._expand(self._pieces(child), place, variables)]
            elements = tuple(Part(word.text, word.when) for word in words)
            values = [Binding(elements, place.when, array=True).limited()]
        else:
            pieces_of_value = self.page.pieces(at, max(at, node.end_byte))
            self._substitutions(pieces_of_value, place, variables)
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
            self.walk.assignments += records
            bindings.append(replace(binding, assignments=tuple(records)))
        variables.bind(name, tuple(bindings))
        if exported:
            variables.exported.add(name)

    def _declare(self, node: Node, place: _Place, variables: Variables) -> None:
        """Read `export`, `local`, `declare` and their kind."""
        keyword, *declared = node.children
        words: list[tuple[Node, list[Word]]] = []
        options = ""
        for child in declared:
            found = [] if child.type == "variable_assignment" else self._expand(self._pieces(child), place, variables)
            options += "".join(str(word.text)[1:] for word in found if word.text.startswith("-"))
            words.append((child, found))
        exported = (keyword.type == "export" and "n" not in options) or "x" in options
        if "f" in options or "p" in options:  # functions, or only printed
            return
        local = keyword.type in _LOCAL and "g" not in options
        for child, found in words:
            if child.type == "variable_assignment":
                name = _ASSIGNED.match(self.page.shape, child.start_byte)
                if local and name:
                    variables.localize(name["name"])
                self._assign(child, place, variables, exported=exported)
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

    # Text

    def _pieces(self, node: Node) -> list[Piece]:
        return self.page.pieces(node.start_byte, node.end_byte)

    def _cut(self, start: int, end: int) -> Text:
        return self.page.text[start:end]


@dataclass(frozen=True)
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


def _pipelines(node: Node) -> list[_Pipeline]:
    """Return the pipelines of a statement, whatever way the grammar has nested them.

    It binds `|` and `&&` in either order and hangs redirections on whole pipelines. Their order in the
    script is right, and says all there is to say.
    """
    pipelines = [_Pipeline(None, [])]
    nodes = [node]
    while nodes:
        node = nodes.pop()
        stages = pipelines[-1].stages
        if node.type in {"list", "pipeline", "negated_command", "redirected_statement"}:
            nodes.extend(reversed(node.children))
        elif node.type in {"&&", "||"}:
            pipelines.append(_Pipeline(node, []))
        elif node.type == "file_redirect" and stages:
            stages[-1].redirections.append(node)
        elif node.is_named and node.type != "comment":
            stages.append(_Stage(node))
    return [pipeline for pipeline in pipelines if pipeline.stages]


def _prints_elsewhere(redirects: Iterable[Redirect]) -> bool:
    """Whether redirections take what is printed away from a pipe."""
    return any(one.operator.startswith((">", "&>")) for one in redirects)


def _is_whole(node: Node) -> bool:
    """Whether an error is only that the grammar does not know how to put statements together, as in `f() {( x )}`."""
    return all(child.is_named and not child.has_error and child.type not in _LOOSE for child in node.children)


def _operator(pipeline: _Pipeline) -> str:
    return pipeline.operator.type if pipeline.operator else ""


def _clause(node: Node) -> tuple[list[Node], list[Node]]:
    """Return the condition and the body of an `if` or `elif`."""
    condition: list[Node] = []
    body: list[Node] = []
    into = condition
    for child in node.children:
        if child.type == "then":
            into = body
        elif child.type not in {"elif_clause", "else_clause"}:
            into.append(child)
    return condition, body


def _case_item(node: Node) -> tuple[list[Node], list[Node]]:
    """Return the patterns and the body of an arm of a `case`."""
    patterns = node.children_by_field_name("value")
    start = max((pattern.end_byte for pattern in patterns), default=node.start_byte)
    return patterns, [child for child in node.children if child.start_byte >= start]
