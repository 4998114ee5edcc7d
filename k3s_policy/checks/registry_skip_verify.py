"""The certificate of a registry is not verified.

With `insecure_skip_verify: true` containerd takes any certificate for the registry's own: K3s writes `skip_verify`
into its `hosts.toml` (`pkg/agent/templates/templates.go`). Whoever is on the way can answer in its place: with other
images, and with a question for the login. Below `"*"` it holds for every registry that has neither a config nor
a mirror of its own, the public ones too, since K3s writes it to containerd's `_default` alone: that is a finding of
severity high.

Name the authority of the registry's certificate with `ca_file`.

```yaml wrong path=etc/rancher/k3s/registries.yaml
configs:
  registry.example.com:
    tls:
      insecure_skip_verify: true
```

```yaml right path=etc/rancher/k3s/registries.yaml
configs:
  registry.example.com:
    tls:
      ca_file: /etc/rancher/k3s/registry-ca.crt
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Registries


@rule(
    severity="medium",
    see=("https://docs.k3s.io/installation/private-registry#tls",),
    tags=("external/cwe/cwe-295",),
)
def check(registries: Registries) -> Problems:
    """Report hosts whose certificate may be anybody's."""
    for config in registries.configs:
        switch = config.last("insecure_skip_verify")
        if switch is None:
            continue
        if str(config.name) == "*":
            message = "no registry that has neither a config nor a mirror of its own has its certificate verified"
            yield Problem(switch.place, message, "name the hosts this is for, and their CA with ca_file", Severity.HIGH)
        else:
            name = f"`{config.host}`" if config.host.known else "this registry"
            message = f"the certificate of {name} is not verified: whoever is on the way can answer in its place"
            yield Problem(switch.place, message, "name the CA of its certificate with ca_file")
