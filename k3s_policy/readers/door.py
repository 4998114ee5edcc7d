"""The one door: what a text is, is decided here and once, by its path and its content together.

`read` opens a file of the repository, or whatever a later stage has found one in; what a reader hands back of further
Files is opened where it stands, depth first, so that what is read keeps the order in which it takes effect. Nobody else
calls a reader, and no reader another.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

from k3s_policy.formats.template import is_template
from k3s_policy.k3s.places import ReadAs, is_misplaced_drop_in, of_path
from k3s_policy.k3s.sieve import concerns_text
from k3s_policy.model.carrier import stamped, unused, within
from k3s_policy.model.committed import full_tokens
from k3s_policy.model.file import Collected, File, Provenance, Seen
from k3s_policy.model.fragment import (
    Copy,
    Database,
    HostName,
    HostVariables,
    Inventory,
    NotJudged,
    OfRke2,
    Override,
    Service,
    TaskList,
    Unfollowed,
)
from k3s_policy.model.subjects import FileMode
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from k3s_policy.model.file import Found, Reader
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Source, Text

__all__ = ["FORMATS", "copied_to", "counts", "expand", "of_source", "read"]

INVENTORY = r"(?i)\.ini$|(?:^|/)(?:hosts|inventory)[^/]*$|(?:^|/)inventor(?:y|ies)/(?:[^/]+/)*[^/.]+$"
"""Names of Ansible's inventories: what they say of hosts counts though no word of it may be K3s's."""


# --- which reader has a file --------------------------------------------------------------------------------


class _Format(NamedTuple):
    """A format, and what its files are known by before its reader is loaded."""

    reader: str
    """The module in `k3s_policy.readers`, whose `claims` decides where the rest says that a file may be one."""
    words: tuple[str, ...] = ()
    """One of these stands in such a file; a line break in front stands for the beginning of the file too."""
    path: str = ""
    """A regular expression that the paths of other such files meet, or of all where there are no words."""
    yaml: bool = False
    """Whether its files are YAML or JSON, and have an ending that says so."""
    place: ReadAs | None = None
    """A file at a place of K3s's that is read so is in this format, whatever it holds."""
    telling: bool = False
    """Whether such a file concerns K3s although no word of it may."""
    describes: bool = False
    """Whether it describes a host, so that it may have any name."""

    def may_be(self, seen: Seen, lines: str) -> bool:
        """Whether a file may be in this format; `lines` is its content behind a line break."""
        return any(word in lines for word in self.words) or bool(self.path and re.search(self.path, seen.path))


FORMATS: tuple[_Format, ...] = (
    _Format("kubeconfig", ("client-key-data",), telling=True, yaml=True),
    _Format("k3d", ("k3d.io/",), yaml=True),
    _Format("manifest", ("apiVersion",), yaml=True),
    _Format("compose", ("services:", '"services"'), yaml=True),
    _Format("registries", ("\nmirrors:", "\nconfigs:"), r"(?i)registries\.ya?ml$", telling=True, yaml=True),
    _Format("butane", ("storage:", "systemd:", '"storage"', '"systemd"'), yaml=True, describes=True),
    _Format("k3os", ("k3os:", '"k3os"'), telling=True, yaml=True, describes=True),
    _Format("kairos", ("\nk3s:", "\nk3s-agent:", "\nstages:"), yaml=True, describes=True),
    _Format(
        "cloud_init",
        ("write_files:", "runcmd:", "bootcmd:", "late-commands:", '"write_files"', '"runcmd"'),
        yaml=True,
        describes=True,
    ),
    _Format("hetzner_k3s", ("masters_pool",), yaml=True),
    _Format("workflow", ("steps:", 'steps":'), yaml=True),
    _Format("pipeline", ("script:", "commands:"), yaml=True),
    _Format("taskfile", ("tasks:",), yaml=True),
    _Format("ansible", path=r"(?:^|/)(?:group_vars|host_vars|vars|defaults|tasks|handlers|molecule)/", yaml=True),
    _Format(
        "ansible",
        ("hosts:", "children:", "ansible.builtin.", "_playbook:", "tasks:", "_args:", "_config_yaml:", "k3s_"),
        yaml=True,
    ),
    # Any YAML file may be one: the empty word stands in all of them.
    _Format("config", ("",), yaml=True),
    # The names of these say what they are; no other has them.
    _Format("dockerfile", path=r"(?i)(?:^|/)(?:[^/]+\.)?(?:docker|container)file(?:[.-][^/]*)?$"),
    _Format("makefile", path=r"(?i)(?:^|/)(?:gnu)?makefile(?:\.[^/]*)?$|\.mk$"),
    _Format("justfile", path=r"(?i)(?:^|/)\.?justfile$|\.just$"),
    _Format("vagrantfile", path=r"(?i)(?:^|/)vagrantfile[^/]*$"),
    _Format("nix", path=r"\.nix$"),
    _Format(
        "openrc",
        ("openrc-run", "\n#!/sbin/runscript"),
        path=r"(?:^|/)(?:init|conf)\.d/k3s[^/]*$|\.(?:openrc|initd|confd)$",
        place=ReadAs.SERVICE_SCRIPT,
    ),
    # What these are is said by name and content together.
    _Format("unit", path=r"\.service(?:\.d/[^/]+\.conf)?$|(?:^|/)service\.d/[^/]+\.conf$"),
    _Format(
        "environment",
        path=r"(?:^|/)(?:[^/]*\.env|\.env(?:\.[^/]+)?|(?:default|sysconfig)/k3s[^/]*)$",
        place=ReadAs.ENVIRONMENT,
    ),
    _Format("hosts", path=r"(?:^|/)hosts$", telling=True),
    _Format("ansible", path=INVENTORY, telling=True),
    _Format("data_folder", ("-----BEGIN ",), place=ReadAs.TOKEN, telling=True),
    _Format("kubeconfig", ("client-key-data",), telling=True),
    _Format(
        "user_data", ("#cloud-config", "# cloud-config", "write_files", "runcmd", "k3os", "variant:", "#cloud-boothook")
    ),
    _Format("user_data", ("multipart/", "Multipart/", "MULTIPART/")),
    _Format("script", ("\n#!",), r"(?:^|/)[^/.]*$|\.(?i:sh|bash|zsh|ksh|ash)$"),
)
"""The first reader that claims a file has it; a YAML file that no other claims may be a config of K3s's."""

_READ_AS = {
    ReadAs.CONFIG: "config",
    ReadAs.REGISTRIES: "registries",
    ReadAs.UNIT: "unit",
    ReadAs.ENVIRONMENT: "environment",
    ReadAs.SERVICE_SCRIPT: "openrc",
    ReadAs.TOKEN: "data_folder",
    ReadAs.SCRIPT: "script",
    ReadAs.USER_DATA: "user_data",
}
"""Who reads what its carrier knows; a description of a host may be in several formats, and its content tells."""

_PLACED = frozenset({"config", "registries", "unit", "environment", "data_folder", "openrc"})
"""Readers of formats of which the path says what a file is for."""

_YAML = re.compile(r"(?i)\.(?:ya?ml|json|bu|butane|fcc|ign|ignition)$")
_OF_HOSTS = pattern(r"(?:^|/)(?:group|host)_vars/")
_INVENTORY = pattern(INVENTORY)


def _load(name: str) -> Reader:
    return cast("Reader", import_module(f"k3s_policy.readers.{name}"))


def _reader_of(seen: Seen) -> str | None:
    """Return the name of the reader that has a file, None where nothing there concerns K3s or is read."""
    read_as = seen.file.read_as
    if read_as in _READ_AS:
        sure = read_as not in (ReadAs.SCRIPT, ReadAs.USER_DATA)
        return _READ_AS[read_as] if sure or _concerns(seen, ()) else None
    formats = FORMATS
    if read_as is ReadAs.DESCRIPTION:
        formats = tuple(one for one in FORMATS if one.describes)
    else:
        yaml = _YAML.search(seen.path) is not None or is_misplaced_drop_in(seen.path)
        place = None if yaml else of_path(seen.path)
        for one in FORMATS:
            if one.place is not None and one.place is place:
                return one.reader
        formats = tuple(one for one in FORMATS if one.yaml is yaml)
    lines = "\n" + seen.content.removeprefix("\ufeff")
    possible = [one for one in formats if one.may_be(seen, lines)]
    if not possible or not _concerns(seen, possible):
        return None
    return next((one.reader for one in possible if _load(one.reader).claims(seen)), None)


def _concerns(seen: Seen, formats: Iterable[_Format]) -> bool:
    """Whether anything in a file can concern K3s: its path, what it is given, its content. The one sieve."""
    return (
        seen.file.concerns_k3s
        or seen.file.synthetic
        or "k3s" in seen.path.lower()
        or any(one.telling for one in formats)
        or any(str(one.name).startswith(("K3S_", "INSTALL_K3S_")) for one in seen.file.given)
        or _INVENTORY.search(seen.path) is not None
        or _OF_HOSTS.search(seen.path) is not None
        or concerns_text(seen.content)
        or concerns_text("\n".join(_given_to(seen)))
    )


def _given_to(seen: Seen) -> Iterator[str]:
    """Yield the values of variables that a script is given and names: it writes what they hold."""
    return (str(one.value) for one in seen.file.given if str(one.name) in seen.content)


# --- opening ------------------------------------------------------------------------------------------------


DEEPEST = 12
"""How many Files may lie in each other."""
MOST = 20_000
"""How many Files one file of the repository may hold."""
MOST_ALIKE = 50
"""How many Files may have one text, each with a path of its own: what aliases of YAML's repeat."""
LARGEST = 1 << 22
"""Characters of all Files whose text was opened before."""


def of_source(source: Source, read_as: ReadAs | None = None, *, concerns_k3s: bool = False) -> File:
    """Return a file of the repository; `concerns_k3s` says that another one makes it a matter of K3s's."""
    return File(
        text=source.text, path=source.path, read_as=read_as, provenance=Provenance.REPOSITORY, concerns_k3s=concerns_k3s
    )


def copied_to(source: Source, path: str) -> File:
    """Return a file of the repository as that which something puts at a path of a host."""
    suffix = source.path[source.path.rfind(".") :] if is_template(source.path) else ""
    return File(text=source.text, path=f"{path}{suffix}", provenance=Provenance.PLACED)


def read(file: File) -> Iterator[Fragment]:
    """Yield the fragments of a File, and of all that it holds; none where nothing of it concerns K3s."""
    opening = _Opening()
    yield from opening.run(iter((file,)))
    if file.provenance is not Provenance.WRITTEN and opening.counted and "#" in str(file.text):
        from k3s_policy.model import comments

        yield from comments.read(file.text)


def expand(found: Iterable[Found]) -> Iterator[Fragment]:
    """Yield the fragments of what a later stage has made of fragments: more of them, and Files to be opened."""
    yield from _Opening().run(iter(found))


class _Opening:
    """One file of the repository being opened, with all that it holds."""

    def __init__(self) -> None:
        self.counted = False
        """Whether something there is K3s's."""
        self._kept: list[Fragment] = []
        self._collected: list[Collected] = []
        self._opened: set[Hashable] = set()
        self._alike: dict[Hashable, int] = {}
        self._tokens: set[Hashable] = set()
        self._repeated = 0
        self._unfollowed = False

    def run(self, found: Iterator[Found]) -> Iterator[Fragment]:
        """Yield all fragments: a File is opened where it stands, before what comes behind it."""
        stack: list[tuple[File | None, Iterator[Found], int]] = [(None, found, 0)]
        while stack:
            file, results, depth = stack[-1]
            one = next(results, None)
            if one is None:
                stack.pop()
            elif isinstance(one, File):
                inner = one if file is None else within(file, one)
                again = file is not None and one.text is file.text
                stack.append((inner, self._results(inner, depth), depth if again else depth + 1))
            elif isinstance(one, Collected):
                self._collected.append(one)
            else:
                yield from self._keep(one if file is None else stamped(one, file))
        if self._collected:
            yield from self._keep(*unused(self._collected, self._kept))

    def _keep(self, *fragments: Fragment | None) -> Iterator[Fragment]:
        for fragment in fragments:
            if fragment is not None:
                self._kept.append(fragment)
                self.counted = self.counted or (counts(fragment) and not isinstance(fragment, NotJudged))
                yield fragment

    def _results(self, file: File, depth: int) -> Iterator[Found]:
        """Yield what the reader of a File hands back, its permissions, and the tokens that stand in it."""
        if depth > DEEPEST:
            yield from self._unfollowed_at(file, f"more than {DEEPEST} levels of files in files")
            return
        name = _reader_of(seen := Seen(file))
        if name is not None and (why := self._why_not(file, name)) is not None:
            yield from self._unfollowed_at(file, why)
            return
        found_any = False
        for one in _load(name).read(seen) if name is not None else ():
            found_any = found_any or not isinstance(one, OfRke2)
            yield one
        if file.mode is not None and found_any and name != "script":
            path, bits, default = file.mode
            yield FileMode(path, bits, file.host, file.when, default=default)
        yield from self._full_tokens(file)

    def _why_not(self, file: File, reader: str) -> str | None:
        """Return why a File is not opened, None where it is: empty where it is an alias, so that nothing is lost."""
        text = _identity(file.text)
        placed = file.path if reader in _PLACED else ""
        given = tuple((str(one.name), _identity(one.value)) for one in file.given)
        key = (text, reader, placed, file.host, file.when, given, file.read_as)
        if key in self._opened:
            return ""
        self._opened.add(key)
        alike = self._alike[text] = self._alike.get(text, 0) + 1
        self._repeated += len(file.text) if alike > 1 else 0
        if len(self._opened) > MOST:
            return f"more than {MOST:,} files in one"
        return f"more than {MOST_ALIKE} files of one text" if alike > MOST_ALIKE or self._repeated > LARGEST else None

    def _unfollowed_at(self, file: File, why: str) -> Iterator[Found]:
        """Say once that something was not opened."""
        if why and not self._unfollowed:
            self._unfollowed = True
            yield Unfollowed.at(file.text, why)

    def _full_tokens(self, file: File) -> Iterator[Found]:
        for token in full_tokens(file.text):
            place = _identity(token.value)
            if place not in self._tokens:
                self._tokens.add(place)
                yield token


def _identity(text: Text) -> tuple[Hashable, ...]:
    span = text.span
    return span.source.path, span.start, span.end, len(text)


# --- what counts --------------------------------------------------------------------------------------------


def counts(fragment: Fragment) -> bool:
    """Whether a fragment makes its file one of K3s's: others have names, databases, inventories and permissions too."""
    if isinstance(fragment, Inventory):
        return "k3s" in fragment.at.span.source.content.lower()
    if isinstance(fragment, HostVariables):
        return any("k3s" in str(entry.key).lower() for entry in fragment.entries)
    if isinstance(fragment, Copy):
        return fragment.folder or of_path(fragment.path) is not None
    if isinstance(fragment, FileMode):
        return "rancher" in str(fragment.path) or of_path(str(fragment.path)) is not None
    return not isinstance(fragment, HostName | Database | Service | Override | TaskList | OfRke2 | Unfollowed)
