"""The database is of a version that K3s is not tested with.

K3s keeps its data in MySQL, MariaDB, PostgreSQL or etcd through kine, whose tests run against a few versions of each
(kine `scripts/test-run-*`); K3s's documentation lists what is certified. Outside of both, things break that nobody
looks at: another authentication plugin, a reserved word, a new default. From K3s v1.33 on they are MySQL 5.7, 8.0 and
8.4, MariaDB 10.6, 10.11 and 11.4, PostgreSQL 12 to 17, and etcd 3.5 or newer; of older lines what was tested or
certified at that time counts, and a message says which versions are near.

The version is read from the image of a database that runs in the same cluster as K3s itself: manifests of this
repository start both, and the endpoint names a Service that selects its pods. Tags that say no version, and images of
other names, are not judged.

Run a version that is tested.

```yaml wrong path=k3s/state.yaml
apiVersion: v1
kind: Service
metadata: {name: state}
spec: {selector: {app: state}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: state}
spec:
  template:
    metadata: {labels: {app: state}}
    spec: {containers: [{name: postgres, image: "postgres:11.5"}]}
```

```yaml wrong path=k3s/server.yaml
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: k3s}
spec:
  template:
    spec:
      containers:
        - name: k3s
          image: rancher/k3s:v1.35.4-k3s1
          args:
            - server
            - --datastore-endpoint=postgres://k3s@state/k3s?sslmode=verify-full
```

```yaml right path=k3s/state.yaml
apiVersion: v1
kind: Service
metadata: {name: state}
spec: {selector: {app: state}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: state}
spec:
  template:
    metadata: {labels: {app: state}}
    spec: {containers: [{name: postgres, image: "postgres:17.5"}]}
```

```yaml right path=k3s/server.yaml
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: k3s}
spec:
  template:
    spec:
      containers:
        - name: k3s
          image: rancher/k3s:v1.35.4-k3s1
          args:
            - server
            - --datastore-endpoint=postgres://k3s@state/k3s?sslmode=verify-full
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats.template import is_substituted
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.version import Version
from k3s_policy.model.finding import Confidence
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.subjects import DatabaseImage

_Series: TypeAlias = tuple[int, ...]
"""The numbers that name a series of releases: 8 and 4 of MySQL, 17 of PostgreSQL."""


class _Tested(NamedTuple):
    """What some lines of K3s are tested with, by the product."""

    until: tuple[int, int] | None
    """The last line of K3s; None where the newest is meant."""
    series: dict[str, tuple[_Series, ...]]


# kine 0.6.5 to 0.10.3, 0.11.12 to 0.13.0 and 0.13.19 to 0.16.4, with docs.k3s.io/datastore of their time. Which
# release between v1.28 and v1.32 took which step is not known: there, whatever any of them names counts.
_TESTED = (
    _Tested(
        (1, 27),
        {
            "MySQL": ((5, 6), (5, 7), (8, 0)),
            "MariaDB": ((10, 2), (10, 3), (10, 4), (10, 5), (10, 6)),
            "PostgreSQL": ((9, 5), (9, 6), (10,), (11,), (12,), (13,), (14,), (15,)),
            "etcd": ((3, 3), (3, 4), (3, 5)),
        },
    ),
    _Tested(
        (1, 32),
        {
            "MySQL": ((5, 6), (5, 7), (8, 0), (8, 4)),
            "MariaDB": ((10, 2), (10, 3), (10, 4), (10, 5), (10, 6), (10, 11), (11, 4)),
            "PostgreSQL": ((9, 5), (9, 6), (10,), (11,), (12,), (13,), (14,), (15,), (16,), (17,)),
            "etcd": ((3, 4), (3, 5), (3, 6)),
        },
    ),
    _Tested(
        None,
        {
            "MySQL": ((5, 7), (8, 0), (8, 4)),
            "MariaDB": ((10, 6), (10, 11), (11, 4)),
            "PostgreSQL": ((12,), (13,), (14,), (15,), (16,), (17,)),
            "etcd": ((3, 5), (3, 6), (3, 7)),
        },
    ),
)
_NEVER_TOO_NEW = "etcd"
"""K3s brings etcd's own client, and no release of it is listed as tested beside the one it embeds."""

_PRODUCTS = {
    "mysql": ("MySQL", "mysql"),
    "mysql-server": ("MySQL", "mysql"),
    "mariadb": ("MariaDB", "mysql"),
    "postgres": ("PostgreSQL", "postgres"),
    "postgresql": ("PostgreSQL", "postgres"),
    "etcd": ("etcd", "etcd"),
}
"""The last part of an image's name, what that is, and the kind of endpoint that reaches it."""
_IMAGE = pattern(r"(?:^|/)(?P<name>[a-z-]+):(?P<tag>[^@/]+)(?:@.*)?$")
_NUMBERS = pattern(r"v?(?P<numbers>[0-9]{1,4}(?:\.[0-9]{1,4}){0,3})(?:-.*)?$")


class _Product(NamedTuple):
    """A database and the release of it that an image holds."""

    name: str
    backend: str
    numbers: _Series

    @property
    def called(self) -> str:
        """Its series in words: since 10, one number names that of PostgreSQL."""
        alone = self.name == "PostgreSQL" and self.numbers[0] >= _ONE_NUMBER
        return ".".join(map(str, self.numbers[: 1 if alone else 2]))


_ONE_NUMBER = 10


@rule(severity="low", see=("https://docs.k3s.io/datastore",))
def check(image: DatabaseImage) -> Problems:
    """Report an image whose series K3s is not tested with."""
    if not image.at.known or is_substituted(str(image.at)):
        return
    product = _product(str(image.at))
    if product is None or product.backend != image.backend:
        return
    tested = _tested(product.name, image.version)
    if _is_tested(product, tested):
        return
    if product.numbers > max(tested) and (product.name == _NEVER_TOO_NEW or _is_newer_than_known(image.version)):
        return
    message = f"K3s is not tested with {product.name} {product.called}"
    advice = f"run {_listed(tested[-3:])}"
    related = ((image.host, "the endpoint names this database"),)
    yield Problem(image.at, message, advice, confidence=Confidence.MEDIUM, related=related)


def _product(image: str) -> _Product | None:
    """Return what an image holds; None where its tag says no version: `latest`, a template, nothing."""
    match = _IMAGE.search(image)
    numbers = _NUMBERS.match(match["tag"]) if match else None
    if match is None or numbers is None or match["name"] not in _PRODUCTS:
        return None
    name, backend = _PRODUCTS[match["name"]]
    return _Product(name, backend, tuple(map(int, numbers["numbers"].split("."))))


def _tested(name: str, version: Version | None) -> tuple[_Series, ...]:
    line = version.line if version is not None else None
    rows = (row for row in _TESTED if row.until is None or (line is not None and line <= row.until))
    return next(rows).series[name]


def _is_tested(product: _Product, tested: tuple[_Series, ...]) -> bool:
    """Whether a release belongs to a tested series; `10` alone may be any of its releases."""
    return any(all(one == other for one, other in zip(product.numbers, series, strict=False)) for series in tested)


def _is_newer_than_known(version: Version | None) -> bool:
    newest = Version.parse(flags().newest)
    return version is not None and newest is not None and version.line > newest.line


def _listed(tested: tuple[_Series, ...]) -> str:
    words = [".".join(map(str, series)) for series in tested]
    return f"{', '.join(words[:-1])} or {words[-1]}"
