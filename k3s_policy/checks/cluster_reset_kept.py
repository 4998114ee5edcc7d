"""A cluster reset that is repeated at every start.

With `cluster-reset` a server starts etcd alone, forgets all other members, and ends: `restart without
--cluster-reset flag now`. It serves nothing in between, neither API nor pods. Started with it once more, K3s refuses:
`Managed etcd cluster membership was previously reset`; with `cluster-reset-restore-path` it does not even ask, but
restores the snapshot anew (K3s `pkg/cluster/managed.go`, `pkg/etcd/etcd.go`, since v1.19.3). So in a config file, a
unit, the arguments of the install script or `K3S_CLUSTER_RESET` it keeps the server from ever running.

Reset by hand, once: stop the service, run `k3s server --cluster-reset`, start the service. The config file is read
for that too, so that S3 settings may stay there. What runs only when it is wanted is not reported: a command in a
script, a unit of `Type=oneshot`, a shell in a container that asks first; nor is a script that edits the option out of
the unit again.

```yaml wrong
cluster-init: true
cluster-reset: true
cluster-reset-restore-path: /var/lib/rancher/k3s/server/db/snapshots/on-demand
```

```yaml right
cluster-init: true
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.value import typed
from k3s_policy.model.invocation import Form
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting

_HELP = "remove it, and reset once by hand: `k3s server --cluster-reset`"

_CONTAINERS = frozenset({Form.CONTAINER, Form.COMPOSE, Form.K3D})
_KEPT = _CONTAINERS | {
    Form.CONFIG, Form.UNIT, Form.UNIT_ENVIRONMENT, Form.ENVIRONMENT_FILE, Form.IMAGE, Form.NIX, Form.SERVICE,
}  # fmt: skip
_ONE_SHOT = pattern(r"(?m)^[ \t]*Type[ \t]*=[ \t]*oneshot\b")
_EDITED_OUT = pattern(r"\b(?:sed|awk|grep|perl|yq)\b.*cluster-reset")


@rule(
    severity="high",
    see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/etcd-snapshot"),
    flags=("cluster-reset",),
)
def check(invocation: Invocation) -> Problems:
    """Report each `cluster-reset` that is true in the end, and stands where K3s reads it at every start."""
    for setting in invocation.all("cluster-reset"):
        if (
            setting.known
            and typed(setting.flag, str(setting.value)) is True
            and invocation.last("cluster-reset", setting.when) is setting
            and _is_kept(invocation, setting)
        ):
            yield _problem(invocation, setting)


def _is_kept(invocation: Invocation, setting: Setting) -> bool:
    """Whether the next start has it too. A variable in front of a command is as short-lived as the command."""
    span = setting.at.span
    if setting.form in (Form.UNIT, *_CONTAINERS) and setting.when:
        return False  # the shell that runs there asks first
    if setting.form is Form.INSTALLER:
        once = invocation.started is not None and invocation.started.form is Form.COMMAND
        return not once and _EDITED_OUT.search(span.source.content, span.end) is None
    if setting.form in (Form.UNIT, Form.UNIT_ENVIRONMENT):
        return _ONE_SHOT.search(span.source.content) is None
    return setting.form in _KEPT


def _problem(invocation: Invocation, setting: Setting) -> Problem:
    paths = invocation.all("cluster-reset-restore-path")
    snapshot = next((path for path in paths if str(path.value) and not exclusive(path.when, setting.when)), None)
    if snapshot is None:
        message = "K3s resets its etcd and ends, and does not start any more while cluster-reset is kept"
        return Problem(setting.place, message, _HELP)
    message = "K3s restores the snapshot and ends, again at every start, while cluster-reset is kept"
    return Problem(setting.place, message, _HELP, related=((snapshot.place, "the snapshot"),))
