"""Variables of Ansible that hold what K3s is given, wherever they stand: `group_vars`, plays, inventories, defaults.

What those of the well-known roles mean is known (`roles`). Of others the content decides: a mapping, or a text that
holds one, whose keys are flags of K3s; options that only K3s has; environment variables of K3s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.shell import split_words
from k3s_policy.formats.template import JINJA, is_substituted, masked, substituted
from k3s_policy.formats.tree import Entry, Mapping, Scalar, Sequence, read_yaml
from k3s_policy.k3s import credential, roles
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import CONFIG, REGISTRIES, ReadAs
from k3s_policy.k3s.recognise import TELLING_OPTION, is_config, is_rke2
from k3s_policy.k3s.roles import Meaning, Use
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import ConfigFile, EnvironmentFile, HostVariables, Start, UnusedOptions
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable, config_entries
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.file import Found
    from k3s_policy.text import Text

__all__ = ["arguments", "configuration", "environment", "lowered", "overriding", "release", "without_templates"]

_KEYS = pattern(r"(?m)^[ \t]*[a-z][a-z0-9]*(?:-[a-z0-9]+)+\+?:")
_INSTALLER = "get.k3s.io"
_TOKEN_KEY = pattern(r"(?:(?:cluster|server|agent|node|join)_)?token$")
_OF_K3S = pattern(r"k3s(?:_\w+)?$")
_NO_SECRET = pattern(r"(?i)(?:true|false|yes|no|null|omit|none|~)?$|/|~/")
_DEEPEST = 6


def lowered(entries: Iterable[Entry], path: str, taken: Collection[int] = ()) -> Iterator[Found]:
    """Yield what some variables that stand together mean for K3s; nothing is told of how they are used.

    `taken` are the identities of values of which more is known elsewhere.
    """
    every = tuple(entries)
    names = {str(entry.key) for entry in every}
    around = _Around(path, release(every), set())
    for entry in every:
        if id(entry.value) not in taken:
            yield from _lowered(entry, roles.meaning(str(entry.key), names), around, 0)


def overriding(entries: Iterable[Entry], path: str) -> Iterator[Found]:
    """Yield the variables that a role sets hosts up by, of some that beat those of any inventory."""
    found = tuple(entry for entry in entries if roles.sets_up(str(entry.key)))
    if found:
        yield HostVariables(path, found, beats=True)


class _Around(NamedTuple):
    """What holds for variables that stand together."""

    path: str
    pinned: Version | None
    read: set[int]
    """The identities of values of no known meaning that were read: an alias says nothing new."""


def release(entries: Iterable[Entry]) -> Version | None:
    """Return the release that variables pin, the last of them."""
    from k3s_policy.k3s.version import Version  # for annotations the module does not need it

    found = [value for key, value in entries if str(key) in roles.VERSIONS and isinstance(value, Scalar)]
    return Version.parse(str(found[-1])) if found else None


def _lowered(entry: Entry, known: Meaning | None, around: _Around, depth: int) -> Iterator[Found]:
    key, value = entry
    path, pinned = around.path, around.pinned
    if "rke2" in str(key).lower() or depth > _DEEPEST:
        return
    match known:
        case Meaning(Use.ARGUMENTS) if not isinstance(value, Mapping):
            words = tuple(arguments(value))
            if any(word.text.startswith("-") for word in words):
                yield UnusedOptions(key.text, words, version=pinned)
        case Meaning(Use.CREDENTIAL) if isinstance(value, Scalar):
            yield from _credential(key, value)
        case Meaning(Use.REGISTRIES) if isinstance(value, Scalar):
            yield File(text=without_templates(value.text), path=REGISTRIES, host=host_at(key.text))
        case Meaning(Use.ENVIRONMENT):
            yield from _environment_file(value, path)
        case Meaning(Use.CONFIG | Use.ARGUMENTS, role) if (
            file := configuration(value, path, claimed=True)
        ) is not None:
            yield from _config(key, file, role, pinned)
        case _:
            yield from _unknown(entry, around, depth)


def _unknown(entry: Entry, around: _Around, depth: int) -> Iterator[Found]:
    """Read a variable of which only its content can tell that it is for K3s."""
    key, value = entry
    if id(value) in around.read:
        return
    around.read.add(id(value))
    path, pinned = around.path, around.pinned
    if isinstance(value, Scalar):
        yield from _text(key, value, path, pinned)
    elif (file := configuration(value, path)) is not None:
        yield from _config(key, file, None, pinned)
    elif isinstance(value, Sequence):
        words = tuple(arguments(value))
        if _is_telling(words):
            yield UnusedOptions(key.text, words, version=pinned)
            return
        for item in value.items:
            if isinstance(item, Mapping):
                yield from _unknown(Entry(key, item), around, depth + 1)
    else:
        variables = [one for one in environment(value) if str(one.name).startswith("K3S_")]
        if variables:
            yield from _environment_file(value, path)
        of_k3s = _OF_K3S.match(str(key)) is not None
        for inner in value.merged().entries:
            token = of_k3s and _TOKEN_KEY.match(str(inner.key))
            known = Meaning(Use.CREDENTIAL) if token else roles.meaning(str(inner.key))
            yield from _lowered(inner, known, around, depth + 1)


def _text(key: Scalar, value: Scalar, path: str, pinned: Version | None) -> Iterator[Found]:
    content = str(value)
    if any(map(_installs, content.splitlines() if _INSTALLER in content else ())):
        yield File(text=without_templates(value.text), path="", read_as=ReadAs.SCRIPT)
    elif "\n" in content and _KEYS.search(content) and (file := configuration(value, path)) is not None:
        yield from _config(key, file, None, pinned)
    elif "--" in content:
        words = tuple(arguments(value))
        if _is_telling(words):
            yield UnusedOptions(key.text, words, version=pinned)


def _installs(line: str) -> bool:
    """Whether a line runs what it downloads: `curl ... | sh`, or `sh -c "$(curl ...)"`."""
    _, found, after = line.partition(_INSTALLER)
    return bool(found) and ("|" in after or ')"' in after or "-c" in line.rpartition(_INSTALLER)[0])


def _is_telling(words: tuple[Argument, ...]) -> bool:
    """Whether words are options, and one of them is K3s's alone."""
    if not words or (words[0].text.known and not str(words[0].text).startswith(("-", "server", "agent"))):
        return False
    return any(TELLING_OPTION.match(str(word.text)) for word in words)


def _credential(key: Scalar, value: Scalar) -> Iterator[Found]:
    if _NO_SECRET.match(str(value)):
        return
    flag = flags().get("datastore-endpoint") if str(key).endswith("endpoint") else None
    for secret in credential.secrets(flag, value.text) if flag is not None else [value.text]:
        yield Credential(what=str(key), at=key.text, value=secret, form=Form.ANSIBLE, tag=value.tag)


def _config(key: Scalar, file: ConfigFile, role: str | None, pinned: Version | None) -> Iterator[Found]:
    """Yield a config that is the value of a variable, of which a role makes the file, with more in it."""
    host = host_at(key.text)
    if role is None and pinned is None:
        yield ConfigFile(
            text=file.text,
            entries=file.entries,
            path=CONFIG,
            host=host,
            open_places=(*file.open_places, key.text),
            error=file.error,
        )
        return
    unseen = (
        Unseen(Input.ARGUMENTS, "the role may add arguments", key.text),
        Unseen(Input.ENVIRONMENT, "the role may add variables", key.text),
        Unseen(Input.CONFIG, "the role may add settings", key.text),
    )
    because = f"{key} is the config of {role}s" if role else ""
    yield Start(
        key.text, role, (), Form.CONFIG, version=pinned, unseen=unseen, host=host, isolated=True, role_reason=because
    )
    yield ConfigFile(
        text=file.text, entries=file.entries, path=CONFIG, host=host, open_places=file.open_places, error=file.error
    )


def configuration(value: YamlNode, path: str, *, claimed: bool = False) -> ConfigFile | None:
    """Return the config that a variable holds, a mapping or a text; None where it is none.

    `claimed` says that its name is that of a config, so that one known flag is enough.
    """
    if isinstance(value, Sequence) or (value.tag or "").startswith("!"):
        return None
    if isinstance(value, Mapping):
        return _file(value.written, value.merged(), path, claimed=claimed)
    if "\n" not in str(value) and not claimed:
        return None
    text = value.text
    open_places: tuple[Text, ...] = ()
    document = read_yaml(text)
    if document.root is None and is_substituted(str(value)):
        text, open_places = masked(value.text, JINJA)
        document = read_yaml(text)
    if document.error is not None or not isinstance(document.root, Mapping):
        return None
    return _file(text, document.root, path, open_places, claimed=claimed)


def _file(
    text: Text, root: Mapping, path: str, open_places: tuple[Text, ...] = (), *, claimed: bool
) -> ConfigFile | None:
    if is_rke2(text, root, path) or not (is_config(root, "") or (claimed and _is_config(root))):
        return None
    return ConfigFile(text, tuple(config_entries(root)), CONFIG, open_places=open_places)


def _is_config(root: Mapping) -> bool:
    """Whether most keys of a mapping are flags."""
    table = flags()
    names = [str(key).rstrip("+") for key, _ in root.entries]
    known = [name for name in names if len(name) > 1 and (table.get(name) or table.removed(name))]
    return len(known) * 2 > len(names)


def arguments(value: YamlNode) -> Iterator[Argument]:
    """Yield the options in a text, or in each text of a list."""
    for item in value.items if isinstance(value, Sequence) else (value,):
        if isinstance(item, Scalar):
            yield from (Argument(word) for word in split_words(without_templates(item.text)) or ())


def without_templates(text: Text) -> Text:
    """Return a text in which what Jinja fills in is marked as not known."""
    return substituted(text, JINJA) if is_substituted(str(text)) else text


def environment(value: YamlNode | None, form: Form = Form.ANSIBLE) -> Iterator[Variable]:
    """Yield environment variables, written as a mapping or as a list of `NAME=value`."""
    if isinstance(value, Mapping):
        for key, given in value.merged().entries:
            if isinstance(given, Scalar):
                yield Variable(key.text, without_templates(given.text), form, tag=given.tag)
    elif isinstance(value, Sequence):
        for item in value.items:
            if isinstance(item, Scalar):
                name, equals, given_text = item.text.partition("=")
                if equals:
                    yield Variable(name, without_templates(given_text), form)


def _environment_file(value: YamlNode, path: str) -> Iterator[Found]:
    variables = tuple(one for one in environment(value) if str(one.name).startswith("K3S_"))
    if variables:
        yield EnvironmentFile(value.written, variables, path, host_at(value.written))
