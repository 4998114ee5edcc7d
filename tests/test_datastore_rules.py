"""The rules about TLS to the datastore, over what kine and the drivers really make of endpoints and files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from k3s_policy.assemble.options import Options
from k3s_policy.assemble.scope import Scope
from k3s_policy.k3s.endpoint import parse
from k3s_policy.run import Policy, examine
from k3s_policy.text import Source

if TYPE_CHECKING:
    from k3s_policy.k3s.endpoint import Endpoint
    from k3s_policy.model.finding import Finding

_TLS = ("datastore-plaintext", "mysql-tls-preferred", "mysql-tls-skip-verify", "postgres-tls-unverified")
"""The rules that say what becomes of TLS across a network: for one connection one of them speaks."""
_FILES = ("certfile-without-keyfile", "datastore-files-unused", "mysql-tls-with-files")
"""The rules that say what becomes of the files."""
_CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "kine-endpoints.jsonl").read_text("utf-8").splitlines()
]
_CONNECTED = [case for case in _CASES if "tls" in case["expect"]]
_REFUSED = [case for case in _CASES if "error" in case["expect"]]


def _findings(case: dict[str, Any], rules: tuple[str, ...]) -> tuple[Finding, ...]:
    """Judge a config file with the endpoint and the files of a case."""
    lines = [f"datastore-endpoint: {json.dumps(case['endpoint'])}"]
    lines += [f"datastore-{name}: /etc/db/{name}" for name in ("cafile", "certfile", "keyfile") if case[name]]
    source = Source("etc/rancher/k3s/config.yaml", "\n".join(lines) + "\n")
    return examine([source], Policy(rules), Scope(Options())).findings


def _rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def _endpoint(case: dict[str, Any]) -> Endpoint:
    return parse(Source("config.yaml", case["endpoint"]).text)


def _is_local(case: dict[str, Any]) -> bool:
    return _endpoint(case).is_local


def _wanted(case: dict[str, Any]) -> list[str]:
    """Return the rule that has to speak about what the drivers made of a case, if any."""
    reached, backend = case["expect"]["tls"], case["expect"]["backend"]
    falls_back = case["expect"]["plaintextFallback"]
    if _is_local(case) or (reached in ("verified", "ca-only") and not falls_back):
        return []
    if reached == "off":
        return ["datastore-plaintext"]
    if backend == "postgres":
        return ["postgres-tls-unverified"]
    last = case["endpoint"].lower().replace("allowfallbacktoplaintext=", "").rpartition("tls=")[2]
    return ["mysql-tls-skip-verify" if last.startswith("skip") else "mysql-tls-preferred"]


def _ids(cases: list[dict[str, Any]]) -> list[str]:
    return [str(number) for number in range(len(cases))]


def test_there_are_cases_of_every_outcome() -> None:
    wanted = [rule for case in _CONNECTED for rule in _wanted(case)]
    assert set(wanted) == set(_TLS)
    assert min(map(wanted.count, _TLS)) >= 5
    assert sum(map(_is_local, _CONNECTED)) >= 50
    assert sum(not _wanted(case) and not _is_local(case) for case in _CONNECTED) >= 50


@pytest.mark.parametrize("case", _CONNECTED, ids=_ids(_CONNECTED))
def test_one_rule_speaks_where_tls_is_lacking(case: dict[str, Any]) -> None:
    assert _rules(_findings(case, _TLS)) == _wanted(case)


@pytest.mark.parametrize("case", _CONNECTED, ids=_ids(_CONNECTED))
def test_files_that_are_used_are_no_finding(case: dict[str, Any]) -> None:
    if case["expect"].get("tls_files_used"):
        assert set(_rules(_findings(case, _FILES))) <= {"mysql-tls-with-files"}
        assert "tls=" in case["endpoint"] or not _findings(case, _FILES)
    spans = [finding.span for finding in _findings(case, _FILES)]
    assert len(spans) == len(set(spans))


@pytest.mark.parametrize("case", _REFUSED, ids=_ids(_REFUSED))
def test_endpoints_that_are_refused_are_no_matter_of_tls(case: dict[str, Any]) -> None:
    if _endpoint(case).refusal is None or "${" in case["endpoint"]:
        return  # refused for its files alone, or for what something else most likely fills in
    assert not _findings(case, (*_TLS, "mysql-insecure-parameter", "mysql-tls-with-files", "datastore-files-unused"))


_MARKER = "Zq7x"
_MARKED = [
    {**case, "endpoint": marked}
    for case in _CASES
    # Whatever a parser makes of it: from the first colon to the last `@` is what somebody wrote for a password.
    if (marked := re.sub(r"(?s)(://[^:@/]*:)(.*)(?=@)", rf"\g<1>{_MARKER}\2{_MARKER}", case["endpoint"]))
    != case["endpoint"]
]
_EVERY = (*_TLS, *_FILES, "datastore-endpoint-invalid", "datastore-endpoint-suspect", "mysql-insecure-parameter")


def test_a_password_is_marked_wherever_the_data_has_one() -> None:
    with_password = [case for case in _CONNECTED if case["expect"]["password"] not in ("", "postgres", "zzz")]
    marked = [case["expect"] for case in _MARKED]
    assert len(_MARKED) >= 400
    assert all(case["expect"] in marked for case in with_password)


@pytest.mark.parametrize("case", _MARKED, ids=_ids(_MARKED))
def test_no_password_is_told(case: dict[str, Any]) -> None:
    for finding in _findings(case, _EVERY):
        told = [finding.message, finding.help, *(related.message for related in finding.related)]
        assert not any(_MARKER in one for one in told), told


def test_half_a_pair_is_found_where_the_drivers_refuse_it() -> None:
    refused = [case for case in _REFUSED if "both" in case["expect"]["error"]]
    assert len(refused) >= 50
    for case in refused:
        assert "certfile-without-keyfile" in _rules(_findings(case, _FILES)), case["endpoint"]
