"""An option that K3s does not have.

As an argument, and in the config file of an agent, an unknown option stops K3s: `flag provided but not
defined`. In the config file of a server it is skipped with a warning in the log, so the setting silently does
nothing (K3s `pkg/configfilearg/defaultparser.go`). Options of servers are unknown to agents: `disable`,
`tls-san` or `write-kubeconfig-mode` in an agent's config file keep the agent from starting.

Which options exist depends on the release; without a version the newest one known to this tool counts.

```yaml wrong
write-kubeconfig-mod: "0600"
token-file: /etc/rancher/k3s/token
tls-san: k3s.example.com
node-label: tier=edge
```

```yaml right
write-kubeconfig-mode: "0600"
token-file: /etc/rancher/k3s/token
tls-san: k3s.example.com
node-label: tier=edge
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.finding import Severity
from k3s_policy.flags import flags
from k3s_policy.model import Origin
from k3s_policy.rule import Problem, rule

if TYPE_CHECKING:
    from k3s_policy.model import Invocation, Unrecognised
    from k3s_policy.rule import Problems


_LONGEST_NAME = 48
"""Characters; the longest option of K3s has 33."""


@rule(severity="medium", see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/agent"))
def check(invocation: Invocation) -> Problems:
    """Report each option that is no flag of the role, with the nearest name."""
    for option in invocation.unrecognised:
        if option.at.known and not re.search(r"\{\{|\{%|\$\{|<%|__", option.name):
            yield _problem(invocation, option)


def _problem(invocation: Invocation, option: Unrecognised) -> Problem:
    table = flags().as_of(invocation.version)
    role = invocation.role or None
    who = f"a K3s {role}" if role else "K3s"
    argument = option.origin is Origin.ARGUMENT
    refused = argument or role == "agent"
    consequence = "does not start with it" if refused else "skips it with a warning, so it does nothing"
    other = table.get(option.name)
    later = table.later(option.name, role)
    nearest = table.nearest(option.name, role)
    # A token may stand where an option should: what cannot be a name is not repeated.
    shown = option.name if "::" not in option.name and len(option.name) <= _LONGEST_NAME else "…"
    name = f"--{shown}" if argument else shown
    if other is not None:
        known_to = " and ".join(f"{known}s" for known in sorted(other.roles))
        message = f"`{name}` is an option of {known_to}; {who} {consequence}"
        advice = f"move it to the configuration of the {known_to}"
    elif later is not None:
        message = f"`{name}` came with {later.since}; {who} {invocation.version} {consequence}"
        advice = f"use {later.since} or newer"
    else:
        message = f"{who} has no option `{name}` and {consequence}"
        advice = f"did you mean `{'--' if argument else ''}{nearest}`?" if nearest else ""
    return Problem(option.at, message, advice, Severity.HIGH if refused else Severity.MEDIUM)
