"""What K3s is started with: Settings, Invocations, Nodes and Clusters, each knowing where it was written.

K3s turns every way of configuring it into one list of arguments; the model is that list. Readers lower their
format to it, and a rule is written once because K3s reads it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats.template import default_of, is_substituted
from k3s_policy.text.branch import ALWAYS, When, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from k3s_policy.k3s.flags import Flag
    from k3s_policy.k3s.version import Version
    from k3s_policy.text import Text

__all__ = [
    "CIPHERS",
    "INPUT_OF",
    "Agent",
    "BrokenFile",
    "Cluster",
    "ClusterSecret",
    "Credential",
    "CredentialFile",
    "DatabaseImage",
    "Download",
    "Evidence",
    "EvidenceKind",
    "FileMode",
    "Form",
    "Group",
    "Input",
    "Invocation",
    "Node",
    "Origin",
    "Release",
    "Server",
    "Setting",
    "Started",
    "Subject",
    "Unrecognised",
    "Unseen",
]


CIPHERS = ("ENC[", "$ANSIBLE_VAULT;")
"""How SOPS and Ansible Vault begin what takes the place of a value."""
_TAGS = ("!vault", "!env", "!sops", "!secret")
"""YAML tags of values that stand elsewhere, or are encrypted."""


class Origin(Enum):
    """Which of K3s's three sources a setting comes from, weakest first (K3s pkg/configfilearg/parser.go)."""

    ENVIRONMENT = "environment"
    CONFIG = "config"
    ARGUMENT = "argument"


class Input(Enum):
    """What K3s is given that a scan may not see."""

    ARGUMENTS = "arguments"
    ENVIRONMENT = "environment"
    CONFIG = "config"
    VERSION = "version"
    """Its release, where one is pinned that was not seen."""


INPUT_OF = {
    Origin.ARGUMENT: Input.ARGUMENTS,
    Origin.ENVIRONMENT: Input.ENVIRONMENT,
    Origin.CONFIG: Input.CONFIG,
}
"""What brings the settings of an origin; its values are every input in which a setting can stand."""


class Form(Enum):
    """How a setting is written, which decides who can read it and what a message says."""

    CONFIG = "config file"
    UNIT = "systemd unit"
    UNIT_ENVIRONMENT = "Environment= of a systemd unit"
    ENVIRONMENT_FILE = "environment file"
    INSTALLER = "install script"
    COMMAND = "command"
    CONTAINER = "container"
    COMPOSE = "compose service"
    K3D = "k3d node"
    VARIABLE = "shell variable"
    IMAGE = "container image"
    JOB = "job of a pipeline"
    NIX = "NixOS module"
    SERVICE = "OpenRC service"
    ANSIBLE = "Ansible variable"
    COMMENT = "comment"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Setting:
    """One Flag given one value."""

    flag: Flag
    at: Text
    """Where the option stands: the key, the flag, the name of the variable."""
    value: Text
    """What K3s receives. Its characters may stand elsewhere: where a variable was assigned."""
    origin: Origin
    form: Form
    when: When = ALWAYS
    tag: str | None = None
    """The YAML tag of the value, for instance `!vault`."""
    source_text: Text | None = None
    """The scalar as it stands in the file, where YAML makes other characters of it: `0644` of 420."""
    item: bool = False
    """Whether it is one item of a list in a config file."""
    printed: bool = False
    """Whether the value is what Go prints of a mapping or of a list in a list, and no scalar that was written."""
    may_go_on: bool = False
    """Whether whatever writes its config file may write more of it elsewhere: a script, a module of NixOS."""

    @property
    def known(self) -> bool:
        """Whether the value is what K3s receives, and not encrypted, a variable or a template that makes it."""
        value = str(self.value)
        if not self.value.known or value.startswith(CIPHERS) or (self.tag or "").startswith(_TAGS):
            return False
        return not is_substituted(value)

    @property
    def value_or_default(self) -> Text | None:
        """The value where it is known, else what a template or parameter takes where nobody gives one."""
        return self.value if self.known else default_of(self.value)

    @property
    def place(self) -> Text:
        """The option with its value where both stand in one line, else the option."""
        return self.at.beside(self.value)

    @property
    def said_here(self) -> bool:
        """Whether the value stands beside its option, not in a variable assigned elsewhere."""
        return self.place is not self.at or self.at.span.contains(self.value.span)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Unrecognised:
    """An option that is no flag of its role, at this version or any other."""

    name: str
    at: Text
    value: Text | None
    origin: Origin
    form: Form
    when: When = ALWAYS
    times: int = 1
    """How many arguments K3s makes of it: one for each item of a list."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Started:
    """How an Invocation is started."""

    form: Form
    words: tuple[Text, ...]
    """What K3s is started with, the program first, as systemd, the shell or the container hand it over."""
    stray: tuple[Text, ...] = ()
    """The first word that is no flag and all behind it, which K3s never reads."""
    lost: tuple[Setting, ...] = ()
    """What the stray words would set if K3s read them."""
    source_words: tuple[Text, ...] = ()
    """The words of a unit's command before systemd puts variables into them; empty where it does not."""
    environment: Mapping[str, Text] = field(default_factory=dict)
    """What is put in place of the variables, by their names."""
    refused: bool = False
    """Whether systemd refuses the command for a `%` that begins no specifier, so that this is what was meant."""


class Unseen(NamedTuple):
    """Something that K3s reads and the scan did not: conclusions from absence must ask for it."""

    kind: Input
    reason: str
    at: Text | None = None


class Release(NamedTuple):
    """What chooses the release, where a command installs K3s or runs it in a container."""

    at: Text
    """The version, the channel or the tag; where none is given, what is downloaded or run."""
    floating: str = ""
    """Why it becomes another one with time; empty where one is pinned, or may be."""


@dataclass(frozen=True, eq=False, repr=False)
class Invocation:
    """One `k3s server` or `k3s agent`; of this very class where the role is not known.

    `settings` stand in the order in which a later one beats an earlier one: environment, config file with its
    drop-ins, arguments.
    """

    at: Text
    """Where it is started, or the first file that configures it."""
    settings: tuple[Setting, ...] = ()
    unrecognised: tuple[Unrecognised, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    version: Version | None = None
    files: tuple[str, ...] = ()
    started: Started | None = None
    """How K3s is started, None where that was not seen."""
    unreadable: tuple[BrokenFile, ...] = ()
    """Config files that K3s cannot read, so that it does not start."""

    role_reason: str = ""
    """Why it has its role, in a few words."""
    when: When = ALWAYS
    """The branches of a script it is started in."""
    release: Release | None = None
    """What chooses its release, None where nothing seen does."""
    variables_of: str = ""
    """The path of the file of variables that it stands for, where nothing seen reads that."""

    role = ""

    def all(self, *names: str) -> tuple[Setting, ...]:
        """Return the settings of some flags, weakest first."""
        given = [self._by_flag[name] for name in dict.fromkeys(names) if name in self._by_flag]
        if len(given) < 2:
            return given[0] if given else ()
        return tuple(setting for setting in self.settings if setting.flag.name in names)

    @cached_property
    def _by_flag(self) -> Mapping[str, tuple[Setting, ...]]:
        """The settings of each flag, looked up since rules ask of each of thousands for the few beside it."""
        collected: dict[str, list[Setting]] = {}
        for setting in self.settings:
            collected.setdefault(setting.flag.name, []).append(setting)
        return {name: tuple(settings) for name, settings in collected.items()}

    def last(self, name: str, beside: When = ALWAYS) -> Setting | None:
        """Return the setting of a flag that wins, of those that can hold together with `beside`."""
        return next((one for one in reversed(self.all(name)) if not exclusive(one.when, beside)), None)

    @property
    def wholly_seen(self) -> bool:
        """Whether arguments, config and environment were all read."""
        return all(unseen.kind is Input.VERSION for unseen in self.unseen)

    def lacks(self, kind: Input) -> Unseen | None:
        """Return what was not seen of a kind, if anything."""
        return next((unseen for unseen in self.unseen if unseen.kind is kind), None)

    def may_hide(self, origin: Origin) -> bool:
        """Whether a place that settings of an origin come from was found, and not wholly read."""
        unseen = self.lacks(INPUT_OF[origin])
        return unseen is not None and unseen.at is not None


class Server(Invocation):
    """A `k3s server`."""

    role = "server"


class Agent(Invocation):
    """A `k3s agent`."""

    role = "agent"


@dataclass(frozen=True, eq=False, repr=False)
class Group:
    """What one file says of hosts that belong together: a k3d config, an inventory."""

    name: str
    """The same for all its members, and for nobody else: the path, with the place where the file has several."""
    reason: str
    """In words that fit into parentheses: `the servers of one k3d cluster`."""
    at: Text
    """Where it is said."""


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """An Invocation with the files it is made of and the reasons why they belong together."""

    invocation: Invocation
    root: str = ""
    """The folder that stands for `/` of this host."""
    evidence: tuple[str, ...] = ()
    addresses: tuple[Text, ...] = ()
    """What others call its host, as commands and manifests say: `ssh root@10.0.0.1`, the name of a Service."""
    copies: Text | None = None
    """How many of it a workload runs, where that is more than one."""
    group: Group | None = None
    """Which nodes one file says it belongs to."""
    alternative_of: Node | None = None
    """The node that this is one alternative of: a script starts the first server in one branch, others in another."""

    @property
    def name(self) -> str:
        """How a message calls this node: by the file it is configured in."""
        return self.invocation.files[0] if self.invocation.files else self.invocation.at.span.source.path


class EvidenceKind(Enum):
    """What tells that nodes are of one cluster, the firmest last."""

    SCRIPTS = "scripts"
    """Scripts start a first server and further ones."""
    REPLICAS = "replicas"
    """A workload runs one command several times."""
    SHARED = "shared"
    """Hosts keep their state in one external datastore."""
    JOINED = "joined"
    """One names the address or name of another in its `server`."""
    FILE = "file"
    """One file says that they belong together: a k3d config, an inventory."""
    DECLARED = "declared"
    """`.k3s-policy.yaml` says so."""


class Evidence(NamedTuple):
    """Why nodes belong to one cluster."""

    kind: EvidenceKind
    reason: str
    """In words that fit into parentheses: `joined through 10.0.0.1`."""
    at: Text | None = None
    """Where it is written."""
    firm: bool = True
    """Whether it can mean nothing else: a private address or a short name is used anew in the next environment."""


@dataclass(frozen=True, eq=False, repr=False)
class Cluster:
    """Nodes that belong together, with the evidence for it."""

    name: str
    servers: tuple[Node, ...]
    agents: tuple[Node, ...]
    evidence: tuple[Evidence, ...]
    """The firmest first; never empty."""

    @property
    def declared(self) -> bool:
        """Whether `.k3s-policy.yaml` says so."""
        return self.evidence_kind is EvidenceKind.DECLARED

    @property
    def evidence_kind(self) -> EvidenceKind:
        """The firmest kind of its evidence."""
        return self.evidence[0].kind

    @property
    def firm(self) -> bool:
        """Whether nothing but this cluster can be meant."""
        return self.evidence_kind is not EvidenceKind.SCRIPTS and all(evidence.firm for evidence in self.evidence)

    @property
    def reason(self) -> str:
        """The evidence in words."""
        return "; ".join(dict.fromkeys(evidence.reason for evidence in self.evidence))

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node, servers first."""
        yield from self.servers
        yield from self.agents


@dataclass(frozen=True, eq=False, repr=False)
class Credential:
    """A credential that stands by itself, not in a setting of an invocation that was seen."""

    what: str
    """How a message calls it: `K3S_TOKEN`, `etcd-s3-secret-key`."""
    at: Text
    value: Text
    form: Form
    tag: str | None = None
    is_whole: bool = True
    """Whether it is all that `what` names, not the password in a URL."""


@dataclass(frozen=True, eq=False, repr=False)
class ClusterSecret:
    """A secret that a running cluster made: the key of a kubeconfig, a token, the key of an authority."""

    what: str
    """How a message calls it."""
    at: Text
    value: Text


@dataclass(frozen=True, eq=False, repr=False)
class FileMode:
    """Something that gives a file its permissions: a command, or what describes a host."""

    path: Text
    mode: Text
    """As `chmod` takes it. Where a default applies, it stands in for the path."""
    host: str | None = None
    """What names the host, as for the files that are written there; None where nothing does."""
    when: When = ALWAYS
    default: str = ""
    """Whose default it is, where nothing says the mode: `cloud-init`."""
    form: Form = Form.COMMAND


@dataclass(frozen=True, eq=False, repr=False)
class CredentialFile:
    """A file that is written to a host with credentials of K3s in it, and given permissions."""

    path: str
    holds: tuple[tuple[str, Text], ...]
    """What messages call the credentials, and where each is written; never empty."""
    change: FileMode
    """What decides who may read it."""
    permissions: int
    """Those that result, as far as anything says them."""


@dataclass(frozen=True, eq=False, repr=False)
class Download:
    """K3s itself is fetched, and nothing that was seen checks afterwards what came."""

    what: str
    """How a message calls what is fetched: `the install script`, `the program of K3s`."""
    url: Text
    unverified: tuple[Text, ...] = ()
    """The options for which any certificate will do."""
    secrets: tuple[Text, ...] = ()
    """What the server is shown beside the URL, and no output may show."""
    guarded: bool = False
    """Whether an address without a scheme is not taken for http."""


@dataclass(frozen=True, eq=False, repr=False)
class DatabaseImage:
    """The image of the database behind a datastore-endpoint, where the repository runs both."""

    at: Text
    """The image."""
    host: Text
    """What the endpoint calls it."""
    backend: str
    """What the endpoint takes it for: `mysql`."""
    version: Version | None = None
    """The release of K3s."""


@dataclass(frozen=True, eq=False, repr=False)
class BrokenFile:
    """A file that K3s or systemd cannot read, and the reason they would give."""

    at: Text
    reason: str
    reader: str
    """Who refuses it: `K3s`, `systemd`."""


Subject: TypeAlias = (
    Invocation
    | Cluster
    | Credential
    | ClusterSecret
    | CredentialFile
    | FileMode
    | Download
    | DatabaseImage
    | BrokenFile
)
"""What a check can judge."""
