"""Schedules are read as robfig/cron v3.0.1 reads them, which is what K3s takes snapshots by."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k3s_policy.k3s.schedule import Calendar, Interval, Schedule, Unreadable, read_schedule

Case = dict[str, Any]

CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "cron.jsonl").read_text(encoding="utf-8").splitlines()
]
_START = datetime(2026, 1, 1)  # noqa: DTZ001  both sides count in one zone
_LAST_YEAR = 2040


def _next(schedule: Schedule, moment: datetime) -> datetime | None:
    """Return when a schedule runs next, minute by minute where nothing can be skipped."""
    if isinstance(schedule, Interval):
        return moment + timedelta(seconds=schedule.seconds)
    moment = moment.replace(second=0) + timedelta(minutes=1)
    while schedule.minutes and moment.year <= _LAST_YEAR:
        if not _on(schedule, moment):
            moment = (moment + timedelta(days=1)).replace(hour=0, minute=0)
        elif moment.hour not in schedule.hours:
            moment = (moment + timedelta(hours=1)).replace(minute=0)
        elif moment.minute not in schedule.minutes:
            moment += timedelta(minutes=1)
        else:
            return moment
    return None


def _on(schedule: Calendar, day: datetime) -> bool:
    matches = (day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays)
    return day.month in schedule.months and (all if schedule.both_days else any)(matches)


def _runs(schedule: Schedule) -> list[str]:
    runs: list[str] = []
    moment = _next(schedule, _START)
    while moment is not None and len(runs) < 3:
        runs.append(f"{moment.isoformat()}Z")
        moment = _next(schedule, moment)
    return runs


def test_there_are_all_cases() -> None:
    assert len(CASES) == 320
    assert sum("refused" in case for case in CASES) == 231
    assert sum("panics" in case for case in CASES) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["schedule"]))
def test_a_schedule_is_read_as_cron_reads_it(case: Case) -> None:
    read = read_schedule(case["schedule"])
    if isinstance(read, Unreadable):
        assert {"panics" if read.crashes else "refused": True} == {key: case[key] for key in case if key != "schedule"}
        return
    assert _runs(read) == case.get("runs", [])
    assert bool(case.get("runs")) == (isinstance(read, Interval) or read.ever_runs)


@given(st.text(alphabet="0159*/-,? @every6hTZ=LA\\'\"", max_size=24))
def test_whatever_is_wrong_stands_in_the_schedule(text: str) -> None:
    read = read_schedule(text)
    if isinstance(read, Unreadable):
        assert 0 <= read.start <= read.end <= len(text)
        assert read.reason
        assert not read.reason.endswith(".")


_FIELD = st.sampled_from(("*", "?", "1", "3-5", "1,4", "*/2", "2-6/2", "5/1"))


@given(st.tuples(*(5 * [_FIELD])), st.sampled_from(("", "TZ=UTC ", "CRON_TZ=UTC  ")))
def test_blanks_and_zones_change_nothing(fields: tuple[str, ...], zone: str) -> None:
    assert read_schedule(zone + "\t ".join(fields)) == read_schedule(" ".join(fields))


@given(st.integers(0, 59), st.integers(0, 59), st.integers(1, 90))
def test_a_range_with_a_step_matches_what_a_list_of_its_numbers_matches(start: int, end: int, step: int) -> None:
    read = read_schedule(f"{start}-{end}/{step} 0 * * *")
    if start > end:
        assert isinstance(read, Unreadable)
        assert read.reason == f"`{start}-{end}/{step}` runs backwards"
        return
    assert read == read_schedule(f"{','.join(map(str, range(start, end + 1, step)))} 0 * * *")


@pytest.mark.parametrize(
    ("schedule", "fault", "reason"),
    [
        ("0 /6 * * *", "/6", "`/6` is no hour"),
        ("0 0 * * 7", "7", "7 is no day of the week: Sunday is 0"),
        ("60 * * * *", "60", "60 is no minute: they go from 0 to 59"),
        ("70/5 * * * *", "70/5", "70 is no minute: they go from 0 to 59"),
        ("0 0 0 * *", "0", "0 is no day of the month: they go from 1 to 31"),
        ("0 0 0 */6 * *", "0 0 0 */6 * *", "it has 6 fields where there are 5, and none for seconds"),
        ("*/0 * * * *", "*/0", "`*/0` has a step of 0"),
        ("*/x * * * *", "*/x", "`*/x` has no step that is a number"),
        ("CRON_TZ=UTC 0 0 * * L", "L", "`L` is no day of the week"),
        ("@every 12", "12", "`12` is no duration such as 6h or 90m"),
        ("@reboot", "@reboot", "`@reboot` is none of the names that K3s knows"),
        (f"{'9' * 50} * * * *", "9" * 50, f"`{'9' * 23}…` is no minute"),
    ],
)
def test_what_is_wrong_is_said_and_shown(schedule: str, fault: str, reason: str) -> None:
    read = read_schedule(schedule)
    assert isinstance(read, Unreadable)
    assert schedule[read.start : read.end] == fault
    assert read.reason == reason
