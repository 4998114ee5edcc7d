"""A file holds settings that K3s does not read.

K3s reads `/etc/rancher/k3s/config.yaml` and, in the folder `config.yaml.d` beside it, the files whose names end in
`.yaml` or `.yml`. A file with another ending and a file in a folder inside that folder are passed over without a word
(K3s `pkg/configfilearg/parser.go`, dotDFiles). So are `config.yml` and `registries.yml`: only `--config` and
`--private-registry` make K3s read them. And `config`
inside a config file leads nowhere: which file to read is known before it is read; beside `-c` on the command line it
even keeps K3s from starting.

Releases before v1.19 read no config file at all.

Name drop-ins `config.yaml.d/NAME.yaml`, and the file itself `config.yaml`. A file that is switched off on purpose may
end in `.bak`, `.disabled`, `.example` and the like: it is not reported.

```yaml wrong
token-file: /etc/rancher/k3s/token
config: /etc/rancher/k3s/more.yaml
```

```yaml right
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Confidence
from k3s_policy.model.fragment import ConfigFile
from k3s_policy.model.invocation import Invocation, Origin
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import UnreadFile

_SWITCHED_OFF = pattern(
    r"(?i)(?:\.(?:bak|backup|disabled?|dist|example|in|j2|jinja2?|off|old|orig|rpmnew|rpmsave|sample|save|skip|sops|swp"
    r"|template|tftpl|tmpl|tpl|unused)|~|\.\d+)$|(?:^|/)(?:[^/]*(?:disabled|example|old|sample|unused|archive)[^/]*)/[^/]*$"
)

_MISNAMED = pattern(r"/(config|registries)\.yml$")

_FIRST_LINE = (1, 19)
"""The first release with config files (docs.k3s.io/installation/configuration)."""


@rule(severity="medium", see=("https://docs.k3s.io/installation/configuration",))
def check(subject: Invocation | ConfigFile | UnreadFile) -> Problems:
    """Report files that K3s passes over, and the key that is meant to lead to another."""
    if isinstance(subject, Invocation):
        yield from _before_config_files(subject)
    elif isinstance(subject, ConfigFile):
        yield from _leading_elsewhere(subject)
    elif misnamed := _MISNAMED.search(subject.path):
        name, option = misnamed[1], "--config" if misnamed[1] == "config" else "--private-registry"
        yield Problem(
            subject.at,
            f"K3s reads {name}.yaml and not {name}.yml: nothing in this file is set, unless {option} names it",
            f"rename it to {name}.yaml",
            confidence=Confidence.MEDIUM,
        )
    elif not _SWITCHED_OFF.search(subject.path):
        folder = subject.path.rpartition(".d/")[2].rpartition("/")[0]
        reason = f"in {folder}, a folder inside the folder" if folder else "that do not end in .yaml or .yml"
        yield Problem(
            subject.at,
            f"K3s reads no drop-ins {reason}: nothing in this file is set",
            "put it straight into the folder" if folder else "rename it: its ending has to be .yaml",
        )


def _before_config_files(invocation: Invocation) -> Problems:
    version = invocation.version
    first = next((setting for setting in invocation.settings if setting.origin is Origin.CONFIG), None)
    if version is not None and first is not None and version.line < _FIRST_LINE:
        yield Problem(
            first.at,
            f"K3s {version} reads no config file: v1.19 is the first that does",
            "give the settings as arguments, or run a newer release",
        )


def _leading_elsewhere(file: ConfigFile) -> Problems:
    for entry in file.entries:
        if str(entry.key) in ("config", "c") and not entry.appends:
            yield Problem(
                entry.key,
                f"{entry.key} does nothing in the config file itself: K3s knows by then which file it reads",
                "give --config or K3S_CONFIG_FILE where K3s is started, or use a drop-in in config.yaml.d",
            )
