"""The connection to the MySQL datastore is encrypted but not verified.

With `tls=skip-verify` the driver accepts any certificate, so whoever stands between K3s and the database can
read the password and change the whole state of the cluster. The driver takes the value in any case and
percent-encoded, at any place among the parameters; of several `tls=` the last counts (go-sql-driver/mysql `dsn.go`).
Across a socket, or to a database on the same host, nobody stands in between, and nothing is reported.

Beside `datastore-cafile`, `datastore-certfile` or `datastore-keyfile` the outcome depends on the release:
up to kine 0.15 (K3s 1.36.1, 1.35.5) the files win and the server is verified; from kine 0.16 on (K3s 1.36.2,
1.35.6) `tls=skip-verify` wins and the files are silently ignored (kine `pkg/drivers/mysql`).

Leave `tls=` out and give the authority with `datastore-cafile`, which verifies on every release; a certificate
of a public authority needs `tls=true` alone.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s?tls=skip-verify"
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.datastore import BesideFiles
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Parameter
    from k3s_policy.model.datastore import Datastore


@rule(
    severity="high",
    see=("https://docs.k3s.io/datastore", "https://github.com/go-sql-driver/mysql#tls"),
    tags=("external/cwe/cwe-295",),
)
def check(store: Datastore) -> Problems:
    """Report the `tls` parameter of each endpoint that turns verification off."""
    asked = store.mysql_tls
    if asked is not None and asked[1] == "skip-verify" and not store.endpoint.is_local:
        yield _problem(store, asked[0])


def _problem(store: Datastore, parameter: Parameter) -> Problem:
    beside, confidence = store.without_verification
    severity = Severity.MEDIUM if beside is BesideFiles.LOSES else None
    message = {
        BesideFiles.LOSES: f"K3s {store.invocation.version} verifies with the datastore files all the same, "
        "but from 1.36.2 and 1.35.6 on `tls=skip-verify` turns verification off",
        BesideFiles.WINS: "`tls=skip-verify` turns off the verification that the datastore files ask for "
        "(K3s 1.36.2, 1.35.6 and newer)",
        BesideFiles.ALONE: "`tls=skip-verify` accepts any certificate: "
        "whoever stands in between can read and change the datastore",
    }[beside]
    return Problem(
        parameter.text,
        message,
        help="leave `tls=` out and name the database's authority with datastore-cafile",
        severity=severity,
        confidence=confidence,
        related=store.given_files,
    )
