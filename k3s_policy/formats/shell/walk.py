"""The walk through a script: in order, once, with what its variables may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats.shell.evaluation import Evaluation, Place, Record, prints_elsewhere
from k3s_policy.formats.shell.page import LOOSE, Page
from k3s_policy.formats.shell.script import Command, Script
from k3s_policy.formats.shell.variables import Variables
from k3s_policy.text.branch import Branch, When, both
from k3s_policy.text.substitution import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tree_sitter import Node

    from k3s_policy.text import Text

__all__ = ["read_script"]

DEEPEST = 40
"""How deeply compound commands may nest; what lies deeper is reported as broken."""


def read_script(
    text: Text,
    given: Iterable[tuple[str, Text, When]] = (),
    folder: str = "",
    allowance: Allowance | None = None,
) -> Script:
    """Read a shell script. Never fails: what cannot be understood is passed over and told in `broken`.

    `given` are the variables it finds in its environment: name, value and arms. Of equal ones the last counts.
    `folder` is the one that it begins in, empty where that is not known. `allowance` says how much the values of its
    variables may come to, where others share it.
    """
    text = text[1:] if text.startswith(_BYTE_ORDER_MARK) else text
    pages: dict[int, Page] = {}
    given = tuple(given)
    allowance = allowance or Allowance()
    left = allowance.left
    walk = _walked(text, pages, Variables(allowance=allowance), given, folder)
    if walk.functions and walk.variables.bound:
        # A function is defined before it is called, and what it uses may be assigned in between.
        later = walk.variables.bound
        allowance.left = left
        walk = _walked(text, pages, Variables(later, allowance), given, folder)
    found = walk.record
    return Script(tuple(found.commands), tuple(found.assignments), tuple(found.broken))


_BYTE_ORDER_MARK = "\ufeff"
_MISPLACED = re.compile(r"[);&|]+|[^\n]*\n?")
_TEST = re.compile(r"\[\[|\(\(|(?:\[|test)(?:[ \t]|$)")
_BESIDE_STATEMENTS = {*LOOSE, "comment", "file_redirect"}


@dataclass(repr=False)
class _Stage:
    """A command of a pipeline, simple or compound, with the redirections behind it."""

    node: Node
    redirections: list[Node] = field(default_factory=list)


class _Pipeline(NamedTuple):
    operator: Node | None  # the `&&` or `||` in front of it
    stages: list[_Stage]


_Arm: TypeAlias = "Callable[[Place, Variables], None]"


class _Walk:
    """A walk through a script and the substitutions in it, and what it has found so far."""

    def __init__(self, pages: dict[int, Page], variables: Variables) -> None:
        self.pages = pages
        self.variables = variables
        self.record = Record()
        self.functions = 0

    def script(self, text: Text, place: Place, variables: Variables) -> None:
        """Walk through a script, or through the commands of a substitution."""
        if place.depth > DEEPEST:
            self.record.broken.append(text)
            return
        if id(text) not in self.pages:
            self.pages[id(text)] = Page(text)
        page = self.pages[id(text)]
        self.record.broken += page.broken
        _Structure(self, page).statements(page.root.children, place, variables)


def _walked(
    text: Text,
    pages: dict[int, Page],
    variables: Variables,
    given: Iterable[tuple[str, Text, When]],
    folder: str,
) -> _Walk:
    walk = _Walk(pages, variables)
    walk.variables.take(given)
    walk.variables.folder = folder
    walk.script(text, Place(), walk.variables)
    return walk


class _Structure:
    """The walk through the statements of one page."""

    def __init__(self, walk: _Walk, page: Page) -> None:
        self.walk = walk
        self.page = page
        self.evaluation = Evaluation(page, walk.record, walk.script)

    def statements(self, nodes: Iterable[Node], place: Place, variables: Variables) -> None:
        """Go through statements in their order; tokens between them are passed over."""
        for node in nodes:
            if not node.is_named or node.type in _BESIDE_STATEMENTS:
                continue
            if place.depth > DEEPEST:
                self.walk.record.broken.append(self.page.cut(node.start_byte, node.end_byte))
            elif node.is_error:
                self._error(node, place.deeper(), variables)
            else:
                self._chain(_pipelines(node), place.deeper(), variables)

    def _error(self, node: Node, place: Place, variables: Variables) -> None:
        """Go through what the grammar could not place.

        Where words of it are loose, whole commands may have been lost: what follows the misplaced operator,
        or else the line, is read once more by itself.
        """
        nodes = node.children
        # Words of the stencil have become tokens of that name.
        if any(child.type in LOOSE or not child.type.strip("a") for child in nodes):
            text = self.page.cut(node.start_byte, node.end_byte)
            misplaced = _MISPLACED.match(str(text))
            rest = misplaced.end() if misplaced else len(text)
            nodes = [child for child in nodes if child.end_byte <= node.start_byte + rest]
            self.statements(nodes, place, variables)
            if rest < len(text):
                self.walk.script(text[rest:], place, variables)
        else:
            self.statements(nodes, place, variables)

    def _chain(self, pipelines: list[_Pipeline], place: Place, variables: Variables) -> None:
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
        def go(place: Place, variables: Variables) -> None:
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
        place: Place,
        variables: Variables,
        *,
        exhaustive: bool,
    ) -> None:
        span = self.page.cut(node.start_byte, node.start_byte + 1).span
        taken = []
        for number, arm in enumerate(arms):
            branch = Branch(span.source.path, span.start, number)
            inside = variables.copy()
            arm(replace(place, when=both(place.when, (branch,))), inside)
            taken.append((branch, inside))
        others = Branch(span.source.path, span.start, len(arms))
        variables.merge(taken, others, exhaustive=exhaustive)

    def _pipeline(self, stages: list[_Stage], place: Place, variables: Variables) -> None:
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

    def _stage(self, stage: _Stage, place: Place, variables: Variables) -> None:
        node = stage.node
        if node.type == "command":
            self.evaluation.simple([*node.children, *stage.redirections], place, variables)
        elif node.type == "file_redirect":
            self.evaluation.simple([node, *stage.redirections], place, variables)
        elif node.type == "variable_assignment":
            self.evaluation.assign(node, place, variables)
        elif node.type == "declaration_command":
            self.evaluation.declare(node, place, variables)
        else:
            if stage.redirections:
                redirects, fed, _ = self.evaluation.redirections(stage.redirections, place, variables)
                printing = None if prints_elsewhere(redirects) else place.printing
                redirects = [*place.redirects, *redirects]
                place = replace(place, redirects=tuple(redirects), input=fed or place.input, printing=printing)
            self._compound(node, place, variables)

    def _compound(self, node: Node, place: Place, variables: Variables) -> None:
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

    def _if(self, node: Node, place: Place, variables: Variables) -> None:
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

    def _arm(self, condition: list[Node], body: list[Node], outside: Place) -> _Arm:
        def go(place: Place, variables: Variables) -> None:
            self.statements(condition, outside, variables)
            self.statements(body, place, variables)

        return go

    def _case(self, node: Node, place: Place, variables: Variables) -> None:
        arms = []
        exhaustive = False
        for child in node.children:
            if child.type == "case_item":
                patterns, body = _case_item(child)
                exhaustive = exhaustive or any(self.page.shape[p.start_byte : p.end_byte] == "*" for p in patterns)
                arms.append(self._arm([], body, place))
            elif child.type in LOOSE:
                self.evaluation.substitutions(self.page.pieces_of(child), place, variables)
            elif child.is_error:
                self.statements([child], place, variables)
        self._fork(node, arms, place, variables, exhaustive=exhaustive)

    def _for(self, node: Node, place: Place, variables: Variables) -> None:
        body = []
        for child in node.children:
            if child.type == "variable_name":
                variables.forget(self.page.shape[child.start_byte : child.end_byte])
            elif child.type in LOOSE:
                self.evaluation.substitutions(self.page.pieces_of(child), place, variables)
            else:
                body.append(child)
        self._loop(body, place, variables)

    def _loop(self, nodes: Iterable[Node], place: Place, variables: Variables) -> None:
        ended = variables.ended
        self.statements(nodes, place, variables)
        variables.ended = ended

    def _function(self, node: Node, place: Place, variables: Variables) -> None:
        self.walk.functions += 1
        name = node.child_by_field_name("name")
        inside = self.page.shape[name.start_byte : name.end_byte] if name else ""
        with variables.function():
            body = [child for child in node.children if child.type not in LOOSE and child.type != "file_redirect"]
            self.statements(body, Place(place.when, inside, depth=place.depth), variables)


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
