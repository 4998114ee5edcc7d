"""Variables that Docker Compose fills in before anything else reads its file: `$X`, `${X}`, `${X:-x}`.

Compose takes them from the environment of whoever runs it and from a file `.env` beside the first compose file
(https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/). What neither gives is not
known, but for its default, which holds unless somebody says otherwise. A default with a reference in it is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.text import Text
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping

    from k3s_policy.text import Run

__all__ = ["filled_in", "interpolated"]

_REFERENCE = pattern(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[-?+])(?P<word>(?:[^{}]|\$\{[^{}]*\})*))?\})"
)


def interpolated(text: Text) -> Text:
    """Return a text with `$$` as `$`, and its references marked as not known."""
    return Text(_runs(text)) if "$" in str(text) else text


def _runs(text: Text) -> Iterator[Run]:
    position = 0
    for match in _REFERENCE.finditer(str(text)):
        yield from text[position : match.start()].runs
        position = match.end()
        reference = text.cut(match)
        yield from (reference[1:] if match["escaped"] else reference.unknown()).runs
    yield from text[position:].runs


def filled_in(text: Text, values: Mapping[str, Text]) -> Text:
    """Return an interpolated text with the values of variables, or their defaults, in place of references to them."""
    if text.known:
        return text
    pieces: list[Run] = []
    position = 0
    for match in _REFERENCE.finditer(str(text)):
        value = None if text.cut(match).known else _value(text, match, values)
        if value is not None:
            pieces += (*text[position : match.start()].runs, *value.runs)
            position = match.end()
    return Text((*pieces, *text[position:].runs))


def _value(text: Text, match: re.Match[str], values: Mapping[str, Text]) -> Text | None:
    """Return what takes the place of a reference, None where nobody here says."""
    value = values.get(match["bare"] or match["braced"] or "")
    operator = match["operator"] or ""
    if operator.endswith("+"):
        return None
    if value is not None and (value or not operator.startswith(":")):
        return value
    if not operator.endswith("-") or "$" in match["word"]:
        return None
    default = text.cut(match, "word")
    return Text(run._replace(known=True) for run in default.runs)
