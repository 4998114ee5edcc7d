"""K3s is told to read its configuration from a web address, which it does not do.

`--config` and `K3S_CONFIG_FILE` name a file on the host. K3s holds code that could fetch a URL, but looks for a
file of that name first (K3s `pkg/configfilearg/parser.go`) and finds none: the releases since August 2024 (v1.28.13,
v1.29.8, v1.30.4) go on without a word, as if no configuration had been given; older ones do not start. Were it
fetched over http, anyone on the way could read and change what is mostly full of credentials.

Put the file on the host, where only root can read it, and name it by its path.

```sh wrong
k3s server --config https://config.example.net/k3s/server.yaml
```

```sh right
k3s server --config /etc/rancher/k3s/server.yaml
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.version import Version, has_come

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation

_HELP = "put the file on the host and name it by its path"
_SCHEMES = ("http://", "https://")


@rule(severity="medium", see=("https://docs.k3s.io/installation/configuration",), flags=("config",))
def check(invocation: Invocation) -> Problems:
    """Report each argument and variable that names a web address as the config file."""
    for setting in invocation.all("config"):
        if str(setting.value).lower().startswith(_SCHEMES):
            yield Problem(setting.place, f"{setting.at} takes a path: {_outcome(invocation.version)}", _HELP)


_SILENT_SINCE = (Version(1, 28, 13), Version(1, 29, 8), Version(1, 30, 4))
"""The first release of each line that ignores a config file which does not exist (K3s commit e514940)."""


def _outcome(version: Version | None) -> str:
    """Say what K3s does with the address; None stands for the newest release."""
    if has_come(_SILENT_SINCE, version):
        return "K3s finds no such file and goes on without one"
    return "K3s finds no such file and does not start"
