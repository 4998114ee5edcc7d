"""The release of K3s has a vulnerability that the configuration is exposed to.

Whether these vulnerabilities can be used shows in the configuration:

- CVE-2023-32187: from v1.24.17, v1.25.13, v1.26.8 and v1.27.5 up to the last v1.27 a server has the fix, and leaves it
  off without `tls-san-security: true`: whoever reaches port 6443 can make its certificate so long that no client takes
  it any more. Releases before have it in any configuration.
- CVE-2025-46599: v1.32.0 to v1.32.3 open the kubelet's read-only port 10255, on servers and agents, unless
  `kubelet-arg: read-only-port=0` shuts it.
- CVE-2021-32001: up to v1.19.12, v1.20.8 and v1.21.2 a server without a token encrypts what it keeps in the datastore
  with the empty text. It is reported with an external datastore, which others read.
- CVE-2026-54250: up to v1.33.9, v1.34.5 and v1.35.2 a compressed snapshot can write files anywhere as it is restored.

The release is the one that an install script, `k3sup`, an image or `.k3s-policy.yaml` names, or `--k3s-version`. Only
vulnerabilities of K3s itself are known, as of September 2026, and only those that a configuration decides about: what
is in Kubernetes, containerd or Traefik, scanners of images know.

Upgrade, or change what exposes it.

```sh wrong
curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.32.2+k3s1 sh -
```

```sh right
curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.32.4+k3s1 sh -
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.version import LATEST
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text


@rule(
    severity="high",
    see=(
        "https://github.com/k3s-io/k3s/security/advisories",
        "https://github.com/advisories/GHSA-864f-7xjm-2jp2",
    ),
    fields=("version",),
)
def check(invocation: Invocation) -> Problems:
    """Report the release, with all that it is exposed to: one place has one finding of a rule."""
    if invocation.version is None:
        return
    from k3s_policy.model.exposure import exposures  # few invocations name their release

    found = list(exposures(invocation))
    if not found:
        return
    told = "; ".join(f"{advisory.name}: {advisory.outcome}" for advisory, _ in found)
    yield Problem(
        _place(invocation),
        f"K3s {invocation.version} has {told}",
        help="; ".join(advisory.advice for advisory, _ in found),
        severity=max(Severity[advisory.severity.upper()] for advisory, _ in found),
        confidence=max(exposure.confidence for _, exposure in found),
        related=tuple(place for _, exposure in found for place in exposure.places),
    )


def _place(invocation: Invocation) -> Text:
    """Return where the release is named, else where K3s is started."""
    release, version = invocation.release, invocation.version
    if release is not None and version is not None:
        numbers = version[: 2 if version.patch == LATEST else 3]
        if ".".join(map(str, numbers)) in str(release.at):
            return release.at
    return invocation.at
