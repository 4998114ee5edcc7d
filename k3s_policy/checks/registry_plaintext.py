"""Images are pulled over plain HTTP.

An `http://` endpoint is dialled without TLS (K3s `pkg/agent/containerd/config.go`, normalizeEndpointAddress). Whoever
is on the way reads what is pulled and can put other images in its place: a tag says nothing about what is behind it.
An endpoint that has a login in `configs` gets it on every pull, in clear: that is a finding of severity high.

An endpoint without a scheme is HTTPS, except for a port of the host itself. A registry on the host itself is no
finding.

Give the registry a certificate, one of an authority of your own if need be, which `ca_file` names.

```yaml wrong path=etc/rancher/k3s/registries.yaml
mirrors:
  docker.io:
    endpoint:
      - http://mirror.example.com:5000
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

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import join
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.join import JoinUrl
    from k3s_policy.model.fragment import Registries
    from k3s_policy.model.registries import Mirror

_LOGIN = ("password", "auth", "identity_token")


@rule(
    severity="medium",
    see=("https://docs.k3s.io/installation/private-registry",),
    tags=("external/cwe/cwe-319",),
)
def check(registries: Registries) -> Problems:
    """Report endpoints of mirrors that are dialled without TLS."""
    for mirror in registries.mirrors:
        for endpoint in mirror.endpoints:
            url = join.parse(endpoint) if endpoint.known else None
            if url is None or str(url.scheme).lower() != "http" or not url.host or _is_loopback(str(url.host)):
                continue
            message = f"{_images(mirror)} come over plain HTTP: whoever is on the way can read and replace them"
            severity = Severity.MEDIUM
            if _logs_in(registries, url):
                message = f"{_images(mirror)} come over plain HTTP, and the login of this host goes there in clear"
                severity = Severity.HIGH
            yield Problem(endpoint, message, "let the registry have a certificate, and write https://", severity)


def _images(mirror: Mirror) -> str:
    """Return how a message calls the images that a mirror is for."""
    name = str(mirror.host)
    if name == "*":
        return "images of all registries"
    return f"images of `{name}`" if mirror.host.known and name else "images"


def _logs_in(registries: Registries, url: JoinUrl) -> bool:
    host = f"[{url.host}]" if ":" in str(url.host) else str(url.host)
    config = registries.config(f"{host}:{url.port}" if url.port else host)
    return config is not None and any(config.last(key) for key in _LOGIN)


def _is_loopback(host: str) -> bool:
    """Whether nothing crosses a network; what ends in `.localhost` is the host itself too (RFC 6761)."""
    name = host.lower().rstrip(".")
    return name in ("localhost", "::1", "0.0.0.0") or name.startswith("127.") or name.endswith(".localhost")  # noqa: S104  a name
