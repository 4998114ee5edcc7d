"""The flags of K3s: what the server and agent take, and what became of those they took once.

The facts stand in `schemas/k3s-config.json`, which is also the schema that editors check a `config.yaml`
with: one property a flag, its type by reference, everything else under `"k3s"`. They agree with K3s's own
tables (`pkg/cli/cmds` as of commit 469d009f); since when a flag exists is known to the minor line, see
`Flag.exists`.

The records are named tuples and not data classes: every run of a hook loads this module, and a data class of
so many fields takes five times as long to make.
"""

from __future__ import annotations

from enum import Enum
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from k3s_policy.k3s import data
from k3s_policy.k3s.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Command", "Deprecation", "Flag", "Flags", "Kind", "Removal", "RemovedValue", "flags"]


class Kind(Enum):
    """The type of a flag's value; the values are the names of the schema's definitions."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    DURATION = "duration"
    LIST = "stringSlice"

    @property
    def takes_value(self) -> bool:
        """Whether `--flag VALUE` is two words; a bool flag takes a value only as `--flag=VALUE`."""
        return self is not Kind.BOOL


class Removal(NamedTuple):
    """When K3s let go of a flag or of a value, step by step; a release is None where there was no such step."""

    removed: str
    """The first release that no longer knows it."""
    deprecated: str | None = None
    """The first release that advised against it."""
    fatal: str | None = None
    """The first release that knew it and refused to start with it."""
    replacement: str | None = None
    """What to use instead: a flag (`disable`), a flag with a value (`flannel-backend=none`), or a value."""
    note: str | None = None
    """One sentence more."""

    @property
    def since(self) -> str:
        """The first release that does not start, or does not do, what it is asked to."""
        return self.fatal or self.removed

    def gone(self, version: Version | None) -> bool:
        """Whether it no longer works in `version`; None stands for the newest."""
        return version is None or version >= _version(self.since)


class Deprecation(NamedTuple):
    """Advice against a flag that still works."""

    since: str | None = None
    """The first release that advises so; None where it was so from the day the better flag came."""
    replacement: str | None = None
    """The flag to use instead."""
    note: str | None = None
    """How to use it, in one sentence."""


class RemovedValue(NamedTuple):
    """A value that a flag once took."""

    removal: Removal
    value: str | None = None
    """The value itself; None where a whole form of values went."""
    containing: str | None = None
    """What stands in every value of the form that went (`=` in `ipsec=psk=x`)."""

    def matches(self, value: str) -> bool:
        """Whether `value` is meant."""
        return value == self.value if self.containing is None else self.containing in value


class Flag(NamedTuple):
    """One K3s option. Names and values are without the hyphens that stand before them on a command line."""

    name: str
    kind: Kind
    roles: frozenset[str] = frozenset()
    """Which of `server` and `agent` take it; empty for the flags of other commands."""
    description: str = ""
    group: str = ""
    """The heading it belongs under, for instance `agent/runtime`."""
    aliases: tuple[str, ...] = ()
    """Other names of the same flag; giving both names at once is fatal."""
    environment: tuple[str, ...] = ()
    """Variables K3s reads where the flag is given neither in a file nor as an argument."""
    default: str | int | bool | None = None
    """What applies where nothing is given; None for the empty string and for defaults made at run time."""
    since: str | None = None
    """The first release that has it."""
    backports: tuple[str, ...] = ()
    """Releases of older lines that have it too, the first of each line that is known."""
    hidden: bool = False
    """K3s leaves it out of its help."""
    sensitive: bool = False
    """The value is a credential, or is wholly made of one."""
    embeds_credentials: bool = False
    """The value is a URL that may hold a password."""
    file_alternative: str | None = None
    """The flag that takes the credential from a file or a Secret instead."""
    credential_advice: str | None = None
    """Where else the credential can come from, in a few words."""
    critical: bool = False
    """All servers of a cluster must agree on it."""
    checked_on_join: bool = False
    """K3s itself compares it when a server joins embedded etcd."""
    same_as: str | None = None
    """The flag whose list this old name adds to."""
    deprecated: Deprecation | None = None
    removed: Removal | None = None
    """Set for flags that K3s dropped, also in the table of a release that still had them."""
    removed_values: tuple[RemovedValue, ...] = ()
    values: tuple[str, ...] = ()
    """The values there are, where K3s refuses all others."""
    known_values: tuple[str, ...] = ()
    """Values with a meaning of their own, where K3s takes others too."""
    subcommands: tuple[str, ...] = ()
    """For flags of other commands: the subcommands that take it; empty for all."""

    def exists(self, version: Version | None) -> bool:
        """Whether `version` has the flag already; None stands for the newest.

        A line between the one that first had the flag and one that it was carried back to counts as having it:
        K3s carries a change back through all lines in between, though not every release could be seen.
        """
        if version is None or self.since is None:
            return True
        since = _version(self.since)
        if version >= since:
            return True
        if not self.backports or version.line == since.line:
            return False
        backports = {backport.line: backport for backport in map(_version, self.backports)}
        first = backports.get(version.line)
        return version >= first if first else version.line > min(backports)

    def removed_value(self, value: str) -> RemovedValue | None:
        """Return what is known of a value that the flag once took, None where nothing is."""
        return next((removed for removed in self.removed_values if removed.matches(value)), None)


class Flags:
    """The table of flags as of one version of K3s, by default the newest there is facts about.

    A name is looked up for a role, `server` or `agent`; None stands for either. Names are case-sensitive and
    without hyphens before them, as they stand in `config.yaml`.
    """

    def __init__(
        self, every: Iterable[Flag], commands: Mapping[str, Any], newest: str, version: Version | None = None
    ) -> None:
        """Make the table of `version` from all flags there ever were."""
        self.version = version
        """The version this is the table of; None for the newest."""
        self.newest = newest
        """The newest release the facts know, which applies where no version is given."""
        self._every = tuple(every)
        self._commands = commands
        self._views: dict[Version | None, Flags] = {version: self}
        self._present: dict[str, Flag] = {}
        self._gone: dict[str, Flag] = {}
        self._later: dict[str, Flag] = {}
        self._found: dict[tuple[str, str | None], str | None] = {}
        for flag in self._every:
            if flag.removed is not None and flag.removed.gone(version):
                names = self._gone
            elif flag.exists(version):
                names = self._present
            else:
                names = self._later
            seen = flag if version is None else _as_of(flag, version)
            names[flag.name] = seen
            for alias in flag.aliases:
                names[alias] = seen

    @classmethod
    def load(cls, schema: Mapping[str, Any]) -> Flags:
        """Make the newest table from the schema of `config.yaml`.

        Raises KeyError or ValueError where the schema is not built as described in this module.
        """
        every = [_flag(name, content) for name, content in schema["properties"].items() if "k3s" in content]
        return cls([flag for flag in every if flag is not None], schema["k3s"]["commands"], schema["k3s"]["newest"])

    def __iter__(self) -> Iterator[Flag]:
        """Iterate over the flags there are in this version, each once, in the order of the schema."""
        return (flag for name, flag in self._present.items() if name == flag.name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def as_of(self, version: Version | None) -> Flags:
        """Return the table as of another version, of a candidate as of its release; None stands for the newest."""
        version = None if version is None else version.release
        if version not in self._views:
            views = self._views
            views[version] = Flags(self._every, self._commands, self.newest, version)
            views[version]._views = views  # noqa: SLF001 - the views know each other
        return self._views[version]

    def get(self, name: str, role: str | None = None) -> Flag | None:
        """Return the flag of this name or alias, None where the role has none such in this version."""
        return _for_role(self._present.get(name), role)

    def removed(self, name: str, role: str | None = None) -> Flag | None:
        """Return the flag of this name that the role once had and this version no longer has."""
        return _for_role(self._gone.get(name), role)

    def later(self, name: str, role: str | None = None) -> Flag | None:
        """Return the flag of this name or alias that only newer versions than this one have."""
        return _for_role(self._later.get(name), role)

    def by_environment(self, variable: str, role: str | None = None) -> tuple[Flag, ...]:
        """Return the flags that fall back to an environment variable; a role has one at most."""
        flag = _for_role(self._variables.get(variable), role)
        return () if flag is None else (flag,)

    def removed_variable(self, variable: str) -> Flag | None:
        """Return the removed flag that an environment variable once stood for, and with it is ignored now."""
        return self._gone_variables.get(variable)

    def variable_for(self, name: str) -> str | None:
        """Return the environment variable that can be used in place of a flag, None where there is none."""
        flag = self._present.get(name)
        return flag.environment[0] if flag is not None and flag.environment else None

    def nearest(self, name: str, role: str | None = None) -> str | None:
        """Return the flag that a misspelt name most likely means, as `_nearest` finds it, found once."""
        key = (name, role)
        if key not in self._found:
            self._found[key] = self._nearest(name[:64], role)
        return self._found[key]

    def _nearest(self, name: str, role: str | None) -> str | None:
        """Return the flag that a misspelt name most likely means, None where nothing is close.

        Understood besides slips of one or two letters: `node_label`; the component that should have been a value
        (`disable-traefik` for `disable`); and a name without its first words (`s3-bucket` for `etcd-s3-bucket`).
        """
        wanted = name.strip("-").replace("_", "-").lower()
        known = [flag for flag in self if role is None or role in flag.roles]
        tails = []
        for flag in known:
            if wanted == flag.name or any(wanted == f"{flag.name}-{value}" for value in flag.known_values):
                return flag.name
            if "-" in wanted and flag.name.endswith(f"-{wanted}"):
                tails.append(flag.name)
        if len(tails) == 1:
            return tails[0]
        allowed = 0 if len(wanted) < 4 else 1 if len(wanted) < 12 else 2
        near = (flag for flag in known if _may_be_near(wanted, flag.name, allowed))
        candidates = ((_distance(wanted, flag.name, allowed), flag.hidden, flag.name) for flag in near)
        distance, _, nearest = min(candidates, default=(allowed + 1, False, ""))
        return nearest if distance <= allowed else None

    def command(self, name: str) -> Command | None:
        """Return the flags of another command of K3s, such as `etcd-snapshot` or `token`; None where unknown."""
        content = self._commands.get(name)
        return None if content is None else _command(name, content)

    @cached_property
    def commands(self) -> tuple[str, ...]:
        """The commands `command` knows."""
        return tuple(self._commands)

    @cached_property
    def hyphenated(self) -> tuple[str, ...]:
        """The names of two words or more that any version knows or knew: those that tell K3s's files apart."""
        return tuple(flag.name for flag in self._every if "-" in flag.name)

    @cached_property
    def _variables(self) -> dict[str, Flag]:
        return {variable: flag for flag in self for variable in flag.environment}

    @cached_property
    def _gone_variables(self) -> dict[str, Flag]:
        return {variable: flag for flag in self._gone.values() for variable in flag.environment}


class Command(NamedTuple):
    """A command other than `server` and `agent`, as far as its arguments can give something away."""

    name: str
    subcommands: tuple[str, ...]
    reads_config: bool
    """Whether values from `config.yaml` come before its arguments."""
    flags: tuple[Flag, ...]
    bare_removal: Removal | None = None
    """Set where the command once did something without a subcommand."""

    def get(self, name: str, subcommand: str | None = None) -> Flag | None:
        """Return the flag of this name or alias; where subcommands differ, that of the subcommand or the first."""
        for flag in self.flags:
            fits = subcommand is None or not flag.subcommands or subcommand in flag.subcommands
            if fits and (name == flag.name or name in flag.aliases):
                return flag
        return None


@cache
def flags() -> Flags:
    """Return the newest table, read once."""
    return Flags.load(data.schema("k3s-config"))


@cache
def _version(text: str) -> Version:
    """Read a version of the table, which is known to be one."""
    version = Version.parse(text)
    if version is None:
        raise ValueError(f"{text} is not a K3s version")
    return version


def _for_role(flag: Flag | None, role: str | None) -> Flag | None:
    return flag if flag is not None and (role is None or role in flag.roles) else None


def _as_of(flag: Flag, version: Version) -> Flag:
    """Drop the advice against a flag that `version` does not give yet."""
    advice = flag.deprecated
    if advice is None or advice.since is None or version >= _version(advice.since):
        return flag
    return flag._replace(deprecated=None)


_KINDS = {f"#/definitions/{kind.value}": kind for kind in Kind}
_ROLES = {
    ("server",): frozenset({"server"}),
    ("agent",): frozenset({"agent"}),
    ("server", "agent"): frozenset({"server", "agent"}),
}


def _flag(name: str, content: Mapping[str, Any]) -> Flag | None:
    """Read one property of the schema; None for a property that only lends its name to a flag."""
    facts: Mapping[str, Any] = content["k3s"]
    if "aliasOf" in facts:
        return None
    return _record(
        name,
        _KINDS[content["anyOf"][0]["$ref"]],
        facts,
        _ROLES[tuple(facts["roles"])],
        content["description"],
        tuple(content.get("enum", ())),
        tuple(content.get("examples") or content.get("items", {}).get("examples", ())),
    )


def _record(  # noqa: PLR0913, PLR0917 - one argument for each thing the schema states outside of the annotation
    name: str,
    kind: Kind,
    facts: Mapping[str, Any],
    roles: frozenset[str],
    description: str,
    values: tuple[str, ...],
    known_values: tuple[str, ...],
) -> Flag:
    get = facts.get
    removed_values = get("removedValues")
    critical = get("critical")
    return Flag(
        name=name,
        kind=kind,
        roles=roles,
        description=description,
        group=get("group", ""),
        aliases=tuple(get("aliases", ())),
        environment=tuple(get("env", ())),
        default=get("default"),
        since=get("since"),
        backports=tuple(get("backports", ())),
        hidden=get("hidden", False),
        sensitive=get("sensitive", False),
        embeds_credentials=get("embedsCredentials", False),
        file_alternative=get("fileAlternative"),
        credential_advice=get("credentialAdvice"),
        critical=critical is not None,
        checked_on_join=critical is not None and critical["checkedOnJoin"],
        same_as=get("sameAs"),
        deprecated=Deprecation(**facts["deprecated"]) if "deprecated" in facts else None,
        removed=Removal(**facts["removed"]) if "removed" in facts else None,
        removed_values=tuple(map(_removed_value, removed_values)) if removed_values else (),
        values=values,
        known_values=known_values,
        subcommands=tuple(get("only", ())),
    )


def _removed_value(facts: Mapping[str, Any]) -> RemovedValue:
    return RemovedValue(Removal(**facts["removed"]), facts.get("value"), facts.get("containing"))


def _command(name: str, content: Mapping[str, Any]) -> Command:
    bare = content.get("withoutSubcommand")
    return Command(
        name=name,
        subcommands=tuple(content["subcommands"]),
        reads_config=content["readsConfig"],
        flags=tuple(
            _record(flag, Kind(facts["type"]), facts, frozenset(), "", tuple(facts.get("enum", ())), ())
            for flag, facts in content["flags"].items()
        ),
        bare_removal=None if bare is None else Removal(**bare),
    )


def _may_be_near(one: str, other: str, enough: int) -> bool:
    """Whether so few slips may make one name of the other: each adds one letter at most that the other lacks.

    Most names fail here, which spares counting: a file of thousands of unknown keys is compared with every flag.
    """
    if abs(len(one) - len(other)) > enough:
        return False
    letters, others = _letters(one), _letters(other)
    return len(letters - others) <= enough and len(others - letters) <= enough


@lru_cache(maxsize=1024)
def _letters(name: str) -> frozenset[str]:
    return frozenset(name)


def _distance(one: str, other: str, enough: int) -> int:
    """Count the letters to insert, drop, change or swap to get from one name to the other.

    Counts no further than `enough + 1`.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, above, row = row, before, [i]
        for j, against in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > enough and min(before) > enough:
            break  # it only grows from here
    return min(row[-1], enough + 1)
