"""A value that K3s refuses.

K3s does not start with it. Its flag parser knows no `yes` for a flag that is true or false, no duration without a
unit, no empty value for either, and does so wherever the value stands: a bad environment variable stops K3s even where
the config file or an argument gives the same flag (urfave/cli v2, Go's `strconv` and `time`). Other values are checked
later, while K3s starts: names of modes and backends, networks, addresses and ranges of ports (K3s
`pkg/cli/server/server.go`, `pkg/util/net.go`), `vpn-auth` (`pkg/vpn/vpn.go`), and what the kubelet and the
kube-apiserver inside of K3s make of `node-label`, `node-taint` and component arguments.

A kubelet may not give its own node labels such as `node-role.kubernetes.io/worker`: of those below `kubernetes.io` and
`k8s.io` it may set `node.kubernetes.io/*`, `kubelet.kubernetes.io/*` and a few more. Give the others with `kubectl
label node`.

A `write-kubeconfig-mode` that is no octal number does not stop K3s: it logs an error, and the file keeps mode 0600.

All of this holds for every release that has the flag; since v1.33.0 K3s reads taints and the kubelet's `config` itself,
and is stricter about them. Write a value of the kind that the message names.

```yaml wrong
cluster-init: "yes"
cluster-cidr: 10.42.0.0
etcd-s3-timeout: 30
node-label: node-role.kubernetes.io/worker=true
```

```yaml right
cluster-init: true
cluster-cidr: 10.42.0.0/16
etcd-s3-timeout: 30s
node-label: node.kubernetes.io/pool=worker
```
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import validation
from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.validation import Fault, Taint
from k3s_policy.k3s.value import Malformed, as_duration, misread, typed
from k3s_policy.model import Agent, Form, Input, Origin
from k3s_policy.model.effective import is_on, twice_named
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model import Invocation, Setting
    from k3s_policy.text import Text


@rule(severity="high", see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/agent"))
def check(invocation: Invocation) -> Problems:
    """Report what the flag parser refuses, and what K3s refuses while it starts."""
    for setting in invocation.settings:
        if setting.flag.removed is not None:
            continue
        if _is_last_word(setting):
            yield from _without_value(invocation, setting)
        elif _is_judged(setting):
            yield from _of_wrong_type(setting)
    yield from _twice_named(invocation)
    for setting in invocation.settings:
        if _counts(invocation, setting) and _is_judged(setting):
            yield from _refused(invocation, setting)
    yield from _intervals(invocation)
    yield from _mode(invocation)
    yield from _labels(invocation)
    yield from _taints(invocation)
    yield from _component_arguments(invocation)


# --- which settings are judged ------------------------------------------------------------------------------

# What a person or a program fills in first: <ADDRESS>, $ADDRESS, NODE_IP, 10.0.0.x, CHANGEME.
_FILLED_IN = pattern(
    r"[<>$@]|\{|__|\(\(|^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|(?i:\b(?:your|change[-_ ]?me|replace|todo|tbd|placeholder)\b)"
    r"|(?:^|[.:/])[xX*#?]{1,4}(?:[.:/]|$)|^[xX]{3,}$|\.\.\.|…|%[A-Z_]+%"
)


def _is_judged(setting: Setting) -> bool:
    """Whether the value is known, and wrong, if at all, as it is written."""
    return setting.known and _is_written(setting)


def _is_written(setting: Setting) -> bool:
    """Whether somebody wrote the value as the text that K3s gets; what YAML changes is a matter of its own."""
    if setting.at is setting.value or _is_last_word(setting) or setting.printed or _is_left_open(setting):
        return False
    written = setting.written
    return written is None or not misread(setting.flag, str(written).strip(), str(setting.value))


def _is_left_open(setting: Setting) -> bool:
    """Whether more is to come: marks of a template that YAML does not see, or a key whose items a script adds."""
    if setting.origin is not Origin.CONFIG:
        return False
    span = setting.value.span
    content = span.source.content
    before = content[max(0, span.start - 3) : span.start]
    if setting.value:
        return before.endswith(("[[", "[[ "))  # `[[ x ]]` is a list in a list
    rest = span.source.line(span.line)[span.column - 1 :]
    quoted = rest[:1] in ("'", '"') or before.endswith(("'", '"'))
    return (setting.may_go_on and not quoted) or re.search(r"#\{|#%|\{\{", rest) is not None  # `#{x}#` is a comment


def _counts(invocation: Invocation, setting: Setting) -> bool:
    """Whether K3s goes on to use the value: one of a list, or the one that wins."""
    flag = setting.flag
    if flag.removed is not None or not flag.roles:
        return False
    return flag.kind is Kind.LIST or invocation.last(flag.name, setting.when) is setting


# --- types --------------------------------------------------------------------------------------------------

_TYPE_ADVICE = {Kind.BOOL: "write true or false", Kind.INT: "write a whole number"}


def _of_wrong_type(setting: Setting) -> Problems:
    value = str(setting.value)
    fault = typed(setting.flag, value)
    if not isinstance(fault, Malformed) or _FILLED_IN.search(value):
        return
    shown = f"{_named(setting)}, which {fault.reason}" if _is_plain(value) else f"given a value that {fault.reason}"
    advice = _TYPE_ADVICE.get(setting.flag.kind) or _duration_advice(value)
    if not value:
        advice += f", or leave `{setting.at}` out"
    yield _problem(setting, setting.value, f"{_outcome(setting)}: `{setting.at}` is {shown}", advice)


def _named(setting: Setting) -> str:
    """Name a value in a message, with the scalar that YAML has made it of."""
    shown = f"`{setting.value}`" if setting.value else "empty"
    return shown if setting.written is None or not setting.written else f"{shown} (written `{setting.written}`)"


def _is_plain(value: str) -> bool:
    """Whether a value can be shown: no line of text, and nothing that is long enough for a credential."""
    return len(value) <= 24 and value.isprintable()


def _duration_advice(value: str) -> str:
    if re.fullmatch(r"[0-9]+", value):
        return f"write {value}s, {value}m or {value}h"
    return "write a number with its unit, as in 30s or 1h30m"


def _is_last_word(setting: Setting) -> bool:
    """Whether a flag that takes a value ends a command line."""
    option, value = setting.at.span, setting.value.span
    ends = option.source is value.source and option.end == value.start
    return ends and setting.origin is Origin.ARGUMENT and not setting.value and setting.flag.kind is not Kind.BOOL


def _without_value(invocation: Invocation, setting: Setting) -> Problems:
    span = setting.at.span
    # To a shell `--token <token>` is a redirection: the placeholder of a text that is to be read.
    placeholder = span.source.content[span.end : span.end + 80].lstrip(" \t\\\n").startswith("<")
    if not placeholder and setting.form is not Form.VARIABLE and not invocation.lacks(Input.ARGUMENTS):
        message = f"{_outcome(setting)}: nothing stands behind `{setting.at}`"
        yield Problem(setting.at, message, "write a value behind it")


def _outcome(setting: Setting) -> str:
    """Say what comes of it: the flags of other commands have no roles."""
    return "K3s does not start" if setting.flag.roles else "the command fails"


def _twice_named(invocation: Invocation) -> Problems:
    for earlier, later in twice_named(invocation):
        one, other = (str(setting.at).lstrip("-") for setting in (earlier, later))
        message = f"K3s does not start: one flag is given as `{one}` and as `{other}`"
        yield Problem(later.at, message, "keep one of them", related=((earlier.at, "the flag by its other name"),))


# --- what K3s refuses while it starts -----------------------------------------------------------------------


def _refused(invocation: Invocation, setting: Setting) -> Problems:
    """Judge a single value by what its flag means."""
    name = setting.flag.name
    if _FILLED_IN.search(str(setting.value)):
        return
    if setting.flag.values:
        found = _unknown_value(invocation, setting)
    elif name in _TEXTS:
        found = _TEXTS[name](setting.value)
    else:
        found = _IN_CONTEXT.get(name, _nothing)(invocation, setting)
    yield from _problems(setting, found)


def _problems(setting: Setting, faults: Iterable[Fault]) -> Problems:
    for fault in faults:
        yield _problem(setting, fault.at, f"K3s does not start: {fault.reason}", fault.advice)


def _problem(setting: Setting, at: Text, message: str, advice: str) -> Problem:
    """Place a problem at the characters at fault, or at the option where these stand elsewhere."""
    confidence = Confidence.MEDIUM if setting.form is Form.VARIABLE else Confidence.HIGH
    at = at or _shown(setting)
    option, fault = setting.at.span, at.span
    if option.source is fault.source and option.start <= fault.start:
        return Problem(at or setting.at, message, advice, confidence=confidence)
    related = ((at, "the value is written here"),)
    return Problem(setting.at, message, advice, confidence=confidence, related=related)


def _shown(setting: Setting) -> Text:
    """Return a value with characters to point at: those of an empty one are its quotes or its `~`, if it has any."""
    value, span = setting.value, setting.value.span
    if value:
        return value
    if setting.written:
        return setting.written
    around = span.source.text[max(0, span.start - 1) : span.end + 1]
    return around if str(around) in ("''", '""') else value


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
    shown = f"there is no {flag.name} {_named(setting)}" if value else f"{flag.name} is empty"
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


def _intervals(invocation: Invocation) -> Problems:
    """Judge the times that have to be above zero where K3s makes snapshots."""
    if invocation.all("etcd-disable-snapshots"):
        return
    for setting in invocation.all("etcd-snapshot-reconcile-interval", "etcd-s3-timeout"):
        name = setting.flag.name
        length = as_duration(str(setting.value))
        if length is None or length > 0 or not (_counts(invocation, setting) and _is_judged(setting)):
            continue
        if name == "etcd-s3-timeout" and not (_is_on(invocation, "etcd-s3", setting) and _checks_timeout(invocation)):
            continue
        message = f"K3s does not start: {name} has to be more than 0s"
        problem = _problem(setting, setting.value, message, "write a time above 0s, or leave it out")
        # What was not seen may switch snapshots off.
        yield problem if invocation.wholly_seen else replace(problem, confidence=Confidence.MEDIUM)


def _checks_timeout(invocation: Invocation) -> bool:
    """Whether the release has the reconcile interval: the check of both came with it."""
    from k3s_policy.k3s.flags import flags  # noqa: PLC0415  rare

    return flags().as_of(invocation.version).get("etcd-snapshot-reconcile-interval") is not None


def _mode(invocation: Invocation) -> Problems:
    """Judge a mode that K3s cannot read: it says so in its log, and starts (K3s pkg/server/server.go)."""
    for setting in invocation.all("write-kubeconfig-mode"):
        value = str(setting.value)
        if not value or re.fullmatch(r"[+-]?[0-7]+", value) or _FILLED_IN.search(value):
            continue
        if _counts(invocation, setting) and _is_judged(setting):
            shown = f"`{value}`" if _is_plain(value) else "this"
            message = f"K3s logs an error and leaves the kubeconfig at mode 0600: {shown} is no octal number"
            problem = _problem(setting, setting.value, message, 'write an octal number in quotes, such as "0640"')
            yield replace(problem, severity=Severity.MEDIUM)


def _is_on(invocation: Invocation, name: str, beside: Setting) -> bool:
    """Whether a flag is surely true where another setting holds."""
    return is_on(invocation.last(name, beside.when))


# --- the kubelet, the kube-apiserver and the Helm controller ------------------------------------------------


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
        if not setting.value and _is_judged(setting) and (not on_agents or _runs_kubelet(invocation, setting)):
            reason = f"{setting.flag.name} is empty, which reaches {_COMPONENTS[setting.flag.name]} as `--=true`"
            yield from _problems(setting, [Fault(setting.value, reason, "leave it out")])
    for setting in invocation.all("kube-apiserver-arg"):
        yield from _problems(setting, _apiserver(setting))
    kubelet = invocation.all("kubelet-arg")
    for position, setting in enumerate(kubelet, start=1):
        if _runs_kubelet(invocation, setting):
            yield from _problems(setting, _kubelet(invocation, setting, last=position == len(kubelet)))
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
    if not _is_judged(setting):
        return
    key, value = _argument(setting)
    if value is None:
        if key in _NEED_VALUE:
            yield Fault(setting.value, f"`{key}` has no value", f"write {key}=VALUE")
    elif key in _APISERVER and not _FILLED_IN.search(str(value)):
        yield from _APISERVER[key](value)


def _kubelet(invocation: Invocation, setting: Setting, *, last: bool) -> Iterator[Fault]:
    key, value = _argument(setting)
    if key == "node-labels" and value is not None and _is_written(setting):
        yield from validation.labels(value)
    elif key in ("config", "config-dir") and _is_judged(setting) and _reads_drop_ins(invocation):
        # Without `=` the next argument is the value.
        takes_next = value is None and not (last and not invocation.lacks(Input.ARGUMENTS))
        if not value and not takes_next:
            yield Fault(setting.value, f"`{key}` has no value", f"write {key}=PATH")


def _reads_drop_ins(invocation: Invocation) -> bool:
    """Whether K3s itself reads taints and `config` and writes them to files for the kubelet: since v1.33.0."""
    from k3s_policy.k3s.version import Version  # noqa: PLC0415  few invocations need it

    if invocation.version is None:
        return not invocation.lacks(Input.VERSION)
    return invocation.version >= Version(1, 33, 0)


def _labels(invocation: Invocation) -> Problems:
    """Judge labels by their keys, also where their values are not known."""
    for setting in invocation.all("node-label"):
        if _is_written(setting) and _runs_kubelet(invocation, setting):
            yield from _problems(setting, validation.labels(setting.value))


def _taints(invocation: Invocation) -> Problems:
    """Judge taints each and together: no two with one key and effect."""
    earlier: list[tuple[Taint, Setting]] = []
    strict = _reads_drop_ins(invocation)
    for setting in invocation.all("node-taint"):
        if not _is_judged(setting) or _FILLED_IN.search(str(setting.value)) or not _runs_kubelet(invocation, setting):
            continue
        for text in [setting.value] if strict else setting.value.split(","):
            if str(text).endswith("-") or not (strict or text):
                continue  # takes a taint away, which a new node has not
            taint = Taint.read(text)
            if taint.fault is not None:
                if strict or taint.effect:
                    yield from _problems(setting, [taint.fault])
                continue
            for other, place in earlier:
                same = (other.key, other.effect) == (taint.key, taint.effect)
                if strict and same and not exclusive(place.when, setting.when):
                    reason = f"K3s does not start: two taints have the key {taint.key} and {taint.effect}"
                    problem = _problem(setting, text, reason, "keep one of them")
                    yield replace(problem, related=(*problem.related, (place.value, "the first one")))
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
                yield from _problems(setting, [fault])


def _is_json(text: str, kind: type) -> bool:
    import json  # noqa: PLC0415  hardly anybody gives the Helm controller arguments

    if not text.strip():
        return True
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return value is None or isinstance(value, kind)
