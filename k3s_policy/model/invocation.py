"""One `k3s server` or `k3s agent`: its Settings in K3s's own order, how it is started, and what was not seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import default_of, is_substituted
from k3s_policy.text.branch import ALWAYS, When, exclusive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from k3s_policy.k3s.flags import Flag
    from k3s_policy.k3s.version import Version
    from k3s_policy.text import Text


__all__ = [
    "CIPHERS",
    "INPUT_OF",
    "Agent",
    "BrokenFile",
    "Form",
    "Input",
    "Invocation",
    "Origin",
    "Release",
    "Server",
    "Setting",
    "Started",
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
class BrokenFile:
    """A file that K3s or systemd cannot read, and the reason they would give."""

    at: Text
    reason: str
    reader: str
    """Who refuses it: `K3s`, `systemd`."""
