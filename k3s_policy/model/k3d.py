"""The nodes that k3d makes of a cluster, and what each is started with.

The first of several servers gets `--cluster-init`; the other servers and the agents get K3S_URL with the name of the
first, and all of them one K3S_TOKEN, which k3d makes where none is given (k3d-io/k3d pkg/client/cluster.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import is_substituted
from k3s_policy.k3s import program
from k3s_policy.k3s.version import Version
from k3s_policy.model.cluster import Group
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.text.branch import ALWAYS, When
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from k3s_policy.text import Text

__all__ = ["ClusterPlan", "Given", "K3dNode", "nodes"]

_DEFAULT_NAME = "k3s-default"
_MOST = 9
"""Nodes of one role that are looked at: more of them are started alike."""
_NUMBER = pattern(r"[0-9]{1,4}")
# `server[0]` is how it was written up to k3d v4 (k3d-io/k3d pkg/util/filter.go).
_FILTER = pattern(
    r"(?P<group>server|agent|loadbalancer|all)s?"
    r"(?:[:\[](?:(?P<list>[0-9]+(?:,[0-9]+)*,?)|(?P<first>[0-9]{0,9})-(?P<last>[0-9]{0,9})|\*)\]?)?"
)


class Given(NamedTuple):
    """Something that some of the nodes get."""

    text: Text
    filters: tuple[str, ...] = ()
    """Which ones: `server:*`, `agent:0,1`, `all`."""
    when: When = ALWAYS


@dataclass(frozen=True, eq=False, repr=False)
class ClusterPlan:
    """A cluster as a config or a command describes it."""

    path: str
    at: Text
    """What stands for the cluster where nothing else does."""
    name: Text | None = None
    servers: Text | None = None
    """How many; one where nobody says."""
    agents: Text | None = None
    """How many; none where nobody says."""
    image: Text | None = None
    arguments: tuple[Given, ...] = ()
    labels: tuple[Given, ...] = ()
    variables: tuple[Given, ...] = ()
    token: Variable | None = None
    unseen: tuple[Unseen, ...] = ()
    when: When = ALWAYS

    @property
    def counted(self) -> Text:
        """What says how many servers there are."""
        return self.servers if self.servers is not None else self.at


class K3dNode(NamedTuple):
    """A container that runs K3s."""

    role: str
    number: int
    host: str
    start: Start

    def meets(self, filters: Iterable[str]) -> bool:
        """Whether one of some node filters is met."""
        return _meets(filters, self.role, self.number)


def nodes(plan: ClusterPlan) -> Iterator[K3dNode]:
    """Yield the nodes of a cluster, the first server first; one where their number is not known."""
    for role, text, usual in (("server", plan.servers, 1), ("agent", plan.agents, 0)):
        for number in range(min(_count(text, usual) or (1 if role == "server" else 0), _MOST)):
            host = f"{plan.path}#{plan.at.span.start}-{role}-{number}"
            yield K3dNode(role, number, host, _start(plan, role, number, host))


def _count(text: Text | None, usual: int) -> int:
    if text is None:
        return usual
    return int(str(text)) if _NUMBER.fullmatch(str(text)) else 1


def _is_filled_in(text: Text) -> bool:
    return not text.known or is_substituted(str(text))


def _start(plan: ClusterPlan, role: str, number: int, host: str) -> Start:
    words = list(_arguments(plan, role, number))
    at = plan.image if plan.image is not None else plan.at
    version, hidden = _release(plan)
    program_and_role = (at.stand_in("/bin/k3s"), at.stand_in(role))
    return Start(
        at=at,
        role=role,
        role_reason=f"k3d is asked for {role}s",
        arguments=tuple(words),
        form=Form.K3D,
        variables=tuple(_variables(plan, role, number)),
        version=version,
        unseen=(*plan.unseen, *hidden, *_uncounted(plan)),
        host=host,
        isolated=True,
        addresses=tuple(_addresses(plan, role, number)),
        when=plan.when,
        words=(*program_and_role, *(word.text for word in words)),
        group=Group(f"{plan.path}#{plan.at.span.start}", "the nodes of one k3d cluster", plan.counted),
    )


def _meets(filters: Iterable[str], role: str, number: int) -> bool:
    return any(_is_met(match, role, number) for one in filters if (match := _FILTER.fullmatch(one)))


def _is_met(match: re.Match[str], role: str, number: int) -> bool:
    if match["group"] in ("all", role) and match["list"]:
        return str(number) in match["list"].split(",")
    if match["group"] in ("all", role) and match["first"] is not None:
        return int(match["first"] or 0) <= number <= int(match["last"] or _MOST)
    return match["group"] in ("all", role)


def _reached(given: Iterable[Given], role: str, number: int) -> Iterator[Given]:
    """Yield what a node gets; k3d refuses what names no nodes, and it is taken for the servers'."""
    return (one for one in given if _meets(one.filters or ("server",), role, number))


def _arguments(plan: ClusterPlan, role: str, number: int) -> Iterator[Argument]:
    for given in _reached(plan.arguments, role, number):
        yield Argument(given.text, given.when)
    for given in _reached(plan.labels, role, number):
        yield Argument(given.text[:0].stand_in("--node-label"), given.when)
        yield Argument(given.text, given.when)
    if role == "server" and number == 0 and _count(plan.servers, 1) > 1 and not _is_external(plan):
        yield Argument(plan.counted.stand_in("--cluster-init"))


def _variables(plan: ClusterPlan, role: str, number: int) -> Iterator[Variable]:
    for given in _reached(plan.variables, role, number):
        name, equals, value = given.text.partition("=")
        outside = name.stand_in(f"${{{name}}}", known=False)
        yield Variable(name, value if equals else outside, Form.K3D, given.when)
    at = plan.counted
    made = at.supplied("made by k3d")
    yield plan.token or Variable(at.stand_in("K3S_TOKEN"), made, Form.K3D)
    if role == "agent" or (number > 0 and not _is_external(plan)):
        if role == "agent" and plan.agents is not None:
            at = plan.agents
        first = _name(plan, "server", 0)
        url = at.stand_in(f"https://{first}:6443", known=first is not None)
        yield Variable(at.stand_in("K3S_URL"), url, Form.K3D)


def _is_external(plan: ClusterPlan) -> bool:
    """Whether the servers keep their state in a datastore of their own; what k3d adds means nothing then."""
    return any("datastore-endpoint" in str(one.text) for one in plan.arguments) or any(
        str(one.text).startswith("K3S_DATASTORE_ENDPOINT") for one in plan.variables
    )


def _name(plan: ClusterPlan, role: str, number: int) -> str | None:
    """Return what a container is called, None where nobody here knows."""
    if plan.name is not None and _is_filled_in(plan.name):
        return None
    return f"k3d-{plan.name or _DEFAULT_NAME}-{role}-{number}"


def _addresses(plan: ClusterPlan, role: str, number: int) -> Iterator[Text]:
    name = _name(plan, role, number)
    if name is not None:
        yield (plan.name or plan.at).stand_in(name)


def _release(plan: ClusterPlan) -> tuple[Version | None, tuple[Unseen, ...]]:
    """Return the release of an image; `+v1.30` is a channel, and without an image each k3d has a release of its own."""
    if plan.image is None:
        return None, (Unseen(Input.VERSION, "k3d chooses the release"),)
    if _is_filled_in(plan.image):
        return None, (Unseen(Input.VERSION, "the release is a variable", plan.image),)
    image = program.image(str(plan.image))
    return Version.parse(image["tag"] or "" if image else str(plan.image).lstrip("+").rpartition(":")[2]), ()


def _uncounted(plan: ClusterPlan) -> Iterator[Unseen]:
    """Say that the number of servers is not known, by which k3d tells whether there is a `--cluster-init`."""
    if plan.servers is not None and not _NUMBER.fullmatch(str(plan.servers)):
        yield Unseen(Input.ARGUMENTS, "the number of servers is a variable", plan.servers)
