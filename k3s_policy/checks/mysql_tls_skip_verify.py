"""The connection to the MySQL datastore is encrypted but not verified.

With `tls=skip-verify` the driver accepts any certificate, so whoever stands between K3s and the database can
read the password and change the whole state of the cluster. The driver takes the value in any case and
percent-encoded, at any place among the parameters (go-sql-driver/mysql `dsn.go`).

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

from k3s_policy import endpoint
from k3s_policy.finding import Confidence, Severity
from k3s_policy.rule import Problem, rule
from k3s_policy.version import Version, has_come

if TYPE_CHECKING:
    from k3s_policy.model import Invocation
    from k3s_policy.rule import Problems

_FILES = ("datastore-cafile", "datastore-certfile", "datastore-keyfile")
# The first release of each line whose kine lets `tls=` win over the files.
_ENDPOINT_WINS = (Version(1, 33, 13), Version(1, 34, 9), Version(1, 35, 6), Version(1, 36, 2))


@rule(
    severity="high",
    see=("https://docs.k3s.io/datastore", "https://github.com/go-sql-driver/mysql#tls"),
    tags=("external/cwe/cwe-295",),
)
def check(invocation: Invocation) -> Problems:
    """Report the `tls` parameter of each endpoint that turns verification off."""
    for setting in invocation.all("datastore-endpoint"):
        if invocation.last("datastore-endpoint", setting.when) is not setting:
            continue  # a stronger one replaces it: K3s never sees this one
        parsed = endpoint.parse(setting.value)
        parameter = parsed.parameter("tls") if parsed.backend is endpoint.Backend.MYSQL else None
        if parameter is None or not parameter.value.known or parameter.decoded.lower() != "skip-verify":
            continue
        files = [file for name in _FILES if (file := invocation.last(name, setting.when)) and file.value]
        version = invocation.version
        severity = None
        if files and version and not _endpoint_wins(version):
            severity = Severity.MEDIUM
            message = (
                f"K3s {version} verifies with the datastore files all the same, "
                "but from 1.36.2 and 1.35.6 on `tls=skip-verify` turns verification off"
            )
        elif files:
            message = (
                "`tls=skip-verify` turns off the verification that the datastore files ask for "
                "(K3s 1.36.2, 1.35.6 and newer)"
            )
        else:
            message = (
                "`tls=skip-verify` accepts any certificate: whoever stands in between can read and change the datastore"
            )
        yield Problem(
            parameter.name.upto(parameter.value),
            message,
            "leave `tls=` out and name the database's authority with datastore-cafile",
            severity,
            Confidence.MEDIUM if files and version and _is_unverified(version) else Confidence.HIGH,
            related=tuple((file.place, f"{file.flag.name} is given here") for file in files),
        )


def _is_unverified(version: Version) -> bool:
    """Whether it was not seen which of the two wins: kine 0.17, and the patches of old lines that may have 0.16."""
    return version.line in ((1, 33), (1, 34)) or version.line > (1, 36)


def _endpoint_wins(version: Version) -> bool:
    """Whether this release ignores the files beside `tls=`: kine 0.16 and newer."""
    return has_come(_ENDPOINT_WINS, version)
