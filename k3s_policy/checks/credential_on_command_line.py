"""A credential is given as an argument, where every local user can read it.

What is on a command line lands in the process list and in shell history. The install script copies the
arguments it is given into `/etc/systemd/system/k3s.service`, which every user can read, while it keeps `K3S_*`
variables in an environment file of mode 0600 (K3s `install.sh`, create_env_file and
create_systemd_service_file). In a manifest the arguments are in the pod spec, readable by everyone who may get
pods; of `$(VARIABLE)` the kubelet makes the value, which the process list of the node shows. systemd puts the value of
`${VARIABLE}` into the arguments too, so a variable does not help there.

Give the token as `K3S_TOKEN` or with `--token-file`, and a datastore endpoint with a password as
`K3S_DATASTORE_ENDPOINT` or in a config file of mode 0600. A literal credential is a finding of severity high, a
variable or template on the command line one of severity medium.

```sh wrong
curl -sfL https://get.k3s.io | sh -s - server --token 4f1c9a7be2d0836f --cluster-init
```

```sh right
curl -sfL https://get.k3s.io | K3S_TOKEN_FILE=/root/k3s-token sh -s - server --cluster-init
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import credential
from k3s_policy.k3s.credential import Nature
from k3s_policy.model.finding import Severity
from k3s_policy.model.invocation import Form, Origin

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_EXPOSED = {
    Form.UNIT: "every local user can read it in the unit and in the process list",
    Form.INSTALLER: "the install script writes it into a unit that every local user can read",
    Form.CONTAINER: "everyone who may read the pod spec can read it",
    Form.COMPOSE: "`docker inspect` and the process list of the host show it",
    Form.K3D: "`docker inspect` and the process list of the host show it",
    Form.COMMAND: "it shows in the process list and in shell history",
    Form.IMAGE: "everyone who has the image can read it",
    Form.JOB: "the process list of the runner shows it, and the log of the job may",
    Form.NIX: "NixOS writes it into its store and a unit, which every local user can read",
    Form.SERVICE: "every local user can read it in the service script and in the process list",
    Form.VARIABLE: "what ends up in the arguments of K3s shows in the process list and in its unit",
}


@rule(
    severity="high",
    see=("https://docs.k3s.io/cli/token", "https://docs.k3s.io/installation/configuration"),
    tags=("external/cwe/cwe-214",),
    owns_credential=True,
)
def check(invocation: Invocation) -> Problems:
    """Report each argument that holds a credential, once, also those K3s never looks at: they are as visible."""
    lost = invocation.started.lost if invocation.started else ()
    for setting in (*invocation.settings, *lost):
        if setting.origin is not Origin.ARGUMENT:
            continue
        for secret in credential.secrets(setting.flag, setting.value):
            kind = credential.nature(secret, setting.tag)
            if kind not in (Nature.EMPTY, Nature.ENCRYPTED):
                yield _problem(setting, secret, literal=credential.literal(secret, setting.tag) is not None)
                break


def _problem(setting: Setting, secret: Text, *, literal: bool) -> Problem:
    flag = setting.flag
    option, place = _as_written(setting)
    what = f"the password in {option}" if flag.embeds_credentials or not flag.sensitive else option
    exposed = _EXPOSED.get(setting.form, _EXPOSED[Form.COMMAND])
    if setting.form is Form.CONTAINER and not literal:
        exposed = "the kubelet puts its value there, and the process list of the node shows it"
    elsewhere = not setting.said_here and literal
    return Problem(
        place,
        f"{what} is an argument: {exposed}",
        _advice(setting) + (", and replace the value: the history keeps it" if literal else ""),
        Severity.HIGH if literal else Severity.MEDIUM,
        related=((secret, "the credential is written here"),) if elsewhere else (),
    )


def _as_written(setting: Setting) -> tuple[str, Text]:
    """Return what messages call the option, and its place; an option of the NixOS module is no argument yet."""
    option, place = setting.at.span, setting.place
    written = option.source.content[option.start : option.end]
    if setting.form is not Form.NIX or written == str(setting.at):
        return str(setting.at), place
    behind = setting.value[len(setting.value) :].span.start
    if setting.said_here and option.source.content.startswith('"', behind):
        place = setting.at.upto(option.source.text[behind : behind + 1])
    return f"services.k3s.{written}", place


_UNITS = (Form.UNIT, Form.NIX)


def _camel(option: str) -> str:
    """Return what the NixOS module calls an option of K3s: `tokenFile`."""
    first, *others = option.split("-")
    return "".join((first, *(word.capitalize() for word in others)))


def _advice(setting: Setting) -> str:
    flag = setting.flag
    variable = flag.environment[0] if flag.environment else ""
    if flag.removed is not None and flag.removed.replacement == "token":
        variable, alternative = "K3S_TOKEN", "token-file"
    else:
        alternative = flag.file_alternative or ""
    if not variable and not alternative:
        return "put it into a config file of mode 0600"
    if setting.form is Form.CONTAINER:
        return f"take {variable} from a Secret with valueFrom" if variable else f"use --{alternative}"
    if setting.form is Form.K3D and flag.name == "token":
        return "leave it out, and k3d makes one"
    if setting.form is Form.NIX and alternative:
        return f"name a file outside of the store with {_camel(alternative)}"
    place = "in an EnvironmentFile of mode 0600" if setting.form in _UNITS else "in the environment"
    choices = [f"give {variable} {place}"] if variable else []
    if alternative:
        choices.append(f"use --{alternative}")
    return ", or ".join(choices)
