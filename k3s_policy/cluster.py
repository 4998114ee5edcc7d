"""Which nodes make one cluster, and by what evidence.

Each source of evidence is a function that finds clusters among the nodes that no stronger one has taken:
`.k3s-policy.yaml` says it; a `server` URL names the address or name of another node; scripts start a first server and
further ones. Neither sibling folders nor an equal token make a cluster by themselves: dev, staging and production lie
side by side too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from k3s_policy.branch import exclusive
from k3s_policy.datastore import joined, token_sources
from k3s_policy.model import Agent, Cluster, Evidence, Form, Ground, Node, Server
from k3s_policy.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from k3s_policy.model import Setting
    from k3s_policy.options import Options
    from k3s_policy.text import Text
    from k3s_policy.version import Version

__all__ = ["clusters", "declared_role", "declared_version", "remarks"]


def clusters(nodes: Iterable[Node], options: Options) -> Iterator[Cluster]:
    """Yield the clusters that each source finds, strongest first; a node belongs to those of one source."""
    left = [alternative for node in nodes for alternative in _alternatives(node)]
    for find in _SOURCES:
        found = list(find(left, options))
        yield from found
        taken = {id(node) for cluster in found for node in cluster.nodes}
        left = [node for node in left if id(node) not in taken]


def _alternatives(node: Node) -> Iterator[Node]:
    """Yield a node for each kind of server that the branches of a script make of one command.

    `--server` in one branch alone makes a further server there, and a first one in the others.
    """
    join = joined(node.invocation)
    arm = set(join.when) - set(node.invocation.when) if join is not None else set()
    if join is None or not arm:
        yield node
        return
    settings = node.invocation.settings
    elsewhere = tuple(setting for setting in settings if not arm <= set(setting.when))
    there = tuple(setting for setting in settings if not exclusive(setting.when, join.when))
    for kept in (elsewhere, there):
        yield replace(node, invocation=replace(node.invocation, settings=kept), whole=node)


# --- declared ---------------------------------------------------------------------------------------------------


def _declared(nodes: Sequence[Node], options: Options) -> Iterator[Cluster]:
    """Yield the clusters of `.k3s-policy.yaml`."""
    for cluster in options.clusters:
        named = [node for node in nodes if _belongs(node, cluster.servers)]
        servers = [node for node in named if not isinstance(node.invocation, Agent)]
        agents = [node for node in nodes if node not in servers and (node in named or _belongs(node, cluster.agents))]
        if servers or agents:
            evidence = Evidence(Ground.DECLARED, "declared in .k3s-policy.yaml")
            yield Cluster(cluster.name, tuple(servers), tuple(agents), (evidence,))


def remarks(nodes: Sequence[Node], options: Options) -> Iterator[str]:
    """Yield what is odd about the declared clusters: patterns without a node, and nodes of two roles."""
    for cluster in options.clusters:
        for files in (*cluster.servers, *cluster.agents):
            if not any(_belongs(node, (files,)) for node in nodes):
                yield f"the cluster {cluster.name} of .k3s-policy.yaml: {files} matches no K3s configuration"
        for node in nodes:
            if _belongs(node, cluster.servers) and _belongs(node, cluster.agents):
                yield f"the cluster {cluster.name} of .k3s-policy.yaml: {node.name} is under servers and under agents"


def declared_version(files: Sequence[str], options: Options) -> Version | None:
    """Return the release that the options state for the cluster one of the files belongs to."""
    for cluster in options.clusters:
        patterns = (*cluster.servers, *cluster.agents)
        if cluster.version is not None and any(_matcher(patterns).match_file(path) for path in files):
            return cluster.version
    return None


def declared_role(files: Sequence[str], options: Options) -> str | None:
    """Return the role that the options give the node of some files; None where they give none, or both."""
    patterns = {
        "server": tuple(files for cluster in options.clusters for files in cluster.servers),
        "agent": tuple(files for cluster in options.clusters for files in cluster.agents),
    }
    roles = [role for role, of_role in patterns.items() if of_role and any(map(_matcher(of_role).match_file, files))]
    return roles[0] if len(roles) == 1 else None


def _belongs(node: Node, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and any(_matcher(patterns).match_file(path) for path in node.invocation.files)


@cache
def _matcher(patterns: tuple[str, ...]) -> Any:  # noqa: ANN401  named where it is imported
    import pathspec  # noqa: PLC0415  only repositories that declare clusters need it

    return pathspec.GitIgnoreSpec.from_lines(patterns)


# --- joined -----------------------------------------------------------------------------------------------------

_URL_HOST = pattern(r"^https?://(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:/\s]+))(?::\d+)?/?$")
_NAMING = ("node-ip", "node-external-ip", "advertise-address", "tls-san", "node-name")
"""Flags that say by what name or address others may reach a node."""


def _linked(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield clusters that `server` URLs make: each names the address or name of one group of nodes."""
    owners: dict[str, list[int]] = {}
    in_hosts_file: dict[str, str] = {}
    joining: dict[str, list[int]] = {}
    places: dict[str, Evidence] = {}
    for number, node in enumerate(nodes):
        for name in _names(node):
            owners.setdefault(name, []).append(number)
        in_hosts_file.update((str(one), path) for one in node.addresses if (path := _hosts_file(one)))
        join = joined(node.invocation)
        if join is not None and (host := _host(join.value)):
            joining.setdefault(host, []).append(number)
            shown = host.rpartition("\0")[2]
            places.setdefault(host, Evidence(Ground.JOINED, f"joined through {shown}", join.at))
    for host in in_hosts_file.keys() & places.keys():
        why = f"{places[host].why}, whose name {in_hosts_file[host]} tells"
        places[host] = places[host]._replace(why=why)
    groups = list(range(len(nodes)))
    reasons: dict[int, list[Evidence]] = {}
    for host, members in joining.items():
        firsts = {number for number in owners.get(host, ()) if number not in members}
        if len({_group(groups, number) for number in firsts}) != 1:
            continue
        first = _group(groups, firsts.pop())
        for number in members:
            groups[_group(groups, number)] = first
        reasons.setdefault(first, []).append(places[host])
    together: dict[int, list[int]] = {}
    for number in range(len(nodes)):
        together.setdefault(_group(groups, number), []).append(number)
    for group, numbers in together.items():
        evidence = tuple(one for root, found in reasons.items() if _group(groups, root) == group for one in found)
        if evidence:
            yield _of([nodes[number] for number in numbers], evidence)


def _hosts_file(address: Text) -> str | None:
    path = address.span.source.path
    return path if path.rpartition("/")[2] == "hosts" else None


def _group(groups: list[int], number: int) -> int:
    while groups[number] != number:
        number = groups[number]
    return number


def _host(url: Text) -> str | None:
    """Return the host of a URL. One that a variable holds is the same host for its own file alone."""
    match = _URL_HOST.match(str(url))
    if match is None:
        return None
    host = match["six"] or match["host"]
    return _name(url.cut(match, "six" if match["six"] else "host"), host)


def _name(written: Text, name: str) -> str | None:
    if written.known and "$" not in name and "{" not in name:
        return name.lower()
    return f"{written.span.source.path}\0{name}" if _REFERENCE.fullmatch(name) else None


_REFERENCE = pattern(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})|\{\{[^{}]*\}\}")


def _names(node: Node) -> set[str]:
    """Return every address and name of a node that others may join it by."""
    values = (*(setting.value for setting in node.invocation.all(*_NAMING)), *node.addresses)
    found = (_name(value, part) for value in values for part in map(str.strip, str(value).split(",")) if part)
    return {name for name in found if name}


def _of(nodes: Sequence[Node], evidence: tuple[Evidence, ...]) -> Cluster:
    """Make a cluster of nodes; one that joins nothing is a server, since others join it."""
    servers = [
        node
        for node in nodes
        if isinstance(node.invocation, Server)
        or (not isinstance(node.invocation, Agent) and joined(node.invocation) is None)
    ]
    agents = [node for node in nodes if isinstance(node.invocation, Agent)]
    first = next((node for node in servers if joined(node.invocation) is None), nodes[0])
    return Cluster(first.name, tuple(servers), tuple(agents), evidence)


# --- scripts ----------------------------------------------------------------------------------------------------


def _scripted(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield clusters that scripts start: exactly one first server, and further ones that join a server.

    They stand in one script, or in scripts of one folder that give the same token.
    """
    started = [node for node in nodes if _by_script(node)]
    taken: set[int] = set()
    for _, group in _grouped(started, _file):
        if _is_one(group):
            taken.update(map(id, group))
            yield _of(group, (_scripts(group, "one script starts a first server and others that join"),))
    left = [node for node in started if id(node) not in taken]
    for token, group in _grouped(left, lambda node: (_file(node).rpartition("/")[0], _token(node))):
        if token[1] and _is_one(group):
            why = "scripts of one folder start a first server and others that join, with one token"
            yield _of(group, (_scripts(group, why),))


def _by_script(node: Node) -> bool:
    started = node.invocation.started
    return started is not None and started.form in (Form.INSTALLER, Form.COMMAND)


def _file(node: Node) -> str:
    return node.invocation.at.span.source.path


class _Token(NamedTuple):
    """What is given as a token: compared, never shown."""

    value: str

    def __repr__(self) -> str:
        return "<_Token>"


def _token(node: Node) -> _Token | None:
    sources = token_sources(node.invocation)
    return _Token(str(sources[-1].value)) if sources else None


def _grouped(nodes: Iterable[Node], key: Callable[[Node], Any]) -> list[tuple[Any, list[Node]]]:
    groups: dict[Any, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return list(groups.items())


def _is_one(nodes: Sequence[Node]) -> bool:
    """Whether there is one first server and a further one, whose URL could mean it."""
    servers = [node for node in nodes if isinstance(node.invocation, Server)]
    firsts = [node for node in servers if joined(node.invocation) is None]
    joins = {str(join.value): join for node in servers if (join := joined(node.invocation)) is not None}
    return len(firsts) == 1 and len(joins) == 1 and all(_may_mean(join.value, firsts[0]) for join in joins.values())


def _may_mean(url: Text, node: Node) -> bool:
    """Whether a URL can be that of a node: not where both are written out, and differ."""
    host = _host(url)
    settings = (setting.value for setting in node.invocation.all(*_ADDRESSES) if setting.known)
    addresses = {str(address) for address in (*settings, *node.addresses)}
    return host is None or "\0" in host or not addresses or host in addresses


_ADDRESSES = ("node-ip", "node-external-ip", "advertise-address")


def _scripts(nodes: Sequence[Node], why: str) -> Evidence:
    joins: Iterator[Setting] = (join for node in nodes if (join := joined(node.invocation)) is not None)
    return Evidence(Ground.SCRIPTS, why, next(joins).at)


def _replicated(nodes: Sequence[Node], _: Options) -> Iterator[Cluster]:
    """Yield a cluster for each workload that runs one server several times."""
    for node in nodes:
        if node.copies is not None and isinstance(node.invocation, Server) and joined(node.invocation) is None:
            why = f"one workload runs {node.copies} replicas"
            yield Cluster(node.name, (node, node), (), (Evidence(Ground.REPLICAS, why, node.copies),))


_Source: TypeAlias = "Callable[[Sequence[Node], Options], Iterable[Cluster]]"
_SOURCES: tuple[_Source, ...] = (_declared, _linked, _replicated, _scripted)
"""Where clusters come from, the firmest evidence first."""
