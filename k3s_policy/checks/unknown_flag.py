"""An option that K3s does not have.

As an argument, and in the config file of an agent, an unknown option stops K3s: `flag provided but not
defined`. In the config file of a server it is skipped with a warning in the log, so the setting silently does
nothing (K3s `pkg/configfilearg/defaultparser.go`; before v1.20.13, v1.21.7 and v1.22.4 it stopped servers too).
Options of servers are unknown to agents: `disable`, `tls-san` or `write-kubeconfig-mode` in an agent's config file
keep the agent from starting.

Keys are the names of flags, letter by letter: no underscores, no capitals, no hyphens before them. Arguments of a
component have a flag that takes them: `kubelet-arg: max-pods=200`.

In an environment file `KINE_SCHEMA_MIGRATION` moves the tables of an external database to a newer schema; a misspelt
form of it does nothing at all.

Which options exist depends on the release; without a version the newest one known to this tool counts. Of an option
that is newer than the release in use, the message says with which one it came.

```yaml wrong
write-kubeconfig-mod: "0600"
token-file: /etc/rancher/k3s/token
tls-san: k3s.example.com
max-pods: 200
```

```yaml right
write-kubeconfig-mode: "0600"
token-file: /etc/rancher/k3s/token
tls-san: k3s.example.com
kubelet-arg: max-pods=200
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.fragment import EnvironmentFile
from k3s_policy.model.invocation import Origin
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Flag, Flags
    from k3s_policy.model.invocation import Invocation, Unrecognised


_SKIPPING = (Version(1, 20, 13), Version(1, 21, 7), Version(1, 22, 4), Version(1, 23, 1))
"""The first release of each line whose servers skip unknown keys (k3s-io/k3s#4464)."""

_LONGEST_NAME = 48
"""Characters; the longest option of K3s has 33."""

_OF_COMPONENTS = {
    "kubelet-arg": {
        "allowed-unsafe-sysctls", "cgroup-driver", "container-log-max-files", "container-log-max-size",
        "cpu-manager-policy", "eviction-hard", "eviction-minimum-reclaim", "eviction-soft",
        "eviction-soft-grace-period", "image-gc-high-threshold", "image-gc-low-threshold", "kube-reserved", "max-pods",
        "node-status-update-frequency", "read-only-port", "register-with-taints", "serialize-image-pulls",
        "streaming-connection-idle-timeout", "system-reserved", "topology-manager-policy",
    },
    "kube-apiserver-arg": {
        "admission-control-config-file", "anonymous-auth", "audit-log-maxage", "audit-log-maxbackup",
        "audit-log-maxsize", "audit-log-path", "audit-policy-file", "authorization-mode",
        "default-not-ready-toleration-seconds", "default-unreachable-toleration-seconds", "disable-admission-plugins",
        "enable-admission-plugins", "encryption-provider-config", "oidc-client-id", "oidc-groups-claim",
        "oidc-issuer-url", "oidc-username-claim", "request-timeout", "runtime-config", "service-account-issuer",
    },
    "kube-controller-manager-arg": {
        "node-cidr-mask-size", "node-monitor-grace-period", "node-monitor-period", "pod-eviction-timeout",
        "terminated-pod-gc-threshold",
    },
    "kube-proxy-arg": {"ipvs-scheduler", "metrics-bind-address", "proxy-mode"},
}  # fmt: skip
"""Arguments of components that are taken for options of K3s, by the flag that hands them on."""

_OF_RKE2 = {
    "cloud-provider-name": "write disable-cloud-controller, and kubelet-arg: cloud-provider=external",
    "cni": "write flannel-backend: none, and install the other CNI",
    "enable-servicelb": "leave it out: K3s has ServiceLB unless `disable` names it",
    "ingress-controller": "leave it out: K3s has Traefik unless `disable` names it",
    "pod-security-admission-config-file": "write kube-apiserver-arg: admission-control-config-file=…",
    "profile": "set the options of the CIS guide one by one",
}
"""Options that RKE2 alone has, and how K3s is told the same (rancher/rke2 pkg/cli/cmds)."""


@rule(
    severity="medium", see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/agent"), fields=("unrecognised",)
)
def check(subject: Invocation | EnvironmentFile) -> Problems:
    """Report each option that is no flag of the role, with the nearest name, and a misspelt variable of kine."""
    if isinstance(subject, EnvironmentFile):
        for variable in subject.variables:
            if _MIGRATION.fullmatch(str(variable.name)):
                message = "kine does not read this variable, so that its tables keep their schema"
                yield Problem(variable.name, message, "write KINE_SCHEMA_MIGRATION", Severity.MEDIUM)
        return
    for option in subject.unrecognised:
        if option.at.known and not re.search(r"\{\{|\{%|\$\{|<%|__", option.name):
            problem = _problem(subject, option)
            if problem is not None:
                yield problem


_MIGRATION = pattern(r"KINE_(?!SCHEMA_MIGRATION$)(?=\w*MIGRAT)(?=\w*SCHEMA)\w+")
"""What is meant for the one variable that kine reads beside its own flags (kine pkg/drivers/mysql, pgsql: setup)."""


def _problem(invocation: Invocation, option: Unrecognised) -> Problem | None:
    table = flags().as_of(invocation.version)
    role = invocation.role or None
    who = f"a K3s {role}" if role else "K3s"
    argument = option.origin is Origin.ARGUMENT
    refused = argument or role == "agent" or _refuses_keys(invocation.version)
    consequence = "does not start with it" if refused else "skips it with a warning, so it does nothing"
    other = table.get(option.name)
    later = table.later(option.name, role)
    # A token may stand where an option should: what cannot be a name is not repeated.
    shown = option.name if "::" not in option.name and len(option.name) <= _LONGEST_NAME else "…"
    name = f"--{shown}" if argument else shown
    if other is not None:
        if option.when and set(option.when) != set(invocation.when):
            # A script that chooses the role in one fork and the options in another may ask the same thing in both.
            return None
        known_to = " and ".join(f"{known}s" for known in sorted(other.roles))
        message = f"`{name}` is an option of {known_to}; {who} {consequence}"
        advice = f"move it to the configuration of the {known_to}"
    elif later is not None:
        since = _first(later, invocation.version)
        message = f"`{name}` came with {since}; {who} {invocation.version} {consequence}"
        advice = f"use {since} or newer"
    else:
        message = f"{who} has no option `{name}` and {consequence}"
        advice = _advice(option.name, role, table, "--" if argument else "")
    severity = Severity.HIGH if refused else Severity.MEDIUM
    return Problem(
        option.at, message, help=advice, severity=severity, confidence=_confidence(invocation.version, table)
    )


def _confidence(version: Version | None, table: Flags) -> Confidence:
    """Return how sure it is that there is no such option: releases that are newer than the facts may have it."""
    newest = Version.parse(table.newest)
    unheard_of = version is not None and newest is not None and version.line > newest.line
    return Confidence.LOW if unheard_of else Confidence.HIGH


def _refuses_keys(version: Version | None) -> bool:
    """Whether a server of this release does not skip unknown keys yet, but ends."""
    return not has_come(_SKIPPING, version)


def _first(flag: Flag, version: Version | None) -> str | None:
    """Return the release that brought a flag: of the line of `version` if that got it later, else the first of all."""
    backports = [(Version.parse(release), release) for release in flag.backports]
    own = [release for first, release in backports if first and version and first.line == version.line]
    return own[0] if own else flag.since


def _advice(name: str, role: str | None, table: Flags, dashes: str) -> str:
    """Say what was most likely meant, and nothing where that cannot be told."""
    nearest = table.nearest(name, role)
    if nearest is None and (variable := table.by_environment(name.upper(), role)):
        return f"{name.upper()} is a variable; the option is `{dashes}{variable[0].name}`"
    plain = name.strip("-").replace("_", "-").lower()
    if nearest is None and plain in _OF_RKE2:
        return f"that is RKE2's: {_OF_RKE2[plain]}"
    for flag, arguments in _OF_COMPONENTS.items():
        if plain in arguments and table.get(flag, role) is not None:
            return f"write {dashes}{flag}{'=' if dashes else ': '}{plain}=…"
    nearest = nearest or _akin(plain, role, table)
    if nearest is None:
        return ""
    value = plain.removeprefix(f"{nearest}-") if plain.startswith(f"{nearest}-") else ""
    flag_meant = table.get(nearest, role)
    if flag_meant is not None and value in flag_meant.known_values:
        return f"write {dashes}{nearest}{'=' if dashes else ': '}{value}"
    return f"did you mean `{dashes}{nearest}`?"


def _akin(name: str, role: str | None, table: Flags) -> str | None:
    """Return the option that a name goes on with, is the beginning of, or is the last word of, if one stands out.

    As `cluster-cidr-ipv6` goes on with cluster-cidr, `secrets-encrypt` begins secrets-encryption, and `taint` ends
    node-taint.
    """
    known = [flag.name for flag in table if "-" in flag.name and (role is None or role in flag.roles)]
    longer = [flag for flag in known if name.startswith(f"{flag}-")]
    shorter = [flag for flag in known if "-" in name and flag.startswith(name)]
    ending = [flag for flag in known if flag.endswith(f"-{name}")]
    if longer or shorter:
        return max(longer, key=len) if longer else min(shorter, key=len)
    return ending[0] if len(ending) == 1 else None
