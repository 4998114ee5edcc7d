"""Etcd snapshots are not taken on schedule, or far too often.

K3s hands `etcd-snapshot-schedule-cron` to robfig/cron and drops the error it answers with (K3s `pkg/etcd/snapshot.go`,
in every release): a schedule that cannot be read means that no snapshot is ever taken, and nothing in the log says so.
Five fields are read, minute, hour, day of the month, month and day of the week, or a name such as `@daily` and
`@every 6h`. There is no field for seconds, Sunday is 0 and not 7, and `/6` alone is nothing: `*/6` is meant.

A `*` in the first field is every minute: `* */6 * * *`, much like the example that K3s's own help showed until 2023,
takes 60 snapshots in each of four hours a day. Of them K3s keeps five (`etcd-snapshot-retention`): five minutes.

The install script puts a backslash before each `*` of `INSTALL_K3S_EXEC`, and within quotes it stays
(k3s-io/k3s#14085): write the schedule into the config file, or behind `sh -s -`.

```yaml wrong
cluster-init: true
etcd-snapshot-schedule-cron: "* */6 * * *"
```

```sh wrong
curl -sfL https://get.k3s.io | INSTALL_K3S_EXEC='server --etcd-snapshot-schedule-cron="0 */6 * * *"' sh -
```

```yaml right
cluster-init: true
etcd-snapshot-schedule-cron: "0 */6 * * *"
```

```sh right
curl -sfL https://get.k3s.io | sh -s - server --etcd-snapshot-schedule-cron="0 */6 * * *"
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.schedule import Calendar, Interval, Unreadable, read_schedule
from k3s_policy.k3s.value import typed
from k3s_policy.model.finding import Severity
from k3s_policy.model.invocation import Form

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.schedule import Schedule
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_KEPT = 5
"""How many snapshots K3s keeps unless `etcd-snapshot-retention` says otherwise."""
_MINUTE = 60
_ELSEWHERE = ", in config.yaml or behind `sh -s -`"


@rule(
    severity="medium",
    see=("https://docs.k3s.io/cli/etcd-snapshot", "https://github.com/k3s-io/k3s/issues/14085"),
    flags=("etcd-snapshot-schedule-cron",),
)
def check(invocation: Invocation) -> Problems:
    """Report schedules that K3s cannot read, that never run, and that run every minute."""
    for setting in invocation.all("etcd-snapshot-schedule-cron"):
        if not setting.known or invocation.last(setting.flag.name, setting.when) is not setting:
            continue
        if _unused(invocation, setting):
            continue
        read = read_schedule(str(setting.value))
        if isinstance(read, Unreadable):
            yield _unreadable(setting, read)
        elif isinstance(read, Calendar) and not read.ever_runs:
            yield Problem(
                setting.value,
                "K3s takes no scheduled snapshot: no date matches the schedule",
                "write a schedule such as `0 */12 * * *`",
            )
        elif _every_minute(read):
            yield _too_often(invocation, setting, read)


def _unused(invocation: Invocation, setting: Setting) -> bool:
    """Whether there is no schedule to keep: snapshots are off, or may be, or the datastore is not K3s's own etcd."""
    disabled = invocation.last("etcd-disable-snapshots", setting.when)
    if disabled is not None and (not disabled.known or typed(disabled.flag, str(disabled.value)) is True):
        return True
    endpoint = invocation.last("datastore-endpoint", setting.when)
    return endpoint is not None and bool(endpoint.value)


def _unreadable(setting: Setting, read: Unreadable) -> Problem:
    written = str(setting.value)
    place = setting.value[read.start : read.end] if read.end > read.start else setting.place
    reason = read.reason
    advice = "write a schedule such as `0 */12 * * *`"
    if read.crashes:
        message = f"K3s crashes when it starts: {reason}"
        return Problem(place, message, "write the schedule behind the zone: `CRON_TZ=UTC 0 */12 * * *`", Severity.HIGH)
    if "\\*" in written:
        place = setting.value
        if "\\" in _in_file(setting.value):
            reason = "a backslash stands before `*`"
            advice = f"leave the backslashes out{_ELSEWHERE}" if setting.form is Form.INSTALLER else "leave them out"
        else:
            reason = "the install script puts a backslash before each `*` of INSTALL_K3S_EXEC"
            advice = f"give the schedule without INSTALL_K3S_EXEC{_ELSEWHERE}"
    elif written[:1] in ("'", '"'):
        place = setting.value
        reason = "the quotes are part of it"
        advice = "leave the quotes out"
    elif read.start == 0 and len(written.split()) == 6:
        advice = f"leave the first field out: `{' '.join(written.split()[1:])}`"
    return Problem(place, f"K3s takes no scheduled snapshot and logs no error: {reason}", advice)


def _in_file(text: Text) -> str:
    span = text.span
    return span.source.content[span.start : span.end]


def _every_minute(read: Schedule) -> bool:
    if isinstance(read, Interval):
        return read.seconds <= _MINUTE
    return len(read.minutes) == _MINUTE


def _too_often(invocation: Invocation, setting: Setting, read: Schedule) -> Problem:
    written = str(setting.value)
    kept = _kept(invocation, setting)
    if isinstance(read, Interval):
        often = "every minute" if read.seconds == _MINUTE else f"every {read.seconds} seconds"
        advice = "write `@every 12h`"
        reach = ""
    else:
        hours = len(read.hours)
        often = "every minute" if hours == 24 else f"every minute of {hours} hour{'s' * (hours != 1)} a day"
        fields = written.split()[-4:]
        advice = (
            f"write `0 {'*/12' if hours == 24 else fields[0]} {' '.join(fields[1:])}`: the first field is the minute"
        )
        reach = f", and the last {kept} that it keeps reach back {kept} minutes" if kept else ""
    return Problem(setting.value, f"K3s takes a snapshot {often}{reach}", advice)


def _kept(invocation: Invocation, setting: Setting) -> int | None:
    """Return how many snapshots K3s keeps; None where it keeps all, or that is not known."""
    retention = invocation.last("etcd-snapshot-retention", setting.when)
    if retention is None:
        return _KEPT
    number = typed(retention.flag, str(retention.value)) if retention.known else None
    return number if isinstance(number, int) and number > 1 else None
