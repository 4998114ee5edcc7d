"""The URL of the server to join is one that no K3s server answers at.

`server` (`K3S_URL`) has to be an `https://` URL with a host. A server that is to join with another one exits: `only
https:// URLs are supported`; an agent starts and repeats the error every two seconds (K3s `pkg/clientaccess/token.go`,
`pkg/agent/run.go`, in all releases). The install script refuses to go on. Of the URL, K3s uses scheme, host and port
alone: a path is dropped, so a load balancer cannot tell clusters apart by it.

Without a port it is 443, as for any `https://` URL, where a K3s server has no listener of its own: that is right for a
load balancer, and wrong for the address of a server, which listens at `https-listen-port`, 6443 by default. Other ports
belong to something else: 2379 and 2380 to etcd, 10250 to the kubelet, 9345 to RKE2, and 6444 to what K3s opens on
`127.0.0.1` for itself, the local load balancer of an agent and the API server behind that of a server.

Write `https://`, the name or address of a server or load balancer, and the port that it listens at.

```yaml wrong
server: http://10.0.0.1:6443
token-file: /etc/rancher/k3s/token
node-name: edge-2
```

```yaml wrong path=k3s-4/etc/rancher/k3s/config.yaml
server: https://10.0.0.1:2379
token-file: /etc/rancher/k3s/token
node-name: edge-3
```

```yaml right
server: https://10.0.0.1:6443
token-file: /etc/rancher/k3s/token
node-name: edge-2
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.template import marked
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s import join as joining
from k3s_policy.k3s.value import as_integer
from k3s_policy.model.cluster import Cluster
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Agent
from k3s_policy.model.membership import joined
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.join import JoinUrl
    from k3s_policy.model.cluster import Node
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BLANK = pattern(r"\s+")
_PORT = pattern(r"[0-9]+")
_LAST_PORT = 65535
_LOOPBACK = pattern(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")

_OTHERS = {
    2379: "etcd",
    2380: "etcd",
    6444: "what K3s opens for itself",
    9345: "RKE2",
    10250: "the kubelet",
}
"""Ports at which something else listens; 6444 is one of them on this very host alone."""
_OWN = 6444
_DEFAULT = 6443
_OF_HTTPS = 443

_NO_JOIN = "K3s does not join"
_WRITE = "write https://, the name or address of a server, and its port: 6443 by default"


@rule(
    severity="high",
    see=("https://docs.k3s.io/quick-start", "https://docs.k3s.io/datastore/ha-embedded"),
    flags=("server",),
)
def check(subject: Invocation | Cluster) -> Problems:
    """Report URLs that K3s refuses, and those with a port at which no K3s server answers."""
    if isinstance(subject, Cluster):
        owners = _owners(subject)
        for node in subject.nodes:
            yield from _beside_its_server(node, subject, owners)
        return
    for setting in _urls(subject):
        fault = _fault(setting.value, subject)
        if fault is not None:
            confidence = Confidence.HIGH if subject.role else Confidence.MEDIUM
            yield Problem(fault.at, fault.message, help=fault.help, severity=fault.severity, confidence=confidence)


def _urls(invocation: Invocation) -> Iterator[Setting]:
    """Yield what a server or agent is given to join, where it is wholly known, and not ignored for a datastore."""
    ignored = [one.setting.when for one in _stores(invocation)]
    for setting in invocation.all("server"):
        if not setting.flag.roles or invocation.last("server", setting.when) is not setting:
            continue
        written = str(setting.value)
        if not written.strip() or not setting.known or not marked(setting.value).known or "..." in written:
            continue
        if _is_placeholder(setting.value):
            continue
        if not any(not exclusive(when, setting.when) for when in ignored):
            yield setting


def _stores(invocation: Invocation) -> Iterable[Datastore]:
    if not invocation.all("datastore-endpoint"):
        return ()
    from k3s_policy.model.datastore import datastores  # few hosts that join have an endpoint

    return datastores(invocation)


def _is_placeholder(url: Text) -> bool:
    """Whether a word of a script ends at a `<`, as in `https://<address>`, which the shell takes for a redirection."""
    last = url.runs[-1]
    return last.source.content[last.end : last.end + 1] == "<"


class _Fault(NamedTuple):
    """What is wrong with a URL."""

    at: Text
    message: str
    help: str = _WRITE
    severity: Severity = Severity.HIGH


def _fault(url: Text, invocation: Invocation) -> _Fault | None:
    """Return the first thing that is wrong with a URL."""
    written = str(url)
    if blank := _BLANK.search(written):
        return _Fault(url.cut(blank), f"{_NO_JOIN}: there is a blank in the URL of the server", "take it out")
    if "," in written:
        return _Fault(url, f"{_NO_JOIN}: server takes one URL", "name one server, or a load balancer before all")
    if _SCHEME.match(written) is None:
        return _Fault(url, f"{_NO_JOIN}: server is no https:// URL")
    parts = joining.parse(url)
    return _part_fault(url, parts, invocation) if parts is not None else None


def _part_fault(url: Text, parts: JoinUrl, invocation: Invocation) -> _Fault | None:
    if not parts.is_https:
        return _Fault(parts.scheme, f"{_NO_JOIN}: only https:// URLs are supported", "write https://")
    if not parts.host:
        # Of several pieces, an empty one is a variable that the script sets later.
        return _Fault(url, f"{_NO_JOIN}: the URL of the server has no host") if len(url.runs) == 1 else None
    if parts.lacks_brackets:
        message = f"{_NO_JOIN}: an IPv6 address needs brackets in a URL"
        return _Fault(parts.host, message, "write https://[fd00::1]:6443")
    return _port_fault(parts, invocation) or _path_fault(parts)


def _port_fault(url: JoinUrl, invocation: Invocation) -> _Fault | None:
    port = url.port
    if not port:
        return None
    number = as_integer(str(port).lstrip("0") or "0") if _PORT.fullmatch(str(port)) else None
    if number is None or not 0 < number <= _LAST_PORT:
        return _Fault(port, f"{_NO_JOIN}: there is no such port", "write the port of the server: 6443 by default")
    if number not in _OTHERS or (number == _OWN and not _LOOPBACK.fullmatch(str(url.host).lower())):
        return None
    own = invocation.last("lb-server-port") if isinstance(invocation, Agent) else None
    if number == _OWN and own is not None:
        return None
    where = "of this very host " if number == _OWN else ""
    message = f"{_NO_JOIN}: port {number} {where}belongs to {_OTHERS[number]}"
    return _Fault(port, message, "write the port of the server: 6443 by default")


def _path_fault(url: JoinUrl) -> _Fault | None:
    if not str(url.path).strip("/"):
        return None
    message = "K3s drops the path: of the URL to join it uses host and port alone"
    return _Fault(url.path, message, "leave the path out", Severity.MEDIUM)


# --- beside the server that is meant ----------------------------------------------------------------------


def _owners(cluster: Cluster) -> dict[str, list[tuple[Node, Setting]]]:
    """Return the servers that have an address of their own; an external one may be translated on its way."""
    owners: dict[str, list[tuple[Node, Setting]]] = {}
    for owner in cluster.servers:
        for setting in owner.invocation.all("node-ip", "advertise-address"):
            if setting.known and setting.at is not setting.value and owner.alternative_of is None:
                for address in str(setting.value).split(","):
                    owners.setdefault(address, []).append((owner, setting))
    return owners


def _beside_its_server(
    node: Node, cluster: Cluster, owners: dict[str, list[tuple[Node, Setting]]]
) -> Iterator[Problem]:
    """Report a URL that names the address of a server, and not the port at which that one listens."""
    join = joined(node.invocation)
    if join is None or join not in _urls(node.invocation) or _fault(join.value, node.invocation) is not None:
        return
    url = joining.parse(join.value)
    if url is None:
        return
    port = str(url.port)
    for owner, named in owners.get(str(url.host), ()):
        if owner.invocation is node.invocation:
            continue
        listens = _listens(owner.invocation, cluster)
        if not port and listens not in (None, _OF_HTTPS):
            message = f"K3s does not join: without a port this is {_OF_HTTPS}, and the server listens at {listens}"
        elif port == str(_OWN) and listens == _DEFAULT:
            message = f"K3s does not join: port {_OWN} is open on the server itself alone, which listens at {listens}"
        else:
            continue
        place = (named.place, f"{owner.name} has this address ({cluster.reason})")
        yield Problem(join.value, message, f"add the port: :{listens}", confidence=Confidence.MEDIUM, related=(place,))
        return


def _listens(server: Invocation, cluster: Cluster) -> int | None:
    """Return the port of a server, as far as what was seen of it tells."""
    if server.all("supervisor-port") or (not cluster.declared and not server.wholly_seen):
        return None
    if any(unseen.at is not None for unseen in server.unseen):
        return None
    setting = server.last("https-listen-port")
    if setting is None:
        return _DEFAULT
    return as_integer(str(setting.value)) if setting.known else None
