"""A credential is committed in plain text.

Whoever can read the repository, now or in any clone of its history, can use it. The server token of K3s is
worth as much as cluster-admin and is also the pass phrase of the bootstrap data in the datastore
(K3s `pkg/clientaccess/token.go`, `pkg/cluster/storage.go`); a datastore password gives the whole state away.

Templates, variables, encrypted values (SOPS, ansible-vault, sealed secrets), references to secret managers and
placeholders such as `<token>` are no findings. Keep the value out of the repository: name a file with
`token-file`, or fill it in from a secret store when the host is made. A value that was committed once has to be
replaced, since the history keeps it.

```yaml wrong
token: 4f1c9a7be2d0836f5512cc
write-kubeconfig-mode: "0600"
```

```yaml right
token-file: /etc/rancher/k3s/token
write-kubeconfig-mode: "0600"
```
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import credential
from k3s_policy.k3s.credential import Nature
from k3s_policy.k3s.flags import flags
from k3s_policy.model.finding import Severity
from k3s_policy.model.invocation import Form, Origin
from k3s_policy.model.subjects import Credential

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text


@rule(
    severity="high",
    see=("https://docs.k3s.io/cli/token", "https://docs.k3s.io/security/secrets-encryption"),
    tags=("external/cwe/cwe-312", "external/cwe/cwe-798"),
    yields_credential=True,
)
def check(subject: Invocation | Credential) -> Problems:
    """Report literal credentials in config files, environment files, scripts and manifests."""
    if isinstance(subject, Credential):
        literal = credential.nature(subject.value, subject.tag) is Nature.LITERAL
        if literal and subject.form is Form.COMMENT:
            message = f"a comment holds what looks like the value of {subject.what}"
            yield Problem(
                subject.value, message, "leave it out, and replace the value: the history keeps it", Severity.LOW
            )
        elif literal:
            yield _problem(subject.what, subject.value, subject.at, None, subject.form, whole=subject.is_whole)
        return
    for setting in subject.settings:
        if setting.origin is Origin.ARGUMENT or setting.form is Form.UNIT_ENVIRONMENT:
            continue  # credential-on-command-line and credential-in-unit-environment speak of these
        for secret in credential.secrets(setting.flag, setting.value):
            written = credential.literal(secret, setting.tag)
            if written is not None:
                problem = _problem(
                    _name(setting), written, setting.at, _alternative(setting), setting.form, whole=_is_whole(setting)
                )
                yield problem if written is secret else _of_default(problem)


def _of_default(problem: Problem) -> Problem:
    """Say of a credential that it is what a template takes where nobody gives one."""
    message = problem.message.replace("the value of", "the default of", 1).replace(
        "the password", "the default password"
    )
    return replace(problem, message=message, help="leave the default out, and replace it: the history keeps it")


def _name(setting: Setting) -> str:
    """Return what the file calls a setting: a role and k3OS make K3S_TOKEN of another name."""
    return _written(setting) if setting.form is Form.ANSIBLE or _is_renamed(setting) else str(setting.at)


def _written(setting: Setting) -> str:
    written = setting.at.span
    return written.source.content[written.start : written.end]


def _is_renamed(setting: Setting) -> bool:
    """Whether a file has a key in place of a variable, as k3OS has `token`; what is encoded has no name to show."""
    return setting.form is Form.ENVIRONMENT_FILE and f"K3S_{_written(setting).upper()}" == str(setting.at)


def _is_whole(setting: Setting) -> bool:
    """Whether the whole value is the credential, not a part of an endpoint or URL."""
    return setting.flag.sensitive and not setting.flag.embeds_credentials


def _alternative(setting: Setting) -> str | None:
    """Return the option, or among variables the variable, that names a file with the credential."""
    alternative = setting.flag.file_alternative
    if _is_renamed(setting):
        return None
    if alternative and setting.origin is Origin.ENVIRONMENT:
        return flags().variable_for(alternative)
    return alternative


def _advice(alternative: str | None, form: Form) -> str:
    if form is Form.CONTAINER:
        return "take it from a Secret with valueFrom"
    if form is Form.K3D:
        return "write a variable such as ${K3S_TOKEN}, which k3d fills in"
    if form is Form.ANSIBLE:
        return "encrypt it with ansible-vault"
    if alternative is None:
        return "fill it in from a secret store"
    # etcd-s3-config-secret names a Secret of the cluster, the others a file of the host.
    return f"name a file with {alternative}" if alternative.lower().endswith("file") else f"use {alternative}"


def _problem(name: str, secret: Text, at: Text, alternative: str | None, form: Form, *, whole: bool) -> Problem:  # noqa: PLR0913
    what = f"the value of {name}" if whole else f"the password in {name}"
    if credential.is_well_known(secret):
        remark = ", and it is an example that everybody knows"
    elif credential.is_short(secret):
        remark = ", and it is short enough to be guessed"
    else:
        remark = ""
    advice = _advice(alternative, form)
    used_elsewhere = at.span.source is not secret.span.source or at.span.line != secret.span.line
    return Problem(
        secret,
        f"{what} is committed in plain text{remark}",
        f"{advice}, and replace the value: the history keeps it",
        related=((at, f"{name} is given here"),) if used_elsewhere else (),
    )
