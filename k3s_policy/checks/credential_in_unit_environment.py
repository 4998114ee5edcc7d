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

from k3s_policy import credential
from k3s_policy.credential import Nature
from k3s_policy.finding import Severity
from k3s_policy.model import Form
from k3s_policy.rule import Problem, rule

if TYPE_CHECKING:
    from k3s_policy.model import Invocation
    from k3s_policy.rule import Problems


@rule(
    severity="high",
    see=("https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Environment",),
    tags=("external/cwe/cwe-312", "external/cwe/cwe-526"),
    owns_credential=True,
)
def check(invocation: Invocation) -> Problems:
    """Report each variable of a unit's Environment= that holds a credential."""
    for setting in invocation.settings:
        if setting.form is not Form.UNIT_ENVIRONMENT:
            continue
        for secret in credential.secrets(setting.flag, setting.value):
            kind = credential.nature(secret, setting.tag)
            if kind in (Nature.LITERAL, Nature.TEMPLATE):
                yield Problem(
                    setting.place,
                    f"{setting.at} stands in Environment=: every local user can read it with `systemctl show`",
                    f"move {setting.at} to an EnvironmentFile of mode 0600"
                    + (", and replace the value: the history keeps it" if kind is Nature.LITERAL else ""),
                    Severity.HIGH if kind is Nature.LITERAL else Severity.MEDIUM,
                )
                break
