"""An option that K3s advises against.

It still works: K3s warns of `helm-job-image`, and leaves the old names `kube-controller-arg` and
`kube-cloud-controller-arg` out of its help (K3s `pkg/cli/cmds/server.go`, `pkg/cli/server/server.go`). Such options
have gone before: `no-deploy` made a warning at first, stopped K3s from v1.25 on and has been unknown since v1.26.

An option that newer releases have no longer is `removed-flag`'s, also where the release in use still has it. Without a
version the newest release known to this tool counts; a release older than the advice makes no finding.

```yaml wrong
kube-controller-arg: terminated-pod-gc-threshold=100
helm-job-image: registry.example.com/klipper-helm:v0.9.8
```

```yaml right
kube-controller-manager-arg: terminated-pod-gc-threshold=100
helm-controller-arg: default-job-image=registry.example.com/klipper-helm:v0.9.8
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags
from k3s_policy.model.invocation import Input

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Deprecation
    from k3s_policy.model.invocation import Invocation, Setting


@rule(severity="low", see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/add-ons/helm"))
def check(invocation: Invocation) -> Problems:
    """Report options that still work and have a better name or place."""
    for setting in invocation.settings:
        advice = setting.flag.deprecated
        if advice is not None and setting.flag.removed is None and _holds(invocation, advice):
            yield _problem(setting, advice)


def _holds(invocation: Invocation, advice: Deprecation) -> bool:
    """Whether the release in use gives this advice, and has what it advises."""
    if advice.since and invocation.lacks(Input.VERSION):
        return False  # a release is pinned that was not seen: it may be older
    table = flags().as_of(invocation.version)
    return advice.replacement is None or table.get(advice.replacement) is not None


def _problem(setting: Setting, advice: Deprecation) -> Problem:
    name = str(setting.at)
    since = advice.since or _since(advice.replacement)
    message = f"`{name}` is deprecated{f' since {since}' if since else ''}"
    if advice.replacement is None:
        return Problem(setting.at, message, _clause(advice.note or ""))
    dashes = name[: len(name) - len(name.lstrip("-"))]
    takes_over = f"{dashes}{advice.replacement}"
    how = _clause(advice.note) if advice.note else f"write {takes_over}"
    return Problem(setting.at, f"{message}: `{takes_over}` replaces it", how)


def _clause(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:].rstrip('.')}"


def _since(name: str | None) -> str | None:
    """Return since when there is the better option, where the advice itself has no date."""
    flag = flags().get(name) if name else None
    return flag.since if flag is not None else None
