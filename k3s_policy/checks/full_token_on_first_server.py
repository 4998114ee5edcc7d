"""The first server of a cluster is given a full token, which names a CA that it does not have.

A full token is `K10<hash>::server:<password>`, where the hash is that of the cluster's CA certificate. The first server
makes this CA as it starts for the first time, so its hash cannot be known before. K3s takes the password out of such a
token and starts (K3s `pkg/passwd/passwd.go`, `pkg/util/token.go`); every server and agent that is given the same token
compares the hash with the CA that it finds, and refuses: `token CA hash does not match the Cluster CA certificate hash`
(K3s `pkg/clientaccess/token.go`, since v1.0.0). Who copies the token of a running cluster into its configuration does
not notice: the hash is right until the first server is made anew.

Where hash or password are not what K3s reads, the first server does not start at all: `failed to normalize server
token` (since v1.19.13, v1.20.9, v1.21.3). A hash has 64 digits, and behind the `::` stand user and password. A token
that `k3s token create` makes has neither, and is for agents that join.

Give the first server the password alone. K3s writes the full token to `/var/lib/rancher/k3s/server/token`: that is for
the nodes that join. With a CA of your own in `/var/lib/rancher/k3s/server/tls` the hash can be known, and where the
configuration speaks of one nothing is reported. Nor is it for an external datastore, which keeps the CA.

```yaml wrong
cluster-init: true
token: K10c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00::server:{{ k3s_password }}
```

```yaml right
cluster-init: true
token: "{{ k3s_password }}"
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.credential import Nature, nature
from k3s_policy.k3s.version import has_come
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Input
from k3s_policy.model.membership import READS_TOKEN, Kept, joined, kept, speaks_of
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Server, Setting

_FULL = pattern(r"K10(?P<hash>[0-9a-f]+)::(?P<login>.*)")
_LOGIN = pattern(r"[^:]*:.+")
_DIGITS = 64
_OWN_CA = ("server/tls", "server-ca", "custom-ca")
"""What speaks of a CA that is put in place before K3s starts (K3s contrib/util/generate-custom-ca-certs.sh)."""
_HELP = "give the first server the password alone"


@rule(severity="medium", see=("https://docs.k3s.io/cli/token",), flags=("token",))
def check(server: Server) -> Problems:
    """Report a token with the hash of a CA where a server starts a cluster."""
    for setting in server.all("token"):
        match = _FULL.fullmatch(str(setting.value))
        if match is None or not setting.value.cut(match, "hash").known or not _counts(server, setting):
            continue
        confidence = _initialises(server, setting)
        if confidence is None or nature(setting.value, setting.tag) in (Nature.PLACEHOLDER, Nature.ENCRYPTED):
            continue
        fault = _fault(setting, len(match["hash"]), match["login"])
        if fault:
            if has_come(READS_TOKEN, server.version):
                yield Problem(
                    setting.at,
                    f"K3s does not start: {fault}",
                    help=_HELP,
                    severity=Severity.HIGH,
                    confidence=confidence,
                )
        elif kept(server) is not Kept.EXTERNAL and not speaks_of(server, *_OWN_CA):
            message = "nobody can join a new cluster with this token: it names another CA than this server makes"
            yield Problem(setting.at, message, _HELP, confidence=min(confidence, Confidence.MEDIUM))


def _counts(server: Server, setting: Setting) -> bool:
    """Whether K3s uses a token: none that is stronger is given, and no file."""
    if server.last("token", setting.when) is not setting:
        return False
    files = server.all("token-file", "cluster-reset", "cluster-reset-restore-path")
    return not any(str(one.value) and not exclusive(one.when, setting.when) for one in files)


def _initialises(server: Server, setting: Setting) -> Confidence | None:
    """Say how sure it is that a server joins no other; None where it may."""
    if joined(server, setting.when) is not None or server.lacks(Input.ENVIRONMENT):
        return None
    if any(unseen.at is not None for unseen in server.unseen) or kept(server) is Kept.UNKNOWN:
        return None
    if server.wholly_seen:
        return Confidence.HIGH
    return None if kept(server) is Kept.SQLITE else Confidence.MEDIUM


def _fault(setting: Setting, digits: int, login: str) -> str:
    """Return what K3s cannot read in a full token, in words that repeat nothing of it."""
    if digits != _DIGITS:
        return f"the hash in its token has {digits} digits, and not {_DIGITS}"
    known = setting.value[len(setting.value) - len(login) :].known
    if not login or (known and nature(login) is Nature.LITERAL and not _LOGIN.fullmatch(login)):
        return "behind the hash in its token stand no user and password"
    return ""
