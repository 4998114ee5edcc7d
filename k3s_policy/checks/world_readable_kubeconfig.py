"""The admin kubeconfig can be read by every local user.

K3s writes `/etc/rancher/k3s/k3s.yaml` with the credentials of cluster-admin. Its mode is 0600 unless
`write-kubeconfig-mode` (or `K3S_KUBECONFIG_MODE`) says otherwise; with a bit for others every account and
every process of the host, one that escaped from its sandbox included, is administrator of the cluster.

The value is read as an octal number (K3s `pkg/server/server.go`), after YAML has had its say: an unquoted
`0644` arrives as `420` and results in mode 0420, which others cannot read; an unquoted `0640` arrives as `416`,
which they can even write.

Keep 0600 and copy the file for those who need it, or give it to a group: mode 0640 with
`write-kubeconfig-group`.

In a job of a pipeline it is a finding of low severity and low confidence: the runner mostly lives no longer than the
cluster, and has no other user.

```yaml wrong
write-kubeconfig-mode: "0644"
```

```yaml right
write-kubeconfig-mode: "0640"
write-kubeconfig-group: k3s-admins
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Form
from k3s_policy.model.subjects import FileMode

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text

_HELP = 'write mode "0600", or "0640" with write-kubeconfig-group'


@rule(
    severity="medium",
    see=("https://docs.k3s.io/cluster-access",),
    tags=("external/cwe/cwe-732",),
    flags=("write-kubeconfig-mode",),
)
def check(subject: Invocation | FileMode) -> Problems:
    """Report modes with a bit for others, as K3s will really set them."""
    if isinstance(subject, FileMode):
        if _reaches(subject) and _opens(str(subject.mode)):
            yield _problem(subject.mode, f"mode {subject.mode}", subject.form)
        return
    for setting in subject.all("write-kubeconfig-mode"):
        written = str(setting.value_or_default or "")
        mode = int(written, 8) if re.fullmatch(r"[0-7]{1,11}", written) else 0
        if mode & 0o007 and subject.last("write-kubeconfig-mode", setting.when) is setting:
            given = "mode" if setting.known else "the default mode"
            yield _problem(setting.place, f"{given} {mode & 0o7777:04o}", setting.form)


def _problem(at: Text, mode: str, form: Form) -> Problem:
    message = f"{mode} gives the admin kubeconfig to every local user"
    if form is Form.JOB:
        return Problem(at, f"{message} of the runner", help=_HELP, severity=Severity.LOW, confidence=Confidence.LOW)
    return Problem(at, message, _HELP)


def _reaches(change: FileMode) -> bool:
    """Whether a change of permissions reaches the kubeconfig, by its name or by a wildcard.

    `chmod -R` of the folder is left out: most scripts make the folder before K3s writes the file.
    """
    return re.search(r"(?:^|/)rancher/k3s/(?:k3s\.ya?ml|\*(?:\.ya?ml)?)$", str(change.path)) is not None


def _opens(mode: str) -> bool:
    """Whether a mode as `chmod` takes it gives others anything."""
    if re.fullmatch(r"[0-7]{1,4}", mode):
        return bool(int(mode, 8) & 0o007)
    return any(re.match(r"(?:[ug]*[oa][ugoa]*|)[+=][wX]*r", clause) for clause in mode.split(","))
