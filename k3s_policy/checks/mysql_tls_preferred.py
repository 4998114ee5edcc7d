"""The connection to the MySQL datastore goes on without TLS where the server offers none.

`tls=preferred` asks for TLS, accepts any certificate, and goes on unencrypted where the server says that it has no
TLS; `allowFallbackToPlaintext=true` allows that last step beside any other mode. The server says so before anything
is encrypted, so whoever stands between K3s and the database can say it instead, and read and change the whole state of
the cluster (go-sql-driver/mysql `dsn.go`, `packets.go`).

Beside `datastore-cafile`, `datastore-certfile` or `datastore-keyfile` it depends on the release what `tls=preferred`
does: up to K3s 1.27.1 the files alone count; up to kine 0.15 (K3s 1.36.1, 1.35.5) a server that offers TLS is verified
with them, and one that offers none is taken without; from kine 0.16 on (K3s 1.36.2, 1.35.6) the files are silently
ignored (kine `pkg/drivers/mysql`).

Leave both out and name the authority with `datastore-cafile`; a certificate of a public authority needs `tls=true`
alone. Across a socket, or to a database on the same host, nothing is reported.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s?tls=preferred"
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend, Tls
from k3s_policy.k3s.value import as_truth
from k3s_policy.model.datastore import BesideFiles
from k3s_policy.model.finding import Confidence

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Parameter
    from k3s_policy.model.datastore import Datastore

_WITHOUT = "goes on without TLS where the server offers none"


@rule(
    severity="medium",
    see=("https://docs.k3s.io/datastore", "https://github.com/go-sql-driver/mysql#tls"),
    tags=("external/cwe/cwe-295", "external/cwe/cwe-757"),
)
def check(store: Datastore) -> Problems:
    """Report the parameter of each endpoint that lets the connection go on without TLS."""
    if store.backend is not Backend.MYSQL or store.endpoint.refusal is not None or store.endpoint.is_local:
        return
    parameter, mode = store.mysql_tls or (None, None)
    plain = _fallback(store)
    if parameter is not None and mode == "preferred":
        yield _preferred(store, parameter)
    elif plain is not None and mode != "skip-verify" and not _is_plain_anyway(store):
        yield Problem(
            plain.text,
            f"with `allowFallbackToPlaintext` the connection {_WITHOUT}",
            "leave allowFallbackToPlaintext out",
            confidence=Confidence.MEDIUM if store.outcome is None else Confidence.HIGH,
        )


def _fallback(store: Datastore) -> Parameter | None:
    """Return the parameter that allows a connection without TLS."""
    parameter = store.endpoint.parameter("allowFallbackToPlaintext")
    if parameter is None or not parameter.value.known or as_truth(str(parameter.value)) is not True:
        return None
    return parameter


def _is_plain_anyway(store: Datastore) -> bool:
    """Whether nothing asks for TLS, which another rule says."""
    return store.outcome is not None and store.outcome.tls is Tls.OFF


def _preferred(store: Datastore, parameter: Parameter) -> Problem:
    beside, confidence = store.without_verification
    now = f"but {_WITHOUT}; from" if store.outcome is not None and store.outcome.falls_back else "but from"
    message = {
        BesideFiles.LOSES: f"K3s {store.invocation.version} verifies with the datastore files, {now} 1.36.2 and 1.35.6 "
        "on `tls=preferred` turns verification off",
        BesideFiles.WINS: "`tls=preferred` turns off the verification that the datastore files ask for, "
        f"and {_WITHOUT} (K3s 1.36.2, 1.35.6 and newer)",
        BesideFiles.ALONE: f"`tls=preferred` accepts any certificate, and {_WITHOUT}",
    }[beside]
    return Problem(
        parameter.text,
        message,
        "leave `tls=` out and name the database's authority with datastore-cafile",
        confidence=confidence,
        related=store.given_files,
    )
