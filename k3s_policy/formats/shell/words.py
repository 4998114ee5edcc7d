r"""Shell words over Text: where quotes, escapes and expansions begin and end, and what they stand for.

Nothing here knows variables. A word is cut into pieces: characters as written, characters an escape
stands for, and expansions. Removed quotes leave no trace but the mark on the piece; an escape such as
`\$` becomes a run that stands for its whole stretch, so no character ever loses its place.

Every offset counts characters of the *shape* of a Text: its characters, with an `a` for each one that is
not known yet. A template or an expansion made earlier is thereby never taken for syntax.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text import Run, Text
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "BLANKS",
    "HERE_DOCUMENT",
    "OPEN",
    "Piece",
    "command_line",
    "concatenate",
    "here_document_end",
    "past",
    "past_commands",
    "past_word",
    "pieces",
    "shape_of",
    "split_words",
]

OPEN = 0
"""What `past` returns for something that is never closed; no real end is 0."""

DEEPEST = 40
"""How deeply expansions may nest before they count as never closed; people stop at three."""

BLANKS = re.compile(r"(?:[ \t\n]|\r\n)+")
"""What separates words. A carriage return counts where it ends a line, for scripts saved on Windows."""

HERE_DOCUMENT = re.compile(r"""<<(-?)[ \t]*((?:\\.|'[^'\n]*'|"[^"\n]*"|[^ \t\r\n;&|()<>'"\\])+)""")
"""A here-document's operator with its delimiter; group 1 asks for leading tabs to be removed."""

_PLAIN = re.compile(r"""(?:[^ \t\r\n;&|()<>\\'"`$]|\r(?!\n))+""")
_UNQUOTED = re.compile(r"""(?:[^ \t\r\n\\'"`$]|\r(?!\n))+""")
_BACKQUOTED = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_ANSI_C = re.compile(r"\$'(?:[^'\\]|\\.)*'", re.DOTALL)
_PARAMETER = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])")
_IN_DOUBLE_QUOTES = re.compile(r'[\\"`$]')
_IN_BRACES = re.compile(r"""[\\'"`$}]""")
_IN_ARITHMETIC = re.compile(r"""[\\'"`$()]""")
_IN_COMMANDS = re.compile(r"""[\\'"`$()\n]|(?<![^ \t\n;&|()])(?:\#|case\b|esac\b)|<<(?!<)|<<<""")

_SPECIAL = re.compile(r"""[\\'"`$]|[<>](?=\()""")
_SPECIAL_QUOTED = re.compile(r"[\\`$]")

_EXPANSION = re.compile(
    r"\$(?:(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\[(?P<every>[@*])\])?(?:(?P<operator>:?[-=?])(?P<argument>.*))?\})",
    re.DOTALL,
)

_ANSI_C_ESCAPE = re.compile(
    r"\\(?:(?P<letter>[abeEfnrtv\\'\"?])|(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9a-fA-F]{1,2})"
    r"|u(?P<short>[0-9a-fA-F]{1,4})|U(?P<long>[0-9a-fA-F]{1,8}))",
)
_ANSI_C_LETTERS = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


def shape_of(text: Text) -> str:
    """Return the characters of a Text, with an `a` in place of each one that is not known yet."""
    if text.known:
        return str(text)
    return "".join(run.text if run.known else "a" * len(run.text) for run in text.runs)


def concatenate(texts: list[Text]) -> Text:
    """Return one Text of several, in their order."""
    return texts[0] if len(texts) == 1 else Text(run for text in texts for run in text.runs)


def past(shape: str, at: int, *, quoted: bool = False, depth: int = 0) -> int:
    """Return the offset after the quote, escape or expansion that begins at `at`, or OPEN."""
    opening = shape[at]
    if depth > DEEPEST:
        end = OPEN
    elif opening == "\\":
        end = min(at + (3 if shape.startswith("\r\n", at + 1) else 2), len(shape))
    elif opening == "'":
        end = shape.find("'", at + 1) + 1
    elif opening == '"':
        end = _past_double_quotes(shape, at + 1, depth)
    elif opening == "`":
        end = _end(_BACKQUOTED.match(shape, at))
    elif opening == "$":
        end = _past_dollar(shape, at, quoted=quoted, depth=depth)
    else:  # `<(` and `>(`
        end = past_commands(shape, at + 2, depth=depth + 1)
    return end


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else OPEN


def _past_double_quotes(shape: str, at: int, depth: int) -> int:
    while special := _IN_DOUBLE_QUOTES.search(shape, at):
        if special[0] == '"':
            return special.end()
        at = past(shape, special.start(), quoted=True, depth=depth + 1)
        if at == OPEN:
            break
    return OPEN


def _past_dollar(shape: str, at: int, *, quoted: bool, depth: int) -> int:
    # Terraform writes `$${x}` for a `${x}` of the shell.
    brace = at + 1 if shape.startswith("$${", at) else at
    if shape.startswith("{", brace + 1):
        return _past_braces(shape, brace + 2, quoted=quoted, depth=depth)
    if shape.startswith("$((", at):
        return past_commands(shape, at + 2, depth=depth + 1, arithmetic=True)
    if shape.startswith("$(", at):
        return past_commands(shape, at + 2, depth=depth + 1)
    if not quoted and shape.startswith('$"', at):
        return _past_double_quotes(shape, at + 2, depth)
    if shape.startswith("$[", at):  # the old form of $(( ))
        return shape.find("]", at) + 1 or at + 1
    return _end(_PARAMETER.match(shape, at) or (None if quoted else _ANSI_C.match(shape, at))) or at + 1


def _past_braces(shape: str, at: int, *, quoted: bool, depth: int) -> int:
    while special := _IN_BRACES.search(shape, at):
        if special[0] == "}":
            return special.end()
        if quoted and special[0] == "'":  # in "${X:-it's}" an apostrophe is itself
            at = special.end()
            continue
        at = past(shape, special.start(), quoted=quoted, depth=depth + 1)
        if at == OPEN:
            break
    return OPEN


def past_commands(shape: str, at: int, *, depth: int = 0, arithmetic: bool = False) -> int:
    """Return the offset after the `)` that closes the commands from `at` on, or OPEN."""
    pattern = _IN_ARITHMETIC if arithmetic else _IN_COMMANDS
    nesting = _Nesting()
    bodies: list[re.Match[str]] = []
    while special := pattern.search(shape, at):
        found, at = special[0], special.end()
        if found in {"(", ")", "case", "esac"}:
            if nesting.closed_by(found):
                return at
        elif found == "#":
            at = _line_end(shape, at)
        elif found.startswith("<<"):
            bodies += filter(None, [HERE_DOCUMENT.match(shape, special.start())])
        elif found == "\n":
            for body in bodies:
                _, at = here_document_end(shape, at, body)
            bodies = []
        else:
            at = past(shape, special.start(), depth=depth + 1)
            if at == OPEN:
                break
    return OPEN


class _Nesting:
    """The parentheses that are open; the one behind a pattern of a `case` has no partner."""

    def __init__(self) -> None:
        self.parentheses = 0
        self.cases = 0

    def closed_by(self, found: str) -> bool:
        closed = found == ")" and not self.parentheses and not self.cases
        if found in {"(", ")"}:
            self.parentheses = max(self.parentheses + (1 if found == "(" else -1), 0)
        else:
            self.cases = max(self.cases + (1 if found == "case" else -1), 0)
        return closed


def _line_end(shape: str, at: int) -> int:
    end = shape.find("\n", at)
    return end if end >= 0 else len(shape)


def here_document_end(shape: str, at: int, operator: re.Match[str]) -> tuple[int, int]:
    """Return where a here-document whose body begins at `at` ends: its body, and its closing line.

    One that is never closed ends with the text, as in the shell.
    """
    delimiter = re.sub(r"""\\(.)|['"]""", r"\1", operator[2])
    tabs = r"\t*" if operator[1] else ""
    closing = re.compile(rf"^{tabs}{re.escape(delimiter)}\r?$", re.MULTILINE).search(shape, at)
    return closing.span() if closing else (len(shape), len(shape))


def past_word(shape: str, at: int, patience: int) -> tuple[int, list[int]]:
    """Return the offset after the word that begins at `at`, and the offsets of what is never closed in it.

    A quote without its partner is a character like any other, so that the rest of a script is still
    read; `patience` says how often, since each one has been searched for up to the end of the text.
    """
    unclosed: list[int] = []
    while at < len(shape):
        if plain := _PLAIN.match(shape, at):
            at = plain.end()
            if shape[at - 1] in "@+?*" and shape.startswith("(", at):  # the pattern +([0-9])
                at = past_commands(shape, at + 1, arithmetic=True) or at + 1
            continue
        if not _SPECIAL.match(shape, at):
            break
        after = past(shape, at)
        if after == OPEN:
            unclosed.append(at)
            after = at + 1 if len(unclosed) <= patience else len(shape)
        at = after
    return at, unclosed


class Piece(NamedTuple):
    """A part of a word: characters, or an expansion as it is written."""

    text: Text
    quoted: bool
    expansion: bool = False
    name: str = ""  # the variable an expansion stands for, where nothing is done to its value
    every: str = ""  # `@` or `*` for all elements of an array
    operator: str = ""  # `:-`, `-`, `:=`, `=`, `:?` or `?`: what happens if there is no value
    argument: Text | None = None  # what follows the operator
    scripts: tuple[Text, ...] = ()  # the command substitutions in it

    @property
    def is_substitution(self) -> bool:
        """Whether it is one command substitution and nothing else."""
        return len(self.scripts) == 1 and not self.operator and self.text.startswith(("$(", "`"))


def pieces(text: Text, *, body: bool = False) -> list[Piece]:
    """Cut a word, or the body of a here-document, into its pieces."""
    shape = shape_of(text)
    if not (_SPECIAL_QUOTED if body else _SPECIAL).search(shape):
        return [Piece(text, body)]
    return list(_Cut(text, shape, body=body).pieces(0, len(shape), quoted=body))


class _Cut:
    """The text that is being cut into pieces."""

    def __init__(self, text: Text, shape: str, *, body: bool) -> None:
        self.text = text
        self.shape = shape
        self.escapable = "$`\\" if body else '$`"\\'

    def pieces(self, at: int, end: int, *, quoted: bool) -> Iterator[Piece]:
        pattern = _SPECIAL_QUOTED if quoted else _SPECIAL
        while special := pattern.search(self.shape, at, end):
            start = special.start()
            if start > at:
                yield Piece(self.text[at:start], quoted)
            at = past(self.shape, start, quoted=quoted)
            if at == OPEN or at > end or at == start + 1:
                at = start + 1
                yield Piece(self.text[start:at], quoted)
            else:
                yield from self._special(start, at, quoted=quoted)
        if at < end:
            yield Piece(self.text[at:end], quoted)

    def _special(self, start: int, end: int, *, quoted: bool) -> Iterator[Piece]:
        opening = self.shape[start : start + 2]
        if opening[0] == "\\":
            yield from self._escape(start, end, quoted=quoted)
        elif opening[0] == "'":
            yield Piece(self.text[start + 1 : end - 1], quoted=True)
        elif opening[0] == '"' or (opening == '$"' and not quoted):
            inner = start + (1 if opening[0] == '"' else 2)
            nothing = Piece(self.text[inner:inner], quoted=True)  # which still makes a word
            yield from list(self.pieces(inner, end - 1, quoted=True)) or [nothing]
        elif opening == "$'" and not quoted:
            yield Piece(_ansi_c(self.text[start + 2 : end - 1]), quoted=True)
        else:
            yield self._expansion(self.text[start:end], quoted=quoted)

    def _escape(self, start: int, end: int, *, quoted: bool) -> Iterator[Piece]:
        escaped = self.shape[end - 1]
        if escaped == "\n":
            return  # a continued line
        if quoted and escaped not in self.escapable:
            yield Piece(self.text[start:end], quoted=True)
        else:
            yield Piece(self.text[start:end].stand_in(escaped), quoted=True)

    def _expansion(self, text: Text, *, quoted: bool) -> Piece:
        found = _EXPANSION.fullmatch(str(text))
        if found and found["plain"]:
            return Piece(text, quoted, expansion=True, name=found["plain"])
        scripts = tuple(_scripts(text))
        if not found:
            return Piece(text, quoted, expansion=True, scripts=scripts)
        argument = text.cut(found, "argument") if found["operator"] else None
        every, operator = found["every"] or "", found["operator"] or ""
        return Piece(
            text,
            quoted,
            expansion=True,
            name=found["name"],
            every=every,
            operator=operator,
            argument=argument,
            scripts=scripts,
        )


def _ansi_c(text: Text) -> Text:
    r"""Return what stands between `$'` and `'` with its escapes made: `\n`, `\x41`, `é`."""
    parts = [text[:0]]
    at = 0
    for escape in _ANSI_C_ESCAPE.finditer(str(text)):
        digits = escape["octal"] or escape["hex"] or escape["short"] or escape["long"]
        code = int(digits, 8 if escape["octal"] else 16) if digits else 0
        if code > sys.maxunicode:
            continue
        character = chr(code) if digits else _ANSI_C_LETTERS[escape["letter"]]
        parts += [text[at : escape.start()], text.cut(escape).stand_in(character)]
        at = escape.end()
    return concatenate([*parts, text[at:]])


def _scripts(text: Text) -> Iterator[Text]:
    """Find the command substitutions in an expansion: the expansion itself, or what stands in `${X:-...}`."""
    shape = shape_of(text)
    if shape.startswith("`"):
        yield _backquoted(text[1:-1])
    elif shape.startswith(("$(", "<(", ">(")) and not shape.startswith("$(("):
        yield text[2:-1]
    elif "$(" in shape[2:] or "`" in shape:
        for piece in pieces(text[2:], body=True):
            yield from piece.scripts


def _backquoted(text: Text) -> Text:
    """Return the commands between backquotes, in which a backslash still protects itself, `$` and a backquote."""
    escapes = re.finditer(r"\\([\\`$])", str(text))
    return replaced(text, ((*escape.span(), text.cut(escape).stand_in(escape[1])) for escape in escapes))


def command_line(words: Iterable[Text]) -> Text:
    """Put words together so that a shell takes them apart as they are: for formats that list the words of a command.

    Raises ValueError where there are none.
    """
    runs: list[Run] = []
    for word in words:
        runs += _mark(word, " '" if runs else "'")
        position = 0
        for match in re.finditer("'", str(word)):
            quote = word.cut(match)
            runs += (*word[position : match.start()].runs, *_mark(quote, "'\\"), *quote.runs, *_mark(quote, "'"))
            position = match.end()
        runs += (*word[position:].runs, *_mark(word[len(word) :], "'"))
    return Text(runs)


def _mark(at: Text, characters: str) -> Iterator[Run]:
    """Yield characters of ours, at the place where a text begins."""
    span = at.span
    yield Run(span.source, span.start, span.start, characters)


def split_words(text: Text) -> list[Text] | None:
    """Split a plain command line into words as a shell does, or return None where a quote is not closed.

    Quotes and backslashes are removed; `$X` and other expansions stay as written, marked as not known.
    Characters that would end a command (`;`, `|`, `>`) are characters like any other: this is for strings
    that hold arguments, such as the value of a variable or a compose file's `command:`.
    """
    shape = shape_of(text)
    words: list[Text] = []
    at = 0
    while at < len(shape):
        if blanks := BLANKS.match(shape, at):
            at = blanks.end()
            continue
        start = at
        while at < len(shape) and not BLANKS.match(shape, at):
            plain = _UNQUOTED.match(shape, at)
            at = plain.end() if plain else past(shape, at)
            if at == OPEN:
                return None
        found = pieces(text[start:at])
        if any(piece.text or piece.quoted for piece in found):
            words.append(concatenate([piece.text.unknown() if piece.expansion else piece.text for piece in found]))
    return words
