"""Templates: what another program fills in is taken out or marked, so that the rest parses.

Statements (`{% if %}`, `%{ endif }`) vanish, with their line break where the engine eats it; expressions
(`{{ token }}`, `${token}`) become placeholders of the same length that are not known. Every other character keeps
its place. Which syntax applies goes by the file; plain shell scripts have `${#a}` and `%{http_code}` of their own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text import Run, Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Source

__all__ = [
    "ERB",
    "JINJA",
    "SUFFIXES",
    "TERRAFORM",
    "Masked",
    "default_of",
    "forks_between",
    "is_substituted",
    "is_template",
    "marked",
    "masked",
    "opaque",
    "restored",
    "substituted",
    "syntax_of",
    "without_suffix",
]

# A statement takes the line break behind it along: Ansible and most of Jinja's users set trim_blocks. `-` and `~`
# eat the blanks on their side in either language.
JINJA = pattern(
    r"(?P<statement>(?:(?<!\s)\s{0,200}\{%-|\{%)(?:[^%{]|%(?!\})|\{(?!%)){0,2000}?(?:-%\}\s{0,200}|%\}(?:\r?\n)?)|\{#[^#]{0,2000}#\}(?:\r?\n)?)"
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

ERB = pattern(
    r"(?P<expression><%=(?:[^%<]|%(?!>)|<(?!%)){0,2000}%>)"
    r"|(?P<statement><%(?:[^%<]|%(?!>)|<(?!%)){0,2000}%>(?:\r?\n)?)",
    re.DOTALL,
)
"""ERB, as Ruby's tools use it."""

SUFFIXES = {"j2": JINJA, "jinja": JINJA, "jinja2": JINJA, "gotmpl": JINJA, "tftpl": TERRAFORM, "erb": ERB}
"""Suffixes that belong to one language; `.tpl` and `.tmpl` are anybody's."""

_OF_ANYBODY = ("tpl", "tmpl", "template")
_SUFFIX = pattern(rf"(?i)\.(?:{'|'.join((*SUFFIXES, *_OF_ANYBODY))})$")

_DIRECTIVE = pattern(r"%\{~?\s*(?:if|else|endif|for|endfor)\b")


def is_template(path: str) -> bool:
    """Whether the name of a file says that another program fills it in."""
    return _SUFFIX.search(path) is not None


def without_suffix(path: str) -> str:
    """Return the path of what a template becomes: `config.yaml` of `config.yaml.j2`."""
    return _SUFFIX.sub("", path)


def syntax_of(path: str, content: str) -> re.Pattern[str] | None:
    """Return the template language of a file by its suffix or its statements, None where it is no template."""
    suffix = path.rpartition(".")[2].lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if "%{" in content and _DIRECTIVE.search(content):
        return TERRAFORM
    if suffix in _OF_ANYBODY and "${" in content and "{{" not in content:
        return TERRAFORM
    if "{%" in content or "{{" in content:
        return JINJA
    return None


_MARKS = ("{{", "${", "{%", "$(", "<%")
_FORK = pattern(r"\{%|<%|%\{|\{\{-?\s*(?:if|else|end|range|with)\b")


def is_substituted(value: str) -> bool:
    """Whether something else fills in a value, or a part of it: a template, a variable, a command."""
    return any(mark in value for mark in _MARKS)


_DEFAULT = pattern(
    r"""\{\{-?[^{}|'"]*\|\s*default(?:\(\s*|\s+)(?P<quote>['"])(?P<filter>[^'"{}]*)(?P=quote)(?:\s*,\s*(?i:true)\s*)?\)?\s*-?\}\}"""
    r"""|\{\{-?\s*default\s+(?P<mark>['"])(?P<function>[^'"{}]*)(?P=mark)\s+[^{}'"]*\}\}"""
    r"|\$\{[A-Za-z_]\w*:?-(?P<parameter>[^${}]*)\}",
)
"""Jinja's and Go's `default`, and the shell's `${X:-x}`, where what they give is written out."""
_DEFAULTS = ("filter", "function", "parameter")


def default_of(text: Text) -> Text | None:
    """Return what a text is where nobody gives its variables a value; None where that is not written out here.

    None also for a text without a variable, and for one that is put together from several places.
    """
    span = text.span
    source = span.source
    if span.end - span.start != len(text):
        return None
    pieces: list[Run] = []
    position = span.start
    for match in _DEFAULT.finditer(source.content, span.start, span.end):
        start, end = next(match.span(group) for group in _DEFAULTS if match[group] is not None)
        pieces += (_verbatim(source, position, match.start()), _verbatim(source, start, end))
        position = match.end()
    pieces.append(_verbatim(source, position, span.end))
    found = Text(pieces)
    return found if len(pieces) > 1 and not is_substituted(str(found)) else None


def _verbatim(source: Source, start: int, end: int) -> Run:
    return Run(source, start, end, source.content[start:end])


_PLACEHOLDER = pattern(
    r"\{\{(?:(?!\{\{).)*?\}\}|\$\{[^{}]*\}|\$\([^()]*\)|<%(?:(?!<%).)*?%>|#\{[^{}]*\}|\$[A-Za-z_]\w*|<[A-Za-z][^<>]*>|\{[A-Za-z_]\w*\}",
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


def substituted(text: Text, syntax: re.Pattern[str]) -> Text:
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


class Masked(NamedTuple):
    """A template as a format of lines reads it."""

    text: Text
    open_places: tuple[Text, ...]
    """Its statements, and what stands alone in its line: any line may come in there, or be left out."""


def masked(text: Text, syntax: re.Pattern[str]) -> Masked:
    """Return a template's text as `filled` does, with what stands alone in its line made a comment of the same length.

    That is for YAML, where an expression between two keys would be taken for a broken third one. The comment is
    indented as the next line is: one at the margin would end a block scalar.
    """
    content = str(text)
    open_places: list[Text] = []
    pieces: list[Run] = list(text[:0].runs)
    position = 0
    for match in syntax.finditer(content):
        # A statement takes blanks and a line break along, which YAML needs.
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = start + len(match[0].strip())
        alone = _stands_alone(content, start, end)
        if alone and match.lastgroup != "escaped":
            pieces += (*text[position:start].runs, *_commented(text[start:end], _missing(content, start, end)))
            position = end
        statement = match.lastgroup == "statement" and not content.startswith(_COMMENT, start)
        if statement or (alone and match.lastgroup == "expression"):
            open_places.append(text[start:end])
    return Masked(substituted(Text((*pieces, *text[position:].runs)), syntax), tuple(open_places))


_COMMENT = ("{#", "<%#")


def restored(text: Text) -> Text:
    """Return a masked text with the template's own characters in place of placeholders, still marked as not known."""
    if text.known:
        return text
    return Text(
        run if run.known or not run.verbatim else run._replace(text=run.source.content[run.start : run.end])
        for run in text.runs
    )


def _stands_alone(content: str, start: int, end: int) -> bool:
    line_end = content.find("\n", end)
    before, after = (
        content[content.rfind("\n", 0, start) + 1 : start],
        content[end : line_end if line_end >= 0 else None],
    )
    return not before.strip() and not after.strip()


def _missing(content: str, start: int, end: int) -> str:
    """Return the blanks by which a line has less in front of it than the next one that is no template."""
    following = _LINE.search(content, end, end + _NEAR)
    own = start - content.rfind("\n", 0, start) - 1
    return following["blanks"][own:] if following is not None else ""


_NEAR = 2000
"""Characters among which the next line is looked for."""
_LINE = pattern(r"\n(?P<blanks> *+)(?![ \r\n]|\{[{%#]|%\{|\$\{|<%)")


def _commented(template: Text, blanks: str) -> Iterator[Run]:
    for number, line in enumerate(template.split("\n")):
        span = line.span
        if number:
            yield Run(span.source, span.start - 1, span.start, "\n")
        elif blanks:
            yield Run(span.source, span.start, span.start, blanks)
        for run in line.runs:
            yield run._replace(text="#" * len(run.text), known=False)


_ALTERNATIVES = pattern(
    r"\{%[-~]?\s*if\b(?:(?!\{%[-~]?\s*(?:endif|else|elif)\b)[^\n]){0,300}+\{%[-~]?\s*(?:else|elif)\b"
    r"(?:(?!\{%[-~]?\s*endif\b)[^\n]){0,300}+\{%[-~]?\s*endif\s*[-~]?%\}"
    r"|%\{~?\s*if\b(?:(?!%\{~?\s*(?:endif|else)\b)[^\n]){0,300}+%\{~?\s*else\b"
    r"(?:(?!%\{~?\s*endif\b)[^\n]){0,300}+%\{~?\s*endif\s*~?\}"
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
