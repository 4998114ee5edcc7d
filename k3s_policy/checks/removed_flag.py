"""An option, value or variable that K3s no longer has.

K3s warns of an old option for some releases, then refuses to start with it, then forgets it: after that it is
unknown, and as an argument or in an agent's config file still stops K3s. A removed variable, such as
`K3S_CLUSTER_SECRET`, is silently ignored: the node starts without the secret it was meant to have. A removed value,
such as `flannel-backend: wireguard`, ends K3s when it sets up the network (K3s `pkg/agent/flannel/setup.go`).

Without a version the newest release known to this tool counts; where an older one is pinned that still has the
option, or advises against the value, the finding is a low one.

```yaml wrong
no-deploy: traefik
write-kubeconfig-mode: "0600"
```

```yaml right
disable: traefik
write-kubeconfig-mode: "0600"
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Form, Input, Origin

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Removal, RemovedValue
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.invocation import Invocation, Setting


@rule(severity="medium", see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/release-notes/v1.26.X"))
def check(invocation: Invocation) -> Problems:
    """Report removed flags, variables and values, with the release they went in."""
    for setting in invocation.settings:
        removal = setting.flag.removed
        if removal is not None:
            yield _flag_problem(invocation, setting, removal)
        elif setting.known:
            yield from _value_problem(invocation, setting)


def _flag_problem(invocation: Invocation, setting: Setting, removal: Removal) -> Problem:
    variable = setting.origin is Origin.ENVIRONMENT
    name = str(setting.at)
    replacement = removal.replacement
    if variable and replacement:
        advice = f"use {_variable(replacement)}"
    else:
        advice = f"use {_written(setting, replacement)}" if replacement else ""
    if not removal.gone(invocation.version):
        message = f"`{name}` still works in {invocation.version} but was removed in {removal.since}"
        return Problem(setting.at, message, advice, Severity.LOW)
    if setting.form is Form.VARIABLE or (invocation.lacks(Input.VERSION) and not variable):
        message = f"`{name}` was removed in {removal.since}; a K3s of that release or newer does not start with it"
        return Problem(setting.at, message, help=advice, severity=Severity.LOW, confidence=Confidence.LOW)
    if variable:
        return _variable_problem(invocation, setting, removal, advice)
    if not setting.flag.roles:
        return Problem(setting.at, f"`{name}` was removed in {removal.since}; the command ends with an error", advice)
    refused = setting.origin is Origin.ARGUMENT or invocation.role == "agent" or _is_fatal(removal, invocation.version)
    outcome = "K3s does not start with it" if refused else "a server skips it with a warning"
    message = f"`{name}` was removed in {removal.since}; {outcome}"
    return Problem(setting.at, message, advice, Severity.HIGH if refused else Severity.MEDIUM)


def _variable_problem(invocation: Invocation, setting: Setting, removal: Removal, advice: str) -> Problem:
    name = str(setting.at)
    tokens = invocation.all("token", "token-file")
    # Of two credentials K3s took the token, and did not look at the old secret (K3s pkg/cli/agent/agent.go at v1.25).
    if _is_fatal(removal, invocation.version) and not tokens and invocation.wholly_seen:
        message = f"K3s {invocation.version} does not start with `{name}`, which was removed in {removal.since}"
        return Problem(setting.at, message, advice, Severity.HIGH)
    # The install script asks an agent for a token (K3s install.sh, setup_env).
    if setting.form is Form.INSTALLER and invocation.role == "agent" and not tokens:
        message = f"K3s ignores `{name}` since {removal.since}, and the install script stops: an agent needs K3S_TOKEN"
        return Problem(setting.at, message, advice, Severity.HIGH)
    message = f"K3s ignores `{name}` since {removal.since}: it starts without this setting"
    return Problem(setting.at, message, advice, Severity.MEDIUM)


def _value_problem(invocation: Invocation, setting: Setting) -> Problems:
    flag = setting.flag
    if flag.kind is Kind.BOOL:
        return
    if flag.kind is not Kind.LIST and invocation.last(flag.name, setting.when) is not setting:
        return  # a stronger value replaces it: K3s never sees this one
    known = flag.removed_value(str(setting.value))
    if known is None:
        return
    removal = known.removal
    advice = f"use {removal.replacement}" if removal.replacement else ""
    if not removal.gone(invocation.version):
        if _is_advised_against(removal, invocation.version):
            message = (
                f"{flag.name} still knows {_named(known)} in {invocation.version}, but not from {removal.since} on"
            )
            yield Problem(setting.place, message, advice, Severity.LOW)
        return
    message = f"{flag.name} no longer knows {_named(known)} since {removal.since}"
    if setting.form is Form.VARIABLE or invocation.lacks(Input.VERSION):
        yield Problem(setting.place, message, help=advice, severity=Severity.LOW, confidence=Confidence.LOW)
    else:
        yield Problem(setting.place, f"{message}; K3s does not start with it", advice, Severity.HIGH)


def _is_advised_against(removal: Removal, version: Version | None) -> bool:
    """Whether this release advises against a value that it still knows: older ones have nothing better."""
    from k3s_policy.k3s.version import Version  # only for values that are gone

    since = Version.parse(removal.deprecated or removal.since)
    return version is not None and since is not None and version >= since


def _named(gone: RemovedValue) -> str:
    """Name a value that went, or its form where there are many of it."""
    return f"`{gone.value}`" if gone.value else f"values with `{gone.containing}`"


def _is_fatal(removal: Removal, version: Version | None) -> bool:
    """Whether this release still knows the flag, and does not start with it wherever it is given."""
    from k3s_policy.k3s.version import Version  # only for options that are gone

    last = Version.parse(removal.removed)
    return removal.fatal is not None and version is not None and last is not None and version < last


def _written(setting: Setting, replacement: str) -> str:
    """Write what replaces an option as the option is written: as an argument or as a key."""
    return f"--{replacement}" if setting.at.startswith("-") else replacement.replace("=", ": ")


def _variable(replacement: str) -> str:
    """Return the variable of the flag that replaces a removed one."""
    from k3s_policy.k3s.flags import flags  # rare

    return flags().variable_for(replacement) or replacement
