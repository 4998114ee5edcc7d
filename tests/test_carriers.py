"""The same bytes are judged alike, however they come to a host.

Every form that is a file is carried by every carrier, and breaks the rules that it breaks as a file of the repository.
"""

from __future__ import annotations

import binascii
import gzip
import json
import subprocess
from base64 import b64decode
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import carriers
import forms
import pytest
from carriers import CARRIED, CARRIERS, repository
from drawing import QUOTED, role_and_settings
from forms import Given
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from k3s_policy.judge.rule import names
from k3s_policy.k3s.flags import flags
from k3s_policy.run import Policy, Request, examine, sources
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from carriers import Carried, Carrier, Files

# Who may read a file is said by the carrier, and by nobody where the file lies in the repository.
RULES = tuple(name for name in names() if name != "readable-credential-file")

LESS_GRAVE = dict.fromkeys(("workflow", "workflow_variable"), ("world-readable-kubeconfig",))
"""What weighs less in a carrier: its hosts live no longer than their cluster."""

HARMLESS = ("/etc/motd", "Welcome\n")
"""A file in which no rule is broken: what is found beside it, the carrier breaks itself."""

PAIRS = [
    pytest.param(form, carrier, id=f"{form_name}-{carrier_name}")
    for form_name, form in CARRIED.items()
    for carrier_name, carrier in CARRIERS.items()
    if carrier(*form) is not None
]


def broken(files: Files) -> dict[str, set[str]]:
    """Return the rules that are broken, each with how gravely."""
    found: dict[str, set[str]] = {}
    report = examine([Source(*file) for file in files.items()], Policy(RULES, chosen=False))
    for finding in report.findings:
        found.setdefault(finding.rule, set()).add(finding.severity.word)
    return found


def carried(form: Carried, carrier: Carrier) -> Files:
    files = carrier(*form)
    assert files is not None
    return files


# --- the claim --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", CARRIED.values(), ids=CARRIED)
def test_every_form_breaks_a_rule_where_it_lies_in_the_repository(form: Carried) -> None:
    assert broken(repository(*form))


@pytest.mark.parametrize(("form", "carrier"), PAIRS)
def test_a_carried_file_is_judged_as_one_of_the_repository(form: Carried, carrier: Carrier) -> None:
    expected, actual = broken(repository(*form)), broken(carried(form, carrier))
    assert expected
    for rule in broken(carrier(*HARMLESS) or {}):
        expected.pop(rule, None)
        actual.pop(rule, None)
    for rule in LESS_GRAVE.get(carrier.__name__, ()):
        assert (rule in actual) == (rule in expected)
        expected.pop(rule, None)
        actual.pop(rule, None)
    assert actual == expected


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
def test_a_carrier_is_opened_whatever_it_carries(carrier: Carrier, tmp_path: Path) -> None:
    """What is passed over unread by a scan, for want of a word of K3s's, is judged by nobody."""
    folders = {name: files for name, form in CARRIED.items() if (files := carrier(*form)) is not None}
    # The names of forms are not to tell: the folders are numbered.
    for number, files in enumerate(folders.values()):
        _lay(tmp_path / str(number), files)
    found, errors = sources(Request((str(tmp_path),)))
    assert not errors
    opened = {path.partition("/")[0] for path in found}
    assert [name for number, name in enumerate(folders) if str(number) not in opened] == []


def _lay(root: Path, files: Files) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")


# --- the claim, for settings that are drawn ------------------------------------------------------------------------


WITH_PATH = tuple(
    carrier for carrier in CARRIERS.values() if carrier not in (*carriers.STARTING, *carriers.WITHOUT_PATH)
)
"""Carriers that keep the path, without which a few settings need not tell; and say nothing of K3s themselves."""

HOLDING: dict[Callable[[str, Sequence[Given]], Files], str] = {
    forms.config: "etc/rancher/k3s/config.yaml",
    forms.drop_in: "etc/rancher/k3s/config.yaml.d/50-all.yaml",
    forms.unit_arguments: "etc/systemd/system/k3s.service",
    forms.environment_file: "etc/default/k3s",
}
"""Ways to write settings, each with the file that holds them."""

OF_ONE_VALUE = ("credential-on-command-line", "invalid-value", "plaintext-credential")
"""Rules that look at nothing but the value at fault."""


def _server(**values: str) -> tuple[str, list[Given]]:
    """Return what is drawn where a server is given these settings."""
    found = ((flags().get(name.replace("_", "-")), value) for name, value in values.items())
    return "server", [Given(flag, (value,)) for flag, value in found if flag is not None]


@settings(max_examples=25)
@given(role_and_settings(QUOTED), st.sampled_from(list(HOLDING)))
@example(_server(disable_etcd="true", write_kubeconfig_group="x"), forms.config)  # what is absent
@example(_server(token="4f1c9a7be2d0836f", token_file="x"), forms.environment_file)  # noqa: S106  made up
@example(_server(write_kubeconfig_mode="*5:", docker="maybe"), forms.config)  # one rule twice, gravely and less so
def test_every_carrier_gives_the_same(
    drawn: tuple[str, list[Given]], write: Callable[[str, Sequence[Given]], Files]
) -> None:
    path = HOLDING[write]
    content = write(*drawn)[path]
    assume(content)  # not every setting can be given as a variable
    for carrier in WITH_PATH:
        files = carrier(f"/{path}", content)
        if files is None:
            continue
        expected, actual = broken({path: content}), broken(files)
        for rule in LESS_GRAVE.get(carrier.__name__, ()):
            expected.pop(rule, None)
            actual.pop(rule, None)
        if carrier in carriers.OPEN and "datastore-ignored-flag" in expected:
            # What does nothing on SQLite does something on the etcd that something else may ask for.
            actual.pop("exposed-metrics", None)
        if carrier in carriers.OPEN:
            # Where something may add a setting, little need be concluded from its absence, and nothing more.
            assert (carrier.__name__, actual.keys() - expected.keys()) == (carrier.__name__, set()), files
            expected, actual = _of_one_value(expected), _of_one_value(actual)
        assert (carrier.__name__, actual) == (carrier.__name__, expected), files


def _of_one_value(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {rule: found[rule] for rule in OF_ONE_VALUE if rule in found}


# --- the proof that the claim is tested ------------------------------------------------------------------------------


def test_hardly_a_pair_is_left_out() -> None:
    left_out = {
        f"{form_name}-{carrier_name}"
        for form_name, form in CARRIED.items()
        for carrier_name, carrier in CARRIERS.items()
        if carrier(*form) is None
    }
    beyond_etc = {name for name, form in CARRIED.items() if not form.path.startswith("/etc/")}
    no_unit = CARRIED.keys() - {"unit", "unit_drop_in"}
    told_by_place = {"unit_drop_in", "environment_by_place", "token"}
    assert left_out == {
        *(f"{name}-nixos" for name in beyond_etc),
        *(f"{name}-butane_unit" for name in no_unit),
        *(f"{name}-ansible_block" for name in ("token", "full_token")),
        *(f"{name}-{carrier.__name__}" for name in told_by_place for carrier in carriers.WITHOUT_PATH),
    }
    assert len(PAIRS) + len(left_out) == len(CARRIED) * len(CARRIERS)
    assert len(PAIRS) >= 350


@pytest.mark.parametrize(("form", "carrier"), PAIRS)
def test_a_carrier_holds_what_it_carries(form: Carried, carrier: Carrier, tmp_path: Path) -> None:
    if carrier in carriers.SHELL:
        here = tmp_path / form.path.removeprefix("/")
        (script,) = carried(form._replace(path=str(here)), carrier).values()
        subprocess.run(["sh"], input=script, text=True, check=True)
        assert here.read_text(encoding="utf-8") == form.content
    else:
        assert any(form.content.strip() in text for text in _texts(carried(form, carrier)))


def _texts(files: Files) -> Iterator[str]:
    """Yield what each file holds: the scalars of YAML and JSON, decoded where they are encoded."""
    for path, content in files.items():
        if path.endswith((".nix", ".j2")) or path in ("Vagrantfile", "Dockerfile", "setup.sh"):
            # What is indented is so by as much in all its lines, which the eye sees as well.
            yield "\n".join(
                line.removeprefix("    ") if path.endswith(".nix") else line for line in content.split("\n")
            )
        elif path.endswith(".ign"):
            yield from _decoded(json.loads(content))
        else:
            yield from _decoded(YAML(typ="safe").load(content))


def _decoded(node: Any) -> Iterator[str]:  # noqa: ANN401  as YAML is
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _decoded(item)
    elif isinstance(node, str):
        yield node.replace("$$", "$")
        yield node.replace("\\n", "\n")
        yield unquote(node)
        try:
            data = b64decode(node.rpartition(",")[2], validate=True)
        except binascii.Error:
            return
        yield (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode(errors="replace")
