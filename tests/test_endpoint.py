"""Endpoints as kine, go-sql-driver/mysql and pgx themselves read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from k3s_policy.endpoint import Backend, Files, Flaw, Outcome, Tls, outcome, parse, refused_files
from k3s_policy.text import Source
from k3s_policy.version import Version

if TYPE_CHECKING:
    from k3s_policy.endpoint import Endpoint, Refusal

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
        assert endpoint.login[1] == expected["password"]
    if "tls_files_used" in expected:
        assert reached.uses_files == expected["tls_files_used"]
