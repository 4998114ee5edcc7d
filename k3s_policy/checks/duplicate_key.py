"""A key that stands twice in one config file, so that a value is lost.

K3s decodes its config file without complaining about keys that stand twice: the last one counts, the others are
forgotten, lists too (K3s `pkg/configfilearg/parser.go`, readConfigFile). Nothing is logged. `key+` adds to what was
collected so far, and a plain `key` behind it throws that away again.

For a flag of one value `key+` adds nothing either: K3s makes two arguments of it, and the last wins.

In registries.yaml the last value counts as well, but `mirrors`, `configs`, `auth` and `tls` that stand twice grow
together (gopkg.in/yaml.v2 `decode.go`, which rancher/wharfie `pkg/registries` reads the file with). That is a finding
of severity low: it holds for this parser alone, and others refuse such a file.

Put all values into one list, or write `key+` for the second one; of single values keep one. A drop-in that gives a key
of the main file anew is the way to override it and is not reported, nor is a value that stands twice and is the same.

```yaml wrong
cluster-init: true
disable:
  - traefik
write-kubeconfig-mode: "0600"
disable:
  - servicelb
```

```yaml right
cluster-init: true
disable:
  - traefik
  - servicelb
write-kubeconfig-mode: "0600"
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.template import forks_between
from k3s_policy.formats.tree import Sequence, arrives
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind, flags
from k3s_policy.model.finding import Severity
from k3s_policy.model.fragment import ConfigFile, Registries
from k3s_policy.model.invocation import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Flag
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.model.lower import ConfigEntry
    from k3s_policy.text import Text


@rule(severity="medium", see=("https://docs.k3s.io/installation/configuration",))
def check(subject: ConfigFile | Registries | Invocation) -> Problems:
    """Report keys whose value takes the place of another one that somebody wrote down."""
    if isinstance(subject, ConfigFile):
        yield from _in_one_file(subject)
    elif isinstance(subject, Registries):
        yield from _in_registries(subject)
    else:
        yield from _added_in_a_drop_in(subject)


def _in_one_file(file: ConfigFile) -> Iterator[Problem]:
    collected: dict[str, list[ConfigEntry]] = {}
    for entry in file.entries:
        name = str(entry.key)
        flag = flags().get(name)
        if flag is None:
            continue
        before = collected.get(name, [])
        collects = entry.appends and flag.kind is Kind.LIST
        # What a plus sign fails to add to is the value in front of it; a plain key replaces all that was collected.
        replaced = [] if collects else before[-1:] if entry.appends else before
        lost = [one for one in replaced if _is_lost(flag, one, entry)]
        if lost:
            yield _problem(flag, entry, lost)
        collected[name] = [*before, entry] if entry.appends else [entry]


def _in_registries(file: Registries) -> Iterator[Problem]:
    for again in file.repeated:
        if _are_alternatives(again.earlier, again.key):
            continue
        if again.lost:
            message = f"`{again.key}` stands here once more, and K3s forgets the value above without a word"
            yield Problem(again.key, message, "keep one of them", related=((again.earlier, "this value is lost"),))
        else:
            message = f"`{again.key}` stands here once more: K3s puts both together, other parsers refuse the file"
            related = ((again.earlier, "the first one"),)
            yield Problem(again.key, message, "write it once", Severity.LOW, related=related)


def _is_lost(flag: Flag, earlier: ConfigEntry, later: ConfigEntry) -> bool:
    """Whether the earlier key gave a value that the later one does not."""
    return bool(_values(flag, earlier) - _values(flag, later) - {""}) and not _are_alternatives(earlier.key, later.key)


def _values(flag: Flag, entry: ConfigEntry) -> set[str]:
    """Return what K3s takes from an entry: all items of a list, or the last where the flag has one value."""
    items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
    return {str(arrives(item)) for item in (items if flag.kind is Kind.LIST else items[-1:])}


def _are_alternatives(earlier: Text, later: Text) -> bool:
    """Whether something may stand between two keys that lets only one of them into the file."""
    return earlier.span.source is not later.span.source or forks_between(earlier, later)


def _problem(flag: Flag, entry: ConfigEntry, lost: list[ConfigEntry]) -> Problem:
    name = str(entry.key)
    if entry.appends:
        return _nothing_added(flag, entry.key, lost[-1].key)
    related = tuple((one.key, "this value is lost") for one in lost)
    if any(one.appends for one in lost):
        message = f"`{name}` without + throws away what `{name}+` has collected above"
    else:
        message = f"`{name}` stands here once more, and K3s forgets the value above without a word"
    advice = f"write one list, or `{name}+` here" if flag.kind is Kind.LIST else "keep one of them"
    return Problem(entry.key, message, advice, related=related)


def _nothing_added(flag: Flag, at: Text, earlier: Text) -> Problem:
    message = f"`{flag.name}+` adds nothing: the flag has one value, and this one replaces the one before"
    advice = f"write `{flag.name}` without +, or leave one of them out"
    return Problem(at, message, advice, related=((earlier, "this value is lost"),))


def _added_in_a_drop_in(invocation: Invocation) -> Iterator[Problem]:
    """Report `key+` of a drop-in where the flag has one value: two of its keys are left only where one adds."""
    before: dict[str, Setting] = {}
    for setting in invocation.settings:
        if setting.origin is not Origin.CONFIG or setting.flag.kind is Kind.LIST or setting.flag.removed is not None:
            continue
        earlier = before.get(setting.flag.name)
        before[setting.flag.name] = setting
        if (
            earlier is not None
            and str(earlier.at) == str(setting.at)
            and earlier.at.span.source is not setting.at.span.source
            and earlier.when == setting.when
            and str(earlier.value) not in ("", str(setting.value))
        ):
            yield _nothing_added(setting.flag, setting.at, earlier.at)
