"""An unquoted value that reaches K3s as something else than is written.

K3s reads its config file as YAML 1.1 and hands on what comes out, printed anew (K3s `pkg/configfilearg`,
gopkg.in/yaml.v2): a number that begins with a zero is octal (`0123` arrives as `83`), `1e3` as `1000`, `1.10` as `1.1`,
`on`, `off`, `y` and `no` as `true` or `false`. So it is in all releases that have a config file.

For a token that means another token than the one the other nodes or the environment have. For
`write-kubeconfig-mode` it means another mode: K3s takes what arrives for an octal number once more.

| written | arrives | mode of the kubeconfig |
| --- | --- | --- |
| `0644` | `420` | 0420: the group may write |
| `0640` | `416` | 0416: everybody may read and write |
| `0600` | `384` | no octal number: an error in the log, and 0600 stays |

Put the value in quotes. `644` without the zero arrives as it is.

```yaml wrong
write-kubeconfig-mode: 0640
node-name: 1e3
```

```yaml right
write-kubeconfig-mode: "0640"
node-name: "1e3"
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.value import misread
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text


@rule(severity="medium", see=("https://docs.k3s.io/installation/configuration", "https://yaml.org/type/int.html"))
def check(invocation: Invocation) -> Problems:
    """Report scalars that YAML makes something else of, where K3s uses them."""
    for setting in invocation.settings:
        flag, written = setting.flag, setting.source_text
        if written is None or setting.tag is not None or not (setting.known and written.known):
            continue
        if flag.removed is not None or not misread(flag, str(written), str(setting.value)):
            continue
        if flag.kind is Kind.LIST or invocation.last(flag.name, setting.when) is setting:
            yield _problem(setting, written)


def _problem(setting: Setting, written: Text) -> Problem:
    flag, received = setting.flag, str(setting.value)
    reading = _reading(str(written))
    if flag.sensitive or flag.embeds_credentials:
        message = f"K3s gets another value than is written: YAML reads {reading}"
        return Problem(written, message, "put it in quotes", Severity.HIGH)
    told = f"K3s gets `{received}`, not `{written}`"
    if flag.name == "write-kubeconfig-mode":
        return _mode(written, told, received)
    if flag.kind is Kind.INT:
        decimal = str(written).replace("_", "").lstrip("+-0")
        return Problem(written, f"{told}: YAML reads {reading}", f"write {decimal} without the zero")
    return Problem(written, f"{told}: YAML reads {reading}", f'put it in quotes: "{written}"')


def _mode(written: Text, told: str, received: str) -> Problem:
    """Say what becomes of the kubeconfig: K3s reads what arrives as octal (K3s pkg/server/server.go)."""
    intended = re.fullmatch(r"0?[oO]?0*([0-7]{1,4})", str(written))
    advice = f'put it in quotes: "{intended[1]:0>4}"' if intended else 'write an octal number in quotes, as in "0600"'
    if re.fullmatch(r"[+-]?[0-7]+", received) is None:
        message = f"{told}, logs that this is no octal number, and leaves the kubeconfig at mode 0600"
        return Problem(written, message, advice)
    return Problem(
        written, f"{told}, and gives the kubeconfig mode {int(received, 8) & 0o777:04o}", advice, Severity.HIGH
    )


def _reading(written: str) -> str:
    """Name what YAML 1.1 takes a scalar for."""
    digits = written.lstrip("+-")
    if re.fullmatch(r"[A-Za-z]+", written):
        return "a truth value"
    if digits[:2] in ("0x", "0X"):
        return "a hexadecimal number"
    if digits[:2] in ("0b", "0B"):
        return "a binary number"
    if re.fullmatch(r"0[oO]?[0-7_]+", digits):
        return "an octal number"
    return "a number"
