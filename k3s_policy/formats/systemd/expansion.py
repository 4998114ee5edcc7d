"""Variables in commands (systemd `replace_env_argv` and `replace_env_n` in src/basic/env-util.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.systemd.character import VARIABLE_NAME
from k3s_policy.formats.systemd.words import Escapes, join, stand_in, words
from k3s_policy.text import Text
from k3s_policy.text.substitution import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["expand"]


_REFERENCE = re.compile(r"\$(?:\$|\{(?P<name>[^}:]*)(?P<end>\}|:|\Z))")


def expand(
    argv: Iterable[Text],
    environment: Mapping[str, Text],
    *,
    keep_missing: bool = False,
    allowance: Allowance | None = None,
) -> list[Text]:
    """Return the words a process gets: `$NAME` as a whole word split at blanks, `${NAME}` anywhere as it is.

    Characters of a value keep the place where the value was written. A variable that is not in `environment` is
    empty, and `$NAME` vanishes; with `keep_missing` (not all of the environment was seen) it stays as it is written
    and is not known. Names that no variable can have are empty all the same. `allowance` says how much the values may
    come to, where other commands share it; what is more stays as it is written too.
    """
    values = _Values(environment, allowance or Allowance(), keep_missing=keep_missing)
    expanded: list[Text] = []
    for word in argv:
        value = str(word)
        if "$" not in value:
            expanded.append(word)
        elif value.startswith("$") and not value.startswith(("${", "$$")):
            expanded += _expanded_whole(word, values)
        else:
            expanded.append(_expanded_inside(word, values))
    return expanded


class _Values:
    """The values of variables, and what becomes of those that have none."""

    def __init__(self, environment: Mapping[str, Text], allowance: Allowance, *, keep_missing: bool) -> None:
        self._environment = environment
        self._allowance = allowance
        self._keep_missing = keep_missing

    def take(self, name: str, written: Text) -> Text | None:
        """Return what is put in place of a variable, None where it vanishes."""
        value = _variable(name, self._environment)
        if value is not None:
            return value if self._allowance.take(len(value)) else written.unknown()
        return written.unknown() if self._keep_missing and VARIABLE_NAME.fullmatch(name) else None


def _expanded_whole(word: Text, values: _Values) -> list[Text]:
    if not word[:1].known:
        return [word]
    value = values.take(str(word[1:]), word)
    return [part for part in words(value, Escapes.DROPPED) if isinstance(part, Text)] if value is not None else []


def _expanded_inside(word: Text, values: _Values) -> Text:
    pieces: list[Text] = []
    position = 0
    for match in _REFERENCE.finditer(str(word)):
        written = word.cut(match)
        pieces.append(word[position : match.start()])
        position = match.end()
        name = match["name"]
        if not written.known or (name is not None and match["end"] != "}"):
            pieces.append(written)
        elif name is None:
            pieces.append(stand_in(written, "$"))
        elif (value := values.take(name, written)) is not None:
            pieces.append(value)
    pieces.append(word[position:])
    return join(pieces, word[:0])


def _variable(name: str, environment: Mapping[str, Text]) -> Text | None:
    """Return a variable's value. systemd looks for `name=` among assignments, so `A=b` finds c in `A=b=c`."""
    name, equals, begin = name.partition("=")
    value = environment.get(name)
    if value is None or not equals:
        return value
    return value[len(begin) + 1 :] if value.startswith(f"{begin}=") else None
