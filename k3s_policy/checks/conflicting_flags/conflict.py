"""A conflict of flags, and what the rows of the table ask about an invocation: what it is given, and what it lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import forks_between
from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.places import is_systemd_environment
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import INPUT_OF, Form, Input, Origin
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text.branch import When

__all__ = ["KEEP_ONE", "Conflict", "absence", "given", "is_given", "items_of", "name_of", "settings_of", "together"]

KEEP_ONE = "leave one of them out"


class Conflict(NamedTuple):
    """A flag that is refused or does nothing, and the other one that makes it so."""

    flag: Setting
    message: str
    help: str
    beside: Setting | None = None
    severity: Severity = Severity.HIGH
    confidence: Confidence = Confidence.HIGH


def name_of(setting: Setting) -> str:
    """Return how a flag is called here: by its variable where that gives it."""
    return str(setting.at) if setting.origin is Origin.ENVIRONMENT else setting.flag.name


def settings_of(invocation: Invocation, *names: str) -> list[Setting]:
    """Return what a server or agent is given for some flags, whatever it is.

    An address that k3sup is told is none of its flags, though it stands with them: it has no option.
    """
    return [one for one in invocation.all(*names) if one.flag.roles and one.at is not one.value]


def items_of(invocation: Invocation, name: str) -> list[Setting]:
    """Return the items of a list flag: the environment counts only where nothing else gives it."""
    settings = settings_of(invocation, name)
    return [one for one in settings if one.origin is not Origin.ENVIRONMENT] or settings


def given(invocation: Invocation, name: str, beside: When = ()) -> list[Setting]:
    """Return the settings of a flag that count in their arms and give it something: true, a text, an item."""
    settings = [one for one in items_of(invocation, name) if not exclusive(one.when, beside)]
    if settings and settings[0].flag.kind is Kind.LIST:
        return [one for one in settings if is_given(one)]
    return [one for one in settings if invocation.last(name, (*beside, *one.when)) is one and is_given(one)]


def is_given(setting: Setting) -> bool:
    """Whether a flag is surely given something: a template alone may become nothing."""
    if setting.flag.kind is Kind.BOOL:
        return is_on(setting)
    known = "".join(run.text for run in setting.value.runs if run.known)
    return bool(_TEMPLATES.sub("", known).strip())


_TEMPLATES = pattern(
    r"\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}|<%(?:(?!<%).)*?%>|\$\{(?:(?!\$\{)[^}])*\}|\$\((?:(?!\$\()[^)])*\)",
    re.DOTALL,
)


def together(invocation: Invocation, one: str, other: str) -> Iterator[tuple[Setting, Setting]]:
    """Yield the settings of two flags that hold at once: wherever the first is given, so is the other.

    Where the other one is given in some arms of a script only, the forks are most likely there to keep the two apart.
    """
    pairs = [(setting, _beside(invocation, setting, other)) for setting in given(invocation, one)]
    apart = {setting.at.span for setting, beside in pairs if beside is None}
    for setting, beside in pairs:
        if beside is None or setting.at.span in apart or forks_between(setting.at, beside.at):
            continue
        if not _is_shared_file(invocation, setting, beside):
            yield setting, beside
            if setting.flag.kind is Kind.LIST:
                return  # one item says it


def _beside(invocation: Invocation, setting: Setting, name: str) -> Setting | None:
    """Return the setting of a flag that holds in all arms in which another setting does."""
    return next((one for one in given(invocation, name, setting.when) if set(one.when) <= set(setting.when)), None)


def _is_shared_file(invocation: Invocation, *settings: Setting) -> bool:
    """Whether variables stand in a file that nothing seen reads: a script may take some here and some there."""
    if invocation.role or any(setting.form is not Form.ENVIRONMENT_FILE for setting in settings):
        return False
    return not is_systemd_environment(invocation.variables_of)


def absence(invocation: Invocation, half: Setting, *, variables: bool = False) -> Confidence | None:
    """Say how sure it is that what was not found beside a setting is not there; None where it may well be.

    What belongs together stands together: a config file that was read to its end speaks for itself even where the
    command was not seen. A command does not speak for a config file. `variables` says that a variable would do too.
    """
    source = INPUT_OF[half.origin]
    if half.form is Form.VARIABLE or any(one.kind is source and one.at is not None for one in invocation.unseen):
        return None
    if half.may_go_on and invocation.started is None:
        return None
    if half.origin is not Origin.CONFIG and (invocation.lacks(Input.CONFIG) or invocation.lacks(Input.ARGUMENTS)):
        return None
    if variables and invocation.lacks(Input.ENVIRONMENT):
        return None
    return Confidence.HIGH if invocation.wholly_seen else Confidence.MEDIUM
