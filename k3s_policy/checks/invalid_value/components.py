"""What the kubelet, the kube-apiserver and the Helm controller refuse: their arguments, labels and taints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.checks.invalid_value.written import FILLED_IN, is_judged, is_written, problem, problems
from k3s_policy.k3s import validation
from k3s_policy.k3s.validation import Fault, Taint
from k3s_policy.k3s.value import typed
from k3s_policy.model.invocation import Input
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

__all__ = ["of_components"]


def of_components(invocation: Invocation) -> Problems:
    """Judge everything that K3s hands on to its components."""
    yield from _labels(invocation)
    yield from _taints(invocation)
    yield from _component_arguments(invocation)


def _runs_kubelet(invocation: Invocation, beside: Setting) -> bool:
    """Whether the node has a kubelet, as far as is known."""
    for setting in invocation.all("disable-agent", "cluster-reset"):
        off = setting.known and typed(setting.flag, str(setting.value)) is False
        if not off and not exclusive(setting.when, beside.when):
            return False
    return True


def _component_arguments(invocation: Invocation) -> Problems:
    for setting in invocation.all(*_COMPONENTS):
        on_agents = setting.flag.name in ("kubelet-arg", "kube-proxy-arg")
        if not setting.value and is_judged(setting) and (not on_agents or _runs_kubelet(invocation, setting)):
            reason = f"{setting.flag.name} is empty, which reaches {_COMPONENTS[setting.flag.name]} as `--=true`"
            yield from problems(setting, [Fault(setting.value, reason, "leave it out")])
    for setting in invocation.all("kube-apiserver-arg"):
        yield from problems(setting, _apiserver(setting))
    kubelet = invocation.all("kubelet-arg")
    for position, setting in enumerate(kubelet, start=1):
        if _runs_kubelet(invocation, setting):
            yield from problems(setting, _kubelet(invocation, setting, last=position == len(kubelet)))
    yield from _helm(invocation)


_COMPONENTS = {
    "kube-apiserver-arg": "the kube-apiserver",
    "kube-cloud-controller-manager-arg": "the cloud controller",
    "kube-controller-manager-arg": "the controller manager",
    "kube-proxy-arg": "kube-proxy",
    "kube-scheduler-arg": "the scheduler",
    "kubelet-arg": "the kubelet",
}


def _argument(setting: Setting) -> tuple[str, Text | None]:
    """Take `key=value` of a component apart; two hyphens in front may be left out (K3s pkg/util/args.go)."""
    key, equals, value = setting.value.partition("=")
    return str(key).removeprefix("--"), value if equals else None


_APISERVER = {"tls-min-version": validation.tls_version, "tls-cipher-suites": validation.cipher_suites}
_NEED_VALUE = (*_APISERVER, "authentication-config", "authorization-config")


def _apiserver(setting: Setting) -> Iterator[Fault]:
    if not is_judged(setting):
        return
    key, value = _argument(setting)
    if value is None:
        if key in _NEED_VALUE:
            yield Fault(setting.value, f"`{key}` has no value", f"write {key}=VALUE")
    elif key in _APISERVER and not FILLED_IN.search(str(value)):
        yield from _APISERVER[key](value)


def _kubelet(invocation: Invocation, setting: Setting, *, last: bool) -> Iterator[Fault]:
    key, value = _argument(setting)
    if key == "node-labels" and value is not None and is_written(setting):
        yield from validation.labels(value)
    elif key in ("config", "config-dir") and is_judged(setting) and _reads_drop_ins(invocation):
        # Without `=` the next argument is the value.
        takes_next = value is None and not (last and not invocation.lacks(Input.ARGUMENTS))
        if not value and not takes_next:
            yield Fault(setting.value, f"`{key}` has no value", f"write {key}=PATH")


def _reads_drop_ins(invocation: Invocation) -> bool:
    """Whether K3s itself reads taints and `config` and writes them to files for the kubelet: since v1.33.0."""
    from k3s_policy.k3s.version import Version  # few invocations need it

    if invocation.version is None:
        return not invocation.lacks(Input.VERSION)
    return invocation.version >= Version(1, 33, 0)


def _labels(invocation: Invocation) -> Problems:
    """Judge labels by their keys, also where their values are not known."""
    for setting in invocation.all("node-label"):
        if is_written(setting) and _runs_kubelet(invocation, setting):
            yield from problems(setting, validation.labels(setting.value))


def _taints(invocation: Invocation) -> Problems:
    """Judge taints each and together: no two with one key and effect."""
    earlier: list[tuple[Taint, Setting]] = []
    strict = _reads_drop_ins(invocation)
    for setting in invocation.all("node-taint"):
        if not is_judged(setting) or FILLED_IN.search(str(setting.value)) or not _runs_kubelet(invocation, setting):
            continue
        for text in [setting.value] if strict else setting.value.split(","):
            if str(text).endswith("-") or not (strict or text):
                continue  # takes a taint away, which a new node has not
            taint = Taint.read(text)
            if taint.fault is not None:
                if strict or taint.effect:
                    yield from problems(setting, [taint.fault])
                continue
            for other, place in earlier:
                same = (other.key, other.effect) == (taint.key, taint.effect)
                if strict and same and not exclusive(place.when, setting.when):
                    reason = f"K3s does not start: two taints have the key {taint.key} and {taint.effect}"
                    found = problem(setting, text, reason, "keep one of them")
                    yield replace(found, related=(*found.related, (place.value, "the first one")))
                    break
            earlier.append((taint, setting))


def _helm(invocation: Invocation) -> Problems:
    """Judge what is JSON for the Helm controller (helm-controller pkg/config/validation.go)."""
    if invocation.all("disable-helm-controller"):
        return
    last: dict[str, tuple[Setting, Text]] = {}
    for setting in invocation.all("helm-controller-arg"):
        key, value = _argument(setting)
        if value is not None:
            last[key] = (setting, value)
    for key, kind in (("job-resources", dict), ("job-tolerations", list)):
        if key in last:
            setting, value = last[key]
            if setting.known and not setting.printed and not _is_json(str(value), kind):
                what = "object" if kind is dict else "list"
                fault = Fault(value, f"{key} of helm-controller-arg is no JSON {what}", f"write a JSON {what}")
                yield from problems(setting, [fault])


def _is_json(text: str, kind: type) -> bool:
    import json  # hardly anybody gives the Helm controller arguments

    if not text.strip():
        return True
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return value is None or isinstance(value, kind)
