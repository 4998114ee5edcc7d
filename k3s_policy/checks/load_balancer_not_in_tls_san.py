"""The address that nodes join through stands in no server's certificate.

A server's certificate names its node, its addresses (`node-ip`, `node-external-ip`, `advertise-address`) and what
`tls-san` lists. Up to v1.28.0 it also took in whatever name a client asked for. Since then K3s refuses names that
belong to no server (CVE-2023-32187): `tls-san-security` is true by default since v1.28.1, and can be switched on since
v1.24.17, v1.25.13, v1.26.8 and v1.27.5 (K3s `pkg/cluster/https.go`, `pkg/cluster/address_controller.go`).

A server that joins checks the certificate and exits: `CA cert validation failed: x509: certificate is valid for ...,
not ...`. It may work by luck: names that are asked for before the first server is up are still taken in. An agent goes
through its own load balancer at `127.0.0.1`, which every certificate names, and joins all the same (K3s
`pkg/agent/run.go`); what fails then is `kubectl`, and whatever else a virtual address or a load balancer is there for.

It is concluded where the cluster is declared, or all of its servers were seen, and only if each of them tells its
`node-ip`, where nodes join through an address, or its `node-name`, where they join through a name. Another cloud
controller, or a VPN, gives nodes addresses that are not in their configuration: then nothing is.

Name the address in `tls-san` of every server.

```yaml wrong path=one/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
node-ip: 10.0.0.1
token-file: /etc/rancher/k3s/token
```

```yaml wrong path=two/etc/rancher/k3s/config.yaml cluster=edge
server: https://10.0.0.100:6443
node-ip: 10.0.0.2
token-file: /etc/rancher/k3s/token
```

```yaml right path=one/etc/rancher/k3s/config.yaml cluster=edge
cluster-init: true
node-ip: 10.0.0.1
tls-san: 10.0.0.100
token-file: /etc/rancher/k3s/token
```

```yaml right path=two/etc/rancher/k3s/config.yaml cluster=edge
server: https://10.0.0.100:6443
node-ip: 10.0.0.2
tls-san: 10.0.0.100
token-file: /etc/rancher/k3s/token
```
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import marked
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import join as joining
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model.certainty import ANYWHERE, certainty
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Server
from k3s_policy.model.membership import joined
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.cluster import Cluster, Node
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_NAME = pattern(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_PORT = pattern(r"[0-9]*")
_FOUR = pattern(r"[0-9]+(?:\.[0-9]+){3}")
_LOOPBACK = pattern(r"localhost|127(?:\.[0-9]+){3}|::1")
_ADDRESSES = ("node-ip", "node-external-ip", "advertise-address")
_ELSEWHERE = ("disable-cloud-controller", "vpn-auth", "vpn-auth-file")
"""Beside these, nodes have addresses that something else gives them."""
_MOST_RELATED = 10
"""How many servers a finding shows: nobody reads more of them, all of which lack the same."""
_ON_DEMAND = (Version(1, 24, 17), Version(1, 25, 13), Version(1, 26, 8), Version(1, 27, 5), Version(1, 28, 1))
_BY_DEFAULT = (Version(1, 28, 1),)


class _Join(NamedTuple):
    """A node that joins, and the host that it joins through."""

    node: Node
    setting: Setting
    host: Text

    @property
    def is_server(self) -> bool:
        """Whether it looks at the certificate."""
        return isinstance(self.node.invocation, Server)


class _Named(NamedTuple):
    """What all certificates of a cluster name together, as far as configuration tells."""

    names: frozenset[str]
    tells_addresses: bool
    """Whether every server says what addresses it has."""
    tells_names: bool

    def surely_lack(self, host: str) -> bool:
        """Whether surely none of them names a host."""
        tells = self.tells_addresses if ":" in host or _FOUR.fullmatch(host) else self.tells_names
        return tells and self.names.isdisjoint((_packed(host), f"*.{host.partition('.')[2]}"))


@rule(
    severity="low",
    see=("https://docs.k3s.io/datastore/ha-embedded", "https://docs.k3s.io/datastore/cluster-loadbalancer"),
)
def check(cluster: Cluster) -> Problems:
    """Report each host that nodes join through and that no server's certificate names."""
    servers = {id(node): node for node in cluster.servers if isinstance(node.invocation, Server)}.values()
    if not servers or not all(_refuses_others(node.invocation) for node in servers):
        return
    sure = [certainty(cluster, node.invocation, *ANYWHERE) for node in servers]
    if None in sure:
        return
    named = _named(servers)
    if named is None:
        return
    told: set[str] = set()
    # What keeps a server from joining is worth more than what an agent does not notice.
    for join in sorted(_joins(cluster), key=lambda join: not join.is_server):
        host = str(join.host).lower()
        if host not in told and named.surely_lack(host):
            told.add(host)
            yield _problem(cluster, join, list(servers))


def _joins(cluster: Cluster) -> Iterator[_Join]:
    for node in {id(node): node for node in cluster.nodes}.values():
        setting = joined(node.invocation)
        if setting is None or not setting.known or node.invocation.all("datastore-endpoint"):
            continue
        url = joining.parse(setting.value) if marked(setting.value).known else None
        if url is None or not url.is_https or url.lacks_brackets or not _PORT.fullmatch(str(url.port)):
            continue  # K3s takes no such URL
        if _NAME.fullmatch(str(url.host)) and not _LOOPBACK.fullmatch(str(url.host).lower()):
            yield _Join(node, setting, url.host)


def _refuses_others(server: Invocation) -> bool:
    """Whether a server surely takes no name into its certificate that it is asked for."""
    given = server.all("tls-san-security")
    if any(not one.known for one in given):
        return False
    if given:
        return is_on(given[-1]) and has_come(_ON_DEMAND, server.version)
    return has_come(_BY_DEFAULT, server.version)


def _named(servers: Iterable[Node]) -> _Named | None:
    """Return what the certificates of some servers name; None where something else may give one of them names."""
    names: set[str] = set()
    tells_addresses = tells_names = True
    for server in servers:
        own = _names(server)
        if own is None:
            return None
        names |= own
        tells_addresses = tells_addresses and bool(server.invocation.all("node-ip"))
        tells_names = tells_names and bool(server.invocation.all("node-name"))
    return _Named(frozenset(names), tells_addresses, tells_names)


def _names(server: Node) -> set[str] | None:
    """Return what a server's certificate names; None where not all of it is known."""
    invocation = server.invocation
    if any(not one.known or str(one.value) != "false" for one in invocation.all(*_ELSEWHERE)):
        return None
    if any("cloud-provider" in str(one.value) for one in invocation.all("kubelet-arg")):
        return None
    naming = invocation.all(*_ADDRESSES, "node-name", "tls-san", "with-node-id")
    if any(not one.known or not marked(one.value).known for one in naming):
        return None
    names = {part.strip().lower() for one in naming for part in str(one.value).split(",")}
    names |= {str(one.value).lower().partition(".")[0] for one in invocation.all("node-name")}
    names |= {str(address).lower() for address in server.addresses}
    return set(map(_packed, names))


def _packed(name: str) -> str:
    """Return a name, or an IPv6 address in its one short form."""
    if ":" not in name:
        return name
    from ipaddress import AddressValueError, IPv6Address  # few clusters have one

    try:
        return str(IPv6Address(name))
    except AddressValueError:
        return name


def _problem(cluster: Cluster, join: _Join, servers: list[Node]) -> Problem:
    host = join.host
    if join.is_server:
        message = f"this server cannot join through {host}: no server's certificate names it"
        severity = Severity.MEDIUM
    else:
        message = f"kubectl cannot use {host}, which agents join through: no server's certificate names it"
        severity = Severity.LOW
    advice = f"add tls-san: {host} to every server"
    others = (node for node in servers if node.invocation is not join.node.invocation)
    why = f"this server does not name it ({cluster.reason})"
    related = tuple((_place(node), why) for node in islice(others, _MOST_RELATED))
    return Problem(host, message, help=advice, severity=severity, confidence=Confidence.MEDIUM, related=related)


def _place(server: Node) -> Text:
    """Return where a server says by what names it is reached, else where it is started."""
    found = server.invocation.all("tls-san") or server.invocation.all("node-ip", "node-name")
    return found[0].at if found else server.invocation.at
