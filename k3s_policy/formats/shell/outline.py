"""The outline of a shell script: what is left for a grammar when words are only words.

tree-sitter-bash knows the structure of scripts well and their small print badly: two here-documents in
one command, a word after a redirection, `${x.y}` of a template or a line break it takes for a blank can
make it lose the rest of the file. So it is handed a stencil instead: as long as the script, plain ASCII
(one byte a character, so that its offsets are ours), with every word blackened, every here-document taken
out, every redirection drawn as `<`, and a `;` where a line ends a command. What the words and redirections
say is read from the script itself.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import NamedTuple

from k3s_policy.formats.shell.words import HERE_DOCUMENT, OPEN, here_document_end, past, past_commands, past_word

__all__ = ["HereDocument", "Outline", "draw"]

_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]\n]*\])?(\+?=)")
_SKIPPED = re.compile(r"(?:[ \t]|\r(?=\n)|\\\r?\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_OPERATOR = re.compile(r"<<<|<<-?|&>>|&>|>>|>&|>\||<&|<>|[<>]|;;&|;;|;&|&&|\|\||\|&|[;&|()]")
_DANGLING = re.compile(r"[ \t]*(?:\r?\n|$)")
_TEST_END = re.compile(r"""[\\'"`$]|(?<=[ \t\n])\]\](?=[ \t\r\n;&|)]|$)""")

_OPENING = {"if", "then", "elif", "else", "while", "until", "do", "{"}
_CLOSING = {"fi", "done", "esac"}
_NAMING = {"for", "select", "case", "function"}
_PASSED_OVER = {"!", "time", "coproc"}
_DECLARING = {"export", "declare", "local", "readonly", "typeset"}

PATIENCE = 20
"""How often something without its partner is searched for to the end of the script."""


class HereDocument(NamedTuple):
    """A here-document, by offsets of the script."""

    start: int
    end: int
    literal: bool  # its delimiter is quoted: nothing in it is expanded
    tabs: bool  # its leading tabs are removed


class Outline(NamedTuple):
    """A stencil of a script, with what was taken out."""

    stencil: str
    here_documents: dict[int, HereDocument]  # by the offset of their operator
    descriptors: dict[int, str]  # the number in front of a redirection, by the offset of its operator
    unclosed: tuple[int, ...]  # quotes without a partner, redirections without a target


def draw(shape: str) -> Outline:
    """Draw the outline of a script, given as the shape of its Text."""
    drawing = _Drawing(shape)
    drawing.draw()
    return Outline(
        "".join(drawing.parts),
        drawing.here_documents,
        drawing.descriptors,
        tuple(drawing.unclosed),
    )


class _Drawing:
    """A script and how far it has been drawn.

    `expects` says what the next word is: a command (or the word of a command's language, such as `then`),
    its prefix of assignments, an argument, what a declaration declares, a name, the word after it, or an
    element of an array. `line_break` is what a line break is drawn as here: a `;` where it ends a command,
    since the grammar now and then takes one for a blank; itself behind a `)`, which may close a pattern.
    """

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.at = 0
        self.expects = "command"
        self.line_break = " "
        self.parts: list[str] = []
        self.braces: list[int] = []  # which parts are the braces and parentheses that are open
        self.parentheses: list[int] = []
        self.subshell = 0  # which part opened the one closed last
        self.pending: list[tuple[int, re.Match[str]]] = []
        self.here_documents: dict[int, HereDocument] = {}
        self.descriptors: dict[int, str] = {}
        self.unclosed: list[int] = []
        self.subshells = 0  # how often `((` was not arithmetic
        self.target = False
        self.around_array = ""

    def draw(self) -> None:
        shape = self.shape
        while self.at < len(shape):
            if skipped := _SKIPPED.match(shape, self.at):
                self._skip(skipped)
            elif shape[self.at] == "\n":
                self._newline()
            elif comment := _COMMENT.match(shape, self.at):
                self._put(" ", comment.end())
            elif (operator := _OPERATOR.match(shape, self.at)) and not self._substitutes():
                self._operator(operator)
            else:
                self._word()

    def _put(self, character: str, end: int) -> None:
        self.parts.append(character * (end - self.at))
        self.at = end

    def _keep(self, end: int) -> None:
        self.parts.append(self.shape[self.at : end])
        self.at = end

    def _skip(self, skipped: re.Match[str]) -> None:
        self._put(" ", skipped.end())

    def _substitutes(self) -> bool:
        return self.shape.startswith(("<(", ">("), self.at)

    def _newline(self) -> None:
        if self.expects in {"array", "in", "case in"}:
            self._put("\n" if self.expects == "in" else " ", self.at + 1)
        else:
            self._put(self.line_break, self.at + 1)
            self.line_break = "\n" if self.line_break == "\n" else " "
            self.expects = "command"
        for operator_at, operator in self.pending:
            body_end, end = here_document_end(self.shape, self.at, operator)
            literal = any(character in operator[2] for character in "\\'\"")
            self.here_documents[operator_at] = HereDocument(self.at, body_end, literal, bool(operator[1]))
            if body_end == end:
                self.unclosed.append(operator_at)
            self._put(" ", end)
            if self.at < len(self.shape) and self.shape[self.at] == "\n" and operator is not self.pending[-1][1]:
                self._put(" ", self.at + 1)
        self.pending.clear()

    def _operator(self, found: re.Match[str]) -> None:
        if self.shape.startswith("((", self.at) and self._arithmetic():
            return
        if found[0][0] in "<>" or found[0].startswith("&>"):
            self._redirection(found)
        else:
            self._control(found)

    def _control(self, found: re.Match[str]) -> None:
        if found[0] == "(":
            self.parentheses.append(len(self.parts))
        elif found[0] == ")" and self.parentheses:
            self.subshell = self.parentheses.pop()
        self._keep(found.end())
        if self.expects != "array":
            self.expects = "command"
            self.line_break = "\n" if found[0] == ")" else " "
        elif found[0] == ")":
            self.expects = self.around_array
            self.line_break = ";"

    def _redirection(self, found: re.Match[str]) -> None:
        here = HERE_DOCUMENT.match(self.shape, self.at) if found[0] in {"<<", "<<-"} else None
        if here:
            self.pending.append((self.at, here))
            self.parts.append("<")
            self.at += 1
            self._put("a", here.end())
            self.line_break = ";"
        elif _DANGLING.match(self.shape, found.end()):
            self.unclosed.append(self.at)
            self._put(" ", found.end())
        else:
            self.parts.append("<".ljust(len(found[0])))  # of the redirections the simplest
            self.at = found.end()
            self.target = True

    def _arithmetic(self) -> bool:
        if self.expects not in {"command", "name"} or self.subshells > PATIENCE:
            return False
        end = past_commands(self.shape, self.at + 1, arithmetic=True)
        if end == OPEN or not self.shape.endswith("))", self.at, end):
            self.subshells += 1
            return False
        if self.expects == "name":  # for ((i = 0; i < 3; i++))
            inner = re.sub(r"[^;]", "a", self.shape[self.at + 2 : end - 2])
            self.parts.append(f"(({inner}))")
            self.at = end
            self.expects = "command"
            self.line_break = "\n"
        else:
            self._put("a", end)
            self.expects = "argument"
            self.line_break = ";"
        return True

    def _word(self) -> None:
        end, unclosed = past_word(self.shape, self.at, PATIENCE - len(self.unclosed))
        self.unclosed += unclosed
        word = self.shape[self.at : end]
        if word.isdecimal() and self.shape.startswith(("<", ">"), end):
            self.descriptors[end] = word
            self._put(" ", end)
        elif self.target:
            self.target = False
            self._put("a", end)
            self.line_break = ";"
        else:
            self.line_break = ";"
            self._place(word, end)

    def _place(self, word: str, end: int) -> None:
        match self.expects:
            case "command" | "prefix":
                self._first_word(word, end)
            case "declaration":
                if not self._assignment(end):
                    self._put("a", end)
            case "name" | "case":
                self.expects = "in" if self.expects == "name" else "case in"
                self._put("a", end)
            case "function":
                self.expects = "command"
                self.line_break = " "
                self._put("a", end)
            case "in" | "case in":
                self._after_name(word, end)
            case _:
                self._put("a", end)

    def _after_name(self, word: str, end: int) -> None:
        if word == "in":
            self.line_break = ";" if self.expects == "in" else " "
            self.expects = "argument" if self.expects == "in" else "command"
            self._keep(end)
        else:
            self.expects = "command"
            self._first_word(word, end)

    def _first_word(self, word: str, end: int) -> None:
        if self.expects == "command" and self._language(word, end):
            return
        if word in _DECLARING:
            self.expects = "declaration"
            self._keep(end)
        elif self._assignment(end):
            if self.expects == "command":
                self.expects = "prefix"
        else:
            self.expects = "argument"
            self._put("a", end)

    def _language(self, word: str, end: int) -> bool:
        """Draw a word such as `then`, or a `[[ test ]]`, and return whether it is one."""
        if word in _PASSED_OVER:
            self._put(" ", end)
        elif word in _OPENING:
            if word == "{":
                self.braces.append(len(self.parts))
            self.line_break = " "
            self._keep(end)
        elif word == "}":
            self._close_group(end)
        elif word in _CLOSING:
            self._keep(end)
        elif word in _NAMING:
            self.expects = word if word in {"case", "function"} else "name"
            self._keep(end)
        elif word == "[[" and (test := self._past_test(end)):
            self.expects = "argument"
            self._put("a", test)
        else:
            return False
        return True

    def _close_group(self, end: int) -> None:
        """Draw a `}`. Behind a `)` the grammar wants a `;` that the shell does not."""
        brace = self.braces.pop() if self.braces else self.subshell
        blanks = list(takewhile(str.isspace, reversed(self.parts)))
        behind = self.parts[-1 - len(blanks)] if len(blanks) < len(self.parts) else ""
        around = brace < self.subshell and not "".join(self.parts[brace + 1 : self.subshell]).strip()
        if behind == ")" and around and not blanks:
            self.parts[brace] = " "  # {( a )} is ( a )
            self._put(" ", end)
            return
        if behind == ")" and blanks and "\n" not in "".join(blanks):
            self.parts[-1] = self.parts[-1][:-1] + ";"
        self._keep(end)

    def _past_test(self, at: int) -> int:
        while special := _TEST_END.search(self.shape, at):
            if special[0] == "]]":
                return special.end()
            at = past(self.shape, special.start())
            if at == OPEN:
                break
        return OPEN

    def _assignment(self, end: int) -> bool:
        """Draw `NAME=value` with its name legible, up to the parenthesis if the value is an array."""
        assigned = _ASSIGNED.match(self.shape, self.at, end)
        if not assigned:
            return False
        self._put("a", assigned.start(1))
        self._keep(assigned.end())
        self._put("a", end)
        if not self.shape.startswith("(", end):
            return True
        if assigned.end() == end:
            self._keep(end + 1)
            self.around_array = "declaration" if self.expects == "declaration" else "prefix"
            self.expects = "array"
        else:
            self._misplaced_parenthesis()
        return True

    def _misplaced_parenthesis(self) -> None:
        """Draw what a `(` right behind a value begins, `X=tcp(db)/k`: no shell takes that, and the value ends there."""
        closed = past_commands(self.shape, self.at + 1, arithmetic=True) or self.at + 1
        end, unclosed = past_word(self.shape, closed, PATIENCE - len(self.unclosed))
        self.unclosed += [self.at, *unclosed]
        self._put(";", self.at + 1)
        self._put("a", end)
        self.expects = "argument"
