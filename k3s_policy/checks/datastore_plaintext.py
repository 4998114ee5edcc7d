"""The connection to the datastore is not encrypted.

The datastore holds everything: every Secret of the cluster, the keys of its authorities, the accounts. Without TLS
whoever can listen between K3s and the datastore reads all of it, and what K3s logs in with; whoever stands in between
changes it. The severity is high where a password is sent too. When there is no TLS (kine `pkg/drivers`):

- MySQL: without `tls=`, or with `tls=false`, unless a datastore file is given. `sslmode`, `useSSL` and the like are
  none of its parameters.
- PostgreSQL: `sslmode=disable`; with `allow` the first attempt goes without TLS, and only a server that refuses that is
  asked for TLS. Up to K3s 1.27.1 K3s does not start with `allow`.
- etcd: `http://`. The first server of a list decides for all of them (etcd `client/v3`).
- NATS: without `datastore-cafile` the server alone decides whether there is TLS.

Sockets and servers on the same host are no finding.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend, Tls
from k3s_policy.k3s.endpoint.outcome import PGX
from k3s_policy.k3s.version import has_come
from k3s_policy.model.finding import Confidence, Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.text import Text


@rule(severity="medium", see=("https://docs.k3s.io/datastore",), tags=("external/cwe/cwe-319",))
def check(store: Datastore) -> Problems:
    """Report what makes the connection go without TLS, or the endpoint where nothing asks for TLS."""
    reached = store.protection
    if reached is None or reached[0].tls is not Tls.OFF or _says_a_file(store):
        return
    cause = _cause(store)
    confidence = Confidence.MEDIUM if store.backend is Backend.NATS else reached[1]
    severity = Severity.HIGH if _sends_password(store) or cause.refused else None
    what = "the login and the whole state" if _sends_password(store) else "the whole state"
    verb = "cross" if _sends_password(store) else "crosses"
    consequence = f"{what} of the cluster {verb} the network in the clear"
    yield Problem(cause.at, f"{cause.reason}: {consequence}", help=cause.help, severity=severity, confidence=confidence)


def _says_a_file(store: Datastore) -> bool:
    """Whether a file says how NATS is connected to."""
    return store.backend is Backend.NATS and store.endpoint.parameter("contextFile") is not None


def _sends_password(store: Datastore) -> bool:
    """Whether K3s logs in with a password; to NATS a lone user is a token."""
    if store.backend is Backend.ETCD:
        return False  # it gets nothing of what stands before an @ (kine pkg/drivers/remote)
    user, password = store.endpoint.login
    return bool(password or (user and store.backend is Backend.NATS))


class _Cause(NamedTuple):
    """Why there is no TLS."""

    at: Text
    reason: str
    help: str
    refused: bool = False
    """Whether K3s of this release does not even start with it."""


def _cause(store: Datastore) -> _Cause:
    match store.backend:
        case Backend.POSTGRES:
            return _of_postgres(store)
        case Backend.ETCD:
            return _of_etcd(store)
        case Backend.NATS:
            help_ = "name the authority of the NATS server with datastore-cafile"
            return _Cause(store.setting.value, "without datastore-cafile only the NATS server can ask for TLS", help_)
        case _:
            return _of_mysql(store)


def _of_mysql(store: Datastore) -> _Cause:
    help_ = (
        "name the database's authority with datastore-cafile and leave `tls=` out; for a public one write `tls=true`"
    )
    if store.mysql_tls is not None:
        return _Cause(store.mysql_tls[0].text, "`tls=false` turns TLS off", help_)
    return _Cause(store.setting.value, "there is neither `tls=` nor a datastore file, and so no TLS", help_)


def _of_postgres(store: Datastore) -> _Cause:
    help_ = "write `sslmode=verify-full`, and name the authority with datastore-cafile unless it is a public one"
    mode = store.endpoint.parameter("sslmode")
    at = store.setting.value if mode is None else mode.text
    if mode is None or mode.decoded == "disable":
        return _Cause(at, "`sslmode=disable` turns TLS off", help_)
    version = store.invocation.version
    if not has_come(PGX, version):
        why = f"K3s {version} does not start with `sslmode=allow`, and newer ones go without TLS unless the server asks"
        return _Cause(at, why, help_, refused=True)
    return _Cause(at, "with `sslmode=allow` there is TLS only where the server refuses to go without", help_)


def _of_etcd(store: Datastore) -> _Cause:
    help_ = "write https:// for every server, with datastore-cafile, datastore-certfile and datastore-keyfile"
    mixed = len({str(address.scheme) for address in store.endpoint.addresses}) > 1
    why = "the first server is http://, and so none of them gets TLS" if mixed else "http:// is etcd without TLS"
    return _Cause(store.endpoint.scheme, why, help_)
