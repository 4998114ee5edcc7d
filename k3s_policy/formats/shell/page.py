"""A script as the grammar sees it: its Text, its outline, and the tree that tree-sitter makes of that."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from k3s_policy.formats.shell.outline import Outline, draw
from k3s_policy.formats.shell.words import Piece, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser

    from k3s_policy.text import Text

__all__ = ["LOOSE", "Page"]

LOOSE = frozenset({"word", "concatenation", "number", "command_name", "variable_name", "extglob_pattern", "regex"})
"""Nodes of words that stand by themselves."""


@cache
def _parser() -> Parser:
    # Imported late: most runs meet no script.
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


class Page:
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

    def pieces_of(self, node: Node) -> list[Piece]:
        """Return the pieces of the word that a node is."""
        return self.pieces(node.start_byte, node.end_byte)

    def cut(self, start: int, end: int) -> Text:
        """Return the text between two offsets."""
        return self.text[start:end]

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


def _is_whole(node: Node) -> bool:
    """Whether an error is only that the grammar does not know how to put statements together, as in `f() {( x )}`."""
    return all(child.is_named and not child.has_error and child.type not in LOOSE for child in node.children)
