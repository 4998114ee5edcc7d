"""A component argument replaces what K3s sets for safety.

K3s starts its components with defaults of its own. An item of `kube-apiserver-arg` or `kubelet-arg` takes the place of
the whole default of its argument and is not added to it; repeated items add up (K3s `pkg/util/args.go`, GetArgs). So
are lost, in every release since v0.9.0 (K3s `pkg/daemons/control/server.go`, `pkg/daemons/agent/agent.go`):

- `enable-admission-plugins=NodeRestriction`: without it the credentials of one node suffice to change all others;
- `authorization-mode=Node,RBAC`: without Node no kubelet is let in, without RBAC nothing else is;
- `eviction-hard=imagefs.available<5%,nodefs.available<5%`: without them nothing is done about a disk that runs full.

Write the default with what you add. From v1.24 on `enable-admission-plugins+=EventRateLimit` does the same: `+=` adds
behind the default and `-=` before it.

```yaml wrong
kube-apiserver-arg:
  - enable-admission-plugins=EventRateLimit
```

```yaml right
kube-apiserver-arg:
  - enable-admission-plugins=NodeRestriction,EventRateLimit
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.branch import exclusive
from k3s_policy.finding import Severity
from k3s_policy.rule import Problem, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.model import Invocation, Setting
    from k3s_policy.rule import Problems


class _Item(NamedTuple):
    """One argument of a component, as K3s takes it apart."""

    setting: Setting
    name: str
    value: str
    adds: bool
    """Whether it is written with `+=` or `-=`, which keeps the default."""


_LONGEST_SHOWN = 60


@rule(
    severity="medium",
    see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/security/hardening-guide"),
    flags=("kube-apiserver-arg", "kubelet-arg"),
)
def check(invocation: Invocation) -> Problems:
    """Report arguments that take the place of a default without naming what it does."""
    for items in _replacements(invocation, "kube-apiserver-arg", "enable-admission-plugins"):
        if "NodeRestriction" not in _members(items):
            yield Problem(
                items[0].setting.value,
                "enable-admission-plugins replaces K3s's own list, which has NodeRestriction: "
                "one node's credentials suffice to change all nodes",
                f"write enable-admission-plugins={_listed('NodeRestriction', _members(items))}",
            )
    for items in _replacements(invocation, "kube-apiserver-arg", "authorization-mode"):
        yield from _modes(items)
    for items in _replacements(invocation, "kubelet-arg", "eviction-hard"):
        if not any(signal.startswith(("nodefs.", "imagefs.")) for signal in _members(items)):
            yield Problem(
                items[0].setting.value,
                "eviction-hard replaces K3s's own thresholds: nothing is evicted when the disk runs full",
                "add imagefs.available<5%,nodefs.available<5%",
                Severity.LOW,
            )


def _modes(items: Sequence[_Item]) -> Iterator[Problem]:
    modes = _members(items)
    if "AlwaysAllow" in modes:
        return  # that everything is allowed is insecure-component-argument's to say
    missing = [mode for mode in ("Node", "RBAC") if mode not in modes]
    if missing:
        outcome = "no node becomes ready" if "Node" in missing else "K3s's own controllers are refused"
        others = [mode for mode in modes if mode not in ("Node", "RBAC")]
        yield Problem(
            items[0].setting.value,
            f"authorization-mode replaces K3s's own Node,RBAC: without {' and '.join(missing)} {outcome}",
            f"write authorization-mode={_listed('Node,RBAC', others)}",
        )


def _replacements(invocation: Invocation, flag: str, name: str) -> Iterator[list[_Item]]:
    """Yield the items that together replace a default, those of exclusive branches for themselves.

    Nothing where one of them is not known: it may name what the others leave out.
    """
    settings = invocation.all(flag)
    if any(_may_be(setting, name) for setting in settings):
        return
    items = [item for item in map(_taken_apart, settings) if item.name == name]
    told: list[_Item] = []
    for item in items:
        together = [other for other in items if not exclusive(other.setting.when, item.setting.when)]
        if item not in told and item.value:
            told.extend(together)
            # Only the first finds the default still there, to add to it or to do away with it.
            if not together[0].adds:
                yield together


def _may_be(setting: Setting, name: str) -> bool:
    """Whether a value that is filled in may be an argument of this name."""
    if setting.known:
        return False
    option, equals, _ = setting.value.partition("=")
    told = bool(equals) and option.known and not any(mark in str(option) for mark in "{$<(")
    return not told or _taken_apart(setting).name == name


def _taken_apart(setting: Setting) -> _Item:
    """Take an item apart as K3s does: `--` before it is allowed, `+` or `-` behind its name keeps the default."""
    name, _, value = str(setting.value).removeprefix("--").partition("=")
    return _Item(setting, name.rstrip("+-"), value, name.endswith(("+", "-")))


def _members(items: Iterable[_Item]) -> list[str]:
    """Return what the items list: the components split each of them at its commas."""
    return [part.strip() for item in items for part in item.value.split(",") if part.strip()]


def _listed(default: str, added: Iterable[str]) -> str:
    written = ",".join((default, *added))
    return written if len(written) <= _LONGEST_SHOWN else f"{default},…"
