"""The password of a datastore endpoint is found, masked and never repeated, whatever it holds, however it is written.

Each endpoint is written into a config file, an argument of a unit, an environment file and a script, each on a host of
its own. Its password is a marker with special characters, as `test_redaction` draws them.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from test_redaction import (
    EVERY,
    Bench,
    for_environment_file,
    for_systemd,
    fragments,
    in_single_quotes,
    leaks,
    markers,
)

from k3s_policy.formats.template import marked
from k3s_policy.judge.rule import load, names
from k3s_policy.k3s.credential import Nature, nature
from k3s_policy.k3s.embedded import secret_parts
from k3s_policy.k3s.endpoint import parse
from k3s_policy.k3s.endpoint.suggestion import FORMS, MASKED, suggestion
from k3s_policy.model.masking import MASK
from k3s_policy.run import Policy, examine
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from test_redaction import Marker

ENDPOINTS = {
    "MySQL": "mysql://k3s:{}@tcp(db.example.net:3306)/state",
    "MySQL, encoded": "mysql://k3s:{%}@tcp(db.example.net:3306)/state?parseTime=true",
    "PostgreSQL": "postgres://k3s:{}@db.example.net:5432/state",
    "PostgreSQL, encoded": "postgres://k3s:{%}@db.example.net:5432/state?sslmode=verify-full",
    "PostgreSQL, in a parameter": "postgres://db.example.net:5432/state?user=k3s&password={%}",
    "PostgreSQL, raw in a parameter": "postgres://db.example.net:5432/state?user=k3s&password={}",
    "PostgreSQL, in the middle": "postgres://db.example.net:abc/state?user=k3s&sslpassword={}&sslmode=require",
    "JDBC": "jdbc:postgresql://db.example.net:5432/state?user=k3s&password={}",
    "JDBC, MySQL": "jdbc:mysql://db.example.net:3306/state?user=k3s&password={}&useSSL=true",
    "JDBC, semicolons": "jdbc:postgresql://db.example.net:5432/state;user=k3s;password={}",
    "NATS": "nats://k3s:{}@nats.example.net:4222?bucket=state",
    "NATS, encoded": "nats://k3s:{%}@nats.example.net:4222",
    "NATS, token": "nats://{%}@nats.example.net:4222",
    "etcd": "https://k3s:{}@etcd.example.net:2379,https://other.example.net:2379",
    "etcd, encoded": "http://k3s:{%}@etcd.example.net:2379",
    "etcd, commas": "https://k3s:a,{},b@etcd.example.net:2379,https://other.example.net:2379",
    "etcd, an unknown scheme": "etcd://k3s:{}@etcd.example.net:2379,k3s:{}@other.example.net:2379",
    "NATS, commas": "nats://k3s:a,{},b@nats.example.net:4222,nats://other.example.net:4222",
    "NATS, a token with commas": "nats://{%},more@nats.example.net:4222",
    # broken
    "no scheme": "k3s:{}@tcp(db.example.net:3306)/state",
    "an unknown scheme": "mariadb://k3s:{}@tcp(db.example.net:3306)/state",
    "capitals": "MySQL://k3s:{}@db.example.net:3306/state",
    "one slash": "postgres:/k3s:{}@db.example.net:5432/state",
    "the scheme twice": "postgres://postgres://k3s:{}@db.example.net:5432/state",
    "quotes kept": "'mysql://k3s:{}@tcp(db.example.net:3306)/state'",
    "no network": "mysql://k3s:{}@db.example.net:3306/state",
    "no slash": "mysql://k3s:{}@tcp(db.example.net:3306)",
    "no closing parenthesis": "mysql://k3s:{}@tcp(db.example.net:3306/state",
    "backslashes kept": "mysql://k3s:{}@tcp\\(db.example.net:3306\\)/state",
    "MySQL's address": "postgres://k3s:{%}@tcp(db.example.net:5432)/state",
    "no port": "postgres://k3s:{%}@db.example.net:port/state",
    "a wrong parameter": "mysql://k3s:{}@tcp(db.example.net:3306)/state?timeout=5&tls=none",
    "no host": "mysql://k3s:{}@",
    "nothing behind the password": "mysql://k3s:{%}",
}
"""Endpoints; `{}` is the password as it is, `{%}` percent-encoded."""

PLACES: dict[str, Callable[[str], str]] = {
    "one/etc/rancher/k3s/config.yaml": lambda dsn: f"datastore-endpoint: {in_single_quotes(dsn)}\n",
    "two/etc/systemd/system/k3s.service": lambda dsn: (
        f"[Service]\nExecStart=/usr/local/bin/k3s server {for_systemd(f'--datastore-endpoint={dsn}')}\n"
    ),
    "three/etc/default/k3s": lambda dsn: f"K3S_DATASTORE_ENDPOINT={for_environment_file(dsn)}\n",
    "four/install-k3s.sh": lambda dsn: f"#!/bin/sh\nk3s server --datastore-endpoint {shlex.quote(dsn)}\n",
}
"""Files, and how each holds an endpoint."""

SPEAKING = {name for name in names() if load(name).owns_credential} | {
    "credential-in-unit-environment",
    "datastore-endpoint-invalid",
    "plaintext-credential",
}
"""Rules of which one has to speak where a password stands."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("passwords"))


def written(form: str, password: str) -> str:
    """Return an endpoint with a password in it."""
    return ENDPOINTS[form].replace("{}", password).replace("{%}", quote(password, safe=""))


def suggested(dsn: str) -> str | None:
    return suggestion(parse(marked(Source("config.yaml", dsn).text)))


@pytest.mark.parametrize("form", ENDPOINTS)
@settings(
    max_examples=4, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(marker=markers)
def test_a_password_is_found_and_masked_and_never_printed(bench: Bench, form: str, marker: Marker) -> None:
    password = marker.made_of(EVERY)
    assume(nature(password) is Nature.LITERAL)
    dsn = written(form, password)
    result = bench.scan({path: write(dsn) for path, write in PLACES.items()})
    assert leaks(result.outputs, marker) == []
    findings: list[dict[str, Any]] = json.loads(result.outputs["json"])["findings"]
    for path in PLACES:
        spoken = {finding["rule"] for finding in findings if finding["path"] == path}
        assert spoken & SPEAKING, (path, spoken)
    for output in ("color", "text", "shown"):
        assert MASK in result.outputs[output]


@pytest.mark.parametrize("form", ENDPOINTS)
@settings(max_examples=15, derandomize=True)
@given(marker=markers)
def test_what_is_proposed_is_accepted_and_holds_no_part_of_the_password(form: str, marker: Marker) -> None:
    proposed = suggested(written(form, marker.made_of(EVERY)))
    if proposed is not None:
        assert parse(Source("config.yaml", proposed).text).refusal is None
        assert not [part for part in fragments(marker) if part in proposed]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://h/k?sslpassword=a&secret", "postgres://h/k?sslpassword=*"),
        ("postgres://h/k?user=u&password=a&secret&sslmode=require", "postgres://h/k?user=u&password=*"),
        ("postgres://h/k?password=a&more=secret", "postgres://h/k?password=*"),
        ("postgres://h/k?password=secret&", "postgres://h/k?password=*"),
        ("postgres://h/k?password=secret&sslmode=require", "postgres://h/k?password=*&sslmode=require"),
        ("postgres://h/k?password=one&sslpassword=two", "postgres://h/k?password=*&sslpassword=*"),
        ("jdbc:postgresql://h/k;user=u;password=secret", "jdbc:postgresql://h/k;user=u;password=*"),
        ("nats://se@c:ret,more@h:4222", "nats://*@h:4222"),
        ("nats://k3s:secret@h:4222", "nats://k3s:*@h:4222"),
        ("k3s:a://secret@tcp(db)/k", "k3s:*@tcp(db)/k"),
        ("https://k3s:a,b://secret@h:2379", "https://k3s:*@h:2379"),
        ("https://one:2379,https://k3s:secret@two:2379", "https://one:2379,https://k3s:*@two:2379"),
        ("https://[::1]:2379,https://k3s:secret@two:2379", "https://[::1]:2379,https://k3s:*@two:2379"),
        ("https://k3s:one@a:2379,https://k3s:two@b:2379", "https://k3s:*@a:2379,https://k3s:*@b:2379"),
    ],
)
def test_what_is_masked(value: str, shown: str) -> None:
    secret = {
        number for part in secret_parts(Source("", value).text) for number in range(part.span.start, part.span.end)
    }
    masked = "".join("*" if number in secret else one for number, one in enumerate(value))
    assert re.sub(r"\*+", "*", masked) == shown


@pytest.mark.parametrize(
    ("dsn", "proposed"),
    [
        ("mysql://k3s:p@ss/w@db:3306/state", "mysql://k3s:******@tcp(db:3306)/state"),
        ("mysql://k3s:pw@tcp(db:3306)", "mysql://k3s:******@tcp(db:3306)/kubernetes"),
        ("mysql://k3s:pw@tcp(db:3306/state", "mysql://k3s:******@tcp(db:3306)/state"),
        ("mysql://k3s:pw@tcp:db:3306/state", "mysql://k3s:******@tcp(db:3306)/state"),
        ("mysql://k3s:pw@tcp\\(db:3306\\)/state", "mysql://k3s:******@tcp(db:3306)/state"),
        ("mysql://k3s:pw@tcp(::1:3306)/state", "mysql://k3s:******@tcp([::1]:3306)/state"),
        ("mysql://k3s:pw@tcp(db:3306)/state)", "mysql://k3s:******@tcp(db:3306)/state"),
        ("mysql://mysql://k3s:pw@tcp(db)/state", "mysql://USER:******@tcp(db)/state"),
        ("mysql://k3s:pw@tcp(db)/s?timeout=5&loc=Europe/Rome", "mysql://k3s:******@tcp(db)/s?timeout=5s&loc=Europe%2FRome"),
        ("mysql://root@/run/mysqld/mysqld.sock/state", "mysql://root@unix(/run/mysqld/mysqld.sock)/state"),
        ("mariadb://k3s:pw@db/state?tls=required", "mysql://k3s:******@tcp(db)/state?tls=true"),
        ("MySQL://k3s:pw@tcp(db:3306)/state", "mysql://k3s:******@tcp(db:3306)/state"),
        ("k3s:pw@tcp(db:3306)/state", "mysql://k3s:******@tcp(db:3306)/state"),
        ("mysql://${USER}:${PASSWORD}@db:3306/${NAME}", "mysql://USER:******@tcp(db:3306)/DATABASE"),
        ("postgres://k3s:p/w#@db:5432/state", "postgres://k3s:******@db:5432/state"),
        ("postgres://k3s:pw@tcp(db:5432)/state", "postgres://k3s:******@db:5432/state"),
        ("postgres://k3s:pw@one:5432,two/state", "postgres://k3s:******@one:5432,two:5432/state"),
        ("postgres://k3s:pw@fd00::1:5432/state", "postgres://k3s:******@[fd00::1]:5432/state"),
        ("postgres://k3s:pw@db:99999/state?sslmode=Require", "postgres://k3s:******@db:5432/state?sslmode=require"),
        ("postgres://db/state?user=k3s&password=p%zz", "postgres://db/state?user=k3s&password=******"),
        ("cockroach://k3s:pw@db:26257/state", "postgres://k3s:******@db:26257/state"),
        ("etcd://one:2379,two:2379", "https://one:2379,https://two:2379"),
        ("one:2379, two:2379,", "https://one:2379,https://two:2379"),
        ("http://one:2379, http://two", "http://one:2379,http://two:2379"),
        ("nats+tls://k3s:p w@one:4222,nats://two:4222", "nats://k3s:******@one:4222,nats://two:4222"),
        ("nats://token@one:4222?replicas=9", "nats://******@one:4222"),
        # A user may be named like a scheme, and have a password that begins with a slash.
        ("postgres:/secret@db:5432/state", "postgres://postgres:******@db:5432/state"),
        ("mysql://mysql:/secret@db:3306/state", "mysql://mysql:******@tcp(db:3306)/state"),
        ("etcd://k3s:pw@one:2379,etcd://k3s:pw@two:2379", "https://one:2379,https://two:2379"),
    ],
)  # fmt: skip
def test_what_is_proposed(dsn: str, proposed: str) -> None:
    assert suggested(dsn) == proposed


@pytest.mark.parametrize(
    "dsn",
    [
        "etcd",
        "mysql",
        "mysql://k3s:secret",
        "mysql://root:12345",
        "postgres://k3s:secret",
        "mysql://k3s:secret(db:3306)/state",
        "mysql://k3s:pw@",
        "mysql://k3s:pw@w@db:3306/state?connectionAttributes=a@b",
        "postgres://k3s:pw@db:5432/state?options=a b",
        "sqlite:///var/lib/state.db",
        # A password may reach beyond the last @, or be a parameter.
        "jdbc:postgresql://h:5432/k?user=u&password=p@secret",
        "postgres://h:abc/k?user=u&password=p@secret",
        "POSTGRES://h:abc/k?user=u&password=p@secret",
        "postgres://h/k&password=p@secret",
        "postgres://h/k;password=p@secret",
        "postgres://h/k#password=p@secret",
        "postgres://h/k%3Fpassword=p@secret",
        "postgres://host=h user=u password=p@secret",
        "postgres://u:pw@h/k#a@secret",
        "postgres://h:abc/k?user=u&password=a&more=secret",
        "jdbc:mysql://h:3306/k?user=u&password=secret",
        "jdbc:mysql://h:3306/k?user=u&pwd=secret",
        "nats://h:4222?token=secret&replicas=9",
        "mysql://u:p@secret",
        'mysql://u:"p@secret"',
        "mysql://u:'p@secret/w'",
        "mysql://u:pw@unix(@secret)/k",
        "nats://k3s:12345",
        "nats://secret,more@h:4222",
        "nats://u:a@secret,b@h:4222",
        "etcd://u:a@secret,b@h:2379",
        "etcd://u:a,secret,b@h:2379",
        "etcd://u:pw@one:2379,u:a@secret:2379",
        "etcd://u:a@b@secret,https://h:2379",
    ],
)
def test_nothing_is_proposed_where_the_parts_cannot_be_told(dsn: str) -> None:
    assert suggested(dsn) is None


def test_what_is_proposed_for_every_endpoint_that_kine_refuses_is_accepted() -> None:
    cases = (Path(__file__).parent / "conformance" / "kine-endpoints.jsonl").read_text("utf-8").splitlines()
    refused = [one for one in map(_endpoint, cases) if parse(Source("config.yaml", one).text).refusal is not None]
    proposals = [proposed for one in refused if (proposed := suggested(one)) is not None]
    assert len(refused) > 400
    assert len(proposals) > 0.7 * len(refused)
    assert not [one for one in proposals if parse(Source("config.yaml", one).text).refusal is not None]


def _endpoint(line: str) -> str:
    return str(json.loads(line)["endpoint"])


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("mysql://k3s:pw@db:3306/state", "write mysql://k3s:******@tcp(db:3306)/state"),
        ("postgres://k3s:p/w@db/state", "write postgres://k3s:******@db/state, with the password percent-encoded: "),
        ("etcd", "write cluster-init: true for embedded etcd, or name the servers: https://HOST:2379,"),
        ("external", "write mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE, postgres://"),
        ("mysql://k3s:secret", "write mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE"),
        ("nats://k3s:p[w@one:4222", "put user and password into a file"),
        ("mysql://k3s:pw@tcp\\(db\\)/state", "write mysql://k3s:******@tcp(db)/state"),
    ],
)
def test_the_help_shows_the_endpoint_mended(dsn: str, told: str) -> None:
    source = Source("etc/rancher/k3s/config.yaml", f"datastore-endpoint: {in_single_quotes(dsn)}\n")
    (finding,) = examine((source,), Policy(("datastore-endpoint-invalid", "datastore-endpoint-suspect"))).findings
    assert finding.help.startswith(told)


def test_a_password_is_masked_as_in_the_reports() -> None:
    assert MASKED == MASK
    assert all("PASSWORD" in form or "@" not in form for form in FORMS.values())
