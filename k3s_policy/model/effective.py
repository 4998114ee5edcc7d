"""What K3s makes of an Invocation in the end: which setting of a flag counts, what is skipped, what is refused.

After K3s pkg/configfilearg (which keys a server skips) and urfave/cli v2 (types, environment variables as fallbacks,
two names of one flag).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.value import Malformed, Value, typed
from k3s_policy.model.invocation import Agent, Origin, Server
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.k3s.flags import Flag
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

__all__ = ["Effective", "Refusal", "Skipped", "effective", "is_on", "refusals", "skipped", "twice_named"]


class Effective(NamedTuple):
    """A flag that is set, the value it has in the end, and the settings that make it so."""

    flag: Flag
    value: Value | tuple[str, ...]
    """A tuple for a list; where K3s refuses the value, or it is not known, the text that is written."""
    settings: tuple[Setting, ...]
    """One for each item of a list, else the one that wins."""


class Refusal(NamedTuple):
    """Why K3s's flag parser does not start it, with the characters at fault."""

    at: Text
    message: str


class Skipped(NamedTuple):
    """A key of a config file that a server passes over with a warning."""

    argument: str
    """What K3s made of the key, and names in its log: `--no-deploy`."""
    at: Text
    reason: str


def effective(invocation: Invocation) -> tuple[Effective, ...]:
    """Return every flag that is set, in the order of their names; never defaults.

    What a config file or an argument gives beats the environment; their lists add up.
    """
    given: dict[str, list[Setting]] = {}
    environment: dict[str, list[Setting]] = {}
    for setting in invocation.settings:
        if not _is_gone(setting, invocation):
            source = environment if setting.origin is Origin.ENVIRONMENT else given
            source.setdefault(setting.flag.name, []).append(setting)
    fallbacks = {name: _of_one_variable(settings) for name, settings in environment.items()}
    return tuple(_effective(settings) for _, settings in sorted((fallbacks | given).items()))


def is_on(setting: Setting | None) -> bool:
    """Whether a setting of a flag that is true or false is surely true."""
    return setting is not None and setting.known and typed(setting.flag, str(setting.value)) is True


def _is_gone(setting: Setting, invocation: Invocation) -> bool:
    """Whether the release no longer has the flag."""
    removed = setting.flag.removed
    return removed is not None and removed.gone(invocation.version)


def _of_one_variable(settings: Sequence[Setting]) -> list[Setting]:
    """Keep the setting that counts of an environment: of the first variable the flag asks for, the last value."""
    order = settings[0].flag.environment

    def rank(setting: Setting) -> int:
        return order.index(str(setting.at)) if str(setting.at) in order else len(order)

    best = min(map(rank, settings))
    return [setting for setting in settings if rank(setting) == best][-1:]


def _effective(settings: Sequence[Setting]) -> Effective:
    flag = settings[0].flag
    if flag.kind is Kind.LIST:
        return Effective(flag, tuple(str(setting.value) for setting in settings), tuple(settings))
    last = settings[-1]
    value = typed(flag, str(last.value))
    return Effective(flag, str(last.value) if isinstance(value, Malformed) else value, (last,))


def skipped(invocation: Invocation) -> tuple[Skipped, ...]:
    """Return the keys of config files that a server skips, once for each argument K3s would have made of them."""
    if not isinstance(invocation, Server):
        return ()
    found = [
        Skipped(_argument(option.name), option.at, "no flag of a server")
        for option in invocation.unrecognised
        if option.origin is Origin.CONFIG
        for _ in range(option.times)
    ]
    found += [
        Skipped(_argument(str(setting.at)), setting.at, "a flag that K3s no longer has")
        for setting in invocation.settings
        if setting.origin is Origin.CONFIG and _is_gone(setting, invocation)
    ]
    order = {path: number for number, path in enumerate(invocation.files)}
    return tuple(sorted(found, key=lambda one: (order.get(one.at.span.source.path, 0), one.at.span.start)))


def _argument(key: str) -> str:
    """Return the argument that K3s makes of a key (pkg/configfilearg/parser.go)."""
    return f"-{key}" if len(key) == 1 else f"--{key}"


def refusals(invocation: Invocation) -> Iterator[Refusal]:
    """Yield what K3s's flag parser does not start with, in the order it would meet it.

    Environment variables come first, also where a file or an argument gives the flag; then the config file, the
    arguments, and flags given by two of their names.
    """
    fatal = isinstance(invocation, Agent)
    given = [setting for setting in invocation.settings if setting.origin is not Origin.ENVIRONMENT]
    for setting in invocation.settings:
        if setting.origin is Origin.ENVIRONMENT:
            yield from _malformed(setting)
    for origin in (Origin.CONFIG, Origin.ARGUMENT):
        found = [
            Refusal(option.at, f"flag provided but not defined: {_named(option.name)}")
            for option in invocation.unrecognised
            if option.origin is origin and (fatal or origin is Origin.ARGUMENT)
        ]
        for setting in given:
            if setting.origin is not origin:
                continue
            if _is_gone(setting, invocation) and (fatal or origin is Origin.ARGUMENT):
                name = str(setting.at).lstrip("-")
                found.append(Refusal(setting.at, f"flag provided but not defined: {_named(name)}"))
            found += _malformed(setting)
        yield from sorted(found, key=lambda refusal: _order(invocation, refusal.at))
    for earlier, later in twice_named(invocation):
        yield Refusal(later.at, f"one flag cannot be given as {_bare(earlier)} and as {_bare(later)}")


def _order(invocation: Invocation, at: Text) -> tuple[int, int]:
    files = invocation.files
    span = at.span
    return (files.index(span.source.path) if span.source.path in files else len(files), span.start)


def _named(name: str) -> str:
    return f"-{name.partition('=')[0]}"


def _malformed(setting: Setting) -> Iterator[Refusal]:
    flag = setting.flag
    if flag.removed is not None or not setting.known:
        return
    value = typed(flag, str(setting.value))
    if isinstance(value, Malformed):
        yield Refusal(setting.at, f'the value "{setting.value}" of {flag.name} {value.reason}')


def twice_named(invocation: Invocation) -> Iterator[tuple[Setting, Setting]]:
    """Yield the settings that give a flag by another name than an earlier one did, as in `t` and `token`."""
    first: dict[str, dict[str, list[Setting]]] = {}
    for setting in invocation.settings:
        flag, name = setting.flag, _bare(setting)
        if not flag.aliases or setting.origin is Origin.ENVIRONMENT or name not in (flag.name, *flag.aliases):
            continue
        named = first.setdefault(flag.name, {})
        others = (other for told, given in named.items() if told != name for other in given)
        other = next((other for other in others if not exclusive(other.when, setting.when)), None)
        if other is not None:
            yield other, setting
        elif not setting.when:
            named.setdefault(name, [setting])
        else:
            named.setdefault(name, []).append(setting)


def _bare(setting: Setting) -> str:
    """Return the name that a setting gives its flag by, without hyphens before it."""
    return str(setting.at).lstrip("-")
