"""A flag that does nothing beside the datastore that was chosen.

A `datastore-endpoint` decides, whatever else is given: `cluster-init` then starts no etcd, and `server` joins nobody,
since servers on one external datastore find each other through it (K3s `pkg/cluster/managed.go`, assignManagedDriver,
and `pkg/cluster/bootstrap.go`, since v1.19; with `embedded-registry` a server still asks `server` for its peers).
`etcd-arg`, `etcd-expose-metrics` and all `etcd-snapshot-*` and `etcd-s3-*` flags reach the embedded etcd alone (K3s
`pkg/etcd/etcd.go`, `pkg/etcd/snapshot.go`). K3s says nothing of it: a server with `etcd-s3` and an external database,
or with the embedded SQLite, looks as if it were backed up, and nobody ever takes a snapshot. Only the datastore
`t4://` takes its bucket from `etcd-s3-*`, since kine 0.16.

`disable-etcd` and `disable-apiserver` beside `datastore-endpoint` are refused, as `conflicting-flags` says.

That a server runs SQLite is concluded where its arguments, its config and its environment were read. etcd's data on the
disk of a host goes on being used without `cluster-init`, so that flag must stand in none of its files either.

Leave the flag out. Back up an external database with its own tools, and start embedded etcd with `cluster-init: true`
to have snapshots.

```yaml wrong
datastore-endpoint: postgres://k3s@db.example.com:5432/k3s?sslmode=verify-full
cluster-init: true
etcd-snapshot-retention: 14
```

```yaml right
datastore-endpoint: postgres://k3s@db.example.com:5432/k3s?sslmode=verify-full
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.template import forks_between
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend
from k3s_policy.k3s.flags import Kind
from k3s_policy.model.datastore import datastores
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Origin
from k3s_policy.model.membership import Kept, kept, speaks_of
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.invocation import Server, Setting
    from k3s_policy.text import Text

_SNAPSHOTS = (
    "etcd-snapshot-name", "etcd-snapshot-schedule-cron", "etcd-snapshot-reconcile-interval", "etcd-snapshot-retention",
    "etcd-snapshot-dir", "etcd-snapshot-compress",
)  # fmt: skip
_UPLOADS = (
    "etcd-s3", "etcd-s3-endpoint", "etcd-s3-endpoint-ca", "etcd-s3-skip-ssl-verify", "etcd-s3-bucket",
    "etcd-s3-bucket-lookup-type", "etcd-s3-region", "etcd-s3-folder", "etcd-s3-retention", "etcd-s3-proxy",
    "etcd-s3-config-secret", "etcd-s3-insecure", "etcd-s3-timeout",
)  # fmt: skip
"""Without the credentials, which arrive as `AWS_ACCESS_KEY_ID` too and may be meant for others."""
_OF_ETCD = ("etcd-arg", "etcd-expose-metrics")
_HARMLESS = "etcd-disable-snapshots"
"""It asks for what is so anyway."""

_LEAVE_OUT = "leave it out"
_NO_SNAPSHOT = "K3s takes snapshots of its embedded etcd alone"


@rule(
    severity="medium",
    see=("https://docs.k3s.io/datastore", "https://docs.k3s.io/cli/etcd-snapshot"),
    flags=("datastore-endpoint", "etcd-arg", "etcd-expose-metrics", "etcd-snapshot*", "etcd-s3*"),
)
def check(server: Server) -> Problems:
    """Report flags that do nothing beside an endpoint, and snapshots of SQLite."""
    for datastore in datastores(server):
        yield from _beside_endpoint(server, datastore)
    if not server.all("datastore-endpoint"):
        yield from _beside_sqlite(server)


def _beside_endpoint(server: Server, datastore: Datastore) -> Iterator[Problem]:
    """Report each flag that does nothing beside an endpoint; of one that K3s refuses, more is wrong."""
    if datastore.backend is None or datastore.endpoint.refusal is not None:
        return
    related = ((datastore.setting.at, "the endpoint is given here"),)
    for name, message, advice in _ignored(server, datastore.backend):
        setting = _beside(server, name, datastore.setting)
        if setting is not None:
            severity = Severity.LOW if name == _HARMLESS else None
            yield Problem(
                _place(setting), f"{_name(setting)} does nothing: {message}", advice, severity, related=related
            )


def _ignored(server: Server, backend: Backend) -> Iterator[tuple[str, str, str]]:
    """Yield the flags that do nothing beside an endpoint, why, and what to do."""
    called = backend.called
    yield "cluster-init", f"datastore-endpoint decides, and K3s keeps its data in {called}", _ONE_OF_BOTH
    if not _may_be_on(server, "embedded-registry"):
        yield "server", f"servers share {called}, and none joins another", _LEAVE_OUT
    for name in (*_OF_ETCD, _HARMLESS):
        yield name, f"K3s keeps its data in {called} and runs no etcd", _LEAVE_OUT
    for name in (*_SNAPSHOTS, *(() if backend is Backend.T4 else _UPLOADS)):
        yield name, f"{_NO_SNAPSHOT}, and keeps its data in {called}", "back up the datastore with its own tools"


_ONE_OF_BOTH = "leave cluster-init out, or datastore-endpoint where embedded etcd is meant"


def _beside_sqlite(server: Server) -> Iterator[Problem]:
    """Report snapshots where nothing starts etcd; one that was started before goes on without `cluster-init`."""
    if not server.wholly_seen or kept(server) is not Kept.SQLITE or _speaks_of_etcd(server):
        return
    if _may_be_on(server, "cluster-reset"):
        return  # it works on etcd's data, and takes a snapshot to restore from S3
    for name in (*_OF_ETCD, *_SNAPSHOTS, *_UPLOADS):
        setting = next((one for one in server.all(name) if _counts(server, one)), None)
        if setting is not None:
            reason = "this server runs SQLite, and no etcd" if name in _OF_ETCD else f"{_NO_SNAPSHOT}, not of SQLite"
            advice = "add cluster-init: true to keep the data in embedded etcd, or leave it out"
            message = f"{_name(setting)} does nothing: {reason}"
            yield Problem(_place(setting), message, advice, confidence=Confidence.MEDIUM)


def _speaks_of_etcd(server: Server) -> bool:
    """Whether `cluster-init` stands somewhere else in a file of this server: it may have been started with it once."""
    return speaks_of(server, "cluster-init", "CLUSTER_INIT")


def _beside(server: Server, name: str, endpoint: Setting) -> Setting | None:
    """Return the setting of a flag that an endpoint takes its meaning from: wherever it is given, the endpoint is."""
    for setting in server.all(name):
        together = set(endpoint.when) <= set(setting.when) and not exclusive(endpoint.when, setting.when)
        if together and _counts(server, setting) and not _apart(setting, endpoint):
            return setting
    return None


_START = pattern(r"get\.k3s\.io|k3s-install|\bk3s[ \t]+(?:server|agent)\b")


def _apart(one: Setting, other: Setting) -> bool:
    """Whether two settings most likely concern two hosts: a template forks between them, or a script starts K3s.

    Whoever collects in one file what to type on several hosts does not mean that variables stay exported.
    """
    first, last = sorted((one.at.span, other.at.span), key=lambda span: span.start)
    if first.source is not last.source:
        return False
    exported = one.origin is other.origin is Origin.ENVIRONMENT
    started = exported and _START.search(first.source.content, first.end, last.start) is not None
    return started or forks_between(one.at, other.at)


def _counts(server: Server, setting: Setting) -> bool:
    """Whether a setting asks for something: `false` and an empty text do not."""
    if setting.flag.kind is Kind.LIST:
        return bool(setting.value)
    if server.last(setting.flag.name, setting.when) is not setting:
        return False
    return is_on(setting) if setting.flag.kind is Kind.BOOL else bool(str(setting.value))


def _may_be_on(server: Server, name: str) -> bool:
    return any(is_on(setting) or not setting.known for setting in server.all(name))


def _place(setting: Setting) -> Text:
    return setting.value if setting.item else setting.place


def _name(setting: Setting) -> str:
    """Return how a flag is called here: by its variable where that gives it."""
    return str(setting.at).lstrip("-")
