"""Which reader a file is for: by its name, and by what it holds.

Each Source is decoded and composed once, whatever number of readers look at it. A reader is loaded when a file has a
word that every file of its format has.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from k3s_policy.formats import template
from k3s_policy.model import comments
from k3s_policy.model.fragment import Database, HostName, HostVariables, Inventory, NotJudged, OfRke2, Override
from k3s_policy.readers import config, environment, hosts
from k3s_policy.readers.beginning import is_cloud_config, is_message
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Document
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Source, Text

__all__ = ["read", "read_named"]

_NOT_OF_K3S = (OfRke2, NotJudged, HostName, Database, Inventory, HostVariables)
_YAML = re.compile(r"(?i)\.(?:ya?ml|json|bu|butane|fcc|ign|ignition)$")
_CLUSTER_MADE = re.compile(r"\s*(?:K10[0-9a-f]{8}|-----BEGIN )")
_JINJA = pattern(r"\ufeff?##\s*template:\s*jinja")
# Descriptions of hosts have any name, and not all of them begin as cloud-init wants it.
_DESCRIPTION = pattern(r"(?m)^(?:write_files|runcmd|k3os):[ \t\r]*$")
_ANY_NAME = pattern(r"(?i)(?:^|/)[^./]+$|\.(?:cfg|cloud-config|conf|hcl|init|txt|user-?data)$")
_OF_HOSTS = pattern(r"(?:^|/)(?:group|host)_vars/")
_INVENTORY = pattern(r"(?i)\.ini$|(?:^|/)(?:hosts|inventory)[^/]*$|(?:^|/)inventor(?:y|ies)/(?:[^/]+/)*[^/.]+$")


class _Format(NamedTuple):
    """A format, and what its files are known by before its reader is loaded."""

    reader: str
    """The module in `k3s_policy.readers`: it has `claims`, which decides, and `read_document` for YAML, else `read`."""
    words: tuple[str, ...] = ()
    """One of these stands in such a file; a line break in front stands for the beginning of the file too."""
    path: str = ""
    """A regular expression that the paths of other such files meet."""
    telling: bool = False
    """Whether such a file is worth composing although nothing in it names K3s or a flag of it."""

    def may_be(self, path: str, lines: str) -> bool:
        """Whether a file may be in this format; `lines` is its content behind a line break."""
        return any(word in lines for word in self.words) or bool(self.path and re.search(self.path, path))


_YAML_FORMATS = (
    _Format("kubeconfig", ("client-key-data",), telling=True),
    _Format("k3d", ("k3d.io/",)),
    _Format("manifest", ("apiVersion",)),
    _Format("compose", ("services:", '"services"')),
    _Format("registries", ("\nmirrors:", "\nconfigs:"), r"(?i)registries\.ya?ml$", telling=True),
    _Format("butane", ("storage:", "systemd:", '"storage"', '"systemd"')),
    _Format("k3os", ("k3os:", '"k3os"'), telling=True),
    _Format("kairos", ("\nk3s:", "\nk3s-agent:", "\nstages:")),
    _Format("cloud_init", ("write_files:", "runcmd:", "bootcmd:", "late-commands:", '"write_files"', '"runcmd"')),
    _Format("hetzner_k3s", ("masters_pool",)),
    _Format("workflow", ("steps:", 'steps":')),
    _Format("pipeline", ("script:", "commands:")),
    _Format("taskfile", ("tasks:",)),
    _Format("ansible", path=r"(?:^|/)(?:group_vars|host_vars|vars|defaults|tasks|handlers|molecule)/"),
    _Format(
        "ansible",
        ("hosts:", "children:", "ansible.builtin.", "_playbook:", "tasks:", "_args:", "_config_yaml:", "k3s_"),
    ),
)
"""YAML and JSON; the first reader that claims a file has it. What none claims may be a config of K3s's."""


_TEXT_FORMATS = (
    _Format("dockerfile", path=r"(?i)(?:^|/)(?:[^/]+\.)?(?:docker|container)file(?:[.-][^/]*)?$"),
    _Format("makefile", path=r"(?i)(?:^|/)(?:gnu)?makefile(?:\.[^/]*)?$|\.mk$"),
    _Format("justfile", path=r"(?i)(?:^|/)\.?justfile$|\.just$"),
    _Format("vagrantfile", path=r"(?i)(?:^|/)vagrantfile[^/]*$"),
    _Format("nix", path=r"\.nix$"),
    _Format("openrc", path=r"(?:^|/)(?:init|conf)\.d/k3s[^/]*$|\.(?:openrc|initd|confd)$"),
)
"""Other formats, known by their paths; a file of one of them is no script, whatever it looks like."""


def read(source: Source) -> Iterator[Fragment]:
    """Yield the fragments of a file; none where it holds nothing of K3s's."""
    fragments = list(_by_format(source))
    yield from fragments
    if "#" in source.content and any(not isinstance(one, _NOT_OF_K3S) for one in fragments):
        yield from comments.read(source.text)


def read_named(source: Source, kind: str) -> Iterator[Fragment]:
    """Yield the fragments of a file that a unit or a command names, whatever it is called and holds.

    `kind` is `config`, `environment`, `registries` or `override`.
    """
    if kind == "override":
        yield Override(source.path)
        return
    if kind == "config":
        text, document = _composed(source)
        yield from config.read_document(text, document, template.without_suffix(source.path), claimed=True)
    elif kind == "registries":
        from k3s_policy.readers import registries  # noqa: PLC0415  loaded when one is named

        yield from registries.read(source.text, source.path)
    else:
        yield from environment.read(source.text, source.path)
    yield from comments.read(source.text)


def _by_format(source: Source) -> Iterator[Fragment]:
    path, content = template.without_suffix(source.path), source.content
    if _YAML.search(path) or config.passed_over(path):
        yield from _yaml(source, path)
        return
    by_path = next((one for one in _TEXT_FORMATS if one.may_be(path, "")), None)
    if by_path is not None:
        yield from _text(source, path, by_path)
        return
    read_it = next((reader for claims, reader in _CLAIMS if claims(path, content)), _script)
    yield from read_it(source, path)


def _text(source: Source, path: str, format_: _Format) -> Iterator[Fragment]:
    if "k3s" in source.content.lower() or "k3s" in path.lower():
        reader: Any = import_module(f"k3s_policy.readers.{format_.reader}")
        syntax = _syntax_by_name(source)
        yield from reader.read(template.filled(source.text, syntax) if syntax else source.text, path)


def _syntax_by_name(source: Source) -> re.Pattern[str] | None:
    """Return the template language of a file whose name says that it is a template, None for others."""
    return template.syntax_of(source.path, source.content) if template.is_template(source.path) else None


# --- what a path alone does not tell ------------------------------------------------------------------------


def _is_unit(path: str, content: str) -> bool:
    if "service" not in path or ("[Service]" not in content and "[Unit]" not in content):
        return False
    from k3s_policy.readers import unit  # noqa: PLC0415  loaded when a unit is met

    return unit.claims(path, content)


def _unit(source: Source, _: str) -> Iterator[Fragment]:
    from k3s_policy.readers import unit  # noqa: PLC0415  likewise

    yield from unit.read(source.text, source.path)


def _environment(source: Source, path: str) -> Iterator[Fragment]:
    yield from environment.read(source.text, path)


def _hosts(source: Source, _: str) -> Iterator[Fragment]:
    yield from hosts.read(source.text)


def _is_inventory(path: str, content: str) -> bool:
    return "[" in content and _INVENTORY.search(path) is not None


def _inventory(source: Source, path: str) -> Iterator[Fragment]:
    from k3s_policy.readers.ansible import inventory  # noqa: PLC0415  loaded when an inventory may be met

    if inventory.claims(path, source.content):
        yield from inventory.read(source.text, path)


def _is_made_by_a_cluster(_: str, content: str) -> bool:
    return _CLUSTER_MADE.match(content) is not None


def _made_by_a_cluster(source: Source, path: str) -> Iterator[Fragment]:
    from k3s_policy.readers import data_folder  # noqa: PLC0415  hardly a repository has such a file

    if data_folder.claims(path, source.content):
        yield from data_folder.read(source.text, path)


def _is_message(_: str, content: str) -> bool:
    return is_message(content)


def _message(source: Source, path: str) -> Iterator[Fragment]:
    """Read user-data of several parts."""
    from k3s_policy.readers import user_data  # noqa: PLC0415  rare

    syntax = _syntax_by_name(source)
    yield from user_data.read(template.masked(source.text, syntax).text if syntax else source.text, path)


def _is_description(path: str, content: str) -> bool:
    """Whether a file without an ending of YAML is user-data, or says in its keys that it is the like."""
    if is_cloud_config(content):
        return True
    return not content.startswith("#!") and bool(_ANY_NAME.search(path) and _DESCRIPTION.search(content))


def _description(source: Source, path: str) -> Iterator[Fragment]:
    yield from _yaml(source, path, may_be_config=False)


def _script(source: Source, _: str) -> Iterator[Fragment]:
    from k3s_policy.readers import script  # noqa: PLC0415  tree-sitter is loaded only where a shell is met

    path, content = source.path, source.content
    if script.claims(path, content) and script.concerns_k3s(content):
        syntax = template.syntax_of(path, content) if script.is_template(path, content) else None
        yield from script.read(template.filled(source.text, syntax) if syntax else source.text)


_CLAIMS = (
    (_is_unit, _unit),
    (environment.claims, _environment),
    (hosts.claims, _hosts),
    (_is_inventory, _inventory),
    (_is_made_by_a_cluster, _made_by_a_cluster),
    (_is_message, _message),
    (_is_description, _description),
)
"""What else a file can be, and who reads it then; the first that claims a file has it, and a script is the last."""


# --- YAML -------------------------------------------------------------------------------------------------


def _yaml(source: Source, path: str, *, may_be_config: bool = True) -> Iterator[Fragment]:
    """Read a YAML file; `path` is that of what it becomes where it is a template."""
    lines = "\n" + source.content.removeprefix("\ufeff")
    formats = [one for one in _YAML_FORMATS if one.may_be(path, lines)]
    telling = "k3s" in path.lower() or "K3S_" in lines or any(one.telling for one in formats)
    telling = telling or _INVENTORY.search(path) is not None or _OF_HOSTS.search(path) is not None
    if not telling and config.may_be_skipped(source.content):
        return
    text, document = _composed(source)
    for one in formats:
        reader: Any = import_module(f"k3s_policy.readers.{one.reader}")
        if reader.claims(document, path):
            yield from reader.read_document(text, document, path)
            return
    if may_be_config:
        yield from config.read_document(text, document, path)


def _composed(source: Source) -> tuple[Text, Document]:
    """Compose a file: as it stands, or, where it is a template or does not parse for one, with the template masked."""
    from k3s_policy.formats.tree import read_yaml  # noqa: PLC0415  loaded when YAML is met

    text = source.text
    named = template.is_template(source.path) or _JINJA.match(source.content) is not None
    document = None if named else read_yaml(text)
    if document is not None and document.error is None:
        return text, document
    syntax = template.syntax_of(source.path, source.content)
    if syntax is None:
        return text, document or read_yaml(text)
    masked = template.masked(text, syntax)
    return masked.text, replace(read_yaml(masked.text), open=masked.open)
