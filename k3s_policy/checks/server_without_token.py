"""A server is to join a cluster and has no token, so it starts a cluster of its own.

K3s joins embedded etcd where it has both `server` and a token. With `server` alone, and neither
`datastore-endpoint` nor `cluster-init`, it says nothing and starts a cluster of its own on the embedded SQLite (K3s
`pkg/cluster/managed.go`, assignManagedDriver): the host is up, and the cluster has one server less than everybody
believes. Beside `cluster-init` it ends with `token is required to join a cluster` (K3s `pkg/cluster/bootstrap.go`).
Every release with embedded etcd does so; agents do ask for their token.

What counts is `token` or `token-file`, in the config file, as an argument or as `K3S_TOKEN` and `K3S_TOKEN_FILE`.
The file `server/token` in the data directory is not read for it (K3s `pkg/cli/server/server.go`). Only a host that
already is a member of etcd stays one without a token: its data directory decides before anything else does.

Nothing is concluded where a place that may hold the token was not seen: the unit, an environment file that it
names, a template. A script may also get `K3S_TOKEN` from whoever runs it, and k3sup fetches the token itself.

Name a file with `token-file`, or set `K3S_TOKEN` in an environment file of mode 0600.

```yaml wrong
server: https://10.0.0.1:6443
write-kubeconfig-mode: "0600"
```

```ini wrong
[Service]
ExecStart=/usr/local/bin/k3s server
```

```yaml right
server: https://10.0.0.1:6443
token-file: /etc/rancher/k3s/token
write-kubeconfig-mode: "0600"
```

```ini right
[Service]
ExecStart=/usr/local/bin/k3s server
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence
from k3s_policy.model.membership import TOKENS, is_scripted, joined, speaks_of, token_sources

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Server, Setting

_HELP = "add token-file, or set K3S_TOKEN, to the token of the cluster"


@rule(
    severity="high",
    see=("https://docs.k3s.io/datastore/ha-embedded", "https://docs.k3s.io/cli/token"),
    flags=("server",),
)
def check(server: Server) -> Problems:
    """Report the `server` of a server whose token would have been seen."""
    join = joined(server)
    if join is None or not server.wholly_seen or not _surely_joins(join) or _has_other_means(server, join):
        return
    confidence = _confidence(server)
    if confidence is None:
        return
    begins = server.last("cluster-init", join.when)
    if begins is None or str(begins.value).lower() in ("", "false", "f", "0"):
        message = "without a token K3s does not join: it starts a cluster of its own on the embedded SQLite"
        yield Problem(join.place, message, _HELP, confidence=confidence)
    elif is_on(begins):
        message = "K3s does not start: beside cluster-init it needs a token to join"
        related = ((begins.place, "cluster-init makes it embedded etcd all the same"),)
        yield Problem(join.place, message, _HELP, confidence=confidence, related=related)


def _surely_joins(join: Setting) -> bool:
    """Whether a URL is given, and not just what a template may leave empty."""
    return join.known or "://" in str(join.value)


def _has_other_means(server: Server, join: Setting) -> bool:
    """Whether it has, or may have, a token or a datastore of its own."""
    if token_sources(server, join.when) or server.last("datastore-endpoint", join.when):
        return True
    return any(setting.flag.name in TOKENS for setting in server.settings if not setting.known)


def _confidence(server: Server) -> Confidence | None:
    """Say how sure it is that no token comes from outside; None where a script says that one does."""
    if server.started is None:
        return None
    if not is_scripted(server):
        return Confidence.HIGH
    # The variables of a script's caller reach K3s.
    return None if speaks_of(server, "TOKEN") else Confidence.MEDIUM
