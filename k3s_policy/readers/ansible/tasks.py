"""Tasks of Ansible: commands they run, files they write, permissions they give.

As the modules of `ansible.builtin` take their parameters (https://docs.ansible.com/ansible/latest/collections/ansible/builtin/):
a mapping, or one text of `name=value` words, in which the command of `shell`, `command` and `raw` stands free.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.shell import command_line
from k3s_policy.formats.template import is_substituted
from k3s_policy.formats.tree import Entry, Mapping, Scalar, Sequence, read_yaml
from k3s_policy.formats.user_data import mode_of
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import ReadAs, belongs_to_k3s
from k3s_policy.k3s.recognise import is_config_path
from k3s_policy.model.file import File, Mode, host_at
from k3s_policy.model.fragment import Copy, HeldCredential, TaskList
from k3s_policy.model.role_variables import configuration, without_templates
from k3s_policy.model.subjects import Credential, FileMode
from k3s_policy.readers.ansible.loops import in_turn
from k3s_policy.readers.ansible.words import as_json, parameters
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as Given
    from collections.abc import Sequence as List

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found
    from k3s_policy.model.lower import Variable
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["Task", "module", "read"]

_COMMANDS = frozenset({"shell", "command", "raw"})
_FILES = frozenset({"copy", "template", "blockinfile", "lineinfile", "file"})
_DOWNLOADS = frozenset({"get_url", "uri"})
_ACTIONS = ("action", "local_action")
"""Another way to call a module: `action: shell k3s server`."""
_NAMESPACES = ("ansible.builtin.", "ansible.legacy.")
_PARAMETER = pattern(
    r"(?:^|(?<=\s))(?:creates|removes|chdir|executable|warn|stdin|strip_empty_ends)=(?:'[^'\n]*'|\"[^\"\n]*\"|\S+)"
)
_MODE = pattern(r"0?o?[0-7]{3,4}|[ugoa]*[-+=][rwxXst,ugoa+=-]*")
_SEVERAL = pattern(r"[|;&<\n]")
_END = "END_OF_STDIN"
_COMBINED = pattern(r"\{[^{}]*['\"](?P<key>[a-z][a-z0-9-]+)['\"]\s*:")
_NAME = pattern(r"[A-Za-z_]\w*")


_READ = _COMMANDS | _FILES | _DOWNLOADS | {"set_fact"}


class Called(NamedTuple):
    """The module that a task calls, without its collection."""

    name: str
    value: YamlNode


class Task(NamedTuple):
    """A task, with what the plays and blocks around it give it."""

    module: str
    value: YamlNode
    node: Mapping
    environment: tuple[Variable, ...]
    when: When
    conditions: frozenset[str]
    """All of them, in their own words."""


def module(task: Mapping) -> Called | None:
    """Return which module a task calls; None where it is none that is read."""
    for key, value in map(_as_called, task.entries):
        name = str(key)
        for namespace in _NAMESPACES:
            name = name.removeprefix(namespace)
        if name in _READ:
            return Called(name, value)
    return None


def _as_called(entry: Entry) -> Entry:
    """Return the module and its parameters where an entry gives both, in words or as a mapping."""
    key, value = entry
    if str(key) not in _ACTIONS:
        return entry
    if isinstance(value, Scalar):
        name, _, rest = value.text.strip().partition(" ")
        return Entry(Scalar(name, name, plain=True), Scalar(rest, rest, plain=False))
    called = value.scalar("module") if isinstance(value, Mapping) else None
    if called is None or not isinstance(value, Mapping):
        return entry
    others = tuple(one for one in value.merged().entries if str(one.key) != "module")
    return Entry(called, Mapping(others, value.written))


def read(tasks: Iterable[Task], path: str) -> Iterator[Found]:
    """Yield what tasks for one host run and write, each for a host of its own; and which these are.

    Which of them are one host is told where all is read: see `assemble.tasks`.
    """
    every = list(tasks)
    facts = _facts(every)
    hosts: list[tuple[str, frozenset[str]]] = []
    for task in every:
        for host, found in _read(task, path, facts):
            hosts += [(host, task.conditions)] if host is not None else []
            yield found
    if hosts:
        yield TaskList(tuple(dict.fromkeys(hosts)))


def _read(task: Task, path: str, facts: dict[str, list[tuple[str, Text]]]) -> Iterator[tuple[str | None, Found]]:
    """Yield what a task comes to, with the host that it is for."""
    if task.module in _COMMANDS:
        text = _command_text(task)
        if text is not None:
            host = host_at(text)
            yield host, _script(without_templates(text), host, task)
    elif task.module in _FILES:
        yield from _file(task, path, facts)
    elif task.module in _DOWNLOADS and (text := _download(task)) is not None:
        yield None, _script(text, None, task)
    for credential in _credentials(task.environment):
        yield None, credential


def _script(text: Text, host: str | None, task: Task) -> File:
    return File(text=text, path="", read_as=ReadAs.SCRIPT, host=host, when=task.when, given=task.environment)


def _credentials(given: Iterable[Variable]) -> Iterator[Credential]:
    """Yield the credentials among the variables of a task: of K3s by their names, whatever the task runs."""
    for variable in given:
        name = str(variable.name)
        if name.startswith("K3S_") and any(flag.sensitive for flag in flags().by_environment(name)):
            yield Credential(what=name, at=variable.name, value=variable.value, form=variable.form, tag=variable.tag)


def _given(task: Task) -> dict[str, YamlNode]:
    """Return the parameters of a task: those of its module, and of `args`, which they beat."""
    beside = task.node.last("args")
    return (parameters(beside) if beside is not None else {}) | parameters(task.value)


# --- commands ---------------------------------------------------------------------------------------------


def _command_text(task: Task) -> Text | None:
    command = _command(task)
    return _fed(command, _given(task).get("stdin")) if command is not None else None


def _command(task: Task) -> Text | None:
    value = task.value
    if isinstance(value, Scalar) and value.text and not value.text.startswith("cmd="):
        return _without_parameters(value.text)
    given = _given(task)
    command, argv = given.get("cmd") or given.get("_raw_params"), given.get("argv")
    if isinstance(command, Scalar):
        return command.text
    words = [item.text for item in argv.items if isinstance(item, Scalar)] if isinstance(argv, Sequence) else []
    return command_line(words) if words else None


def _fed(command: Text, given: YamlNode | None) -> Text:
    """Return a command with what it reads, as a here-document; of several commands nobody knows which reads it."""
    if not isinstance(given, Scalar) or _SEVERAL.search(str(command)) or _END in str(given):
        return command
    opening, end = (given.text[:0].stand_in(words) for words in (f" <<'{_END}'\n", f"\n{_END}\n"))
    return join([command.rstrip(), opening, given.text.rstrip("\n"), end], "")


def _without_parameters(text: Text) -> Text:
    """Leave out what is for the module: `creates=/usr/local/bin/k3s`."""
    return replaced(text, ((*match.span(), text[:0]) for match in _PARAMETER.finditer(str(text))))


def _download(task: Task) -> Text | None:
    """Return the `curl` that does what a task downloads; what is checked against a sum needs no other check."""
    given = _given(task)
    url, target = given.get("url"), given.get("dest")
    if not isinstance(url, Scalar) or not isinstance(target, Scalar) or "checksum" in given:
        return None
    checked = given.get("validate_certs")
    words = [url.text.stand_in("curl"), url.text.stand_in("-o"), target.text, url.text]
    if isinstance(checked, Scalar) and str(checked).lower() in ("false", "no", "off", "0"):
        words.insert(1, checked.text.stand_in("--insecure"))
    return command_line(without_templates(word) for word in words)


# --- files ------------------------------------------------------------------------------------------------


def _file(task: Task, path: str, facts: dict[str, list[tuple[str, Text]]]) -> Iterator[tuple[str, Found]]:
    """Yield the files of a task, one for each turn of its loop."""
    for given in in_turn(_given(task), task.node):
        yield from _one_file(task, given, path, facts)


def _one_file(
    task: Task, given: Given[str, YamlNode], path: str, facts: dict[str, list[tuple[str, Text]]]
) -> Iterator[tuple[str, Found]]:
    """Yield a file with its permissions: what is written into it, or which of the repository it is made of."""
    target = given.get("dest") or given.get("path") or given.get("name")
    if not isinstance(target, Scalar):
        return
    place = _in_folder(without_templates(target.text), given.get("src"))
    host = host_at(target.text)
    mode, bits = given.get("mode"), None
    if isinstance(mode, Scalar) and _MODE.fullmatch(str(found := mode_of(mode))) and _is_kept(given):
        bits = found
    if bits is not None and belongs_to_k3s(str(place)):
        yield host, FileMode(place, bits, host, task.when)
        bits = None
    if task.module == "file" or str(given.get("state", "")) == "absent":
        return
    content, piece = given.get("content"), given.get("block") or given.get("line")
    written = content if content is not None else piece
    if written is not None:
        own = Mode(place, bits) if bits is not None else None
        partial = content is None
        for one in _written(written, str(place), host, task.when, partial=partial):
            yield host, one._replace(mode=own) if isinstance(one, File) else one
        for held in _held(written, str(place), host, task.when, facts):
            yield host, held
    elif isinstance(source := given.get("src"), Scalar) and not _is_on(given.get("remote_src")):
        yield host, _copied(task, source.text, place, host, path)


def _in_folder(place: Text, source: YamlNode | None) -> Text:
    """Return where a file ends up: in a folder under the name of its source."""
    if not str(place).endswith("/") or not isinstance(source, Scalar) or is_substituted(str(source)):
        return place
    return place + source.text[str(source).rfind("/") + 1 :]


def _is_kept(given: Given[str, YamlNode]) -> bool:
    return str(given.get("state", "file")) not in ("directory", "absent", "link")


def _is_on(node: YamlNode | None) -> bool:
    return isinstance(node, Scalar) and str(node).lower() in ("true", "yes", "on", "1")


def _written(content: YamlNode, place: str, host: str, when: When, *, partial: bool) -> Iterator[Found]:
    """Yield what is written into a file; of a piece that begins in the middle of a config nothing is told."""
    if isinstance(content, Scalar):
        if (content.tag or "").startswith("!") or (partial and is_config_path(place) and not _is_whole(content.text)):
            return
        yield File(text=without_templates(content.text), path=place, host=host, when=when, partial=partial)
    elif partial:
        return
    elif not is_config_path(place):
        if (text := as_json(content)) is not None:
            yield File(text=text, path=place, host=host, when=when)
    elif (file := configuration(content, place, claimed=True)) is not None:
        entries = tuple(entry._replace(when=when) for entry in file.entries)
        yield replace(file, path=place, host=host, entries=entries, when=when)


def _is_whole(text: Text) -> bool:
    """Whether a piece of a config is a mapping of flags and values."""
    root = read_yaml(without_templates(text)).root
    if not isinstance(root, Mapping) or str(text)[:1].isspace():
        return False
    return all(flags().get(str(key).rstrip("+")) and value.written for key, value in root.entries)


def _copied(task: Task, source: Text, place: Text, host: str, path: str) -> Copy:
    """Return where a file of the repository is put: from the role's `templates` or `files`, or beside the playbook.

    As Ansible looks for it (https://docs.ansible.com/ansible/latest/playbook_guide/playbook_pathing.html).
    """
    source = without_templates(source)
    kind = "templates" if task.module == "template" else "files"
    root, tasks, _ = f"/{path}".rpartition("/tasks/")
    if not tasks:
        root, _, _ = f"/{path}".rpartition("/handlers/") if "/handlers/" in f"/{path}" else f"/{path}".rpartition("/")
    folders = (posixpath.join(root, kind).lstrip("/"), root.lstrip("/"))
    return Copy(source, str(place), host, path, when=task.when, folders=folders)


# --- credentials in what templates make -----------------------------------------------------------------------


def _facts(every: List[Task]) -> dict[str, list[tuple[str, Text]]]:
    """Return the credentials that tasks put into variables: `{{ config | combine({'token': token}) }}`."""
    found: dict[str, list[tuple[str, Text]]] = {}
    for task in every:
        for key, value in task.value.entries if task.module == "set_fact" and isinstance(task.value, Mapping) else ():
            for match in _COMBINED.finditer(str(value.text)) if isinstance(value, Scalar) else ():
                flag = flags().get(match["key"])
                if flag is not None and flag.sensitive and isinstance(value, Scalar):
                    found.setdefault(str(key), []).append((match["key"], value.text.cut(match, "key")))
    return found


def _held(
    content: YamlNode, place: str, host: str, when: When, facts: dict[str, list[tuple[str, Text]]]
) -> Iterator[HeldCredential]:
    """Yield the credentials that a file holds by a variable that was made in the same tasks."""
    if not isinstance(content, Scalar) or "{{" not in str(content) or not belongs_to_k3s(place):
        return
    for name in dict.fromkeys(_NAME.findall(str(content))):
        for what, at in facts.get(name, ())[:1]:
            yield HeldCredential(what=what, at=at, path=place, host=host, when=when)
