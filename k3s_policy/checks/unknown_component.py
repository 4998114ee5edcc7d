"""A component is disabled that K3s does not have.

`disable` takes the names of packaged components, coredns, servicelb, traefik, local-storage, metrics-server and
runtimes, one by one or with commas between them. Any other name is accepted in silence (K3s
`pkg/cli/server/server.go`): what was meant stays, and of the manifests in `/var/lib/rancher/k3s/server/manifests` K3s
deletes the one of that name, with all that it deployed (K3s `pkg/deploy/controller.go`). Parts of K3s that are no
manifests have options of their own: `flannel-backend: none`, `disable-kube-proxy`.

An empty name is worse. It stands for the folder itself, so that K3s deletes every manifest there, CoreDNS and your own
included. A `disable:` with nothing behind it is an empty name; `disable: []` is none.

A name that resembles no component may be a manifest of your own that is to be deleted: such findings have a low
confidence.

```yaml wrong
disable:
  - traefik
  - service-lb
  - flannel
```

```yaml right
disable:
  - traefik
  - servicelb
flannel-backend: none
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Confidence, Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_FILES = frozenset({"ccm", "coredns", "local-storage", "rolebindings", "runtimes", "traefik", "traefik-crd"})
"""Components that are one file, of today and of v1.20, which had one more (K3s `manifests/`)."""

_OF_METRICS_SERVER = frozenset(
    {
        "aggregated-metrics-reader", "auth-delegator", "auth-reader", "metrics-apiservice",
        "metrics-server-deployment", "metrics-server-service", "resource-reader",
    }
)  # fmt: skip
"""The files in the folder of metrics-server."""

_COMPONENTS = _FILES | _OF_METRICS_SERVER | {"metrics-server", "servicelb"}

_MEANT = {
    "core-dns": "coredns", "dns": "coredns", "kube-dns": "coredns",
    "klipper": "servicelb", "klipper-lb": "servicelb", "lb": "servicelb", "load-balancer": "servicelb",
    "loadbalancer": "servicelb", "service-lb": "servicelb", "service-load-balancer": "servicelb", "svclb": "servicelb",
    "ingress": "traefik", "ingress-controller": "traefik", "traefik-ingress": "traefik",
    "local-path": "local-storage", "local-path-provisioner": "local-storage", "local-path-storage": "local-storage",
    "localpath": "local-storage", "localstorage": "local-storage", "storage": "local-storage",
    "metrics": "metrics-server", "metricsserver": "metrics-server", "runtime-classes": "runtimes",
    "runtimeclasses": "runtimes",
}  # fmt: skip
"""What components are called elsewhere."""

_OPTIONS = {
    "agent": "disable-agent",
    "apiserver": "disable-apiserver",
    "cloud-controller": "disable-cloud-controller",
    "cloud-controller-manager": "disable-cloud-controller",
    "cloudcontroller": "disable-cloud-controller",
    "cni": "flannel-backend=none",
    "controller-manager": "disable-controller-manager",
    "etcd": "disable-etcd",
    "flannel": "flannel-backend=none",
    "helm": "disable-helm-controller",
    "helm-controller": "disable-helm-controller",
    "kube-apiserver": "disable-apiserver",
    "kube-controller-manager": "disable-controller-manager",
    "kube-proxy": "disable-kube-proxy",
    "kube-router": "disable-network-policy",
    "kube-scheduler": "disable-scheduler",
    "kubeproxy": "disable-kube-proxy",
    "netpol": "disable-network-policy",
    "network-policies": "disable-network-policy",
    "network-policy": "disable-network-policy",
    "network-policy-controller": "disable-network-policy",
    "networkpolicy": "disable-network-policy",
    "scheduler": "disable-scheduler",
    "snapshots": "etcd-disable-snapshots",
}
"""Options that turn off what is no manifest."""

_RKE2 = "rke2-"
"""What the charts of RKE2 begin with: its configuration is not judged."""

_ENDINGS = (".yaml", ".yml", ".json")
_LONGEST_SHOWN = 40


@rule(
    severity="low",
    see=(
        "https://docs.k3s.io/installation/packaged-components",
        "https://docs.k3s.io/cli/server#kubernetes-components",
    ),
    flags=("disable",),
)
def check(invocation: Invocation) -> Problems:
    """Report each name that is no component, and empty ones."""
    for setting in invocation.all("disable"):
        if not setting.known:
            continue
        for part in setting.value.split(","):
            name = part.strip()
            if not name:
                yield _everything(setting)
            elif str(name) not in _COMPONENTS and not name.startswith(_RKE2):
                yield _unknown(setting, name)


def _everything(setting: Setting) -> Problem:
    blank = not str(setting.value).strip(" ,")
    return Problem(
        setting.place if blank else setting.value,
        "an empty name disables everything: K3s deletes all manifests of the server, CoreDNS and your own included",
        "leave `disable` out, or write `disable: []`" if blank else "take away the comma that nothing follows",
        Severity.HIGH,
    )


def _unknown(setting: Setting, name: Text) -> Problem:
    shown = str(name) if len(name) <= _LONGEST_SHOWN else f"{str(name)[:_LONGEST_SHOWN]}…"
    plain = str(name).lower().replace("_", "-")
    file = next((plain.removesuffix(ending) for ending in _ENDINGS if plain.endswith(ending)), None)
    if file in _FILES and file == str(name).rpartition(".")[0]:
        return Problem(
            name,
            f"`{shown}` keeps K3s from writing the manifest, but what is deployed already stays",
            f"write {file}, without the ending",
        )
    message = f"K3s has no component `{shown}`: nothing of K3s is disabled, and a manifest of that name is deleted"
    option = _OPTIONS.get(plain)
    if option is not None:
        return Problem(name, message, f"write {_written(setting, option)}")
    meant = _meant(file or plain)
    if meant is not None:
        return Problem(name, message, f"did you mean `{meant}`?")
    return Problem(name, message, f"K3s has {', '.join(_DISABLED)}", confidence=Confidence.LOW)


_DISABLED = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")
"""What K3s names as values of `disable`."""


def _written(setting: Setting, option: str) -> str:
    """Write an option as its setting is written: as an argument or as a key."""
    name, _, value = option.partition("=")
    if setting.at.startswith("-"):
        return f"--{option}"
    return f"{name}: {value or 'true'}"


def _meant(name: str) -> str | None:
    """Return the component that a name most likely means."""
    if name in _COMPONENTS:
        return name
    if name in _MEANT:
        return _MEANT[name]
    for component in _DISABLED:
        if name.startswith(f"{component}-") or name.endswith(f"-{component}") or _is_near(name, component):
            return component
    return None


def _is_near(name: str, component: str) -> bool:
    """Whether one letter or two make one name of the other."""
    from difflib import SequenceMatcher  # only for names that are wrong

    return SequenceMatcher(None, name.replace("-", ""), component.replace("-", "")).ratio() > _NEAR


_NEAR = 0.85
