"""A datastore-endpoint, parsed as kine and the drivers parse it, with the place of each part.

The part before the first `://` selects the driver, case-sensitively (kine pkg/drivers/factory.go). Each driver has a
grammar of its own: MySQL a data source name in which nothing of the login is decoded, PostgreSQL a URL, etcd and NATS
lists of URLs. What they refuse is told with the endpoint, and what becomes of TLS by `outcome`. As of kine 0.16.4;
where older ones differ, functions that take a K3s release know it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.template import opaque
from k3s_policy.k3s.endpoint import lists, mysql, parts, postgres
from k3s_policy.k3s.endpoint.outcome import Files, Outcome, Tls, outcome, refused_files
from k3s_policy.k3s.endpoint.parts import Address, Backend, Endpoint, Flaw, Parameter, Refusal

if TYPE_CHECKING:
    from k3s_policy.text import Text

__all__ = [
    "SCHEMES",
    "Address",
    "Backend",
    "Endpoint",
    "Files",
    "Flaw",
    "Outcome",
    "Parameter",
    "Refusal",
    "Tls",
    "outcome",
    "parse",
    "refused_files",
]

SCHEMES = {
    "": Backend.SQLITE, "sqlite": Backend.SQLITE, "litestream": Backend.SQLITE,
    "mysql": Backend.MYSQL,
    "postgres": Backend.POSTGRES, "postgresql": Backend.POSTGRES,
    "http": Backend.ETCD, "https": Backend.ETCD, "unix": Backend.ETCD, "unixs": Backend.ETCD,
    "nats": Backend.NATS, "jetstream": Backend.NATS,
    "memory": Backend.MEMORY, "t4": Backend.T4,
}  # fmt: skip
"""What each scheme selects; no endpoint at all is SQLite."""
_GRAMMARS = {
    Backend.MYSQL: mysql.parse,
    Backend.POSTGRES: postgres.parse,
    Backend.ETCD: lists.parse_etcd,
    Backend.NATS: lists.parse_nats,
}


def parse(text: Text) -> Endpoint:
    """Take an endpoint apart; every part is cut from `text`. What is not known in it has no separators."""
    text = opaque(text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = text[:0], text
    if text and not separator:
        reason = "it needs a scheme in front, such as mysql:// or https://"
        refusal = Refusal(Flaw.NO_SCHEME, text, reason) if text.known else None
        return replace(Endpoint.bare(text, scheme, None), refusal=refusal, is_open=True)
    # `://` has an empty scheme, and is no empty endpoint.
    backend = SCHEMES.get(str(scheme)) if scheme.known and (scheme or not text) else None
    grammar = _GRAMMARS.get(backend) if backend is not None else None
    if grammar is not None:
        return grammar(text, scheme, rest)
    refusal = None
    if backend is None and scheme.known:
        refusal = Refusal(Flaw.UNKNOWN_SCHEME, scheme, "K3s has no datastore of this scheme")
    database, _, query = rest.partition("?")
    parameters = tuple(parts.read_parameters(query))
    found = Endpoint.bare(text, scheme, backend)
    return replace(found, database=database, parameters=parameters, refusal=refusal, is_open=backend is None)
