"""`k3s-policy show` gives what K3s and systemd themselves make of files that lie as on a host."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from k3s_policy.assemble import assemble
from k3s_policy.assemble.options import parse
from k3s_policy.assemble.scope import Scope
from k3s_policy.k3s import data
from k3s_policy.k3s.flags import flags
from k3s_policy.model.cluster import EvidenceKind
from k3s_policy.readers import door
from k3s_policy.run import Request, assembled, survey
from k3s_policy.show import overview
from k3s_policy.show.json import render
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Case = dict[str, Any]

CONFORMANCE = Path(__file__).parent / "conformance"
VALIDATOR = Draft202012Validator(data.schema("show"))
MASK = "******"


def _lines(name: str) -> list[Case]:
    return [json.loads(line) for line in (CONFORMANCE / name).read_text(encoding="utf-8").splitlines()]


def _shown(files: Mapping[str, str]) -> dict[str, Any]:
    """Return what the command prints for a repository of some files."""
    assembly = assembled([Source(path, content) for path, content in files.items()])
    shown: dict[str, Any] = json.loads(render(overview(assembly)))
    VALIDATOR.validate(shown)
    return shown


def _node(files: Mapping[str, str]) -> dict[str, Any]:
    (node,) = _shown(files)["nodes"]
    return dict(node)


# --- what K3s makes of files, arguments and variables ----------------------------------------------------

ARGS = _lines("k3s-args.jsonl")


def _quoted(word: str, *, command: bool) -> str:
    """Write a word so that systemd reads it as it is."""
    for character in "\\" + '"' + "%" + ("$" if command else ""):
        word = word.replace(character, {"%": "%%", "$": "$$"}.get(character, "\\" + character))
    return f'"{word}"'


def _unit(argv: Sequence[str], *directives: str) -> str:
    command = " ".join(("/usr/local/bin/k3s", *(_quoted(word, command=True) for word in argv[1:])))
    return "\n".join(["[Service]", *directives, f"ExecStart={command}", ""])


def _host(case: Case, root: str = "") -> dict[str, str]:
    """Lay a case out as a host has it: the unit the install script makes, the config below /etc/rancher/k3s."""
    name = "k3s" if case["argv"][1] == "server" else "k3s-agent"
    return {
        **{f"{root}etc/rancher/k3s/{path}": content for path, content in case["files"].items()},
        f"{root}etc/systemd/system/{name}.service": _unit(
            case["argv"], f"EnvironmentFile=-/etc/systemd/system/{name}.service.env"
        ),
        f"{root}etc/systemd/system/{name}.service.env": "".join(
            f"{key}={_quoted_in_file(value)}\n" for key, value in case["env"].items()
        ),
    }


def _quoted_in_file(value: str) -> str:
    for character in '\\"`$':
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


def _in_unit_environment(case: Case) -> dict[str, str]:
    """The same with the variables in the unit itself."""
    name = "k3s" if case["argv"][1] == "server" else "k3s-agent"
    assignments = [_quoted(f"{key}={value}", command=False) for key, value in case["env"].items()]
    return {
        **{f"etc/rancher/k3s/{path}": content for path, content in case["files"].items()},
        f"etc/systemd/system/{name}.service": _unit(case["argv"], *(f"Environment={one}" for one in assignments)),
    }


def _expected(case: Case, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what K3s has, masked where the command masks it."""
    expected = dict(case["expect"]["set"])
    for name, setting in settings.items():
        if setting["masked"] and name in expected:
            assert MASK in json.dumps(setting["value"])
            expected[name] = setting["value"]
    return expected


def test_there_are_all_cases() -> None:
    assert len(ARGS) == 333


@pytest.mark.parametrize("layout", [_host, _in_unit_environment], ids=["environment file", "Environment="])
@pytest.mark.parametrize("case", ARGS, ids=lambda case: case["id"])
def test_what_k3s_makes_of_it(case: Case, layout: Any) -> None:  # noqa: ANN401  one of the two functions above
    node = _node(layout(case))
    assert node["role"] == case["argv"][1]
    if "fatal" in case["expect"]:
        assert node["fatal"]["reason"] == case["expect"]["fatal"]
        return
    assert node["fatal"] is None
    assert node["unseen"] == []
    settings = node["settings"]
    assert {name: setting["value"] for name, setting in settings.items()} == _expected(case, settings)
    assert all(
        len(setting["places"]) == (len(setting["value"]) if isinstance(setting["value"], list) else 1)
        for setting in settings.values()
    )
    assert node["positional"] == case["expect"].get("positional", [])
    assert node["ignored"] == case["expect"].get("ignored", [])


def test_only_credentials_are_masked() -> None:
    masked = {name for case in ARGS for name, setting in _node(_host(case))["settings"].items() if setting["masked"]}
    assert all(flag.sensitive or flag.embeds_credentials for name in masked for flag in [flags().get(name)] if flag)
    assert {"agent-token", "etcd-s3-access-key", "etcd-s3-secret-key", "etcd-s3-session-token", "token"} <= masked


def test_a_root_is_a_host() -> None:
    (case,) = [case for case in ARGS if case["id"] == "a12bc9a00ff"]
    shown = _shown(_host(case, "hosts/one/") | _host(case, "hosts/two/"))
    assert [node["root"] for node in shown["nodes"]] == ["hosts/one", "hosts/two"]
    assert shown["nodes"][0]["files"] == [
        "hosts/one/etc/systemd/system/k3s.service",
        "hosts/one/etc/systemd/system/k3s.service.env",
        "hosts/one/etc/rancher/k3s/config.yaml",
    ]


# --- what systemd makes of units --------------------------------------------------------------------------

SYSTEMD = _lines("systemd.jsonl")
HOST_DEPENDENT = {"488449fcc5d2", "2519f6093492"}
"""%A is the host's: see tests/test_systemd.py."""


def _starts_k3s(argv: list[str]) -> bool:
    """Whether a command runs K3s in a role, as its first word that is no option says."""
    behind = [word for word in argv[1:] if not word.startswith("-")]
    return argv[0].endswith("/k3s") and behind[:1] in (["server"], ["agent"])


def _input(case: Case) -> str:
    content: str = case["input"]
    if case.get("encoding") == "base64":
        content = base64.b64decode(content).decode("utf-8", "surrogateescape")
    return content


def _commands(kind: str) -> list[Any]:
    """The cases that start K3s, each with the words that systemd starts it with."""
    found = []
    for case in SYSTEMD:
        commands = case["expect"].get("commands", [])
        if kind == "unit":
            commands = commands.get("ExecStart", []) if isinstance(commands, dict) else []
        if case["kind"] != kind or case["id"] in HOST_DEPENDENT or len(commands) != 1:
            continue
        argv = commands[0].get("expanded", commands[0]["argv"])
        if _starts_k3s([commands[0]["path"], *argv[1:]]) and ("expanded" in commands[0] or "$" not in str(argv)):
            found.append(pytest.param(case, argv, id=case["id"]))
    return found


def _same(shown: list[str], argv: list[str]) -> bool:
    """Whether words are those of systemd, but for what is masked."""
    return len(shown) == len(argv) and all(
        one == other or (MASK in one and one.partition(MASK)[0] == other[: len(one.partition(MASK)[0])])
        for one, other in zip(shown, argv, strict=True)
    )


@pytest.mark.parametrize(("case", "argv"), _commands("exec"))
def test_words_of_a_command(case: Case, argv: list[str]) -> None:
    name = case.get("unit", "k3s.service")
    variables = case.get("env", {})
    files = {
        f"etc/systemd/system/{name}": f"[Service]\nEnvironmentFile=/etc/k3s.env\nExecStart={case['input']}\n",
        "etc/k3s.env": "".join(f"{key}={_quoted_in_file(value)}\n" for key, value in variables.items()),
    }
    node = _node(files)
    assert _same(node["argv"], argv), (node["argv"], argv)


def test_enough_commands_start_k3s() -> None:
    assert len(_commands("exec")) > 200
    assert len(_commands("unit")) > 50


@pytest.mark.parametrize(("case", "argv"), _commands("unit"))
def test_words_of_a_unit_with_drop_ins(case: Case, argv: list[str]) -> None:
    name = case.get("unit", "k3s.service")
    files = {path.lstrip("/"): content for path, content in case.get("files", {}).items()}
    nodes = _shown({f"etc/systemd/system/{name}": _input(case), **files})["nodes"]
    assert any(_same(node["argv"], argv) for node in nodes), ([node["argv"] for node in nodes], argv)


@pytest.mark.parametrize(
    "case",
    [case for case in SYSTEMD if case["kind"] == "exec" and "error" in case["expect"]],
    ids=lambda case: case["id"],
)
def test_a_refused_command_starts_nothing(case: Case) -> None:
    name = case.get("unit", "k3s.service")
    nodes = _shown({f"etc/systemd/system/{name}": f"[Service]\nExecStart={case['input']}\n"})["nodes"]
    assert [node["argv"] for node in nodes if node["argv"]] == []
    assert all("arguments" in node["unseen"] for node in nodes)
    assert not any(
        place["origin"] == "argument" for node in nodes for one in node["settings"].values() for place in one["places"]
    )


ENDPOINTS = [case for case in _lines("kine-endpoints.jsonl") if "${" not in case["endpoint"] and case["endpoint"]]
"""What kine and the drivers make of endpoints; one with a `${` is taken for a template, which nobody judges."""
UNIT = "etc/systemd/system/k3s.service"


@pytest.mark.parametrize("case", ENDPOINTS, ids=[str(number) for number in range(len(ENDPOINTS))])
def test_what_becomes_of_an_endpoint(case: Case) -> None:
    given = [f"datastore-{name}: /etc/db/{name}.pem" for name in ("cafile", "certfile", "keyfile") if case[name]]
    config = "\n".join([f"datastore-endpoint: {json.dumps(case['endpoint'])}", *given, ""])
    node = _node({UNIT: _unit(["k3s", "server"]), "etc/rancher/k3s/config.yaml": config})
    state, expected = node["datastore"], case["expect"]
    assert (state["refused"] is not None) == ("error" in expected)
    if state["refused"] is None:
        assert state["backend"] == expected["backend"]
        if "tls" in expected:
            assert (state["tls"], state["plaintext_fallback"]) == (expected["tls"], expected["plaintextFallback"])


def test_most_endpoints_are_shown() -> None:
    assert len(ENDPOINTS) > 700


def test_where_a_cluster_keeps_its_state() -> None:
    files = {
        "a/etc/rancher/k3s/config.yaml": "cluster-init: true\nnode-ip: 10.0.0.1\ntoken-file: /t\n",
        f"a/{UNIT}": _unit(["k3s", "server"]),
        "b/etc/rancher/k3s/config.yaml": "server: https://10.0.0.1:6443\ntoken-file: /t\n",
        f"b/{UNIT}": _unit(["k3s", "server"]),
    }
    (cluster,) = _shown(files)["clusters"]
    assert cluster["evidence"] == "joined through 10.0.0.1"
    assert cluster["evidence_details"] == [
        {
            "ground": "joined",
            "why": "joined through 10.0.0.1",
            "path": "b/etc/rancher/k3s/config.yaml",
            "line": 1,
            "column": 1,
        }
    ]
    assert cluster["datastore"]["kept"] == "etcd"
    assert len(cluster["servers"]) == 2


def test_a_host_of_two_roles_is_remarked() -> None:
    options = parse(Source(".k3s-policy.yaml", "clusters: {edge: {servers: [a/, b/], agents: [a/, c/]}}\n").text)
    found = [Source("a/etc/rancher/k3s/config.yaml", "node-ip: 10.0.0.1\nserver: https://10.0.0.9:6443\n")]
    assembly = assemble(
        [one for source in found for one in door.read(door.of_source(source))], Scope(options, whole_repository=True)
    )
    assert assembly.notes == [
        "the cluster edge of .k3s-policy.yaml: b/ matches no K3s configuration",
        "the cluster edge of .k3s-policy.yaml: c/ matches no K3s configuration",
        "the cluster edge of .k3s-policy.yaml: a/etc/rancher/k3s/config.yaml is under servers and under agents",
    ]


@pytest.mark.parametrize("folder", ["bad", "mended"])
def test_the_examples_are_shown_as_the_schema_has_it(folder: str) -> None:
    found = survey(Request((str(Path(__file__).parent.parent / "examples" / folder),)))
    VALIDATOR.validate(json.loads(render(overview(found.assembly))))


def test_the_schema_knows_every_ground_of_a_cluster() -> None:
    grounds = json.dumps(data.schema("show"))
    assert all(f'"{ground.value}"' in grounds for ground in EvidenceKind)
