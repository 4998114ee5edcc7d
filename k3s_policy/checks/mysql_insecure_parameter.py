"""A parameter of the MySQL endpoint lets the server take what it should not get.

K3s needs none of them, and each gives more to the server, or to whoever takes its place, than a database has to have
(go-sql-driver/mysql `auth.go`, `infile.go`):

- `allowCleartextPasswords=true`: a server that asks for the password itself gets it, without any hash. Without TLS it
  crosses the network like that; beside verified TLS only the database sees it.
- `allowOldPasswords=true`: a server that asks for it gets the hash of MySQL before 4.1, which is broken within minutes.
- `allowAllFiles=true`: a server may ask for any file that K3s can read, and K3s runs as root.

Leave them out. An account that needs one of the first two should get `caching_sha2_password` instead.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s?allowCleartextPasswords=true"
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
from k3s_policy.k3s.endpoint import Backend, Tls
from k3s_policy.k3s.value import as_truth
from k3s_policy.model.finding import Severity

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.datastore import Datastore

_CLEARTEXT = "allowCleartextPasswords"
_EFFECTS = {
    _CLEARTEXT: "a server that asks for the password gets it without any hash",
    "allowOldPasswords": "a server that asks for it gets a hash of the password that is soon broken",
    "allowAllFiles": "the server may read any file of this host",
}


@rule(
    severity="medium",
    see=("https://github.com/go-sql-driver/mysql#parameters",),
    tags=("external/cwe/cwe-522",),
)
def check(store: Datastore) -> Problems:
    """Report each of these parameters that is surely on."""
    if store.backend is not Backend.MYSQL or store.endpoint.refusal is not None:
        return
    for name, effect in _EFFECTS.items():
        parameter = store.endpoint.parameter(name)
        if parameter is None or not parameter.value.known or as_truth(str(parameter.value)) is not True:
            continue
        message = f"with `{name}` {effect}"
        severity = None
        if name == _CLEARTEXT and _is_private(store):
            message = f"{message}; here only the database itself sees it"
            severity = Severity.LOW
        yield Problem(parameter.text, message, f"leave {name} out", severity)


def _is_private(store: Datastore) -> bool:
    """Whether nobody stands between K3s and the database."""
    reached = store.outcome
    return store.endpoint.is_local or (reached is not None and reached.tls is Tls.VERIFIED and not reached.falls_back)
