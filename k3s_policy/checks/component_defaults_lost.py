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

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.component import members
from k3s_policy.model.component_arguments import groups
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.component import ComponentArgument
    from k3s_policy.model.invocation import Invocation

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
                items[0].at,
                "enable-admission-plugins replaces K3s's own list, which has NodeRestriction: "
                "one node's credentials suffice to change all nodes",
                f"write enable-admission-plugins={_listed('NodeRestriction', _members(items))}",
            )
    for items in _replacements(invocation, "kube-apiserver-arg", "authorization-mode"):
        yield from _modes(items)
    for items in _replacements(invocation, "kubelet-arg", "eviction-hard"):
        if not any(signal.startswith(("nodefs.", "imagefs.")) for signal in _members(items)):
            yield Problem(
                items[0].at,
                "eviction-hard replaces K3s's own thresholds: nothing is evicted when the disk runs full",
                "add imagefs.available<5%,nodefs.available<5%",
                Severity.LOW,
            )


def _modes(items: Sequence[ComponentArgument]) -> Iterator[Problem]:
    modes = _members(items)
    if "AlwaysAllow" in modes:
        return  # that everything is allowed is insecure-component-argument's to say
    missing = [mode for mode in ("Node", "RBAC") if mode not in modes]
    if missing:
        outcome = "no node becomes ready" if "Node" in missing else "K3s's own controllers are refused"
        others = [mode for mode in modes if mode not in ("Node", "RBAC")]
        yield Problem(
            items[0].at,
            f"authorization-mode replaces K3s's own Node,RBAC: without {' and '.join(missing)} {outcome}",
            f"write authorization-mode={_listed('Node,RBAC', others)}",
        )


def _replacements(invocation: Invocation, flag: str, name: str) -> Iterator[list[ComponentArgument]]:
    """Yield the arguments that together replace a default."""
    for together in groups(invocation, (flag,), name):
        given = [argument for argument in together if argument.value]
        # Only the first finds the default still there, to add to it or to do away with it.
        if given and not together[0].adds:
            yield given


def _members(items: Iterable[ComponentArgument]) -> list[str]:
    return [str(member) for member in members(items)]


def _listed(default: str, added: Iterable[str]) -> str:
    written = ",".join((default, *added))
    return written if len(written) <= _LONGEST_SHOWN else f"{default},…"
