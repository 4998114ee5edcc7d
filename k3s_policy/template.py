"""Templates: what another program fills in is taken out or marked, so that the rest parses.

Statements (`{% if %}`, `%{ endif }`) vanish, with their line break where the engine eats it; expressions
(`{{ token }}`, `${token}`) become placeholders of the same length that are not known. Every other character keeps
its place. Which syntax applies goes by the file; plain shell scripts have `${#a}` and `%{http_code}` of their own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.pattern import pattern
from k3s_policy.text import Run, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JINJA", "SUFFIXES", "TERRAFORM", "filled", "fills_in", "forks_between", "marked", "opaque", "syntax_of"]

# A statement takes the line break behind it along: Ansible and most of Jinja's users set trim_blocks. `-` and `~`
# eat the blanks on their side in either language.
JINJA = pattern(
    r"(?P<statement>(?:(?<!\s)\s{0,200}\{%-|\{%)(?:[^%]|%(?!\})){0,2000}?(?:-%\}\s{0,200}|%\}(?:\r?\n)?)|\{#[^#]{0,2000}#\}(?:\r?\n)?)"
    r"|(?P<expression>\{\{(?:[^{}]|[{}](?![{}])){0,2000}\}\})",
    re.DOTALL,
)
"""Jinja, as Ansible uses it, and Go templates, whose expressions look the same."""

TERRAFORM = pattern(
    r"(?P<escaped>\$\$\{|%%\{)"
    r"|(?P<statement>(?:(?<![ \t])[ \t]{0,200}%\{~|%\{)[^{}]{0,2000}?(?:~\}[ \t]*(?:\r?\n)?|\}))"
    r"|(?P<expression>\$\{(?:[^{}]|\{[^{}]*\})*\})",
    re.DOTALL,
)
"""Terraform's templatefile: `${ }` and `%{ }`; `$${` stands for a literal `${`."""

SUFFIXES = {"j2": JINJA, "jinja": JINJA, "jinja2": JINJA, "tftpl": TERRAFORM}
"""Suffixes that belong to one language; `.tpl` and `.tmpl` are anybody's."""

_DIRECTIVE = pattern(r"%\{~?\s*(?:if|else|endif|for|endfor)\b")


def syntax_of(path: str, content: str) -> re.Pattern[str] | None:
    """Return the template language of a file by its suffix or its statements, None where it is no template."""
    suffix = path.rpartition(".")[2].lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if "%{" in content and _DIRECTIVE.search(content):
        return TERRAFORM
    if suffix in ("tpl", "tmpl", "template") and "${" in content and "{{" not in content:
        return TERRAFORM
    if "{%" in content or "{{" in content:
        return JINJA
    return None


_MARKS = ("{{", "${", "{%", "$(", "<%")
_FORK = pattern(r"\{%|<%|%\{|\{\{-?\s*(?:if|else|end|range|with)\b")


def fills_in(value: str) -> bool:
    """Whether something else fills in a value, or a part of it: a template, a variable, a command."""
    return any(mark in value for mark in _MARKS)


_PLACEHOLDER = pattern(
    r"\{\{.*?\}\}|\$\{[^{}]*\}|\$\([^()]*\)|<%.*?%>|#\{[^{}]*\}|\$[A-Za-z_]\w*|<[A-Za-z][^<>]*>|\{[A-Za-z_]\w*\}",
    re.DOTALL,
)


def marked(text: Text) -> Text:
    """Return a text in which whatever something else most likely fills in is marked as not known.

    Variables and placeholders such as `$PASSWORD` and `<host>` are taken as such, where a format would read them as
    they stand: nothing is told of a value that nobody means to be one.
    """
    position = 0
    runs: list[Run] = list(text[:0].runs)
    for match in _PLACEHOLDER.finditer(str(text)):
        runs += text[position : match.start()].runs
        runs += text.cut(match).unknown().runs
        position = match.end()
    return Text((*runs, *text[position:].runs)) if position else text


def opaque(text: Text) -> Text:
    """Return a text in which a letter stands for each character of what a template or a variable fills in.

    No grammar finds its separators there, and every part still knows that it is not known.
    """
    if text.known:
        return text
    return Text(run if run.known else run._replace(text="x" * len(run.text)) for run in text.runs)


def forks_between(one: Text, other: Text) -> bool:
    """Whether a statement stands between two texts of one file, that may let only one of them into it.

    YAML and systemd take such a statement for a comment or text where the template's arms were not followed.
    """
    first, last = sorted((one.span, other.span), key=lambda span: span.start)
    return first.source is last.source and _FORK.search(first.source.content, first.end, last.start) is not None


def filled(text: Text, syntax: re.Pattern[str]) -> Text:
    """Return a template's text with its statements taken out and its expressions marked as not known.

    Of two arms in one line nothing is known: nobody could say which of their characters count.
    """
    position = 0
    pieces: list[Run] = list(text[:0].runs)
    for arms in _ALTERNATIVES.finditer(str(text)):
        pieces += _runs(text[position : arms.start()], syntax)
        pieces += (run._replace(known=False) for run in _runs(text.cut(arms), syntax))
        position = arms.end()
    return Text((*pieces, *_runs(text[position:], syntax)))


_ALTERNATIVES = pattern(
    r"\{%[-~]?\s*if\b(?:(?!\{%[-~]?\s*endif\b)[^\n]){0,300}?\{%[-~]?\s*(?:else|elif)\b"
    r"(?:(?!\{%[-~]?\s*endif\b)[^\n]){0,300}\{%[-~]?\s*endif\s*[-~]?%\}"
    r"|%\{~?\s*if\b(?:(?!%\{~?\s*endif\b)[^\n]){0,300}?%\{~?\s*else\b"
    r"(?:(?!%\{~?\s*endif\b)[^\n]){0,300}%\{~?\s*endif\s*~?\}"
)
"""Arms of a template that stand in one line, from `if` to `endif`."""


def _runs(text: Text, syntax: re.Pattern[str]) -> Iterator[Run]:
    position = 0
    for match in syntax.finditer(str(text)):
        yield from text[position : match.start()].runs
        position = match.end()
        if match.lastgroup == "expression":
            for run in text.cut(match).runs:
                yield run._replace(text="x" * len(run.text), known=False)
        elif match.lastgroup == "escaped":
            yield from text[match.start() + 1 : match.end()].runs
    yield from text[position:].runs
