"""The arguments that K3s hands to the components it starts: kube-apiserver, the kubelet and the others.

K3s takes each item of `kube-apiserver-arg` and its kin apart at the first `=` (pkg/util/args.go, GetArgs): `--` before
the name may be left out, no value means `true`, and `+=` or `-=` keeps what K3s sets by itself. Items of one name are
all passed on in their order; whether they add up or the last one counts is the component's own matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.text import Text

__all__ = ["SWITCHES", "ComponentArgument", "may_be", "members", "taken_apart"]

SWITCHES = {
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


class ComponentArgument(NamedTuple):
    """One argument of a component, as K3s takes it apart."""

    at: Text
    """The characters of name and value."""
    name: str
    value: Text
    adds: bool
    """Whether it is written with `+=` or `-=`, which keeps the default."""


def taken_apart(item: Text) -> ComponentArgument:
    """Take an item apart as K3s does."""
    option, equals, value = item.partition("=")
    name = str(option).removeprefix("--")
    given = value if equals else option.stand_in("true")
    return ComponentArgument(item, name.rstrip("+-"), given, name.endswith(("+", "-")))


def may_be(item: Text, name: str) -> bool:
    """Whether an item of which something is filled in may be an argument of this name."""
    option, equals, _ = item.partition("=")
    told = bool(equals) and option.known and not any(mark in str(option) for mark in "{$<(")
    return not told or taken_apart(item).name == name


def members(arguments: Iterable[ComponentArgument]) -> list[Text]:
    """Return what arguments list: the components split each of them at its commas."""
    return [part for one in arguments for part in (piece.strip() for piece in one.value.split(",")) if part]
