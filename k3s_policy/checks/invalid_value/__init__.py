"""A value that K3s refuses.

K3s does not start with it. Its flag parser knows no `yes` for a flag that is true or false, no duration without a
unit, no empty value for either, and does so wherever the value stands: a bad environment variable stops K3s even where
the config file or an argument gives the same flag (urfave/cli v2, Go's `strconv` and `time`). Other values are checked
later, while K3s starts: names of modes and backends, networks, addresses and ranges of ports (K3s
`pkg/cli/server/server.go`, `pkg/util/net.go`), `vpn-auth` (`pkg/vpn/vpn.go`), and what the kubelet and the
kube-apiserver inside of K3s make of `node-label`, `node-taint` and component arguments.

A kubelet may not give its own node labels such as `node-role.kubernetes.io/worker`: of those below `kubernetes.io` and
`k8s.io` it may set `node.kubernetes.io/*`, `kubelet.kubernetes.io/*` and a few more. Give the others with `kubectl
label node`.

A `write-kubeconfig-mode` that is no octal number does not stop K3s: it logs an error, and the file keeps mode 0600.

All of this holds for every release that has the flag; since v1.33.0 K3s reads taints and the kubelet's `config` itself,
and is stricter about them. Write a value of the kind that the message names.

```yaml wrong
cluster-init: "yes"
cluster-cidr: 10.42.0.0
etcd-s3-timeout: 30
node-label: node-role.kubernetes.io/worker=true
```

```yaml right
cluster-init: true
cluster-cidr: 10.42.0.0/16
etcd-s3-timeout: 30s
node-label: node.kubernetes.io/pool=worker
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.checks.invalid_value.startup import intervals, mode, refused
from k3s_policy.checks.invalid_value.written import FILLED_IN, counts, is_judged, is_last_word, is_plain, named, problem
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.value import Malformed, typed
from k3s_policy.model.effective import twice_named
from k3s_policy.model.invocation import Form, Input

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting


@rule(severity="high", see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/agent"))
def check(invocation: Invocation) -> Problems:
    """Report what the flag parser refuses, and what K3s refuses while it starts."""
    for setting in invocation.settings:
        if setting.flag.removed is not None:
            continue
        if is_last_word(setting):
            yield from _without_value(invocation, setting)
        elif is_judged(setting):
            yield from _of_wrong_type(setting)
    yield from _twice_named(invocation)
    for setting in invocation.settings:
        if counts(invocation, setting) and is_judged(setting):
            yield from refused(invocation, setting)
    yield from intervals(invocation)
    yield from mode(invocation)
    if invocation.all(*_FOR_COMPONENTS):
        from k3s_policy.checks.invalid_value.components import of_components  # few give them any

        yield from of_components(invocation)


_FOR_COMPONENTS = (
    *("node-label", "node-taint", "kubelet-arg", "kube-proxy-arg", "kube-apiserver-arg", "helm-controller-arg"),
    *("kube-cloud-controller-manager-arg", "kube-controller-manager-arg", "kube-scheduler-arg"),
)


# --- types --------------------------------------------------------------------------------------------------

_TYPE_ADVICE = {Kind.BOOL: "write true or false", Kind.INT: "write a whole number"}


def _of_wrong_type(setting: Setting) -> Problems:
    value = str(setting.value)
    fault = typed(setting.flag, value)
    if not isinstance(fault, Malformed) or FILLED_IN.search(value):
        return
    shown = f"{named(setting)}, which {fault.reason}" if is_plain(value) else f"given a value that {fault.reason}"
    advice = _TYPE_ADVICE.get(setting.flag.kind) or _duration_advice(value)
    if not value:
        advice += f", or leave `{setting.at}` out"
    yield problem(setting, setting.value, f"{_outcome(setting)}: `{setting.at}` is {shown}", advice)


def _duration_advice(value: str) -> str:
    if re.fullmatch(r"[0-9]+", value):
        return f"write {value}s, {value}m or {value}h"
    return "write a number with its unit, as in 30s or 1h30m"


def _without_value(invocation: Invocation, setting: Setting) -> Problems:
    span = setting.at.span
    # To a shell `--token <token>` is a redirection: the placeholder of a text that is to be read.
    placeholder = span.source.content[span.end : span.end + 80].lstrip(" \t\\\n").startswith("<")
    if not placeholder and setting.form is not Form.VARIABLE and not invocation.lacks(Input.ARGUMENTS):
        message = f"{_outcome(setting)}: nothing stands behind `{setting.at}`"
        yield Problem(setting.at, message, "write a value behind it")


def _outcome(setting: Setting) -> str:
    """Say what comes of it: the flags of other commands have no roles."""
    return "K3s does not start" if setting.flag.roles else "the command fails"


def _twice_named(invocation: Invocation) -> Problems:
    for earlier, later in twice_named(invocation):
        one, other = (str(setting.at).lstrip("-") for setting in (earlier, later))
        message = f"K3s does not start: one flag is given as `{one}` and as `{other}`"
        yield Problem(later.at, message, "keep one of them", related=((earlier.at, "the flag by its other name"),))
