"""Which arguments a component gets from an Invocation, if K3s starts it at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s.component import SWITCHES, may_be, taken_apart
from k3s_policy.model.effective import is_on
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.k3s.component import ComponentArgument
    from k3s_policy.model.invocation import Invocation, Setting

__all__ = ["groups"]


def groups(invocation: Invocation, flags: Iterable[str], name: str) -> Iterator[list[ComponentArgument]]:
    """Yield the arguments of one name that a component gets together, those of exclusive branches for themselves.

    Nothing where one of them is not known: it may be what decides. Nor of a component that does not run.
    """
    settings = [setting for setting in invocation.all(*flags) if _runs(invocation, setting)]
    if any(not setting.known and may_be(setting.value, name) for setting in settings):
        return
    found = [(setting, argument) for setting in settings if (argument := taken_apart(setting.value)).name == name]
    told: list[Setting] = []
    for one, _ in found:
        if one not in told:
            together = [(other, argument) for other, argument in found if not exclusive(other.when, one.when)]
            told.extend(other for other, _ in together)
            yield [argument for _, argument in together]


def _runs(invocation: Invocation, setting: Setting) -> bool:
    """Whether the component that a setting is for is started, as far as is known."""
    switches = (invocation.last(name, setting.when) for name in SWITCHES.get(setting.flag.name, ()))
    return not any(switch is not None and (not switch.known or is_on(switch)) for switch in switches)
