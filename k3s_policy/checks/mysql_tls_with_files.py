"""A MySQL endpoint says by itself what TLS is to be, beside datastore files that say it too.

Which of the two wins changed. Up to kine 0.15 (K3s 1.36.1, 1.35.5) `datastore-cafile`, `datastore-certfile` and
`datastore-keyfile` win over any `tls=` of the endpoint; from kine 0.16 on (K3s 1.36.2, 1.35.6) `tls=true` wins, and the
files are silently ignored: the server is verified against the authorities of the system, which do not know a private
one, and the client shows no certificate. K3s stops reaching its database with an upgrade, or reaches it without the
authority that was asked for (kine `pkg/drivers/mysql`, go-sql-driver/mysql `dsn.go`).

`tls=false` loses on every release: beside the files the connection is encrypted and verified all the same.

Leave `tls=` out beside the files: then they count on every release. `tls=skip-verify` and `tls=preferred` across a
network are `mysql-tls-skip-verify` and `mysql-tls-preferred`, which say it with the rest.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s?tls=true"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Confidence

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Parameter
    from k3s_policy.model.datastore import Datastore

_OF_OTHER_RULES = ("skip-verify", "preferred")
"""Modes that have a rule of their own, where they cross a network."""


@rule(severity="medium", see=("https://docs.k3s.io/datastore", "https://github.com/go-sql-driver/mysql#tls"))
def check(store: Datastore) -> Problems:
    """Report the `tls` parameter of each endpoint that has datastore files beside it."""
    asked = store.mysql_tls
    if asked is None or not store.files or (asked[1] in _OF_OTHER_RULES and not store.endpoint.is_local):
        return
    yield _problem(store, *asked)


def _problem(store: Datastore, parameter: Parameter, mode: str) -> Problem:
    beats_files, confidence = store.tls_beats_files
    if mode == "false":
        message = "`tls=false` does nothing: beside the datastore files the connection is encrypted and verified"
        confidence = Confidence.HIGH
    elif beats_files:
        message = f"K3s ignores the datastore files beside `tls={mode}` (1.36.2, 1.35.6 and newer)"
    else:
        message = (
            f"K3s {store.invocation.version} lets the datastore files win over `tls={mode}`, "
            "but from 1.36.2 and 1.35.6 on it ignores them"
        )
    if not any(file.known for file in store.files):
        confidence = Confidence.MEDIUM  # what is filled in may be nothing
    return Problem(
        parameter.text,
        message,
        "leave `tls=` out: beside the files it is not needed",
        confidence=confidence,
        related=store.given_files,
    )
