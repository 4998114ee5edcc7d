"""Typed values: what K3s's flag parser makes of the text that a flag is given.

K3s parses flags with urfave/cli v2, whose types are those of Go: `strconv.ParseBool`, `strconv.ParseInt` with base 0,
`time.ParseDuration`. Texts and lists of texts are taken as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.k3s.flags import Kind
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.k3s.flags import Flag

__all__ = ["Malformed", "Value", "as_duration", "as_integer", "as_truth", "misread", "typed"]

Value: TypeAlias = bool | int | str
"""A duration is a text in the form in which Go prints it: `1h0m0s`."""


class Malformed(NamedTuple):
    """Why a text is no value of its flag's type."""

    reason: str
    """A few words that fit behind the value: `is no whole number`."""


def typed(flag: Flag, text: str) -> Value | Malformed:
    """Return what the flag is set to by a text, or why K3s does not start with it."""
    match flag.kind:
        case Kind.BOOL:
            truth = as_truth(text)
            return Malformed("is neither true nor false") if truth is None else truth
        case Kind.INT:
            number = as_integer(text)
            return Malformed("is no whole number") if number is None else number
        case Kind.DURATION:
            nanoseconds = as_duration(text)
            if nanoseconds is None:
                bare = re.fullmatch(r"[-+]?[0-9]+(?:\.[0-9]*)?", text)
                return Malformed("has no unit, as in 30s or 5m" if bare else "is no duration such as 30s or 1h30m")
            return _duration_printed(nanoseconds)
        case _:
            return text


def misread(flag: Flag, written: str, received: str) -> bool:
    """Return whether K3s gets something else of a plain scalar than who wrote it can have meant.

    No harm is done to a flag that is switched by `on`, to a number that is written 0x10 or 1_000, and where nothing
    is what is meant (`~`). A value that K3s refuses either way is not misread but wrong.
    """
    if not received or flag.kind in (Kind.BOOL, Kind.DURATION):
        return False
    if flag.kind is Kind.INT:
        digits = written.lstrip("+-").replace("_", "")
        return digits.startswith("0") and digits.isdigit() and received.lstrip("-") != (digits.lstrip("0") or "0")
    return not flag.values or written in flag.values


def as_truth(text: str) -> bool | None:
    """Return what Go's strconv.ParseBool reads: no `yes`, no `on`."""
    return _TRUTHS.get(text)


_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_INTEGER = pattern(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0[bB](?P<binary>(?:_?[01])+)|0[oO](?P<octal>(?:_?[0-7])+)"
    r"|0(?P<zero>(?:_?[0-7])*)|(?P<decimal>[1-9](?:_?[0-9])*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "zero": 8, "decimal": 10}
_LONGEST_INTEGER = 100
"""Characters above which a number overflows whatever its base, so that it need not be read."""


def as_integer(text: str) -> int | None:
    """Return what Go's strconv.ParseInt with base 0 and 64 bits reads: 0x10, 0b1, 0o17, 017, 1_000."""
    match = _INTEGER.fullmatch(text) if len(text) <= _LONGEST_INTEGER else None
    if match is None:
        return None
    base = next(name for name in _BASES if match[name] is not None)
    number = int(match["sign"] + (match[base].replace("_", "") or "0"), _BASES[base])
    return number if -(1 << 63) <= number < 1 << 63 else None


_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = pattern(r"(?P<whole>[0-9]*)(?P<fraction>\.[0-9]*)?(?P<unit>[^0-9.]+)")


def as_duration(text: str) -> int | None:
    """Return the nanoseconds that Go's time.ParseDuration reads; None where it refuses the text."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest or not rest.isprintable() or len(text) > _LONGEST_INTEGER:
        return None
    total = position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        digits = (part["whole"] + (part["fraction"] or "")[1:]) if part else ""
        if part is None or not digits or part["unit"] not in _UNITS:
            return None
        unit = _UNITS[part["unit"]]
        total += int(part["whole"] or 0) * unit
        if fraction := (part["fraction"] or "")[1:]:
            # Go multiplies in floating point here, and cuts.
            total += int(int(fraction) * (unit / 10 ** len(fraction)))
        position = part.end()
    if total > (1 << 63) - (not negative):
        return None
    return -total if negative else total


def _duration_printed(nanoseconds: int) -> str:
    """Print a duration as Go's Duration.String does: 1h0m0s, 1.5s, 20ms."""
    sign = "-" if nanoseconds < 0 else ""
    rest = abs(nanoseconds)
    if rest < _UNITS["s"]:
        if rest == 0:
            return "0s"
        unit = "ms" if rest >= _UNITS["ms"] else "µs" if rest >= _UNITS["µs"] else "ns"
        return f"{sign}{_decimal(rest, _UNITS[unit])}{unit}"
    minutes, rest = divmod(rest, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    shown = f"{_decimal(rest, _UNITS['s'])}s"
    if hours or minutes:
        shown = f"{minutes}m{shown}"
    return sign + (f"{hours}h{shown}" if hours else shown)


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    digits = str(rest).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
