"""What becomes of TLS: a function of the endpoint, of the datastore files beside it, and of the K3s release.

MySQL: up to kine 0.15 the files beat `tls=`, from 0.16 on `tls=` beats the files (kine pkg/drivers/mysql, go-sql-driver
`dsn.go`, normalize). PostgreSQL: the files become parameters where the endpoint has none of their name, and then
`sslmode` is verify-full unless it is given; pgx alone takes `prefer` (kine pkg/drivers/pgsql, pgx pgconn/config.go,
configTLS), lib/pq of older releases `require`. etcd: the first scheme decides for all. NATS: the files ask for TLS.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from k3s_policy.k3s.endpoint.mysql import tls_mode
from k3s_policy.k3s.endpoint.parts import Backend, Endpoint, Flaw, Refusal
from k3s_policy.k3s.value import as_truth
from k3s_policy.k3s.version import Version, has_come

__all__ = ["ENDPOINT_WINS", "KINE_0_13", "PGX", "Files", "Outcome", "Tls", "outcome", "refused_files"]


class Tls(Enum):
    """How well a connection to the datastore is protected."""

    OFF = "off"
    UNVERIFIED = "unverified"
    """Encrypted, and any certificate is accepted."""
    CA_ONLY = "ca-only"
    """The chain of the certificate is checked, the name of the host is not."""
    VERIFIED = "verified"


class Files(NamedTuple):
    """Which of the datastore files are given."""

    authority: bool = False
    """datastore-cafile"""
    certificate: bool = False
    """datastore-certfile"""
    key: bool = False
    """datastore-keyfile"""


class Outcome(NamedTuple):
    """What a connection is in the end."""

    tls: Tls
    """Of the first attempt."""
    falls_back: bool = False
    """Whether a later attempt goes without TLS."""
    uses_files: bool = False
    """Whether the datastore files take part."""


ENDPOINT_WINS = (Version(1, 33, 13), Version(1, 34, 9), Version(1, 35, 6), Version(1, 36, 2))
"""The first release of each line with kine 0.16, in which `tls=` of a MySQL endpoint beats the files."""
PGX = (Version(1, 27, 2),)
"""The first release whose PostgreSQL driver is pgx and not lib/pq."""
KINE_0_13 = (Version(1, 29, 10), Version(1, 30, 6), Version(1, 31, 2))
"""The first release of each line with kine 0.13 (docs.k3s.io/release-notes): it refuses an endpoint without a scheme,
and lowers the case of a PostgreSQL database."""


def outcome(endpoint: Endpoint, files: Files, version: Version | None = None) -> Outcome | None:
    """Return what becomes of TLS; None where the datastore has no connection, is refused, or cannot be told."""
    if endpoint.refusal is not None:
        return None
    match endpoint.backend:
        case Backend.MYSQL:
            return _mysql(endpoint, files, version)
        case Backend.POSTGRES:
            return _postgres(endpoint, files, version)
        case Backend.ETCD:
            return _etcd(endpoint, files)
        case Backend.NATS:
            return Outcome(Tls.VERIFIED, uses_files=True) if _asks_nats(files) else Outcome(Tls.OFF)
        case _:
            return None


def refused_files(endpoint: Endpoint, files: Files) -> Refusal | None:
    """Return that K3s does not start because one half of certificate and key is missing."""
    reason = "certificate and key have to be given together"
    if endpoint.backend is Backend.MYSQL and files.certificate != files.key:
        return Refusal(Flaw.HALF_PAIR, endpoint.text, reason)
    if (
        endpoint.backend is not Backend.POSTGRES
        or not any(endpoint.by_network)
        or _ssl_mode(endpoint, files) == "disable"
    ):
        return None
    certificate, key = endpoint.parameter("sslcert"), endpoint.parameter("sslkey")
    has_certificate = bool(certificate.value) if certificate else files.certificate
    has_key = bool(key.value) if key else files.key
    return Refusal(Flaw.HALF_PAIR, endpoint.text, reason) if has_certificate != has_key else None


def _mysql(endpoint: Endpoint, files: Files, version: Version | None) -> Outcome | None:
    tls, plain = endpoint.parameter("tls"), endpoint.parameter("allowFallbackToPlaintext")
    if endpoint.is_open or not all(one is None or one.value.known for one in (tls, plain)):
        return None
    mode = tls_mode(endpoint) or ""
    wanted = plain is not None and as_truth(str(plain.value)) is True
    if any(files) and (mode in ("", "false") or not has_come(ENDPOINT_WINS, version)):
        return Outcome(Tls.VERIFIED, wanted or (mode == "preferred" and has_come(PGX, version)), uses_files=True)
    return Outcome(_MYSQL_MODES[mode], wanted or mode == "preferred")


_MYSQL_MODES = {
    "": Tls.OFF,
    "false": Tls.OFF,
    "true": Tls.VERIFIED,
    "kine": Tls.VERIFIED,
    "skip-verify": Tls.UNVERIFIED,
    "preferred": Tls.UNVERIFIED,
}


def _ssl_mode(endpoint: Endpoint, files: Files) -> str:
    """Return the sslmode that kine and pgx arrive at; empty where none is given."""
    authority = endpoint.parameter("sslrootcert")
    if authority is not None and authority.decoded == "system":
        return "verify-full"
    mode = endpoint.parameter("sslmode")
    if mode is not None:
        return mode.decoded
    added = zip(("sslrootcert", "sslcert", "sslkey"), files, strict=True)
    return "verify-full" if any(given and endpoint.parameter(name) is None for name, given in added) else ""


def _postgres(endpoint: Endpoint, files: Files, version: Version | None) -> Outcome | None:
    names = ("sslmode", "sslrootcert", "sslnegotiation")
    parameters = [parameter for name in names if (parameter := endpoint.parameter(name))]
    if endpoint.is_open or not all(parameter.value.known for parameter in parameters):
        return None
    mode = _ssl_mode(endpoint, files) or ("prefer" if has_come(PGX, version) else "require")
    direct = endpoint.parameter("sslnegotiation")
    if direct is not None and direct.decoded == "direct" and mode == "prefer":
        mode = "require"
    authority = endpoint.parameter("sslrootcert")
    has_authority = bool(authority.value) if authority else files.authority
    if mode == "require" and has_authority:
        mode = "verify-ca"
    # A socket is never dialled with TLS.
    tried = [tls for dials in endpoint.by_network for tls in (_ATTEMPTS[mode] if dials else (Tls.OFF,))]
    uses_files = tried[0] is not Tls.OFF and _takes_files(endpoint, files, verifies=tried[0] is not Tls.UNVERIFIED)
    return Outcome(tried[0], Tls.OFF in tried[1:], uses_files)


def _takes_files(endpoint: Endpoint, files: Files, *, verifies: bool) -> bool:
    """Whether one of the files takes part: a parameter of the endpoint beats it."""
    names = ("sslrootcert", "sslcert", "sslkey")
    taken = [given and endpoint.parameter(name) is None for name, given in zip(names, files, strict=True)]
    return any(taken[1:]) or (verifies and taken[0])


_ATTEMPTS = {
    "disable": (Tls.OFF,),
    "allow": (Tls.OFF, Tls.UNVERIFIED),
    "prefer": (Tls.UNVERIFIED, Tls.OFF),
    "require": (Tls.UNVERIFIED,),
    "verify-ca": (Tls.CA_ONLY,),
    "verify-full": (Tls.VERIFIED,),
}
"""How one server is tried, in this order."""


def _etcd(endpoint: Endpoint, files: Files) -> Outcome:
    # With files the client asks for TLS on a socket too (etcd client/v3/internal/endpoint).
    if str(endpoint.scheme) in ("https", "unixs") or (str(endpoint.scheme) == "unix" and any(files)):
        return Outcome(Tls.VERIFIED, uses_files=any(files))
    return Outcome(Tls.OFF)


def _asks_nats(files: Files) -> bool:
    return files.authority or (files.certificate and files.key)
