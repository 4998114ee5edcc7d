"""Specifiers such as `%i` and `%%` (systemd src/shared/specifier.c, `unit_full_printf` in src/core/unit-printf.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k3s_policy.formats.systemd.words import Flaw, join, stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = ["Specifier", "resolved", "specifiers"]


@dataclass(frozen=True, repr=False)
class Specifier:
    """A `%` with the letter behind it, and what systemd puts in their place: a Flaw where it knows no such specifier.

    A value that only the host knows is not known; most of these stay as they are written.
    """

    at: Text
    value: Text | Flaw
    start: int
    """Its position in the word."""


_SPECIFIER = re.compile(r"%(.)", re.DOTALL)

# Fields of os-release that few hosts have: empty on all others.
_RARE_SPECIFIERS = frozenset("ABMW")

# The same on every host, for the system manager.
_FIXED_SPECIFIERS = {
    "%": "%",
    **dict.fromkeys(_RARE_SPECIFIERS, ""),
    "C": "/var/cache",
    "E": "/etc",
    "G": "0",
    "L": "/var/log",
    "S": "/var/lib",
    "T": "/tmp",
    "U": "0",
    "V": "/var/tmp",
    "g": "root",
    "h": "/root",
    "t": "/run",
    "u": "root",
}

# Machine, boot, host name, kernel, os-release, shell, control group: valid, but only the host knows them.
_HOST_SPECIFIERS = frozenset("HRabclmoqrsvw")

# Those that a template (k3s@.service) cannot tell: its instances do.
_INSTANCE_SPECIFIERS = frozenset("INdfin")
_NAME_SPECIFIERS = frozenset("INPJdfijnp")

_UNIT_FOLDER = "/etc/systemd/system"  # where the K3s install script puts its units (SYSTEMD_DIR in install.sh)
_NAME_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2}))?")


def resolved(word: Text, unit_name: str, *, lenient: bool = False) -> Text | Flaw:
    """Return the word with its specifiers resolved, or the first one that spoils it.

    What only the host knows is not known. With `lenient`, a `%` that begins no specifier stands for itself.
    """
    if "%" not in str(word):
        return word
    pieces: list[Text] = []
    position = length = 0
    hidden: int | None = None
    for match, value in _found(word, unit_name):
        if isinstance(value, Flaw) and not (lenient and value.specifier):
            return value
        before, put = word[position : match.start()], word.cut(match) if isinstance(value, Flaw) else value
        pieces += before, put
        position = match.end()
        length += len(before) + len(put)
        if not put and not put.known and hidden is None:
            hidden = length
    pieces.append(word[position:])
    whole = join(pieces, word[:0])
    # A Text has no characters there that could be not known: those behind stand in for them.
    return whole if hidden is None else _unknown_from(whole, min(hidden, len(whole) - 1))


def _unknown_from(text: Text, position: int) -> Text:
    return text[:position] + text[position:].unknown() if position > 0 else text.unknown()


def specifiers(word: Text, unit_name: str) -> Iterator[Specifier]:
    """Yield the specifiers in a word that is unquoted, and what looks like one and is none."""
    for match, value in _found(word, unit_name):
        if match[1].isascii() and match[1].isalnum():
            yield Specifier(word.cut(match), value, match.start())


def _found(word: Text, unit_name: str) -> Iterator[tuple[re.Match[str], Text | Flaw]]:
    """Yield each `%` with the character behind it, and what it stands for.

    In text that is not known itself (a template's) and before what is no letter, that is itself.
    """
    for match in _SPECIFIER.finditer(str(word)):
        written = word.cut(match)
        yield match, _specifier(written, match[1], unit_name) if written.known else written


def _specifier(written: Text, letter: str, unit_name: str) -> Text | Flaw:
    if letter in _HOST_SPECIFIERS or (letter in _INSTANCE_SPECIFIERS and "@." in unit_name):
        return written.unknown()
    if letter in _NAME_SPECIFIERS:
        value = _of_unit_name(letter, unit_name)
        return Flaw("systemd cannot unescape the unit's name", written) if value is None else stand_in(written, value)
    if letter in _FIXED_SPECIFIERS:
        return written.stand_in(_FIXED_SPECIFIERS[letter], known=letter not in _RARE_SPECIFIERS)
    if letter in "yY":
        # Where the unit will lie is likely, not certain.
        return stand_in(written, _UNIT_FOLDER + (f"/{_file_name(unit_name)}" if letter == "y" else "")).unknown()
    if letter.isascii() and letter.isalnum():
        return Flaw("systemd knows no such specifier; a percent sign is written %%", written, specifier=True)
    return written


def _file_name(unit_name: str) -> str:
    """Return the name of the file a unit is made of: an instance is made of its template."""
    prefix, at, rest = unit_name.partition("@")
    return f"{prefix}@.{rest.rpartition('.')[2]}" if at else unit_name


def _of_unit_name(letter: str, unit_name: str) -> str | None:
    """Return what a specifier takes from the unit's name; None where its escapes are invalid."""
    bare = unit_name.rpartition(".")[0] or unit_name
    prefix, _, instance = bare.partition("@")
    last = prefix.rpartition("-")[2]
    plain = {
        "n": unit_name, "N": bare, "p": prefix, "i": instance, "j": last, "d": f"/run/credentials/{unit_name}",
    }  # fmt: skip
    if letter in plain:
        return plain[letter]
    if letter == "f":
        return _unescaped_path(instance or bare)
    return _unescaped({"P": prefix, "I": instance, "J": last}[letter])


def _unescaped(name: str) -> str | None:
    """Undo systemd-escape (`unit_name_unescape` in src/basic/unit-name.c)."""
    if any(match[1] is None for match in _NAME_ESCAPE.finditer(name)):
        return None
    octets = _NAME_ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), name.replace("-", "/"))
    # Below 0x80 `surrogateescape` has no place for a byte.
    ascii_back = re.sub("[\udc00-\udc7f]", lambda match: chr(ord(match[0]) - 0xDC00), octets)
    return ascii_back.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _unescaped_path(name: str) -> str | None:
    """Undo systemd-escape --path (`unit_name_path_unescape` in src/basic/unit-name.c)."""
    if name == "-":
        return "/"
    path = _unescaped(name)
    if not path or path.startswith("/") or path.endswith("/") or {".", "..", ""} & set(path.split("/")):
        return None
    return f"/{path}"
