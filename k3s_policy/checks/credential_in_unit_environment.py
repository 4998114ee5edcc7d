"""A credential stands in Environment= of a systemd unit, where every local user can read it.

systemd shows the environment of a unit to everyone (`systemctl show k3s`), and unit files are world-readable.
The install script keeps `K3S_*` variables in `/etc/systemd/system/k3s.service.env` with mode 0600 for this
reason (K3s `install.sh`, create_env_file). Name such a file with `EnvironmentFile=`. A literal value is a finding
of severity high, a template one of severity medium.

```ini wrong
[Service]
Environment=K3S_TOKEN=4f1c9a7be2d0836f
ExecStart=/usr/local/bin/k3s server
```

```ini right
[Service]
EnvironmentFile=-/etc/systemd/system/k3s.service.env
ExecStart=/usr/local/bin/k3s server
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import credential
from k3s_policy.k3s.credential import Nature
from k3s_policy.model.finding import Severity
from k3s_policy.model.invocation import Form
from k3s_policy.model.subjects import Credential

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text


@rule(
    severity="high",
    see=("https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Environment",),
    tags=("external/cwe/cwe-312", "external/cwe/cwe-526"),
    owns_credential=True,
)
def check(subject: Invocation | Credential) -> Problems:
    """Report each variable of a unit's Environment= that holds a credential, also one that systemd drops."""
    if isinstance(subject, Credential):
        if subject.form is Form.UNIT_ENVIRONMENT:
            place = subject.at.upto(subject.value)
            yield from _problems(subject.at, [subject.value], place, subject.tag, "systemctl cat")
        return
    for setting in subject.settings:
        if setting.form is Form.UNIT_ENVIRONMENT:
            secrets = credential.secrets(setting.flag, setting.value)
            yield from _problems(setting.at, secrets, setting.place, setting.tag, "systemctl show")


def _problems(variable: Text, secrets: Iterable[Text], place: Text, tag: str | None, command: str) -> Problems:
    """Report the first credential in a variable; `command` shows it."""
    for secret in secrets:
        kind = credential.nature(secret, tag)
        if kind in (Nature.LITERAL, Nature.TEMPLATE):
            yield Problem(
                place,
                f"{variable} stands in Environment=: every local user can read it with `{command}`",
                f"move {variable} to an EnvironmentFile of mode 0600"
                + (", and replace the value: the history keeps it" if kind is Nature.LITERAL else ""),
                Severity.HIGH if kind is Nature.LITERAL else Severity.MEDIUM,
            )
            break
