"""The schedule of etcd snapshots, read as K3s reads it.

K3s hands `etcd-snapshot-schedule-cron` to robfig/cron v3.0.1 and drops the error (pkg/etcd/snapshot.go,
setSnapshotFunction). That parser takes five fields, or a descriptor such as `@daily` and `@every 6h`, either behind
an optional `CRON_TZ=Europe/Berlin`. It knows no seconds, no 7 for Sunday and no `L`, `W` or `#`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.k3s.value import as_duration
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Calendar", "Interval", "Schedule", "Unreadable", "read_schedule"]


class Calendar(NamedTuple):
    """A schedule of five fields, each as the numbers it matches; Sunday is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool = True
    """Whether a day must match both fields of days. One is enough where neither of them holds a `*`."""

    @property
    def ever_runs(self) -> bool:
        """Whether there is a date that it matches: the 30th of February is none."""
        if not (self.minutes and self.hours and self.months):
            return False
        dates = any(day <= _LONGEST_MONTHS[month] for month in self.months for day in self.days)
        return dates and bool(self.weekdays) if self.both_days else dates or bool(self.weekdays)


class Interval(NamedTuple):
    """A schedule that runs again and again after a time: `@every 6h`."""

    seconds: int


class Unreadable(NamedTuple):
    """Why the parser refuses a schedule, and the characters at fault."""

    reason: str
    """A clause that says what is wrong: "7 is no day of the week: Sunday is 0"."""
    start: int
    end: int
    crashes: bool = False
    """Whether the parser does not return an error but ends the program."""


Schedule: TypeAlias = Calendar | Interval


class _Field(NamedTuple):
    """One of the five fields."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    """Words for its numbers, from the first on."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _WEEKDAYS),
)
_LONGEST_MONTHS = dict(enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1))
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_ZONES = ("TZ=", "CRON_TZ=")
# Blanks as Go's unicode.IsSpace knows them: the separators of ASCII's end are none.
_WORD = pattern(r"(?:\S|[\x1c-\x1f])+")
_NUMBER = pattern(r"[-+]?[0-9]{1,40}")
_LARGEST = (1 << 63) - 1
_LONGEST_SHOWN = 24


def read_schedule(text: str) -> Schedule | Unreadable:
    """Read a schedule as robfig/cron's standard parser does."""
    begin = 0
    if text.startswith(_ZONES):
        begin = text.find(" ")
        if begin < 0:
            return Unreadable("there is a time zone and no schedule behind it", 0, len(text), crashes=True)
        begin += len(text[begin:]) - len(text[begin:].lstrip())
    spec = text[begin:].rstrip() if begin else text
    end = begin + len(spec)
    if spec.startswith("@"):
        return _described(spec, begin)
    words = list(_WORD.finditer(text, begin, end))
    if len(words) != len(_FIELDS):
        return Unreadable(_wrong_number(len(words)), begin, end)
    matched = []
    stars = False
    for position, (field, word) in enumerate(zip(_FIELDS, words, strict=True)):
        read = _field(word.group(), field)
        if isinstance(read, str):
            return Unreadable(read, word.start(), word.end())
        numbers, star = read
        matched.append(numbers)
        stars = stars or (star and position in _DAYS)
    minutes, hours, days, months, weekdays = matched
    return Calendar(minutes=minutes, hours=hours, days=days, months=months, weekdays=weekdays, both_days=stars)


_DAYS = (2, 4)
"""The places of the two fields of days."""


def _wrong_number(found: int) -> str:
    if found == 0:
        return "the schedule is empty"
    if found == len(_FIELDS) + 1:
        return "it has 6 fields where there are 5, and none for seconds"
    return f"it has {found} field{'s' * (found != 1)} where there are {len(_FIELDS)}"


def _described(spec: str, begin: int) -> Schedule | Unreadable:
    end = begin + len(spec)
    if spec in _DESCRIPTORS:
        return read_schedule(_DESCRIPTORS[spec])
    if not spec.startswith(_EVERY):
        return Unreadable(f"{_shown(spec)} is none of the names that K3s knows", begin, end)
    nanoseconds = as_duration(spec[len(_EVERY) :])
    if nanoseconds is None:
        return Unreadable(f"{_shown(spec[len(_EVERY) :])} is no duration such as 6h or 90m", begin + len(_EVERY), end)
    return Interval(max(nanoseconds // 10**9, 1))


def _field(text: str, field: _Field) -> tuple[frozenset[int], bool] | str:
    """Return the numbers that a field matches and whether it holds a `*`, or what is wrong with it."""
    numbers: set[int] = set()
    star = False
    for part in text.split(","):
        if not part:
            continue  # the parser passes over stray commas
        read = _part(part, field)
        if isinstance(read, str):
            return read
        found, everything = read
        numbers |= found
        star = star or everything
    return frozenset(numbers), star


def _part(part: str, field: _Field) -> tuple[frozenset[int], bool] | str:
    """Read `*`, `5`, `5-10` and each of them with a step: `*/6`, `5/10`, which goes on to the last number."""
    span, *steps = part.split("/")
    low, *high = span.split("-")
    star = low in ("*", "?")
    bounds = (field.first, field.last) if star else _bounds((low, *high), field)
    if bounds is None:
        return f"{_shown(part)} is no {field.name}"
    step = _step(part, steps)
    if isinstance(step, str):
        return step
    start, end = bounds if high or not steps else (bounds[0], field.last)
    if start < field.first or max(start, end) > field.last:
        outside = start if not field.first <= start <= field.last else end
        week = "Sunday is 0" if field.names is _WEEKDAYS else f"they go from {field.first} to {field.last}"
        return f"{outside} is no {field.name}: {week}"
    if start > end:
        return f"{_shown(part)} runs backwards"
    return frozenset(range(start, end + 1, step)), star and step == 1


def _bounds(ends: Sequence[str], field: _Field) -> tuple[int, int] | None:
    """Return the first and the last number of a range; None where it is none."""
    numbers = [number for end in ends if (number := _number(end, field)) is not None and number >= 0]
    return (numbers[0], numbers[-1]) if len(numbers) == len(ends) <= 2 else None


def _step(part: str, steps: Sequence[str]) -> int | str:
    """Return the step of a range, or what is wrong with it."""
    if not steps:
        return 1
    step = _number(steps[0])
    if len(steps) > 1 or step is None or step < 0:
        return f"{_shown(part)} has no step that is a number"
    return step or f"{_shown(part)} has a step of 0"


def _number(text: str, field: _Field | None = None) -> int | None:
    """Return what a number or, in fields that have some, a name stands for."""
    if field is not None and text.lower() in field.names:
        return field.first + field.names.index(text.lower())
    number = int(text) if _NUMBER.fullmatch(text) else None
    return None if number is not None and abs(number) > _LARGEST else number


def _shown(text: str) -> str:
    """Quote a piece of a schedule for a message."""
    return f"`{text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + '…'}`"
