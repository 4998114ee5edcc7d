"""Servers of one cluster differ in a value that all of them have to share.

A server that joins embedded etcd asks the other for its settings and ends with `critical configuration value
mismatch between servers` where they differ (K3s `pkg/cluster/bootstrap.go`, compareConfig). Compared are
`cluster-cidr`, `service-cidr`, `cluster-dns`, `cluster-domain`, `flannel-backend`, `flannel-ipv6-masq`,
`flannel-external-ip`, `egress-selector-mode`, `disable-cloud-controller`, `disable-helm-controller`,
`disable-network-policy`, `secrets-encryption`, `secrets-encryption-provider`, `embedded-registry` and
`supervisor-metrics`, each as its default where it is not set. Several networks or addresses have to stand in one
order; a network is the same however it is written (`10.42.0.0/16`, `10.42.1.0/16`). K3s compares since v1.20.14,
v1.21.8, v1.22.5 and v1.23.1; `secrets-encryption` since v1.23.14, v1.24.8, v1.25.4 and v1.26.0; the rest from the
release that brought the flag.

What it does not notice is worse:

- With an external datastore nothing is compared. Neither is a server that has joined already and is started anew.
- `disable: servicelb` has to be the same, but since v1.25.3 (v1.23.13, v1.24.7) K3s compares a field that it never
  sets: ServiceLB then runs or not depending on which server leads.
- The datastore itself: a server without the `datastore-endpoint` of the others, or with another kind of one, is a
  cluster of its own, whatever else they share. Reported for clusters that `.k3s-policy.yaml` declares.
- `agent-token` is not compared but used to ask: where it differs, nothing is compared but for a warning, and an agent
  that one server takes is refused by the other. Its value is never shown here.

A flag that is missing is compared where all that the server is started with was seen, or where the cluster is
declared by its config files.

Give every server the same values; a drop-in that all of them share keeps it so.

```yaml wrong path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
cluster-cidr: 10.52.0.0/16
flannel-backend: wireguard-native
token-file: /etc/rancher/k3s/token
```

```yaml wrong path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://first.example.com:6443
cluster-cidr: 10.52.0.0/16
token-file: /etc/rancher/k3s/token
```

```yaml right path=first/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
cluster-cidr: 10.52.0.0/16
flannel-backend: wireguard-native
token-file: /etc/rancher/k3s/token
```

```yaml right path=second/etc/rancher/k3s/config.yaml cluster=edge
server: https://first.example.com:6443
cluster-cidr: 10.52.0.0/16
flannel-backend: wireguard-native
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.credential import Nature, Secret, nature
from k3s_policy.k3s.flags import Kind, flags
from k3s_policy.k3s.value import Malformed, typed
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model.certainty import ANYWHERE, certainty, highest_confidence, label, must_agree, side_by_side
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Input, Server
from k3s_policy.model.membership import Kept, is_settled, joined, kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Flag
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Span, Text

_Key: TypeAlias = "bool | int | str | tuple[str, ...] | Secret"
"""A value in the form in which K3s compares it."""

_COMPARING = (Version(1, 20, 14), Version(1, 21, 8), Version(1, 22, 5), Version(1, 23, 1))
"""The first release of each line that compares (k3s-io/k3s#4581, #4881)."""
_COMPARED_LATER = {"secrets-encryption": (Version(1, 23, 14), Version(1, 24, 8), Version(1, 25, 4), Version(1, 26, 0))}
"""Flags that are older than their comparison (k3s-io/k3s#6409)."""
_SERVICELB_MISSED = (Version(1, 23, 13), Version(1, 24, 7), Version(1, 25, 3))
"""The first release of each line that compares a field of ServiceLB which it never sets (k3s-io/k3s#6199)."""
_SEEN = (Input.ARGUMENTS, Input.CONFIG)
"""Where the flags that are compared can stand: none of them has a variable."""


class _Value(NamedTuple):
    """What a flag is on one server, as far as that can be told."""

    keys: frozenset[_Key]
    """More than one for a default that depends on the host."""
    shown: str
    at: Text | None
    """Where it is set; None for a default."""
    confidence: Confidence


class _Pair(NamedTuple):
    """A server, and the one whose values it has to share."""

    cluster: Cluster
    first: Node
    other: Node

    @property
    def invocations(self) -> tuple[Invocation, Invocation]:
        """What both are started with, the other one's first."""
        return self.other.invocation, self.first.invocation


class _Side(NamedTuple):
    """One of two servers, and what a flag is on it."""

    node: Node
    value: _Value


@rule(severity="high", see=("https://docs.k3s.io/cli/server#critical-configuration-values",))
def check(cluster: Cluster) -> Problems:
    """Report where a server differs from the first one; what several of them lack, once."""
    found: dict[Span, Problem] = {}
    for pair in _pairs(cluster):
        for problem in (*_values_differ(pair), *_servicelb_differs(pair), *_agent_tokens_differ(pair)):
            known = found.get(problem.at.span)
            related = (*known.related, *problem.related) if known is not None else problem.related
            found[problem.at.span] = replace(known or problem, related=related)
    yield from found.values()
    yield from _datastores_differ(cluster)


def _datastores_differ(cluster: Cluster) -> Iterator[Problem]:
    """Report the first server of a declared cluster that keeps its state elsewhere than one with an endpoint."""
    if not cluster.declared:
        return  # who joins whom, or shares an endpoint, is one cluster by that
    outside = [node for node in cluster.servers if kept(node.invocation) is Kept.EXTERNAL]
    for first in outside[:1]:
        for node in cluster.servers:
            if not side_by_side(node, first) or (difference := _difference(cluster, node, first)) is None:
                continue
            at, here, there = difference
            given = first.invocation.all("datastore-endpoint")[-1]
            related = ((given.at, f"{label(first, at)} keeps it in {there} ({cluster.reason})"),)
            message = (
                f"this server keeps its state in {here}, and {label(first, at)} in {there}: these are two clusters"
            )
            advice = "give every server the same datastore-endpoint"
            confidence = highest_confidence(cluster, (node, first), *ANYWHERE)
            yield Problem(at, message, advice, confidence=confidence, related=related)
            return


def _difference(cluster: Cluster, node: Node, first: Node) -> tuple[Text, str, str] | None:
    """Return where a server says, or fails to say, that its state is elsewhere, and what both keep it in."""
    from k3s_policy.model.datastore import datastores  # few clusters have an endpoint

    (there, *more), own = list(datastores(first.invocation)), list(datastores(node.invocation))
    if more or len(own) > 1 or there.backend is None:
        return None
    name = there.backend.called
    if own:
        here = own[0]
        if here.backend is None or here.backend is there.backend:
            return None
        return here.setting.at, here.backend.called, name
    where = kept(node.invocation)
    # What is not there may stand where nothing was seen; cluster-init stands there in so many words.
    begins = node.invocation.last("cluster-init")
    sure = begins is not None and where is Kept.ETCD
    if not sure and certainty(cluster, node.invocation, *ANYWHERE) is None:
        return None
    if where not in (Kept.ETCD, Kept.SQLITE):
        return None
    join = begins or joined(node.invocation)
    return (join.at if join is not None else node.invocation.at), where.value, name


def _pairs(cluster: Cluster) -> Iterator[_Pair]:
    """Yield each server that has to agree with the first one."""
    servers = [node for node in cluster.servers if isinstance(node.invocation, Server)]
    first = next((node for node in servers if joined(node.invocation) is None), servers[0] if servers else None)
    for other in servers:
        if first is not None and other is not first and must_agree(cluster, other, first):
            yield _Pair(cluster, first, other)


def _unnoticed(pair: _Pair, name: str) -> str | None:
    """Return why K3s does not notice that a flag differs, None where the other one does not start."""
    if any(invocation.last("datastore-endpoint") is not None for invocation in pair.invocations):
        return "beside an external datastore K3s does not notice"
    version = pair.other.invocation.version
    if not has_come(_COMPARING, version) or not has_come(_COMPARED_LATER.get(name, ()), version):
        return "this release does not notice"
    if _agent_tokens(pair) is not None:
        return "K3s does not notice, since agent-token differs too"
    return None


# --- values ---------------------------------------------------------------------------------------------------


def _values_differ(pair: _Pair) -> Iterator[Problem]:
    version, first_version = (node.invocation.version for node in (pair.other, pair.first))
    for flag in flags().as_of(version):
        if not flag.checked_on_join or not flag.exists(first_version):
            continue
        here_and_there = (_value(pair.cluster, invocation, flag) for invocation in pair.invocations)
        sides = _sides(pair, *here_and_there)
        if sides is None:
            continue
        here, there = sides
        differ = f"{flag.name} is {here.value.shown} here, and {there.value.shown} on {_name(here, there)}"
        unnoticed = _unnoticed(pair, flag.name)
        if unnoticed is not None:
            message = f"{differ}; {unnoticed}"
        else:
            fails = here.node is pair.other
            message = f"K3s does not start: {differ}" if fails else f"{differ}, where K3s does not start"
        told = f"{flag.name} is {there.value.shown} here"
        if there.value.at is None:
            told = f"{flag.name} is not set here: {there.value.shown}"
        yield _problem(pair, here, there, message, told, _help(flag.name))


def _sides(pair: _Pair, here: _Value | None, there: _Value | None) -> tuple[_Side, _Side] | None:
    """Return the two servers where they differ: first the one to report at, which has the flag."""
    if here is None or there is None or here.at is there.at or not here.keys.isdisjoint(there.keys):
        return None
    sides = _Side(pair.other, here), _Side(pair.first, there)
    return sides if here.at is not None else sides[::-1]


def _name(here: _Side, there: _Side) -> str:
    return label(there.node, here.value.at or here.node.invocation.at)


def _problem(  # noqa: PLR0913, PLR0917  all of a finding that differs
    pair: _Pair, here: _Side, there: _Side, message: str, told: str, advice: str, severity: Severity | None = None
) -> Problem:
    at_most = highest_confidence(pair.cluster, (pair.first, pair.other), *_SEEN)
    confidence = min(here.value.confidence, there.value.confidence, at_most)
    join = joined(there.node.invocation)
    place = there.value.at or (join.place if join is not None else there.node.invocation.at)
    at = here.value.at or here.node.invocation.at
    return Problem(
        at,
        message,
        help=advice,
        severity=severity,
        confidence=confidence,
        related=((place, f"{told} ({pair.cluster.reason})"),),
    )


def _help(name: str) -> str:
    return f"give {name} the same value on every server of the cluster"


def _value(cluster: Cluster, invocation: Invocation, flag: Flag) -> _Value | None:
    """Return what a flag is on a server; None where a template, a branch or a place not seen decides."""
    settings = invocation.all(flag.name)
    if not settings:
        sure = certainty(cluster, invocation, *_SEEN)
        return None if sure is None else _default(cluster, invocation, flag, sure)
    given = settings if flag.kind is Kind.LIST else settings[-1:]
    key = _key(flag, given) if all(is_settled(invocation, one) for one in given) else None
    if key is None:
        return None
    at = given[0].value if given[0].item and len(given) == 1 else given[0].place
    return _Value(frozenset({key}), _shown(key), at, Confidence.HIGH)


def _key(flag: Flag, given: Iterable[Setting]) -> _Key | None:
    """Return what is compared of the settings of a flag; None where K3s refuses them."""
    texts = [str(setting.value) for setting in given]
    if flag.name in _NETWORKS:
        return _networks(",".join(texts))
    if flag.name == "cluster-dns":
        return _addresses(",".join(texts))
    value = typed(flag, texts[-1])
    return None if isinstance(value, Malformed) else value


_NETWORKS = {
    "cluster-cidr": ("10.42.0.0/16", "fd00:42::/56"),
    "service-cidr": ("10.43.0.0/16", "fd00:43::/112"),
}
"""What K3s takes where nothing is given, by the IP version of the node (K3s pkg/util/net.go, GetDefaultAddresses)."""


def _networks(text: str) -> tuple[str, ...] | None:
    import ipaddress  # only clusters with networks of their own need it

    if not all("/" in one for one in text.split(",")):
        return None
    try:
        return tuple(str(ipaddress.ip_network(one, strict=False)) for one in text.split(","))
    except ValueError:
        return None


def _addresses(text: str) -> tuple[str, ...] | None:
    import ipaddress  # as above

    try:
        return tuple(str(ipaddress.ip_address(one)) for one in text.split(","))
    except ValueError:
        return None


def _shown(key: _Key) -> str:
    if isinstance(key, tuple):
        return ",".join(key)
    return str(key).lower() if isinstance(key, bool) else str(key) or "empty"


def _default(cluster: Cluster, invocation: Invocation, flag: Flag, sure: Confidence) -> _Value | None:
    """Return what a flag is where it is not set."""
    keys: frozenset[_Key]
    if flag.name in _NETWORKS:
        keys = frozenset((network,) for network in _by_ip_version(invocation, _NETWORKS[flag.name]))
        shown = str(flag.default)
    elif flag.name == "cluster-dns":
        service = flags().as_of(invocation.version).get("service-cidr")
        networks = _value(cluster, invocation, service) if service is not None else None
        found = {_tenth(key) for key in networks.keys} if networks is not None else {None}
        if None in found:
            return None
        keys = frozenset((address,) for address in found if address is not None)
        shown = str(flag.default) if len(keys) > 1 else _shown(*keys)
    else:
        key = flag.default if flag.default is not None else flag.kind is not Kind.BOOL and ""
        keys, shown = frozenset({key}), _shown(key)
    return _Value(keys, f"{shown} by default", None, sure)


def _by_ip_version(invocation: Invocation, networks: tuple[str, str]) -> Iterable[str]:
    """Return the network for the first address of a node; both where that is not known."""
    four, six = networks
    address = next((one for one in invocation.all("node-ip") if one.known), None)
    if address is None:
        return networks
    return (six,) if ":" in str(address.value).split(",")[0] else (four,)


def _tenth(key: _Key) -> str | None:
    """Return the address that cluster-dns has by default; which of several networks counts goes by the release."""
    import ipaddress  # as above

    if not isinstance(key, tuple) or len(key) != 1:
        return None
    return str(ipaddress.ip_network(key[0]).network_address + 10)


# --- what K3s does not compare --------------------------------------------------------------------------------


def _servicelb_differs(pair: _Pair) -> Iterator[Problem]:
    """Report ServiceLB that one server disables and the other does not."""
    sides = _sides(pair, *(_servicelb(pair.cluster, invocation) for invocation in pair.invocations))
    if sides is None:
        return
    here, there = sides
    differ = f"servicelb is disabled here, and not on {_name(here, there)}"
    if _unnoticed(pair, "disable") is None and not has_come(_SERVICELB_MISSED, pair.other.invocation.version):
        fails = here.node is pair.other
        message = f"K3s does not start: {differ}" if fails else f"{differ}, where K3s does not start"
        severity = Severity.HIGH
    else:
        message = f"{differ}: K3s does not notice, and whether there is ServiceLB goes by the server that leads"
        severity = Severity.MEDIUM
    advice = "disable servicelb on every server of the cluster, or on none"
    yield _problem(pair, here, there, message, "servicelb is not disabled here", advice, severity)


def _servicelb(cluster: Cluster, invocation: Invocation) -> _Value | None:
    """Return whether a server disables ServiceLB; None where K3s does not start with what says so."""
    settings = invocation.all("disable", "no-deploy")
    if not all(is_settled(invocation, one) and not _is_gone(invocation, one) for one in settings):
        return None
    for setting in settings:
        if "servicelb" in map(str.strip, str(setting.value).split(",")):
            at = setting.value if setting.item else setting.place
            return _Value(frozenset({True}), "disabled", at, Confidence.HIGH)
    sure = certainty(cluster, invocation, *_SEEN)
    return None if sure is None else _Value(frozenset({False}), "not disabled", None, sure)


def _is_gone(invocation: Invocation, setting: Setting) -> bool:
    removed = setting.flag.removed
    return removed is not None and removed.gone(invocation.version)


def _agent_tokens_differ(pair: _Pair) -> Iterator[Problem]:
    """Report agent tokens that differ, or that one server alone has; never what they are."""
    sides = _agent_tokens(pair)
    if sides is None:
        return
    here, there = sides
    name = _name(here, there)
    differ = f"differs from that of {name}" if there.value.at is not None else f"is set here, and not on {name}"
    message = f"agent-token {differ}: an agent that one of them takes, the other refuses"
    told = f"agent-token is {there.value.shown} here"
    yield _problem(pair, here, there, message, told, _help("agent-token"))


def _agent_tokens(pair: _Pair) -> tuple[_Side, _Side] | None:
    """Return the two servers where their agent tokens differ."""
    sides = _sides(pair, *map(_agent_token, pair.invocations))
    if sides is None or sides[1].value.at is None:
        return sides
    # What a file holds may be the same.
    return sides if all(side.value.keys for side in sides) else None


def _agent_token(invocation: Invocation) -> _Value | None:
    """Return the agent token of a server, to be compared and never shown; without keys where a file holds it."""
    found = (invocation.last(name) for name in ("agent-token-file", "agent-token"))
    setting = next((one for one in found if one is not None and str(one.value)), None)
    if setting is None:
        return _Value(frozenset({""}), "not set", None, Confidence.HIGH) if invocation.wholly_seen else None
    if not is_settled(invocation, setting):
        return None
    # It has a variable, too.
    sure = Confidence.MEDIUM if invocation.lacks(Input.ENVIRONMENT) else Confidence.HIGH
    given = _Value(frozenset(), "given", setting.at, sure)
    if not setting.flag.sensitive:
        return given
    literal = nature(setting.value, setting.tag) is Nature.LITERAL
    return given._replace(keys=frozenset({Secret(str(setting.value))})) if literal else None
