"""How sure a conclusion about the nodes of a cluster is: whether they are several hosts, and what was seen of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.model.cluster import EvidenceKind
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import INPUT_OF, Input
from k3s_policy.model.membership import Kept, is_scripted, joined, kept
from k3s_policy.text.branch import possible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Invocation
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["ANYWHERE", "certainty", "highest_confidence", "label", "must_agree", "side_by_side", "some_may_be_one_host"]

ANYWHERE = tuple(INPUT_OF.values())
"""All inputs in which a setting can stand, for flags that have a variable."""


def certainty(cluster: Cluster, invocation: Invocation, *kinds: Input) -> Confidence | None:
    """Return how sure it is that a node of a cluster sets no more than was seen; None where it may well.

    `kinds` are the inputs that matter, of `ANYWHERE`. Whoever declares a cluster by its config
    files means that they say it all.
    """
    unseen = [one for one in invocation.unseen if one.kind in kinds]
    if not unseen:
        return Confidence.HIGH if cluster.firm else Confidence.MEDIUM
    mild = all(one.kind is Input.ARGUMENTS and one.at is None for one in unseen)
    return Confidence.MEDIUM if mild and cluster.declared else None


def highest_confidence(cluster: Cluster, nodes: Iterable[Node], *kinds: Input) -> Confidence:
    """Return how sure a conclusion about some nodes of a cluster can be at most; for `kinds` see `certainty`."""
    lacks = any(node.invocation.lacks(kind) for node in nodes for kind in kinds)
    return Confidence.HIGH if cluster.firm and not lacks else Confidence.MEDIUM


def side_by_side(one: Node, other: Node, *beside: When) -> bool:
    """Whether two nodes surely are two hosts that run at one time.

    Alternatives of one command are not, nor two tries of one script, nor two arms of one fork, unless one of them joins
    what the other starts: such a script runs on both hosts. `beside` are the branches that what is compared stands in.
    """
    first, second = one.invocation, other.invocation
    if (
        first is second
        or (one.alternative_of is not None and one.alternative_of is other.alternative_of)
        or _may_be_one_host(one, other)
    ):
        return False
    names, others = _names(one), _names(other)
    if names & others:
        return False
    if _joins(first) != _joins(second):
        return True
    if not possible((*first.when, *second.when, *(branch for when in beside for branch in when))):
        return False
    tries = first.at.span.source is second.at.span.source and is_scripted(first)
    return not tries or bool(names and others)


def must_agree(cluster: Cluster, one: Node, first: Node) -> bool:
    """Whether a node surely shares the state of the first server: it joins, or both have one external datastore."""
    if not side_by_side(one, first):
        return False
    if joined(one.invocation) is not None:
        return True
    of_one = cluster.evidence_kind in (EvidenceKind.DECLARED, EvidenceKind.FILE, EvidenceKind.SHARED)
    return of_one and kept(one.invocation) is kept(first.invocation) is Kept.EXTERNAL


def _joins(invocation: Invocation) -> bool:
    """Whether a node joins another one: servers on an external datastore do not."""
    return joined(invocation) is not None and invocation.last("datastore-endpoint") is None


def _names(node: Node) -> set[str]:
    """Return the addresses that one host alone has, as far as they are written out."""
    given = (one for one in node.invocation.all("node-ip", "node-external-ip") if one.known)
    parts = {part for setting in given for part in str(setting.value).split(",")}
    return parts | {str(address) for address in node.addresses if address.known}


def _may_be_one_host(one: Node, other: Node) -> bool:
    """Whether two nodes may be one host: a config file that nothing seen starts, and a start without its config."""
    return any(
        configured.invocation.started is None and started.invocation.lacks(Input.CONFIG)
        for configured, started in ((one, other), (other, one))
    )


def some_may_be_one_host(nodes: Iterable[Node]) -> bool:
    """Whether two of some nodes may be one host."""
    every = list(nodes)
    configured = [node for node in every if node.invocation.started is None]
    started = [node for node in every if node.invocation.lacks(Input.CONFIG)] if configured else []
    return any(one is not other for one in configured[:2] for other in started[:2])


def label(node: Node, at: Text) -> str:
    """Say which node is meant: by its file, and by its line where what is reported stands in the same file.

    A host of an inventory is called as it is there, since its file is that of all.
    """
    if node.group is not None and node.addresses:
        return str(node.addresses[0])
    span = node.invocation.at.span
    return f"{node.name}:{span.line}" if at.span.source is span.source else node.name
