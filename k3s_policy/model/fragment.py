"""What readers hand over: parts of a host's configuration, before they are put together.

A reader knows one format and one piece of text. Which config file belongs to which unit, and which
environment file to which command, is for `assemble` to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.model.invocation import BrokenFile, Form, Release, Unseen
from k3s_policy.model.subjects import ClusterSecret, Credential, Download, FileMode, Subject
from k3s_policy.text.branch import ALWAYS, When

if TYPE_CHECKING:
    from k3s_policy.formats.systemd import EnvironmentFile as SystemdFile
    from k3s_policy.formats.systemd import UnitFile
    from k3s_policy.formats.tree import Entry
    from k3s_policy.k3s.version import Version
    from k3s_policy.model.cluster import Group
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.lower import Argument, ConfigEntry, Variable
    from k3s_policy.model.registries import Config, Mirror, Repeated, Unknown
    from k3s_policy.text import Text

__all__ = [
    "Chart",
    "ConfigFile",
    "Copy",
    "Database",
    "EnvironmentFile",
    "Fragment",
    "HeldCredential",
    "HostGroup",
    "HostName",
    "HostVariables",
    "Inventory",
    "Judged",
    "NotJudged",
    "OfRke2",
    "OtherCommand",
    "Override",
    "Registries",
    "S3Secret",
    "Service",
    "Start",
    "TaskList",
    "Unfollowed",
    "Unit",
    "UnreadFile",
    "UnusedOptions",
    "Upgrade",
    "Workload",
]


@dataclass(frozen=True, eq=False, repr=False)
class ConfigFile:
    """A K3s config file, main file or drop-in."""

    text: Text
    entries: tuple[ConfigEntry, ...]
    path: str
    """Where it lies: its path in the repository, or the path on the host that a script writes it to."""
    host: str | None = None
    """What places it on one host with a Start, where the path does not: the script that writes both."""
    open_places: tuple[Text, ...] = ()
    """Places at which more settings may come in that were not seen."""
    when: When = ALWAYS
    error: BrokenFile | None = None
    """Why K3s cannot read it."""
    partial: bool = False
    """Whether it is put into a file that may hold more."""


@dataclass(frozen=True, eq=False, repr=False)
class HeldCredential:
    """A credential in a file on a host of which nothing else is read: a token file."""

    what: str
    """How a message calls it."""
    at: Text
    path: str
    """Where the host has the file."""
    host: str
    when: When = ALWAYS


@dataclass(frozen=True, eq=False, repr=False)
class UnreadFile:
    """A file that holds settings, lies where K3s looks for its config, and is passed over because of its name."""

    at: Text
    """The first of its settings."""
    path: str


@dataclass(frozen=True, eq=False, repr=False)
class Unit:
    """A systemd unit that runs K3s, or a drop-in of one."""

    text: Text
    file: UnitFile
    path: str
    name: str
    """`k3s.service`; for a drop-in the unit it belongs to."""
    drop_in: bool = False
    host: str | None = None
    template: bool = False
    """Whether another program fills it in first, so that more may be added."""
    unseen: tuple[Unseen, ...] = ()
    """What whatever writes it says of the host that is not seen."""


@dataclass(frozen=True, eq=False, repr=False)
class EnvironmentFile:
    """A file of variables as systemd reads it."""

    text: Text
    variables: tuple[Variable, ...]
    path: str
    host: str | None = None
    file: SystemdFile | None = None
    """What systemd makes of it."""
    exported: tuple[Variable, ...] = ()
    """Those of `variables` that systemd drops: for it, `export` is part of the name."""
    systemd: bool = False
    """Whether systemd reads it: its path says so, or a unit that runs K3s names it."""


@dataclass(frozen=True, eq=False, repr=False)
class Workload:
    """What a manifest says of the pods that run a command."""

    name: Text
    namespace: str = ""
    labels: frozenset[tuple[str, str]] = frozenset()
    """Of its pods: a Service finds them by these."""
    copies: Text | None = None
    """The number of pods, where it is more than one."""


@dataclass(frozen=True, eq=False, repr=False)
class Service:
    """A name under which pods with some labels are reached."""

    name: Text
    namespace: str
    selector: frozenset[tuple[str, str]]


@dataclass(frozen=True, eq=False, repr=False)
class Database:
    """A container that runs a database K3s can keep its data in."""

    image: Text
    workload: Workload | None = None


@dataclass(frozen=True, eq=False, repr=False)
class HostName:
    """A line of a hosts file: the address of a name."""

    address: Text
    name: str
    """In lower case."""


@dataclass(frozen=True, eq=False, repr=False)
class Copy:
    """A command that puts a file of the repository in its place on a host."""

    source: Text
    """The file, as the command names it."""
    path: str
    """Where the host has it."""
    host: str
    """As `Start.host` names it."""
    script: str
    """The path of the script that does it."""
    address: Text | None = None
    """What the command calls the host, where that is another one."""
    when: When = ALWAYS
    folder: bool = False
    """Whether a folder is put at `path`, with all that is in it."""
    folders: tuple[str, ...] = ()
    """Where in the repository the source is looked for before it is beside the script: a role's `templates`."""
    only_if_started: bool = False
    """Whether it counts only where something is started on that host: a mount of a container."""


@dataclass(frozen=True, eq=False, repr=False)
class HostGroup:
    """A group of an inventory of Ansible."""

    name: str
    hosts: tuple[Text, ...] = ()
    children: tuple[str, ...] = ()
    variables: tuple[Entry, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Inventory:
    """An inventory of Ansible: groups of hosts, and what they are given."""

    at: Text
    path: str
    groups: tuple[HostGroup, ...]
    """A group may stand here several times, each time with a part of it; `all` and `ungrouped` are like others."""
    hosts: tuple[tuple[str, tuple[Entry, ...]], ...] = ()
    """The variables that stand with a host, by its name."""


@dataclass(frozen=True, eq=False, repr=False)
class HostVariables:
    """A file of `group_vars` or `host_vars`: what hosts of inventories beside it are given; or what beats that."""

    path: str
    entries: tuple[Entry, ...]
    beats: bool = False
    """Whether these are variables of a play, a task or a role, which beat those of any inventory."""


@dataclass(frozen=True, eq=False, repr=False)
class Start:
    """A command that starts K3s, in its own words."""

    at: Text
    role: str | None
    """`server`, `agent`, or None where a variable decides."""
    arguments: tuple[Argument, ...]
    """Every word but the program and the role."""
    form: Form
    variables: tuple[Variable, ...] = ()
    version: Version | None = None
    release: Release | None = None
    """What chooses the release, where it installs K3s or runs it in a container."""
    unseen: tuple[Unseen, ...] = ()
    host: str | None = None
    isolated: bool = False
    """Whether it cannot share its host with a config file of the repository: a container, a remote host."""
    addresses: tuple[Text, ...] = ()
    """What the command calls its host: `k3sup install --ip`, `ssh root@10.0.0.1`."""
    workload: Workload | None = None
    """What runs it in another cluster."""
    when: When = ALWAYS
    words: tuple[Text, ...] = ()
    """What runs, the program first; empty where nothing was seen that starts K3s."""
    role_reason: str = ""
    """Why it has its role, where no word of the command says it."""
    source_words: tuple[Text, ...] = ()
    """The words of a unit's command before systemd puts variables into them; empty where it does not."""
    refused: bool = False
    """Whether systemd refuses the command for a `%` that begins no specifier, so that this is what was meant."""
    environment_files: tuple[Text, ...] = ()
    """Files beside a compose file whose variables it is given, weaker than `variables`."""
    interpolates: bool = False
    """Whether it is compose's, which fills it in with variables of a file `.env` beside its own.

    Only then are `environment_files` looked for, and the release taken from `image`.
    """
    image: Text | None = None
    """The image of a compose file, whose tag is the release once it is filled in."""
    group: Group | None = None
    """The hosts that its file says it belongs to."""

    @classmethod
    def without_words(cls, at: Text, form: Form, *, unseen: tuple[Unseen, ...] = ()) -> Start:
        """Return one of which only is said what a carrier knows of whatever is started in its file."""
        return cls(at=at, role=None, arguments=(), form=form, unseen=unseen)


@dataclass(frozen=True, eq=False, repr=False)
class OtherCommand:
    """A k3s command that is neither server nor agent, such as `k3s etcd-snapshot save`."""

    at: Text
    name: str
    arguments: tuple[Argument, ...]
    form: Form = Form.COMMAND


class TaskList(NamedTuple):
    """Tasks that run on one host, or on some of a play's: what each of them starts and writes has a host of its own."""

    conditions: tuple[tuple[str, frozenset[str]], ...]
    """By the host of a task, as `Start.host` names it, all the conditions under which it runs, in their own words."""


class Unfollowed(NamedTuple):
    """A text that was not read to its end, as a limit was met."""

    place: str
    """The path of the repository's file, with the line."""
    reason: str

    @classmethod
    def at(cls, text: Text, reason: str) -> Unfollowed:
        """Return one for a text of a file."""
        return cls(f"{text.span.source.path}:{text.span.line}", reason)


TOO_MUCH = "its variables come to more than a mebibyte"
"""Why the variables of a file are not filled in any more."""


class Override(NamedTuple):
    """A file that compose adds to the one beside it, unasked."""

    path: str


@dataclass(frozen=True, eq=False, repr=False)
class UnusedOptions:
    """K3s options collected in a variable that no command seen here uses; others of its words are not judged."""

    at: Text
    arguments: tuple[Argument, ...]
    unseen: tuple[Unseen, ...] = ()
    """Where more may be added that was not seen."""
    version: Version | None = None


class OfRke2(NamedTuple):
    """A file of RKE2's, which shares K3s's formats and not its rules."""

    place: str
    """Its path, with the line where it stands in another file."""


@dataclass(frozen=True, eq=False, repr=False)
class S3Secret:
    """The Secret that `etcd-s3-config-secret` names, as a manifest has it."""

    at: Text
    entries: tuple[tuple[Text, Text], ...]
    """Keys and decoded values; of a key that stands twice the last counts."""
    namespace: Text | None = None

    def last(self, name: str) -> tuple[Text, Text] | None:
        """Return the entry of a key."""
        return next((entry for entry in reversed(self.entries) if str(entry[0]) == name), None)


@dataclass(frozen=True, eq=False, repr=False)
class Registries:
    """A registries.yaml, as K3s decodes it for containerd."""

    text: Text
    path: str
    """Where it lies: its path in the repository, or the path on the host that a script writes it to."""
    host: str | None = None
    """What places it on a host, where the path does not: the script that writes it."""
    mirrors: tuple[Mirror, ...] = ()
    configs: tuple[Config, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    """Keys that K3s drops."""
    repeated: tuple[Repeated, ...] = ()
    """Keys that stand twice in one mapping."""
    is_open: bool = False
    """Whether more may come in that was not seen: lines that a variable or a template makes."""

    def config(self, host: str) -> Config | None:
        """Return the config of a host, as K3s finds it (`pkg/agent/containerd/config.go`, configForHost)."""
        names = ("registry-1.docker.io", "docker.io") if host in _DOCKER_HUB else (host,)
        return next((one for name in names for one in self.configs if str(one.name) == name), None)


_DOCKER_HUB = ("docker.io", "registry-1.docker.io")


@dataclass(frozen=True, eq=False, repr=False)
class Chart:
    """A Helm chart that K3s installs: a HelmChart of `helm.cattle.io/v1`."""

    at: Text
    """What it is called."""
    chart: Text | None
    """Its name in the repository, or the address of its archive."""
    repository: Text | None
    version: Text | None
    packed: bool = False
    """Whether the archive stands in the object itself."""
    unverified: Text | None = None
    """Where it says that no certificate is checked."""
    plain: Text | None = None
    """Where it says that it is fetched without TLS."""
    spread: Text | None = None
    """Where it says that the login of the repository is for other hosts, too."""


@dataclass(frozen=True, eq=False, repr=False)
class Upgrade:
    """A Plan that upgrades K3s on the nodes it selects: `upgrade.cattle.io/v1` with the image `k3s-upgrade`."""

    at: Text
    """What it is called."""
    image: Text
    version: Text | None
    """The release; it wins over the channel."""
    channel: Text | None


class NotJudged(NamedTuple):
    """A file that looked like K3s's and is a template that does not parse."""

    path: str


Fragment: TypeAlias = (
    ConfigFile
    | Unit
    | EnvironmentFile
    | Start
    | OtherCommand
    | UnusedOptions
    | TaskList
    | Unfollowed
    | Override
    | OfRke2
    | NotJudged
    | Chart
    | Credential
    | ClusterSecret
    | FileMode
    | Download
    | BrokenFile
    | S3Secret
    | UnreadFile
    | Upgrade
    | Service
    | Database
    | HostName
    | Copy
    | Registries
    | HeldCredential
    | Inventory
    | HostVariables
)


Judged: TypeAlias = (
    "Subject | Datastore | Chart | ConfigFile | Unit | EnvironmentFile | Registries | S3Secret | UnreadFile | Upgrade"
)
"""What a check can judge: what was put together, and single files as they were read."""
