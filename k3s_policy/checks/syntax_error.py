"""A file that K3s, systemd or containerd cannot read.

K3s does not start when its config file is not valid YAML, or when its top level is a list or a text; systemd
refuses a unit with a line it cannot parse. Nor does K3s start where a value in registries.yaml has another type than
its decoder has for it: `endpoint` is a list, `insecure_skip_verify` is `true` or `false` without quotes
(rancher/wharfie `pkg/registries`). The finding stands where the parser gives up; the mistake is there or shortly
before. Templates that are rendered later are not judged.

```yaml wrong
token-file: /etc/rancher/k3s/token
tls-san: [k3s.example.com
```

```yaml right
token-file: /etc/rancher/k3s/token
tls-san: [k3s.example.com]
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import BrokenFile


@rule(severity="high", see=("https://docs.k3s.io/installation/configuration#configuration-file",))
def check(broken: BrokenFile) -> Problems:
    """Report where reading ends."""
    yield Problem(broken.at, f"{broken.reader} cannot read this file: {broken.reason}")
