"""A service put together from its unit and drop-ins.

After systemd src/core/load-dropin.c, src/shared/dropin.c, and `service_verify` in src/core/service.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy.formats.systemd.command import EXEC_KEYS, ExecCommand, exec_commands
from k3s_policy.formats.systemd.unit import Directive, UnitError, UnitFile
from k3s_policy.formats.systemd.variables import EnvironmentPath, Variable, assignments, environment_path
from k3s_policy.formats.systemd.words import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from k3s_policy.text import Text

__all__ = ["LoadState", "Service", "combine", "drop_in_folders"]


class LoadState(Enum):
    """What `systemctl show --property LoadState` says of a unit."""

    LOADED = "loaded"
    MASKED = "masked"  # an empty file
    BAD_SETTING = "bad-setting"  # a command is wrong, or the settings do not fit together
    ERROR = "error"  # the file cannot be read to its end


@dataclass(frozen=True, repr=False)
class Service:
    """What a service gets from its unit and drop-ins, after all resets, and whether systemd takes it.

    `environment` holds Environment= only, in order, the last of a name wins; environment files beat it.
    `commands` have the keys in EXEC_KEYS that are set. `errors` are all that systemd met, also in drop-ins, where
    an error only ends that drop-in; `refused` is why the unit is not `loaded`.
    """

    load_state: LoadState
    environment: tuple[Variable, ...]
    environment_files: tuple[EnvironmentPath, ...]
    commands: Mapping[str, tuple[ExecCommand, ...]]
    refused: UnitError | None
    errors: tuple[UnitError, ...]
    ignored: tuple[Flaw, ...]


def drop_in_folders(unit_name: str) -> tuple[str, ...]:
    """Return the names of the folders with a unit's drop-ins, the first to be asked first.

    For k3s-agent.service: k3s-agent.service.d, k3s-.service.d, service.d. Folders of one name lie in /etc, /run and
    /usr, asked in that order; service.d comes last of all. A file name (`*.conf`, no leading dot) counts once, where
    it is found first.
    """
    bare, _, suffix = unit_name.rpartition(".")
    prefix, at, instance = bare.partition("@")
    names = dict.fromkeys(_drop_in_names(prefix, at + instance))
    return (*(f"{name}.{suffix}.d" for name in names), f"{suffix}.d")


def _drop_in_names(prefix: str, instance: str) -> Iterator[str]:
    """Yield the names a unit answers to: its own, its template's, then those of each shorter prefix."""
    yield prefix + instance
    if len(instance) > 1:
        yield from _drop_in_names(prefix, "@")
    dash = prefix.removesuffix("-").rfind("-")
    if dash > 0:
        yield from _drop_in_names(prefix[: dash + 1], instance)


def combine(main: UnitFile, drop_ins: Mapping[str, UnitFile], unit_name: str, *, lenient: bool = False) -> Service:
    """Put a service's unit and its drop-ins, by file name, together.

    Drop-ins follow the unit in byte order of their file names, wherever they lie. An empty Environment=,
    EnvironmentFile= or Exec*= resets what was set before. With `lenient`, a `%` that begins no specifier stands for
    itself: the service as it is meant, which is not what systemd makes of it.
    """
    settings = _Settings(unit_name, lenient=lenient)
    main_error = settings.take(main)
    for _, drop_in in sorted(drop_ins.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape")):
        settings.take(drop_in)
    state, refused = LoadState.LOADED, main_error
    if not main.text:
        state = LoadState.MASKED
    elif main_error:
        state = LoadState.BAD_SETTING if main_error.code == "ENOEXEC" else LoadState.ERROR
    elif refused := settings.contradiction(main.text[:0]):
        state = LoadState.BAD_SETTING
    return Service(
        load_state=state,
        environment=tuple(settings.environment),
        environment_files=tuple(settings.environment_files),
        commands={key: tuple(settings.commands[key]) for key in EXEC_KEYS if settings.commands[key]},
        refused=refused,
        errors=tuple(settings.errors),
        ignored=tuple(settings.ignored),
    )


# The settings that decide, with the commands, whether a service is taken, and the values systemd knows for them.
_TRUE = re.compile("1|yes|y|true|t|on", re.IGNORECASE)
_CHOICES = {
    "Type": re.compile("simple|exec|forking|oneshot|dbus|notify|idle"),
    "Restart": re.compile("no|always|on-(?:success|failure|abnormal|watchdog|abort)"),
    "RemainAfterExit": re.compile("1|yes|y|true|t|on|0|no|n|false|f|off", re.IGNORECASE),
    "BusName": re.compile(".*"),
    "SuccessAction": re.compile(".*"),
}


@dataclass(repr=False)
class _Settings:
    """A service while its files are put together."""

    unit_name: str
    lenient: bool
    environment: list[Variable] = field(default_factory=list)
    environment_files: list[EnvironmentPath] = field(default_factory=list)
    commands: dict[str, list[ExecCommand]] = field(default_factory=lambda: {key: [] for key in EXEC_KEYS})
    choices: dict[str, Text] = field(default_factory=dict)
    errors: list[UnitError] = field(default_factory=list)
    ignored: list[Flaw] = field(default_factory=list)

    def take(self, file: UnitFile) -> UnitError | None:
        """Take in a file up to the first error, and return that."""
        self.ignored += file.ignored
        for directive in file.directives:
            error = self._assign(directive)
            if error:
                self.errors.append(error)
                return error
        if file.error:
            self.errors.append(file.error)
        return file.error

    def _assign(self, directive: Directive) -> UnitError | None:
        match directive.section, str(directive.key):
            case "Service", "Environment":
                self._assign_environment(directive.value)
            case "Service", "EnvironmentFile":
                self._assign_environment_file(directive.value)
            case "Service", key if key in self.commands:
                return self._assign_commands(key, directive.value)
            case ("Service", ("Type" | "Restart" | "RemainAfterExit" | "BusName") as key) | (
                "Unit",
                "SuccessAction" as key,
            ):
                if _CHOICES[key].fullmatch(str(directive.value)):
                    self.choices[key] = directive.value
        return None

    def _assign_environment(self, value: Text) -> None:
        if not value:
            self.environment.clear()
        read = assignments(value, self.unit_name, lenient=self.lenient)
        self.environment += read.variables
        self.ignored += read.ignored

    def _assign_environment_file(self, value: Text) -> None:
        if not value:
            self.environment_files.clear()
            return
        path = environment_path(value, self.unit_name, lenient=self.lenient)
        if isinstance(path, Flaw):
            self.ignored.append(path)
        else:
            self.environment_files.append(path)

    def _assign_commands(self, key: str, value: Text) -> UnitError | None:
        if not value:
            self.commands[key].clear()
        read = exec_commands(value, self.unit_name, lenient=self.lenient)
        self.commands[key] += read.commands
        if read.ignored:
            self.ignored.append(read.ignored)
        return read.error

    def contradiction(self, place: Text) -> UnitError | None:
        """Return why the settings together are refused; `place` is for what is missing."""
        start = self.commands["ExecStart"]
        success = self._choice("SuccessAction", "none") != "none"
        kind = self._choice("Type", "simple" if start or self._choice("BusName", "") else "oneshot")
        restart = self._choice("Restart", "no")
        remains = _TRUE.fullmatch(self._choice("RemainAfterExit", "no"))
        message = ""
        if not start and not self.commands["ExecStop"] and not success:
            message = "a service has ExecStart=, ExecStop= or SuccessAction="
        elif not start and (kind != "oneshot" or not (success or remains)):
            message = "a service without ExecStart= is Type=oneshot, with RemainAfterExit=yes or SuccessAction="
        elif kind != "oneshot" and len(start) > 1:
            message, place = "only Type=oneshot has more than one ExecStart= command", start[1].path
        elif kind == "oneshot" and restart in {"always", "on-success"}:
            message, place = f"Type=oneshot does not go with Restart={restart}", self.choices["Restart"]
        return UnitError(message, place, "ENOEXEC") if message else None

    def _choice(self, key: str, default: str) -> str:
        return str(self.choices[key]) if key in self.choices else default
