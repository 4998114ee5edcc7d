"""registries.yaml: what K3s's decoder made of given files, and the schema for editors.

`conformance/registries.jsonl` holds what gopkg.in/yaml.v2 2.4.0 decodes into the types of rancher/wharfie, and what
Go's net/url makes of endpoints once `//` stands in front of those without a scheme, as K3s puts it there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import growth
import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from k3s_policy.formats.tree import Mapping, read_yaml
from k3s_policy.k3s import data
from k3s_policy.model import registries
from k3s_policy.model.registries.decoding import decoded
from k3s_policy.run import Policy, examine
from k3s_policy.text import Source

SCHEMA = data.schema("registries")
CONFORMANCE = Path(__file__).parent / "conformance" / "registries.jsonl"
ROWS = [json.loads(line) for line in CONFORMANCE.read_text(encoding="utf-8").splitlines()]
FILES = [row for row in ROWS if "text" in row]
ENDPOINTS = [row for row in ROWS if "endpoint" in row]
PATH = "etc/rancher/k3s/registries.yaml"
_NAMES = {
    "Username": "username",
    "Password": "password",
    "Auth": "auth",
    "IdentityToken": "identity_token",
    "CAFile": "ca_file",
    "CertFile": "cert_file",
    "KeyFile": "key_file",
    "InsecureSkipVerify": "insecure_skip_verify",
}


def _given(values: dict[str, Any] | None) -> dict[str, str]:
    """Return what is set of a login or of TLS, by its name in the file."""
    return {_NAMES[name]: value for name, value in (values or {}).items() if value}


def test_there_are_cases() -> None:
    assert (len(FILES), len(ENDPOINTS)) == (69, 54)


@pytest.mark.parametrize("row", FILES, ids=lambda row: row["id"])
def test_a_file_is_decoded_as_k3s_does(row: dict[str, Any]) -> None:
    document = read_yaml(Source(PATH, row["text"]).text)
    if row["refused"] == "syntax":
        assert document.error is not None
        return
    root = document.root
    if not isinstance(root, Mapping):
        assert row["refused"] == (1 if row["text"].strip() else 0)
        return
    found, refused = decoded(Source(PATH, row["text"]).text, root, PATH, None)
    # What a template is before it is filled in is not judged.
    assert len(refused) == (0 if "{{" in row["text"] else row["refused"])
    if row["refused"]:
        return
    assert {str(one.name): [str(endpoint) for endpoint in one.endpoints] for one in found.mirrors} == {
        name: mirror["Endpoints"] or [] for name, mirror in row["mirrors"].items()
    }
    truth = {"insecure_skip_verify": True}
    assert {
        str(one.name): [
            {str(given.key): truth.get(str(given.key), str(given.value)) for given in part}
            for part in (one.auth, one.tls)
        ]
        for one in found.configs
    } == {name: [_given(config["Auth"]), _given(config["TLS"])] for name, config in row["configs"].items()}


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row["id"])
def test_an_endpoint_is_taken_apart_as_k3s_does(row: dict[str, Any]) -> None:
    content = json.dumps({"mirrors": {"docker.io": {"endpoint": [row["endpoint"]]}}}, ensure_ascii=False)
    report = examine([Source(PATH, content)], Policy(("registry-endpoint-invalid", "registry-plaintext")))
    found = {finding.rule for finding in report.findings}
    leads_nowhere = (
        row.get("refused", False)
        or row["scheme"] not in ("", "http", "https")
        or not row["host"].removesuffix(f":{row['port']}")
        or int(row["port"] or 0) > 65535
    )
    assert ("registry-endpoint-invalid" in found) == leads_nowhere
    if not leads_nowhere:
        loopback = row["host"].startswith(("localhost", "127.", "[::1]"))
        assert ("registry-plaintext" in found) == (row["scheme"] == "http" and not loopback)


def test_aliases_that_multiply_are_cut_off() -> None:
    endpoints = "".join(f"      - http://mirror-{number}.example.com\n" for number in range(2000))
    names = "".join(f"  registry-{number}.example.com: *shared\n" for number in range(2000))
    content = f"mirrors:\n  docker.io: &shared\n    endpoint:\n{endpoints}{names}"
    with growth.processor_time(at_most=60):
        report = examine([Source(PATH, content)], Policy(("registry-endpoint-invalid", "registry-plaintext")))
    assert len(report.findings) == 2000


# --- the schema -----------------------------------------------------------------------------------------


def _errors(text: str) -> list[str]:
    content = YAML(typ="safe", pure=True).load(text)
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(json.loads(json.dumps(content)))]


def test_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_schema_has_the_keys_that_are_decoded_and_no_others() -> None:
    mirror, config = SCHEMA["definitions"]["mirror"], SCHEMA["definitions"]["config"]
    assert set(SCHEMA["properties"]) == set(registries.FILE) - {"auths"}
    assert set(mirror["properties"]) == set(registries.MIRROR)
    assert set(config["properties"]) == set(registries.CONFIG)
    assert set(config["properties"]["auth"]["properties"]) == set(registries.AUTH)
    assert set(config["properties"]["tls"]["properties"]) == set(registries.TLS)
    sections = (SCHEMA, mirror, config, *config["properties"].values())
    assert all(section["additionalProperties"] is False for section in sections)


def test_everything_in_the_schema_is_described() -> None:
    def properties(node: dict[str, Any]) -> list[dict[str, Any]]:
        own = list(node.get("properties", {}).values())
        return own + [below for one in own for below in properties(one)]

    described = [one for node in (SCHEMA, *SCHEMA["definitions"].values()) for one in properties(node)]
    assert len(described) == 14
    assert all(one["description"].endswith(".") for one in described)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mirrors:\nconfigs:\n",
        "mirrors:\n  docker.io:\n  '*':\n    endpoint: [https://mirror.example.com, 5]\n    rewrite: {a: b}\n",
        "configs:\n  a:5000:\n    auth: {username: a, password: 1}\n    tls: {insecure_skip_verify: true}\n",
        "x-shared: &shared\n  endpoint: []\nmirrors:\n  a: *shared\n",
    ],
)
def test_schema_accepts(text: str) -> None:
    assert _errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "mirror:\n",
        "auths: {}\n",
        "docker.io: {endpoint: [a]}\n",
        "mirrors: {a: {endpoint: https://a}}\n",
        "mirrors: {a: {endpoints: [https://a]}}\n",
        "mirrors: {configs: {a: {auth: {}}}}\n",
        "mirrors: {'https://a': {endpoint: [a]}}\n",
        "configs: {'https://a': {tls: {}}}\n",
        "configs: {a/v2: {tls: {}}}\n",
        "configs: {a: {auth: {token: a}}}\n",
        "configs: {a: {tls: {insecure: true}}}\n",
        "configs: {a: {tls: {insecure_skip_verify: 'true'}}}\n",
    ],
)
def test_schema_refuses(text: str) -> None:
    assert _errors(text)


def test_the_examples_are_as_the_schema_says() -> None:
    host = Path("hosts", "north-agent-1", PATH)
    examples = Path(__file__).parent.parent / "examples"
    assert _errors((examples / "mended" / host).read_text(encoding="utf-8")) == []
    assert len(_errors((examples / "bad" / host).read_text(encoding="utf-8"))) == 2


def test_no_config_of_a_long_file_is_passed_over() -> None:
    hosts = "".join(f"  r{n}.example.com:\n    tls: {{ca_file: /ca}}\n" for n in range(8000))
    wrong = "  last.example.com:\n    tls: {ca: /ca}\n"
    report = examine([Source(PATH, f"configs:\n{hosts}{wrong}")], Policy(("registry-unknown-key",)))
    assert [finding.span.line for finding in report.findings] == [16003]
