"""Lowering: how K3s turns config files, arguments and environment variables into settings.

Config file values become `--key=value` words placed straight after the command, the command line follows,
and environment variables are read only for flags that neither gives (K3s pkg/configfilearg/parser.go,
urfave/cli v2). Words are split into flags and values as Go's `flag` package does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import restored
from k3s_policy.formats.tree import Mapping, Scalar, Sequence, arrives
from k3s_policy.k3s.flags import Kind
from k3s_policy.model.invocation import Form, Origin, Setting, Unrecognised
from k3s_policy.text.branch import ALWAYS, When, both

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.k3s.flags import Flag, Flags
    from k3s_policy.text import Text

__all__ = [
    "Argument",
    "ConfigEntry",
    "Lowered",
    "Variable",
    "config_entries",
    "from_arguments",
    "from_config",
    "from_environment",
    "replaced",
]


class Argument(NamedTuple):
    """One word of a command line, with the branches of the script it stands in."""

    text: Text
    when: When = ALWAYS


class Variable(NamedTuple):
    """An environment variable given to K3s."""

    name: Text
    value: Text
    form: Form
    when: When = ALWAYS
    tag: str | None = None


class ConfigEntry(NamedTuple):
    """One key of a config file with its value; `appends` says that the key was written with a `+`."""

    key: Text
    value: YamlNode
    appends: bool
    when: When = ALWAYS
    may_go_on: bool = False
    """As `Setting.may_go_on`."""


@dataclass(repr=False)
class Lowered:
    """What became of one source of settings."""

    settings: list[Setting] = field(default_factory=list)
    unrecognised: list[Unrecognised] = field(default_factory=list)
    open_places: list[Text] = field(default_factory=list)
    """Words whose content is not known: any argument may hide there."""
    stray: list[Text] = field(default_factory=list)
    """The first word that is no flag, and all behind it, which K3s never reads."""


def from_arguments(words: Iterable[Argument], role: str | None, flags: Flags, form: Form) -> Lowered:
    """Lower the words behind `server` or `agent`.

    Go's parser: `-x` is `--x`; a value stands behind `=` or is the next word, whatever that looks like; a
    boolean takes none without `=`; the first word that is no flag ends the flags, and so does `--`.
    """
    lowered = Lowered()
    queue = list(words)
    while queue:
        word = queue.pop(0)
        value = str(word.text)
        if _is_open(word.text):
            lowered.open_places.append(word.text)
            continue
        if len(value) < 2 or value[0] != "-":
            lowered.stray = [word.text, *(later.text for later in queue)]
            break
        if value == "--":
            lowered.stray = [later.text for later in queue]
            break
        _option(word, queue, role, flags, form, lowered)
    return lowered


def _is_open(word: Text) -> bool:
    """Whether the word may be anything: it starts with something that is not known."""
    first = next((run for run in word.runs if run.text), None)
    return first is not None and not first.known


def _option(  # noqa: PLR0913, PLR0917  the state of one parse
    word: Argument, queue: list[Argument], role: str | None, flags: Flags, form: Form, lowered: Lowered
) -> None:
    dashes = 2 if word.text.startswith("--") else 1
    option, equals, given = word.text.partition("=")
    name = str(option)[dashes:]
    if name in _HELP:
        return
    flag = _flag(name, role, flags)
    if flag is not None:
        if equals:
            values = [Argument(given, word.when)]
        elif flag.kind is Kind.BOOL:
            values = [Argument(option.stand_in("true"), word.when)]
        else:
            values = _next_values(word, queue) or [Argument(option[len(option) :], word.when)]
        lowered.settings += (
            Setting(
                flag=flag, at=option, value=restored(value.text), origin=Origin.ARGUMENT, form=form, when=value.when
            )
            for value in values
        )
        return
    values = [Argument(given, word.when)] if equals else []
    if not equals and queue and not queue[0].text.startswith("-") and not _is_open(queue[0].text):
        # Nobody knows whether it takes a value; one that does not look like a flag most likely is it.
        values = _next_values(word, queue)
    value = values[0].text if values else None
    lowered.unrecognised.append(
        Unrecognised(name=name, at=option, value=value, origin=Origin.ARGUMENT, form=form, when=word.when)
    )


_HELP = frozenset({"help", "h"})
"""Every command of urfave/cli has this flag: it prints help and ends."""


def _next_values(word: Argument, queue: list[Argument]) -> list[Argument]:
    """Take the next word as a value, skipping those of branches that exclude this option's.

    What the same word is in other branches is taken too: `--flannel-backend "$BACKEND"`, where a script gives the
    variable one value or another.
    """
    from k3s_policy.text.branch import exclusive  # only scripts have branches

    taken: list[Argument] = []
    position = 0
    while position < len(queue):
        following = queue[position]
        if exclusive(word.when, following.when):
            position += 1
        elif all(exclusive(following.when, value.when) for value in taken):
            queue.pop(position)
            taken.append(following._replace(when=both(word.when, following.when)))
            if not following.when:
                break
        else:
            break
    return taken


def _flag(name: str, role: str | None, flags: Flags) -> Flag | None:
    return flags.get(name, role) or flags.removed(name, role)


def config_entries(root: Mapping) -> Iterator[ConfigEntry]:
    """Yield the keys of a config file; merge keys at the top are dropped, as K3s drops them."""
    for key, value in root.entries:
        if str(key) == "<<" and key.plain:
            continue
        appends = str(key).endswith("+")
        yield ConfigEntry(key.text[:-1] if appends else key.text, value, appends)


def from_config(files: Iterable[Iterable[ConfigEntry]], role: str | None, flags: Flags) -> Lowered:
    """Lower the main config file and its drop-ins, given in the order K3s reads them.

    A later key replaces an earlier one entirely, lists too; `key+` adds to what was collected so far.
    """
    collected, _ = _collected(files)
    lowered = Lowered()
    for name, kept in collected.items():
        flag = _flag(name, role, flags) if len(name) > 1 or name in _SHORT_KEYS else None
        for entry in kept:
            if flag is None:
                value = entry.value.text if isinstance(entry.value, Scalar) else None
                times = sum(1 for _ in _items(entry.value))
                lowered.unrecognised.append(
                    Unrecognised(
                        name=name,
                        at=entry.key,
                        value=value,
                        origin=Origin.CONFIG,
                        form=Form.CONFIG,
                        when=entry.when,
                        times=times,
                    )
                )
                continue
            lowered.settings.extend(_setting(flag, entry, item) for item in _items(entry.value))
    return lowered


def _is_null(value: YamlNode) -> bool:
    return isinstance(value, Scalar) and value.plain and not str(arrives(value))


def _setting(flag: Flag, entry: ConfigEntry, item: YamlNode) -> Setting:
    # `{{ token }}` without quotes is a mapping to YAML, and a template that has not been filled in to everybody else.
    template = isinstance(item, Mapping) and item.written.startswith("{{")
    value = item.written.unknown() if template else arrives(item)
    return Setting(
        flag=flag,
        at=entry.key,
        value=restored(value),
        origin=Origin.CONFIG,
        form=Form.CONFIG,
        when=entry.when,
        tag=item.tag,
        source_text=item.text if isinstance(item, Scalar) and str(value) != str(item.text).strip() else None,
        item=item is not entry.value,
        printed=not isinstance(item, Scalar),
        may_go_on=entry.may_go_on,
    )


def replaced(files: Iterable[Iterable[ConfigEntry]]) -> list[ConfigEntry]:
    """Return the entries that K3s never sees, because a later one takes their place; they stand there all the same."""
    return _collected(files)[1]


def _collected(files: Iterable[Iterable[ConfigEntry]]) -> tuple[dict[str, list[ConfigEntry]], list[ConfigEntry]]:
    """Return what counts of each key, and what a later entry of its key replaces."""
    collected: dict[str, list[ConfigEntry]] = {}
    lost: list[ConfigEntry] = []
    for entries in files:
        for entry in entries:
            before = collected.get(str(entry.key), [])
            if entry.appends and before:
                # Two are joined as lists, in which a key with nothing behind it is an empty one.
                if _is_null(before[0].value):
                    before = before[1:]
                collected[str(entry.key)] = before if _is_null(entry.value) else [*before, entry]
                continue
            if not entry.appends:
                # What stands in another branch, or outside of this one, is not replaced by it.
                lost.extend(earlier for earlier in before if set(entry.when) <= set(earlier.when))
                before = [earlier for earlier in before if not set(entry.when) <= set(earlier.when)]
            collected[str(entry.key)] = [*before, entry]
    return collected, lost


_SHORT_KEYS = frozenset("cdilostv")
"""Single letters that K3s writes with one dash, so that they reach the flag's alias."""


def _items(value: YamlNode) -> Iterator[YamlNode]:
    """Yield the values K3s makes arguments of: of a list within the list only the first item counts."""
    if isinstance(value, Sequence):
        for item in value.items:
            yield item.items[0] if isinstance(item, Sequence) and item.items else item
    else:
        yield value


def from_environment(variables: Iterable[Variable], role: str | None, flags: Flags) -> Lowered:
    """Lower environment variables; an empty one sets a text to the empty text, and counts as not set for the rest.

    So it takes back what the variable was set to before.
    """
    lowered = Lowered()
    for variable in variables:
        name = str(variable.name)
        found = flags.by_environment(name, role)
        if not found and (gone := flags.removed_variable(name)):
            found = (gone,)
        if not variable.value:
            lowered.settings = [
                setting
                for setting in lowered.settings
                if str(setting.at) != name
                or setting.flag.kind is Kind.STRING
                or not set(variable.when) <= set(setting.when)
            ]
        lowered.settings.extend(_of_variable(flag, variable) for flag in found if variable.value or _is_text(flag))
    return lowered


def _of_variable(flag: Flag, variable: Variable) -> Setting:
    value = restored(variable.value)
    return Setting(
        flag=flag,
        at=variable.name,
        value=value,
        origin=Origin.ENVIRONMENT,
        form=variable.form,
        when=variable.when,
        tag=variable.tag,
    )


def _is_text(flag: Flag) -> bool:
    return flag.kind is Kind.STRING and flag.removed is None
