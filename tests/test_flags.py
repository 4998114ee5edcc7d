"""The flag table agrees with K3s's own tables and with what K3s's parser made of real inputs."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from k3s_policy.k3s import data
from k3s_policy.k3s.flags import Command, Flag, Flags, Kind, RemovedValue, _may_be_near, flags
from k3s_policy.k3s.version import LATEST, Version, has_come

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFORMANCE = Path(__file__).parent / "conformance"
SCHEMA = data.schema("k3s-config")
ROLES = ("server", "agent")


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CONFORMANCE / name).read_text(encoding="utf-8").splitlines()]


FACTS = _lines("flags.jsonl")
CASES = _lines("k3s-args.jsonl")


def _as_of(text: str) -> Flags:
    version = Version.parse(text)
    assert version is not None, text
    return flags().as_of(version)


def _flag(name: str, table: Flags | None = None) -> Flag:
    flag = (table or flags()).get(name)
    assert flag is not None, name
    return flag


# The table and K3s's own tables


def test_every_flag_of_k3s_is_in_the_table_and_no_other() -> None:
    assert len(FACTS) == 127
    assert sorted(flag.name for flag in flags()) == sorted(fact["name"] for fact in FACTS)
    assert len(flags()) == 127
    assert sum("server" in flag.roles for flag in flags()) == 126
    assert sum("agent" in flag.roles for flag in flags()) == 46


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["name"])
def test_flag_is_as_in_the_tables_of_k3s(fact: dict[str, Any]) -> None:
    flag = _flag(fact["name"])
    assert flag.kind is Kind(fact["type"])
    assert flag.roles == set(fact["roles"])
    assert list(flag.aliases) == fact["aliases"]
    assert list(flag.environment) == fact["env"]
    assert (flag.default or None) == (fact["default"] or None)
    assert flag.hidden == fact["hidden"]


def test_names_are_the_same_flag_as_their_aliases_for_each_role() -> None:
    seen = 0
    for flag in flags():
        for role in ROLES:
            expected = flag if role in flag.roles else None
            assert flags().get(flag.name, role) is expected
            for alias in flag.aliases:
                seen += 1
                assert flags().get(alias, role) is expected
                assert SCHEMA["properties"][alias]["k3s"] == {"aliasOf": flag.name}
    assert seen == 14
    assert sorted(name for name in SCHEMA["properties"] if len(name) == 1) == list("cdilostv")


def test_a_variable_is_one_flag_of_a_role() -> None:
    variables = [variable for flag in flags() for variable in flag.environment]
    assert len(variables) == len(set(variables)) == sum(len(fact["env"]) for fact in FACTS) == 31
    for flag in flags():
        for variable in flag.environment:
            for role in ROLES:
                assert flags().by_environment(variable, role) == ((flag,) if role in flag.roles else ())
    assert flags().by_environment("K3S_CLUSTER_SECRET") == ()


def test_every_flag_is_described_and_dated() -> None:
    for flag in (*flags(), *_removed()):
        assert flag.description.endswith("."), flag.name
        assert flag.group, flag.name
        assert flag.since is not None, flag.name
        for release in (flag.since, *flag.backports):
            assert Version.parse(release), (flag.name, release)


def test_what_flags_refer_to_exists() -> None:
    for flag in (*flags(), *_removed()):
        for name in (flag.file_alternative, flag.same_as, flag.deprecated and flag.deprecated.replacement):
            assert name is None or flags().get(name) is not None, flag.name
        if flag.same_as:
            assert _flag(flag.same_as).kind is flag.kind is Kind.LIST
        for value in flag.removed_values:
            assert value.removal.replacement in {*flag.values, "flannel-conf"}
            assert value.value not in flag.values


def test_credentials_are_known() -> None:
    assert {flag.name for flag in flags() if flag.sensitive} == {
        "agent-token",
        "datastore-endpoint",
        "etcd-s3-access-key",
        "etcd-s3-secret-key",
        "etcd-s3-session-token",
        "token",
        "vpn-auth",
    }
    assert {flag.name for flag in flags() if flag.embeds_credentials} == {"datastore-endpoint", "etcd-s3-proxy"}
    for flag in flags():
        if flag.sensitive:
            assert flag.file_alternative or flag.credential_advice, flag.name


def test_what_servers_must_agree_on_is_known() -> None:
    unchecked = {"agent-token", "disable"}
    assert {flag.name for flag in flags() if flag.critical and not flag.checked_on_join} == unchecked
    assert sum(flag.checked_on_join for flag in flags()) == 15


# What K3s's parser made of real inputs


def test_what_k3s_set_is_a_flag_of_the_role_and_of_the_kind() -> None:
    kinds = {bool: {Kind.BOOL}, int: {Kind.INT}, list: {Kind.LIST}, str: {Kind.STRING, Kind.DURATION}}
    checked = 0
    for case in CASES:
        for name, value in case["expect"].get("set", {}).items():
            flag = flags().get(name, case["argv"][1])
            assert flag is not None, (case["id"], name)
            assert flag.name == name
            assert flag.kind in kinds[type(value)], (case["id"], name)
            checked += 1
    assert len(CASES) == 333
    assert checked == 848


def test_what_a_server_ignored_is_no_flag_of_it() -> None:
    ignored = [name for case in CASES for name in case["expect"].get("ignored", ())]
    for name in ignored:
        # K3s names keys with the hyphens it put before them.
        assert flags().get(name.removeprefix("-").removeprefix("-"), "server") is None, name
    assert len(ignored) == 35


def test_what_k3s_refused_as_undefined_is_no_flag_of_the_role() -> None:
    refused = 0
    for case in CASES:
        what, _, name = case["expect"].get("message", "").partition(": -")
        if what == "flag provided but not defined":
            refused += 1
            assert flags().get(name, case["argv"][1]) is None, case["id"]
    assert refused == 52


# The schema, as editors use it


def _read(text: str, version: tuple[int, int] = (1, 2)) -> Any:  # noqa: ANN401 - whatever the file holds
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    yaml.allow_duplicate_keys = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # K3s reads the first document only.
        content = next(iter(yaml.load_all(text)), None)
    # An editor's validator sees JSON: keys and dates are text.
    return json.loads(json.dumps(content, default=str))


def _errors(content: object) -> list[str]:
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(content)]


def _entries(text: str) -> dict[str, Any]:
    """Return the entries of a config file that mean the same to an editor, which reads YAML 1.2, and to K3s."""
    content, as_k3s = _read(text), _read(text, (1, 1))
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if key in as_k3s and as_k3s[key] == value}


def _known(key: str) -> Flag | None:
    return flags().get(key.removesuffix("+"))


def _files(case: dict[str, Any]) -> list[str]:
    """Return what K3s reads of a case: the config and its drop-ins."""
    return [text for name, text in case["files"].items() if name.lower().endswith((".yaml", ".yml"))]


def test_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert {kind.value for kind in Kind} == set(SCHEMA["definitions"])


def test_every_key_may_have_a_plus() -> None:
    for pattern, content in SCHEMA["patternProperties"].items():
        kind = Kind(content["anyOf"][0]["$ref"].rpartition("/")[2])
        names = pattern.removeprefix("^(").removesuffix(")\\+$").split("|")
        assert names == sorted(name for flag in flags() if flag.kind is kind for name in (flag.name, *flag.aliases))
        # Only a list is added to.
        assert ("deprecationMessage" in content) == (kind is not Kind.LIST)
    assert len(SCHEMA["patternProperties"]) == len(Kind)


def test_schema_accepts_what_k3s_accepts() -> None:
    accepted = 0
    for case in CASES:
        if "fatal" in case["expect"]:
            continue
        for text in _files(case):
            if "!!" in text or "<<" in text:
                continue
            for key, value in _entries(text).items():
                flag = _known(key)
                # K3s's parser leaves it to later whether a value is one of those there are.
                if flag is not None and not flag.values:
                    assert _errors({key: value}) == [], (case["id"], key)
                    accepted += 1
    assert accepted == 416


def test_schema_refuses_what_k3s_refuses() -> None:
    refused = 0
    for case in CASES:
        fatal, message = case["expect"].get("fatal"), case["expect"].get("message", "")
        if fatal == "config":
            assert any(_errors(_read(text)) for text in _files(case)), case["id"]
            refused += 1
            continue
        for skipped in case["expect"].get("ignored", ()):
            name = skipped.lstrip("-")
            if flags().get(name) is None and name:
                # A flag of agents alone is one all the same.
                assert any(
                    _errors({key: value})
                    for text in _files(case)
                    for key, value in (_read(text) or {}).items()
                    if key == name
                ), case["id"]
                refused += 1
        bad = re.match(r'invalid (?:boolean )?value "(?P<value>[^"]*)" for (?:flag )?-(?P<name>[^:]+): ', message)
        for text in _files(case) if bad else ():
            assert bad
            for key, value in _entries(text).items():
                flag = _known(key)
                if (
                    flag is not None
                    and bad["name"] == flag.name
                    and bad["value"] in (str(value), "" if value is None else "?")
                ):
                    assert _errors({key: value}), (case["id"], key)
                    refused += 1
    assert refused == 60


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"t": "secret", "v": 2},
        {"disable+": "traefik", "node-ip": "10.0.0.1,fd00::1", "i+": ["10.0.0.2"]},
        {"selinux": "T", "debug": 1, "rootless": " true "},
        {"https-listen-port": "0x1bbd", "advertise-port": "1_000"},
        {"etcd-s3-timeout": "1h30m", "etcd-snapshot-reconcile-interval": 0},
        {"node-label": ["a=b", None, True, 3]},
        {"kube-controller-arg": ["a=b"]},
        {"data-dir": ["/a", "/b"]},
        {"data-dir+": "/a"},
        {"debug": [True, False]},
    ],
)
def test_schema_accepts(content: object) -> None:
    assert _errors(content) == []


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"node-labels": ["a=b"]},
        {"node_label": ["a=b"]},
        {"selinux": "yes"},
        {"selinux": None},
        {"https-listen-port": "12.5"},
        {"https-listen-port": None},
        {"debug": [True, "yes"]},
        {"debug+": "yes"},
        {"etcd-s3-timeout": 30},
        {"etcd-s3-timeout": "30"},
        {"kubelet-arg": [{"max-pods": 110}]},
        {"flannel-backend": "wireguard"},
        {"no-deploy": ["traefik"]},
        {"http-listen-port": 80},
    ],
)
def test_schema_refuses(content: object) -> None:
    assert _errors(content) != []


def test_schema_says_what_became_of_old_names() -> None:
    properties = SCHEMA["properties"]
    old = [name for name, content in properties.items() if content.get("deprecated")]
    assert len(old) == 17
    for name in old:
        assert properties[name]["doNotSuggest"], name
        assert properties[name]["deprecationMessage"], name


# What went, and what came


def _removed() -> list[Flag]:
    found = (flags().removed(name) for name, content in SCHEMA["properties"].items() if "not" in content)
    return [flag for flag in found if flag is not None]


def test_removed_flags_are_known_with_what_replaces_them() -> None:
    replacements = {flag.name: flag.removed.replacement for flag in _removed() if flag.removed}
    assert replacements == {
        "no-deploy": "disable",
        "no-flannel": "flannel-backend=none",
        "cluster-secret": "token",
        "disable-selinux": "selinux",
        "multi-cluster-cidr": None,
        "disable-api-server": "disable-apiserver",
        "storage-endpoint": "datastore-endpoint",
        "storage-cafile": "datastore-cafile",
        "storage-certfile": "datastore-certfile",
        "storage-keyfile": "datastore-keyfile",
        "storage-backend": "datastore-endpoint",
        "bootstrap": None,
        "bootstrap-save": None,
        "http-listen-port": "https-listen-port",
    }
    for name, replacement in replacements.items():
        assert flags().get(name) is None
        assert replacement is None or flags().get(replacement.partition("=")[0]) is not None


def test_removed_flag_is_one_of_its_roles_only() -> None:
    assert flags().removed("no-deploy", "server") is not None
    assert flags().removed("no-deploy", "agent") is None
    assert flags().removed("token") is None


def test_removed_variables_lead_to_the_new_ones() -> None:
    expected = {
        "K3S_CLUSTER_SECRET": "K3S_TOKEN",
        "K3S_STORAGE_ENDPOINT": "K3S_DATASTORE_ENDPOINT",
        "K3S_STORAGE_CAFILE": "K3S_DATASTORE_CAFILE",
        "K3S_STORAGE_CERTFILE": "K3S_DATASTORE_CERTFILE",
        "K3S_STORAGE_KEYFILE": "K3S_DATASTORE_KEYFILE",
    }
    for old, new in expected.items():
        flag = flags().removed_variable(old)
        assert flag is not None
        assert flag.removed is not None
        assert flag.removed.replacement is not None
        assert flags().variable_for(flag.removed.replacement) == new
    assert flags().removed_variable("K3S_TOKEN") is None
    assert flags().variable_for("disable") is None
    assert flags().variable_for("no-such-flag") is None


def test_removed_flag_works_in_the_versions_that_had_it() -> None:
    before, fatal = _as_of("v1.24.17+k3s1"), _as_of("v1.25.0+k3s1")
    flag = _flag("no-deploy", before)
    assert flag.removed is not None
    assert flag.removed.since == "v1.25.0"
    assert before.removed("no-deploy") is None
    assert before.by_environment("K3S_CLUSTER_SECRET")
    assert before.removed_variable("K3S_CLUSTER_SECRET") is None
    assert fatal.get("no-deploy") is None
    assert fatal.removed("no-deploy") is not None


def _value_gone(flag: Flag, value: str, version: Version | None) -> RemovedValue | None:
    """Return what is known of a value that no longer works in a release."""
    removed = flag.removed_value(value)
    return removed if removed is not None and removed.removal.gone(version) else None


def test_removed_values_go_with_the_version() -> None:
    flag = _flag("flannel-backend")
    for value, before, after in (
        ("wireguard", "v1.25.16", "v1.26.0"),
        ("ipsec", "v1.26.15+k3s1", "v1.27.1+k3s1"),
        ("vxlan=Directrouting=true", "v1.26.15", "v1.28"),
    ):
        assert _value_gone(flag, value, Version.parse(before)) is None
        assert _value_gone(flag, value, Version.parse(after)) is not None
        gone = _value_gone(flag, value, None)
        assert gone is not None
        assert gone.removal.replacement
    assert _value_gone(flag, "vxlan", None) is None


@pytest.mark.parametrize(
    ("name", "absent", "present"),
    [
        ("write-kubeconfig-name", "v1.36.3+k3s1", "v1.37.0+k3s1"),
        ("kine-tls", "v1.29.3+k3s1", "v1.29.4+k3s1"),
        ("kine-tls", "v1.28.9+k3s1", "v1.30"),
        ("helm-controller-arg", "v1.33.13+k3s1", "v1.33.13+k3s2"),
        ("helm-controller-arg", "v1.36.2+k3s1", "v1.36.3+k3s1"),
        # v1.27 and v1.28 lie between a line with the flag and one it was carried back to.
        ("embedded-registry", "v1.26.12+k3s1", "v1.27.0+k3s1"),
        ("tls-san-security", "v1.24.16+k3s1", "v1.24.17+k3s1"),
        ("tls-san-security", "v1.26.7+k3s1", "v1.26.8+k3s1"),
        ("tls-san-security", "v1.28.0+k3s1", "v1.28.1+k3s1"),
        ("flannel-backend", "v0.9.1", "v0.10.0"),
    ],
)
def test_flag_exists_since(name: str, absent: str, present: str) -> None:
    assert _as_of(absent).get(name) is None
    later = _as_of(absent).later(name, "server")
    assert later is not None
    assert later.name == name
    assert _as_of(present).get(name) is not None
    assert _as_of(present).later(name) is None


def test_advice_against_a_flag_begins_with_its_version() -> None:
    assert _flag("helm-job-image").deprecated is not None
    assert _flag("helm-job-image", _as_of("v1.35.0")).deprecated is None
    assert _flag("kube-controller-arg", _as_of("v1.20.0")).deprecated is not None


def test_tables_are_made_once() -> None:
    table = _as_of("v1.30.1")
    assert table.version == Version.parse("v1.30.1+k3s0")
    assert table is _as_of("1.30.1")
    assert table.newest == flags().newest == "v1.37.1"
    assert table.as_of(None) is flags()
    assert flags() is flags()
    assert len(table) < len(flags())


# Misspelt names


@pytest.mark.parametrize(
    ("name", "role", "nearest"),
    [
        ("node-labels", "server", "node-label"),
        ("node_label", "agent", "node-label"),
        ("kubelet_args", "agent", "kubelet-arg"),
        ("--kubelet_arg", "server", "kubelet-arg"),
        ("Token", "server", "token"),
        ("tls-sans", "server", "tls-san"),
        ("tls-sans", "agent", None),
        ("write-kubeconfig-mod", "server", "write-kubeconfig-mode"),
        ("flannel-backned", "server", "flannel-backend"),
        ("kube-api-server-arg", "server", "kube-apiserver-arg"),
        ("disable-servicelb", "server", "disable"),
        ("disable-traefik", None, "disable"),
        ("disable-traefik", "agent", None),
        ("s3-bucket", "server", "etcd-s3-bucket"),
        ("external-ip", "server", None),
        ("cluster-name", "server", None),
        ("hostname", "server", None),
        ("foo-bar", "server", None),
        ("k", "server", None),
        ("", "server", None),
    ],
)
def test_nearest(name: str, role: str | None, nearest: str | None) -> None:
    assert flags().nearest(name, role) == nearest


def test_nearest_finds_back_each_name_with_a_slip() -> None:
    unsure = {"v", "log", "config", "docker", "debug"}
    for flag in flags():
        if flag.name in unsure:
            continue
        middle = len(flag.name) // 2
        for slip in (flag.name[:middle] + flag.name[middle + 1 :], flag.name[:middle] + "x" + flag.name[middle:]):
            if flags().get(slip) is None:
                assert flags().nearest(slip) == flag.name, slip


def test_no_slip_is_passed_over_before_its_letters_are_counted() -> None:
    def slips(name: str) -> Iterator[str]:
        for at in range(len(name) + 1):
            yield from (name[:at] + letter + name[at:] for letter in "a3-")
            yield from (name[:at] + letter + name[at + 1 :] for letter in "a3-")
            yield name[:at] + name[at + 1 :]
            yield name[:at] + name[at : at + 2][::-1] + name[at + 2 :]

    for flag in flags():
        once = list(slips(flag.name))
        twice = [again for slip in once[::29] for again in slips(slip)]
        for count, found in ((1, once), (2, twice)):
            assert all(_may_be_near(slip, flag.name, count) and _may_be_near(flag.name, slip, count) for slip in found)


def test_hyphenated_names_are_for_finding_files() -> None:
    assert len(flags().hyphenated) == 127
    assert {"no-deploy", "kube-controller-arg", "disable-apiserver-lb"} < set(flags().hyphenated)
    assert "token" not in flags().hyphenated


# Other commands


def test_credentials_of_other_commands_are_known() -> None:
    found = {
        (name, flag.name)
        for name in flags().commands
        for flag in _command(name).flags
        if flag.sensitive or flag.embeds_credentials
    }
    assert found == {
        ("etcd-snapshot", "etcd-token"),
        ("etcd-snapshot", "token"),
        ("etcd-snapshot", "s3-access-key"),
        ("etcd-snapshot", "s3-secret-key"),
        ("etcd-snapshot", "s3-session-token"),
        ("etcd-snapshot", "s3-proxy"),
        ("secrets-encrypt", "token"),
        ("token", "token"),
        ("token", "new-token"),
    }


def _command(name: str) -> Command:
    command = flags().command(name)
    assert command is not None
    return command


def _option(command: str, name: str, subcommand: str | None = None) -> Flag:
    flag = _command(command).get(name, subcommand)
    assert flag is not None, name
    return flag


def test_commands_tell_their_flags_apart() -> None:
    assert _option("etcd-snapshot", "t").name == "etcd-token"
    assert _option("etcd-snapshot", "etcd-s3-secret-key").kind.takes_value
    assert not _option("etcd-snapshot", "s3").kind.takes_value
    assert _command("etcd-snapshot").get("tls-san") is None
    assert _option("certificate", "s").name == "service"
    assert _option("certificate", "s", "rotate-ca").name == "server"
    assert flags().command("kubectl") is None


def test_commands_tell_what_they_read_and_what_went() -> None:
    assert [name for name in flags().commands if _command(name).reads_config] == ["etcd-snapshot"]
    renamed = _option("etcd-snapshot", "token").removed
    assert renamed is not None
    assert renamed.replacement == "etcd-token"
    bare = _command("etcd-snapshot").bare_removal
    assert bare is not None
    assert bare.replacement == "etcd-snapshot save"


# Versions


@pytest.mark.parametrize(
    ("text", "come"),
    [
        ("v1.26.9+k3s1", False),
        ("v1.27.4+k3s1", False),
        ("v1.27.5+k3s1", True),
        ("v1.28.1", False),
        ("v1.28.2", True),
        ("v1.28", True),
        ("v1.29.0", True),
    ],
)
def test_what_came_to_several_lines(text: str, come: bool) -> None:  # noqa: FBT001
    firsts = (Version(1, 27, 5), Version(1, 28, 2))
    assert has_come(firsts, Version.parse(text)) is come
    assert has_come(firsts, None)
    assert has_come((), Version.parse(text))


def test_versions_are_ordered_as_they_were_released() -> None:
    released = [
        "v0.1.0",
        "v1.0.1",
        "v1.17.0+k3s.1",
        "v1.17.4+k3s1",
        "v1.25.3-alpha1+k3s1",
        "v1.25.3-rc1+k3s1",
        "v1.25.3-rc2+k3s1",
        "v1.25.3",
        "v1.25.3+k3s1",
        "v1.25.3+k3s2",
        "v1.25.10+k3s1",
        "v1.25",
        "v1.26.0",
        "v1.100.0+k3s1",
    ]
    versions = [Version.parse(text) for text in released]
    assert None not in versions
    assert versions == sorted(version for version in versions if version)
    assert len(set(versions)) == len(released)


@pytest.mark.parametrize(
    ("text", "version", "written"),
    [
        ("v1.33.4+k3s1", Version(1, 33, 4, build=1), "v1.33.4+k3s1"),
        ("v1.33.4-k3s1", Version(1, 33, 4, build=1), "v1.33.4+k3s1"),
        ("v1.33.4-k3s1-arm64", Version(1, 33, 4, build=1), "v1.33.4+k3s1"),
        (" 1.25.3 ", Version(1, 25, 3), "v1.25.3"),
        ("v1.17.0+k3s.1", Version(1, 17, 0, build=1), "v1.17.0+k3s1"),
        ("v1.30.1-rc2-k3s1", Version(1, 30, 1, 2, 2, 1), "v1.30.1-rc2+k3s1"),
        ("v1.25", Version(1, 25, LATEST), "v1.25"),
    ],
)
def test_versions_are_read_and_written(text: str, version: Version, written: str) -> None:
    assert Version.parse(text) == version
    assert str(version) == written
    assert version.line == (version.major, version.minor)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stable",
        "latest",
        "v1",
        "v1.x",
        "v1.25.x",
        "{{ k3s_version }}",
        "v{{ version }}+k3s1",
        "${VERSION}",
        "v1.25.3+rke2r1",
        "v1.25.3-rke2r1",
        "10.0.0.1",
        "v1.25.3+k3s",
        "v1.25+k3s1",
        "1.25.3 beta",
        "\u0663.\u0661.\u0664",
    ],
)
def test_what_is_no_version(text: str) -> None:
    assert Version.parse(text) is None


# Where the data lies


def test_missing_data_is_said() -> None:
    with pytest.raises(FileNotFoundError):
        data.folder("no-such-folder")
    with pytest.raises(FileNotFoundError):
        data.schema("no-such-schema")


def test_schema_without_a_version_is_refused() -> None:
    broken = Flag("broken", Kind.BOOL, since="soon")
    with pytest.raises(ValueError, match="soon is not a K3s version"):
        broken.exists(Version(1, 30))
