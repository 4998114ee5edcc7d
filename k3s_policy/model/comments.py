"""Credentials in comments: what was commented out is committed all the same.

Prose is full of the same words (`# token: the shared secret`), so only values that look made by a machine count: one
word, long, with a digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.model.invocation import Form
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from k3s_policy.k3s.flags import Flag
    from k3s_policy.text import Text

__all__ = ["read"]

_COMMENT = pattern(r"(?m)^[ \t]*[#;](?P<comment>.*)$")
_GIVEN = pattern(
    r"(?:^|[\s'\"])"
    r"(?:--?(?P<option>[a-z][a-z0-9-]*)(?:=|[ \t]+)|(?P<variable>[A-Z][A-Z0-9_]+)=|(?P<key>[a-z][a-z0-9-]*):[ \t]+)"
    r"(?P<quote>['\"]?)(?P<value>[^\s'\"]+)(?P=quote)"
)
SHORTEST = 12
"""Characters below which a value in a comment may be a word of prose."""


def read(text: Text) -> Iterator[Credential]:
    """Yield the literal credentials of sensitive flags and variables in lines that are comments."""
    for line in _COMMENT.finditer(str(text)):
        comment = text.cut(line, "comment")
        for given in _GIVEN.finditer(str(comment)):
            flag = _flag(given)
            if flag is None:
                continue
            for secret in credential.secrets(flag, comment.cut(given, "value")):
                if len(secret) >= SHORTEST and any(character.isdigit() for character in str(secret)):
                    yield Credential(flag.name, secret, secret, Form.COMMENT)


def _flag(given: re.Match[str]) -> Flag | None:
    table = flags()
    if given["variable"]:
        found = table.by_environment(given["variable"])
        return found[0] if found else table.removed_variable(given["variable"])
    name = given["option"] or given["key"]
    return table.get(name) or table.removed(name)
