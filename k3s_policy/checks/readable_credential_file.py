"""A file with credentials is written to a host so that every local user can read it.

K3s asks for no permissions of `/etc/rancher/k3s/config.yaml`, its drop-ins, environment files and token files: whoever
writes them decides who can read the token, the password of the datastore or the keys of the S3 store that stand in
them. The server token is worth as much as cluster-admin (https://docs.k3s.io/cli/token), and every process of the
host can read a file of mode 0644, one that escaped from its sandbox included. The install script keeps its own
environment file at 0600 (K3s `install.sh`, `create_env_file`).

cloud-init and k3OS write files with mode 0644 where `permissions` is missing (cloud-init `cc_write_files.py`, k3OS
`pkg/config/config.go`), and so do Butane and Ignition where `mode` is. A `chmod` that comes later mends it. Of a shell
script that says no mode nothing is concluded, since its umask is not seen. A group may read: mode 0640 gives a file to
root's group, or to one that was named for it.

Write mode 0600, or keep the credential in a file of its own and name that with `token-file`.

```yaml wrong path=user-data
#cloud-config
write_files:
  - path: /etc/rancher/k3s/config.yaml
    permissions: "0644"
    content: |
      token: ${token}
```

```yaml right path=user-data
#cloud-config
write_files:
  - path: /etc/rancher/k3s/config.yaml
    permissions: "0600"
    content: |
      token: ${token}
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.subjects import CredentialFile

_OTHERS = 0o006
"""Who may write a file can have K3s do anything, so that it is no better than reading it."""
_HELP = 'write mode "0600"'


@rule(severity="medium", see=("https://docs.k3s.io/cli/token",), tags=("external/cwe/cwe-732",))
def check(file: CredentialFile) -> Problems:
    """Report files with credentials that others than their owner and group can read or write."""
    if not file.permissions & _OTHERS:
        return
    does = "read" if file.permissions & 0o004 else "write"
    names = _listed(list(dict.fromkeys(_called(name) for name, _ in file.holds)))
    change = file.change
    if change.default:
        message = f"{change.default} gives {file.path} mode {change.mode}, so that every local user can {does} {names}"
    else:
        message = f"mode {change.mode} lets every local user {does} {names} in {file.path}"
    related = tuple((at, f"{name} is written here") for name, at in file.holds)
    yield Problem(change.path if change.default else change.mode, message, _HELP, related=related)


def _called(name: str) -> str:
    """Return what a message calls a credential: of an endpoint it is the password."""
    table = flags()
    named = [table.get(name), *table.by_environment(name)]
    embeds = any(flag is not None and flag.embeds_credentials for flag in named)
    return f"the password of {name}" if embeds else name


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
