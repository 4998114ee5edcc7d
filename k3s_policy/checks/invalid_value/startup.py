"""Single values that K3s refuses while it starts, by what their flags mean."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.checks.invalid_value.written import FILLED_IN, counts, is_judged, is_plain, named, problem, problems
from k3s_policy.k3s import validation
from k3s_policy.k3s.validation import Fault
from k3s_policy.k3s.value import as_duration, typed
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

__all__ = ["intervals", "mode", "refused"]


def refused(invocation: Invocation, setting: Setting) -> Problems:
    """Judge a single value by what its flag means."""
    name = setting.flag.name
    if FILLED_IN.search(str(setting.value)):
        return
    if setting.flag.values:
        found = _unknown_value(invocation, setting)
    elif name in _TEXTS:
        found = _TEXTS[name](setting.value)
    else:
        found = _IN_CONTEXT.get(name, _nothing)(invocation, setting)
    yield from problems(setting, found)


def _unknown_value(invocation: Invocation, setting: Setting) -> Iterator[Fault]:
    """Yield a value that is none of those the flag has; what once was one is a matter of removed values."""
    flag, value = setting.flag, str(setting.value)
    if value in flag.values or flag.removed_value(value):
        return
    if flag.name == "flannel-backend" and invocation.all("flannel-conf", "vpn-auth", "vpn-auth-file"):
        return  # neither reads the backend
    if flag.name == "secrets-encryption-provider" and not _is_on(invocation, "secrets-encryption", setting):
        return
    known = flag.values
    shown = f"there is no {flag.name} {named(setting)}" if value else f"{flag.name} is empty"
    yield Fault(setting.value, shown, f"write {', '.join(known[:-1])} or {known[-1]}")


def _no_port(invocation: Invocation, setting: Setting) -> Iterator[Fault]:
    number = typed(setting.flag, str(setting.value))
    # Of an agent only the load balancer listens, and of a server that has an apiserver it does not.
    balances = isinstance(invocation, Agent) and not invocation.all("disable-apiserver-lb")
    if isinstance(number, int) and (balances or setting.flag.name != "lb-server-port"):
        yield from validation.port(setting.value, number)


def _advertised(invocation: Invocation, setting: Setting) -> Iterator[Fault]:
    """Yield what the kube-apiserver cannot take as its one address; a VPN gives it another."""
    value = setting.value
    if value and not invocation.all("vpn-auth", "vpn-auth-file"):
        if "," in str(value):
            yield Fault(value, "advertise-address takes one address", "write the first one alone")
        else:
            yield from validation.addresses(value)


def _vpn(invocation: Invocation, setting: Setting) -> Iterator[Fault]:
    if setting.value and not invocation.last("vpn-auth-file", setting.when):
        yield from validation.vpn(setting.value)


def _nothing(_invocation: Invocation, _setting: Setting) -> Iterator[Fault]:
    return iter(())


_TEXTS: dict[str, Callable[[Text], Iterator[Fault]]] = {
    "cluster-cidr": validation.networks,
    "service-cidr": validation.networks,
    "cluster-dns": validation.addresses,
    "node-ip": validation.addresses,
    "node-external-ip": validation.addresses,
    "service-node-port-range": validation.port_range,
}
_IN_CONTEXT: dict[str, Callable[[Invocation, Setting], Iterator[Fault]]] = {
    **dict.fromkeys(("https-listen-port", "supervisor-port", "apiserver-port", "lb-server-port"), _no_port),
    "advertise-address": _advertised,
    "vpn-auth": _vpn,
}


def intervals(invocation: Invocation) -> Problems:
    """Judge the times that have to be above zero where K3s makes snapshots."""
    if invocation.all("etcd-disable-snapshots"):
        return
    for setting in invocation.all("etcd-snapshot-reconcile-interval", "etcd-s3-timeout"):
        name = setting.flag.name
        length = as_duration(str(setting.value))
        if length is None or length > 0 or not (counts(invocation, setting) and is_judged(setting)):
            continue
        if name == "etcd-s3-timeout" and not (_is_on(invocation, "etcd-s3", setting) and _checks_timeout(invocation)):
            continue
        message = f"K3s does not start: {name} has to be more than 0s"
        found = problem(setting, setting.value, message, "write a time above 0s, or leave it out")
        # What was not seen may switch snapshots off.
        yield found if invocation.wholly_seen else replace(found, confidence=Confidence.MEDIUM)


def _checks_timeout(invocation: Invocation) -> bool:
    """Whether the release has the reconcile interval: the check of both came with it."""
    from k3s_policy.k3s.flags import flags  # rare

    return flags().as_of(invocation.version).get("etcd-snapshot-reconcile-interval") is not None


def mode(invocation: Invocation) -> Problems:
    """Judge a mode that K3s cannot read: it says so in its log, and starts (K3s pkg/server/server.go)."""
    for setting in invocation.all("write-kubeconfig-mode"):
        value = str(setting.value)
        if not value or re.fullmatch(r"[+-]?[0-7]+", value) or FILLED_IN.search(value):
            continue
        if counts(invocation, setting) and is_judged(setting):
            shown = f"`{value}`" if is_plain(value) else "this"
            message = f"K3s logs an error and leaves the kubeconfig at mode 0600: {shown} is no octal number"
            found = problem(setting, setting.value, message, 'write an octal number in quotes, such as "0640"')
            yield replace(found, severity=Severity.MEDIUM)


def _is_on(invocation: Invocation, name: str, beside: Setting) -> bool:
    """Whether a flag is surely true where another setting holds."""
    return is_on(invocation.last(name, beside.when))
