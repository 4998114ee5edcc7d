"""The arguments that K3s hands to the components it starts: kube-apiserver, the kubelet and the others.

K3s takes each item of `kube-apiserver-arg` and its kin apart at the first `=` (pkg/util/args.go, GetArgs): `--` before
the name may be left out, no value means `true`, and `+=` or `-=` keeps what K3s sets by itself. Items of one name are
all passed on in their order; whether they add up or the last one counts is the component's own matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.effective import is_on
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.model import Invocation, Setting
    from k3s_policy.text import Text

__all__ = ["ComponentArgument", "groups", "members"]


class ComponentArgument(NamedTuple):
    """One argument of a component, as K3s takes it apart."""

    setting: Setting
    name: str
    value: Text
    adds: bool
    """Whether it is written with `+=` or `-=`, which keeps the default."""

    @property
    def at(self) -> Text:
        """The characters of name and value."""
        return self.setting.value


def groups(invocation: Invocation, flags: Iterable[str], name: str) -> Iterator[list[ComponentArgument]]:
    """Yield the arguments of one name that a component gets together, those of exclusive branches for themselves.

    Nothing where one of them is not known: it may be what decides. Nor of a component that does not run.
    """
    settings = [setting for setting in invocation.all(*flags) if _runs(invocation, setting)]
    if any(_may_be(setting, name) for setting in settings):
        return
    found = [argument for argument in map(_taken_apart, settings) if argument.name == name]
    told: list[ComponentArgument] = []
    for one in found:
        if one not in told:
            together = [other for other in found if not exclusive(other.setting.when, one.setting.when)]
            told.extend(together)
            yield together


def members(arguments: Iterable[ComponentArgument]) -> list[Text]:
    """Return what arguments list: the components split each of them at its commas."""
    return [part for one in arguments for part in (piece.strip() for piece in one.value.split(",")) if part]


_SWITCHES = {
    "kube-apiserver-arg": ("disable-apiserver",),
    "kube-scheduler-arg": ("disable-scheduler",),
    "kube-controller-arg": ("disable-controller-manager",),
    "kube-controller-manager-arg": ("disable-controller-manager",),
    "kube-cloud-controller-manager-arg": ("disable-cloud-controller",),
    "etcd-arg": ("disable-etcd",),
    "kube-proxy-arg": ("disable-kube-proxy", "disable-agent"),
    "kubelet-arg": ("disable-agent",),
}
"""What keeps K3s from starting a component (K3s pkg/daemons/control/server.go, pkg/server/server.go)."""


def _runs(invocation: Invocation, setting: Setting) -> bool:
    """Whether the component that a setting is for is started, as far as is known."""
    switches = (invocation.last(name, setting.when) for name in _SWITCHES.get(setting.flag.name, ()))
    return not any(switch is not None and (not switch.known or is_on(switch)) for switch in switches)


def _may_be(setting: Setting, name: str) -> bool:
    """Whether a value that is filled in may be an argument of this name."""
    if setting.known:
        return False
    option, equals, _ = setting.value.partition("=")
    told = bool(equals) and option.known and not any(mark in str(option) for mark in "{$<(")
    return not told or _taken_apart(setting).name == name


def _taken_apart(setting: Setting) -> ComponentArgument:
    option, equals, value = setting.value.partition("=")
    name = str(option).removeprefix("--")
    given = value if equals else option.stand_in("true")
    return ComponentArgument(setting, name.rstrip("+-"), given, name.endswith(("+", "-")))
