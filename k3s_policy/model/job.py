"""What a pipeline gives the jobs that it runs: variables, and texts with expressions of GitHub's in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar
from k3s_policy.model.invocation import Form
from k3s_policy.model.lower import Variable
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["expanded", "variables"]

_EXPRESSION = pattern(r"(?s)\$\{\{.{0,400}?\}\}")


def variables(node: object) -> Iterator[Variable]:
    """Yield the variables of a mapping; one whose value is no scalar comes from outside."""
    for key, value in node.merged().entries if isinstance(node, Mapping) else ():
        if isinstance(value, Scalar):
            yield Variable(key.text, expanded(value.text), Form.JOB, tag=value.tag)
        else:
            yield Variable(key.text, value.written.stand_in(f"${{{key}}}", known=False), Form.JOB)


def expanded(text: Text) -> Text:
    """Return a text in which `${{ }}` is marked as not known."""
    if "${{" not in str(text):
        return text
    matches = _EXPRESSION.finditer(str(text))
    return replaced(text, ((match.start(), match.end(), text.cut(match).unknown()) for match in matches))
