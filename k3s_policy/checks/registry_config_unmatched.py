"""A registry is named in a way that nothing is ever looked up by.

K3s looks for the config of an endpoint by its host, with the port where the endpoint has one, and for a mirror by the
registry as references of images begin with it (K3s `pkg/agent/containerd/config.go`, configForHost). Neither has a
scheme or a path, and of patterns there is `"*"` alone, which stands for all. A login or a CA below such a name is not
used, and no image is pulled through such a mirror; nothing is logged.

Write the host of the endpoint, `registry.example.com:5000`. `configs` for a host that is no mirror's is fine: images
are pulled from there directly.

```yaml wrong path=etc/rancher/k3s/registries.yaml
mirrors:
  docker.io:
    endpoint:
      - https://mirror.example.com:5000
configs:
  https://mirror.example.com:5000:
    tls:
      ca_file: /etc/rancher/k3s/mirror-ca.crt
```

```yaml right path=etc/rancher/k3s/registries.yaml
mirrors:
  docker.io:
    endpoint:
      - https://mirror.example.com:5000
configs:
  mirror.example.com:5000:
    tls:
      ca_file: /etc/rancher/k3s/mirror-ca.crt
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.template import opaque
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Registries
    from k3s_policy.text import Text

_NAME = pattern(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/]*@)?(?P<host>[^/]*)(?P<path>/.*)?")


@rule(severity="medium", see=("https://docs.k3s.io/installation/private-registry",))
def check(registries: Registries) -> Problems:
    """Report names of configs and mirrors with a scheme or a path, and patterns."""
    for config in registries.configs:
        yield from _named(config.name, "configs", "this config is never used: K3s looks for the host of an endpoint")
    for mirror in registries.mirrors:
        yield from _named(mirror.name, "mirrors", "this mirror is never used: references of images begin with a host")


def _named(name: Text, section: str, consequence: str) -> Problems:
    match = _NAME.fullmatch(str(opaque(name)))
    if match is None:
        return
    host = name.cut(match, "host")
    if not (match["scheme"] or match["path"]):
        if name.known and "*" in str(name) and str(name) != "*":
            yield Problem(name, f"{consequence}, and this name is a pattern", 'write each host, or "*" for all of them')
        return
    surplus = "a scheme" if match["scheme"] else "a path"
    advice = f"write {host}" if host and host.known else "write the host alone, with its port"
    yield Problem(name, f"{consequence}, and this name has {surplus}", f"{advice} below {section}")
