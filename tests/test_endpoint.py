"""Endpoints as kine, go-sql-driver/mysql and pgx themselves read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from k3s_policy.formats.template import marked
from k3s_policy.k3s.endpoint import Backend, Files, Flaw, Outcome, Tls, outcome, parse, refused_files
from k3s_policy.k3s.value import as_truth
from k3s_policy.k3s.version import Version
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.k3s.endpoint import Endpoint, Refusal
    from k3s_policy.text import Text

_CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "kine-endpoints.jsonl").read_text("utf-8").splitlines()
]

# What kine says where we give a flaw: an input has to be refused for the same reason.
_MESSAGES = {
    Flaw.NO_SCHEME: r"invalid datastore endpoint; endpoint should be a DSN URI",
    Flaw.UNKNOWN_SCHEME: r"unknown driver",
    Flaw.HALF_PAIR: r'KeyFile and CertFile must both be present|both "sslcert" and "sslkey" are required',
    Flaw.NO_SLASH: r"missing the slash separating the database name",
    Flaw.NO_NETWORK: r"default addr for network '.*' unknown",
    Flaw.OPEN_ADDRESS: r"network address not terminated",
    Flaw.UNESCAPED_SLASH: r"did you forget to escape a param value",
    Flaw.INVALID_TRUTH: r"invalid bool value",
    Flaw.INVALID_DURATION: r"time: (?:missing unit in|invalid) duration",
    Flaw.UNKNOWN_ZONE: r"unknown time zone",
    Flaw.UNKNOWN_TLS: r"unknown config name",
    Flaw.UNKNOWN_KEY: r"unknown server pub key name",
    Flaw.INVALID_USER: r"net/url: invalid userinfo",
    Flaw.INVALID_ESCAPE: r"invalid URL escape",
    Flaw.INVALID_PORT: r"invalid port",
    Flaw.INVALID_NUMBER: r"invalid connect_timeout",
    Flaw.UNKNOWN_VALUE: r"sslmode is invalid",
    Flaw.PORT_COUNT: r"could not match \d+ port numbers to \d+ hosts",
}


def _endpoint(value: str) -> Endpoint:
    return parse(Source("config.yaml", value).text)


def _files(case: dict[str, Any]) -> Files:
    return Files(case["cafile"], case["certfile"], case["keyfile"])


def _refusal(case: dict[str, Any]) -> Refusal | None:
    """Return the first thing refused: for MySQL kine loads the files before it parses the endpoint."""
    endpoint, files = _endpoint(case["endpoint"]), _files(case)
    if endpoint.backend is Backend.MYSQL:
        return refused_files(endpoint, files) or endpoint.refusal
    return endpoint.refusal or refused_files(endpoint, files)


def test_all_cases_are_there() -> None:
    assert len(_CASES) == 794
    assert sum("error" in case["expect"] for case in _CASES) == 504


@pytest.mark.parametrize("case", _CASES, ids=[str(number) for number in range(len(_CASES))])
def test_conformance(case: dict[str, Any]) -> None:
    endpoint, expected = _endpoint(case["endpoint"]), case["expect"]
    refusal = _refusal(case)
    assert (refusal is not None) == ("error" in expected), (refusal, expected)
    if refusal is not None:
        assert re.search(_MESSAGES[refusal.flaw], expected["error"]), (refusal.reason, expected["error"])
        return
    assert endpoint.backend is not None
    assert endpoint.backend.value == expected["backend"]
    if "tls" in expected:
        reached = outcome(endpoint, _files(case))
        assert reached is not None
        assert (reached.tls.value, reached.falls_back) == (expected["tls"], expected["plaintextFallback"])
        assert expected.get("tls_files_used") in (None, reached.uses_files)
        assert _connection(endpoint) == {name: expected[name] for name in _CONNECTION[endpoint.backend]}


@pytest.mark.parametrize("case", _CASES, ids=[str(number) for number in range(len(_CASES))])
def test_each_part_knows_where_it_was_written(case: dict[str, Any]) -> None:
    """Only what kine makes of an endpoint without anything behind its scheme is written nowhere."""
    endpoint = _endpoint(case["endpoint"])
    for part in _parts(endpoint):
        span = part.span
        made_up = case["endpoint"] in ("postgres://", "postgresql://") and str(part) in ("postgres", "localhost")
        assert made_up or span.source.content[span.start : span.end] == str(part)


def _parts(endpoint: Endpoint) -> Iterator[Text]:
    yield from (endpoint.text, endpoint.scheme, endpoint.user, endpoint.password, endpoint.database, endpoint.location)
    yield from (part for part in (endpoint.network, endpoint.socket) if part is not None)
    for address in endpoint.addresses:
        yield from address
    for parameter in endpoint.parameters:
        yield from (parameter.name, parameter.value)
    if endpoint.refusal is not None:
        yield endpoint.refusal.at


# What a connection is made of, as the data has it.
_CONNECTION: dict[Backend, tuple[str, ...]] = {
    Backend.MYSQL: ("user", "password", "net", "addr", "db", "cleartextPasswords"),
    Backend.POSTGRES: ("user", "password", "host", "port", "db"),
}


def _connection(endpoint: Endpoint) -> dict[str, object]:
    """Return what an endpoint connects to, with the defaults of kine and the drivers where nothing is written."""
    return _mysql_connection(endpoint) if endpoint.backend is Backend.MYSQL else _postgres_connection(endpoint)


def _mysql_connection(endpoint: Endpoint) -> dict[str, object]:
    """Of an endpoint without anything behind its scheme kine makes root on the socket of a Debian package."""
    assert endpoint.network is not None
    user, password = endpoint.login
    network, address = str(endpoint.network) or "tcp", _written_address(endpoint)
    if str(endpoint.text) == "mysql://":
        user, network, address = "root", "unix", "/var/run/mysqld/mysqld.sock"
    elif not address:
        address = "/tmp/mysql.sock" if network == "unix" else "127.0.0.1:3306"  # the driver's own
    elif network == "tcp":
        address = _with_port(address)
    plain = endpoint.parameter("allowCleartextPasswords")
    return {
        "user": user,
        "password": password,
        "net": network,
        "addr": address,
        "db": unquote(str(endpoint.database)) or "kubernetes",
        "cleartextPasswords": plain is not None and as_truth(str(plain.value)) is True,
    }


def _written_address(endpoint: Endpoint) -> str:
    if endpoint.socket is not None:
        return str(endpoint.socket)
    ((host, port, _),) = endpoint.addresses
    start, end = host.span.start, port.span.end
    content = host.span.source.content
    return content[start - 1 : max(end, host.span.end + 1)] if content[start - 1] == "[" else content[start:end]


def _with_port(address: str) -> str:
    """Add the standard port where Go's net.SplitHostPort finds none (`dsn.go`, ensureHavePort)."""
    host, colon, _ = address.rpartition(":")
    if colon and (":" not in host or (host.startswith("[") and host.endswith("]"))):
        return address
    return f"[{address}]:3306" if ":" in address else f"{address}:3306"


def _postgres_connection(endpoint: Endpoint) -> dict[str, object]:
    """Return what pgx tries first; without a user it takes that of the process, which was root."""
    user, password = endpoint.login
    on_socket = not endpoint.by_network[0]
    host = str(endpoint.socket or "/var/run/postgresql") if on_socket else str(endpoint.addresses[0].host)
    port = endpoint.parameter("port")
    ports = port.decoded.split(",") if port is not None else [str(one.port) for one in endpoint.addresses]
    return {
        "user": user or "root",
        "password": password,
        "host": unquote(host),
        "port": int((ports and ports[0]) or 5432),
        "db": unquote(str(endpoint.database)).lower() or "kubernetes",
    }


_CA = Files(authority=True)
_OLD, _NEW = Version(1, 36, 1), Version(1, 36, 2)


@pytest.mark.parametrize(
    ("parameters", "old", "new"),
    [
        ("", Outcome(Tls.VERIFIED, uses_files=True), Outcome(Tls.VERIFIED, uses_files=True)),
        ("?tls=false", Outcome(Tls.VERIFIED, uses_files=True), Outcome(Tls.VERIFIED, uses_files=True)),
        ("?tls=1", Outcome(Tls.VERIFIED, uses_files=True), Outcome(Tls.VERIFIED)),
        ("?tls=Skip-Verify", Outcome(Tls.VERIFIED, uses_files=True), Outcome(Tls.UNVERIFIED)),
        (
            "?tls=preferred",
            Outcome(Tls.VERIFIED, falls_back=True, uses_files=True),
            Outcome(Tls.UNVERIFIED, falls_back=True),
        ),
        ("?tls", Outcome(Tls.VERIFIED, uses_files=True), Outcome(Tls.VERIFIED, uses_files=True)),
        (
            "?allowFallbackToPlaintext=true",
            Outcome(Tls.VERIFIED, falls_back=True, uses_files=True),
            Outcome(Tls.VERIFIED, falls_back=True, uses_files=True),
        ),
    ],
)
def test_which_wins_for_mysql_goes_by_the_release(parameters: str, old: Outcome, new: Outcome) -> None:
    """Up to kine 0.15 the datastore files beat `tls=`, from 0.16 on `tls=` beats them."""
    endpoint = _endpoint(f"mysql://k3s@tcp(db)/k3s{parameters}")
    assert outcome(endpoint, _CA, _OLD) == old
    assert outcome(endpoint, _CA, _NEW) == new
    assert outcome(endpoint, _CA, Version(1, 35, 6)) == new


def test_the_default_of_postgres_goes_by_the_driver() -> None:
    """lib/pq of K3s 1.27.1 insisted on TLS, pgx of 1.27.2 does without where the server has none."""
    endpoint = _endpoint("postgres://k3s@db/k3s")
    assert outcome(endpoint, Files(), Version(1, 27, 1)) == Outcome(Tls.UNVERIFIED)
    assert outcome(endpoint, Files(), Version(1, 27, 2)) == Outcome(Tls.UNVERIFIED, falls_back=True)


# What a comparison with the drivers' own code taught besides the conformance data.
@pytest.mark.parametrize(
    ("value", "files", "expected"),
    [
        # Without a host pgx dials the socket of this host, whatever the port.
        ("postgres://:5432/k3s", _CA, Outcome(Tls.OFF)),
        ("postgres://db?host=%2Frun%2Fpostgresql", _CA, Outcome(Tls.OFF)),
        ("postgres://db?host=a%2Cb&sslmode=disable", Files(), Outcome(Tls.OFF, falls_back=True)),
        ("postgres:///k3s?host=/run,db", _CA, Outcome(Tls.OFF)),
        ("postgres:///k3s?host=db,/run", _CA, Outcome(Tls.VERIFIED, falls_back=True, uses_files=True)),
        # A name alone has an empty value; the files do not replace what is there.
        ("postgres://db/k3s?sslmode", _CA, Outcome(Tls.UNVERIFIED, falls_back=True)),
        ("postgres://db/k3s?s%73lmode=require", Files(), Outcome(Tls.UNVERIFIED)),
        ("postgres://db/k3s?sslrootcert=system", Files(), Outcome(Tls.VERIFIED)),
        ("postgres://db/k3s?sslrootcert=/ca.pem", Files(), Outcome(Tls.UNVERIFIED, falls_back=True)),
        ("postgres://db/k3s?sslmode=require", _CA, Outcome(Tls.CA_ONLY, uses_files=True)),
        (
            "postgres://db/k3s?sslmode=require",
            Files(certificate=True, key=True),
            Outcome(Tls.UNVERIFIED, uses_files=True),
        ),
        # Of etcd the first server decides.
        ("https://a:2379,http://b:2379", _CA, Outcome(Tls.VERIFIED, uses_files=True)),
        ("http://a:2379,https://b:2379", _CA, Outcome(Tls.OFF)),
        ("unix:///run/etcd.sock", Files(), Outcome(Tls.OFF)),
        # NATS ignores half a pair.
        ("nats://a:4222", Files(certificate=True), Outcome(Tls.OFF)),
        ("nats://a:4222", _CA, Outcome(Tls.VERIFIED, uses_files=True)),
        ("sqlite:///k3s.db", _CA, None),
    ],
)
def test_what_becomes_of_tls(value: str, files: Files, expected: Outcome | None) -> None:
    assert outcome(_endpoint(value), files) == expected


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        ("://k3s@db/k3s", Flaw.UNKNOWN_SCHEME),
        ("postgres://[::1],[::2]/k3s", Flaw.INVALID_HOST),
        ("postgres://[10.0.0.1]/k3s", Flaw.INVALID_HOST),
        ("postgres://db/k3s?connect_timeout=-1", Flaw.INVALID_NUMBER),
        ("postgres://db/k3s?connect_timeout=5s", Flaw.INVALID_NUMBER),
        ("postgres://db/k3s?target_session_attrs", Flaw.UNKNOWN_VALUE),
        ("postgres://db/k3s?a=b;c=d", Flaw.SEMICOLON),
        ("postgres://db/k3s\n", Flaw.CONTROL_CHARACTER),
        ("postgres://h1:5432,h2/k3s", Flaw.INVALID_PORT),
        ("mysql://k3s@tcp(db)/k3s?strict=true", Flaw.REMOVED_PARAMETER),
        ("mysql://k3s@tcp(db)/k3s?loc=%", Flaw.INVALID_ESCAPE),
        ("mysql://k3s@tcp(db)/k3s?interpolateParams=true&collation=gbk_bin", Flaw.UNSAFE_COLLATION),
        ("nats://a?replicas=6", Flaw.INVALID_NUMBER),
        ("nats://a?slowMethod=5", Flaw.INVALID_DURATION),
        ("nats://a,tls://b", Flaw.NOT_NATS),
        ("jetstream://a:4222", Flaw.NOT_NATS),
        ("nats://a?contextFile=/etc/nats.json", Flaw.INVALID_HOST),
    ],
)
def test_what_is_refused_besides(value: str, flaw: Flaw) -> None:
    refusal = _endpoint(value).refusal
    assert refusal is not None
    assert refusal.flaw is flaw


def test_what_is_filled_in_hides_no_separators() -> None:
    """A letter stands for each character of a template, and whoever asks learns that the part is not known."""
    value = "postgres://{{ user }}:{{ lookup('env', 'A@B/C') }}@{{ host }}:5432/k3s?sslmode=disable"
    endpoint = parse(marked(Source("config.yaml", value).text))
    assert endpoint.refusal is None
    assert [address.host.known for address in endpoint.addresses] == [False]
    assert str(endpoint.database) == "k3s"
    assert outcome(endpoint, Files()) == Outcome(Tls.OFF)
    assert outcome(parse(marked(Source("config.yaml", "postgres://{{ dsn }}").text)), Files()) is None
