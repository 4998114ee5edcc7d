"""Flags that K3s refuses side by side, or of which one does nothing beside the other.

Some combinations stop K3s as it starts: a restore path without `cluster-reset`, `cluster-reset` beside `server`,
`disable-etcd` or `disable-apiserver` beside a datastore of one's own, an embedded registry without the embedded
containerd, networks of different IP versions. Others it takes without a word, or with a line in the log, and goes by
one of the two: `token-file` and not `token`, `server` and not `cluster-init`, `flannel-conf` and not
`flannel-backend`, the address of the VPN and not `node-ip`. That pods and Services share addresses, or that CoreDNS is
to have an address no Service can get, K3s does not check at all.

All of it is decided by K3s `pkg/cli/server/server.go`, `pkg/cli/agent/agent.go`, `pkg/agent/run.go`,
`pkg/executor/embed/embed.go` and `pkg/agent/flannel/setup.go`. Refused since: `cluster-reset` beside `server` v1.25.15,
v1.26.10, v1.27.7 and v1.28.3; `disable-etcd` and `disable-apiserver` beside `datastore-endpoint` v1.27.13, v1.28.9,
v1.29.4 and v1.30.0; different IP versions v1.23.7 and v1.24.0. The rest is as old as its flags.

`disable-cloud-controller` beside `disable: servicelb` is how to run another cloud controller and is not reported,
unless the same script calls that one's manifest `ccm`: K3s deletes what has the name of its own.

Flags count wherever they stand: config file and drop-ins, arguments, environment. That a flag is missing is said only
where it would have been seen. Whether a token lies on the host already cannot be seen: a restore without `token` is
reported where the host is new, or all it is started with is known.

Remove the flag that loses, or what it contradicts.

```yaml wrong
token-file: /etc/rancher/k3s/token
cluster-init: true
server: https://k3s.example.com:6443
```

```yaml wrong path=dual/etc/rancher/k3s/config.yaml
cluster-cidr: 10.42.0.0/16,fd00:42::/56
service-cidr: 10.43.0.0/16
```

```yaml right
token-file: /etc/rancher/k3s/token
server: https://k3s.example.com:6443
```

```yaml right path=dual/etc/rancher/k3s/config.yaml
cluster-cidr: 10.42.0.0/16,fd00:42::/56
service-cidr: 10.43.0.0/16,fd00:43::/112
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from k3s_policy.formats.template import forks_between
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.places import is_systemd_environment
from k3s_policy.k3s.version import Version, has_come
from k3s_policy.model import INPUT_OF, Agent, Form, Input, Origin
from k3s_policy.model.effective import is_on
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Network, IPv6Network

    from k3s_policy.judge.rule import Problems
    from k3s_policy.model import Invocation, Setting
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

    Network: TypeAlias = IPv4Network | IPv6Network


class _Conflict(NamedTuple):
    """A flag that is refused or does nothing, and the other one that makes it so."""

    flag: Setting
    message: str
    help: str
    beside: Setting | None = None
    severity: Severity = Severity.HIGH
    confidence: Confidence = Confidence.HIGH


@rule(
    severity="high",
    see=("https://docs.k3s.io/cli/server", "https://docs.k3s.io/cli/agent"),
    flags=(
        "advertise-address",
        "agent-token",
        "cluster-cidr",
        "cluster-dns",
        "cluster-reset-restore-path",
        "disable-apiserver",
        "disable-cloud-controller",
        "disable-etcd",
        "egress-selector-mode",
        "embedded-registry",
        "flannel*",
        "node-external-ip",
        "node-ip",
        "server",
        "service-cidr",
        "token",
        "token-file",
        "vpn-auth",
    ),
)
def check(invocation: Invocation) -> Problems:
    """Report what each row of the table finds."""
    for row in _ROWS:
        for found in row(invocation):
            beside = ((_place(found.beside), f"{_name(found.beside)} is set here"),) if found.beside else ()
            yield Problem(
                _place(found.flag),
                found.message,
                help=found.help,
                severity=found.severity,
                confidence=found.confidence,
                related=beside,
            )


def _place(setting: Setting) -> Text:
    """Return the characters at fault: the item of a list, else the option with its value unless that is secret."""
    if setting.flag.sensitive:
        return setting.at
    return setting.value if setting.item else setting.place


def _name(setting: Setting) -> str:
    """Return how a flag is called here: by its variable where that gives it."""
    return str(setting.at) if setting.origin is Origin.ENVIRONMENT else setting.flag.name


# --- two flags side by side -------------------------------------------------------------------------------


class _Pair(NamedTuple):
    """Two flags of which the first is refused, or does nothing, beside the second."""

    loser: str
    beside: str
    message: str
    """With {loser} and {beside} for the names by which they are given."""
    help: str
    severity: Severity = Severity.HIGH
    since: tuple[Version, ...] = ()
    """The first releases that do so, one for each line; empty where every release does that has the flags."""
    unless: tuple[str, ...] = ()
    """Flags beside which it does not matter."""


_REFUSED = "K3s does not start: it refuses {loser} beside {beside}"
_FROM_FILE = "K3s takes what {beside} names, and {loser} does nothing"
_ADDRESS = "K3s replaces {loser} by the address of the VPN"
_KEEP_ONE = "leave one of them out"
_KINE = (Version(1, 27, 13), Version(1, 28, 9), Version(1, 29, 4), Version(1, 30, 0))
_CONTAINERD = "K3s does not start: the embedded registry needs the embedded containerd, not {beside}"
_ONE_RUNTIME = "leave out embedded-registry, or the other container runtime"

_PAIRS = (
    _Pair(
        "cluster-reset",
        "server",
        _REFUSED,
        "leave server out until the reset is done",
        since=(Version(1, 25, 15), Version(1, 26, 10), Version(1, 27, 7), Version(1, 28, 3)),
    ),
    _Pair("disable-apiserver", "datastore-endpoint", _REFUSED, "it is for embedded etcd only", since=_KINE),
    _Pair("disable-etcd", "datastore-endpoint", _REFUSED, "there is no etcd to disable: leave it out", since=_KINE),
    _Pair(
        "cluster-init",
        "server",
        "{loser} does nothing beside {beside}: this server joins, and starts no cluster",
        "leave cluster-init out where a server joins",
        Severity.MEDIUM,
        unless=("datastore-endpoint", "cluster-reset"),
    ),
    *(
        _Pair(name, f"{name}-file", _FROM_FILE, _KEEP_ONE, Severity.MEDIUM)
        for name in ("token", "agent-token", "vpn-auth")
    ),
    *(
        _Pair("embedded-registry", runtime, _CONTAINERD, _ONE_RUNTIME, unless=("disable-agent", "cluster-reset"))
        for runtime in ("docker", "container-runtime-endpoint")
    ),
    *(
        _Pair(name, vpn, message, "leave it out: the VPN decides", Severity.MEDIUM)
        for vpn in ("vpn-auth", "vpn-auth-file")
        for name, message in (
            ("node-ip", _ADDRESS),
            ("advertise-address", _ADDRESS),
            ("node-external-ip", "K3s warns that the VPN overrides {loser}"),
            ("flannel-iface", "flannel uses the interface of the VPN, and not {loser}"),
        )
    ),
)


def _side_by_side(invocation: Invocation) -> Iterator[_Conflict]:
    for pair in _PAIRS:
        if not has_come(pair.since, invocation.version):
            continue
        for loser, beside in _together(invocation, pair.loser, pair.beside):
            if not any(_given(invocation, name, loser.when) for name in pair.unless):
                message = pair.message.format(loser=_name(loser), beside=_name(beside))
                yield _Conflict(loser, message, pair.help, beside, pair.severity)


# --- cluster-reset ------------------------------------------------------------------------------------------


def _restore_without_reset(invocation: Invocation) -> Iterator[_Conflict]:
    for path in _given(invocation, "cluster-reset-restore-path"):
        resets = [one for one in _settings(invocation, "cluster-reset") if not exclusive(one.when, path.when)]
        confidence = Confidence.HIGH if resets else _absence(invocation, path, variables=True)
        if confidence and all(one.known and not _is_on(one) for one in resets):
            message = "K3s does not start: cluster-reset-restore-path is refused without cluster-reset"
            advice = "leave it out, and give both to one command: `k3s server --cluster-reset`"
            yield _Conflict(path, message, advice, confidence=confidence)


def _restore_without_token(invocation: Invocation) -> Iterator[_Conflict]:
    """Report a restore on a host that most likely has no token; K3s looks for `token` alone, not for `token-file`."""
    for path, _ in _together(invocation, "cluster-reset-restore-path", "cluster-reset"):
        if _settings(invocation, "token") or not invocation.wholly_seen:
            continue
        confidence = _newness(invocation, path)
        if confidence:
            message = "K3s does not restore without token on a host that has no server/token in its data directory yet"
            advice = "give the token of the cluster that the snapshot is of: K3S_TOKEN"
            yield _Conflict(path, message, advice, confidence=confidence)


def _newness(invocation: Invocation, path: Setting) -> Confidence | None:
    """Say how sure it is that a host has never run this server; None for a command that may run anywhere."""
    started = invocation.started
    if started is None or started.form not in (Form.COMMAND, Form.INSTALLER):
        return Confidence.LOW
    span = path.at.span
    installed = "INSTALL_K3S_SKIP_START" in span.source.content[: span.start]
    return Confidence.MEDIUM if started.form is Form.INSTALLER or installed else None


# --- joining ------------------------------------------------------------------------------------------------


def _etcd_disabled_without_server(invocation: Invocation) -> Iterator[_Conflict]:
    for setting in _given(invocation, "disable-etcd"):
        if _settings(invocation, "server", "datastore-endpoint"):
            continue
        if confidence := _absence(invocation, setting, variables=True):
            message = "K3s does not start: disable-etcd needs a server to join"
            yield _Conflict(setting, message, "add server, or leave disable-etcd out", confidence=confidence)


def _agent_without_half_of_its_join(invocation: Invocation) -> Iterator[_Conflict]:
    """Report an agent that is given a server and no token, or the reverse: with neither, both come from elsewhere.

    K3s asks for no token where the kubelet has its certificate, that is, after the first start.
    """
    if not isinstance(invocation, Agent) or not invocation.wholly_seen or invocation.started is None:
        return
    tokens, servers = _settings(invocation, "token", "token-file"), _settings(invocation, "server")
    ignored = any(setting.flag.name == "cluster-secret" for setting in invocation.settings)
    if not tokens and not ignored and _comes_from_here(servers, "TOKEN"):
        message = "K3s does not start: an agent needs a token to join its server"
        yield _Conflict(servers[-1], message, "add token-file, or set K3S_TOKEN", confidence=Confidence.MEDIUM)
    if not servers and _comes_from_here(tokens, "K3S_URL"):
        message = "K3s does not start: an agent needs the server that it is to join"
        yield _Conflict(tokens[-1], message, "add server, or set K3S_URL", confidence=Confidence.MEDIUM)


def _comes_from_here(half: list[Setting], other: str) -> bool:
    """Whether one half of a join is wholly given here, and no script speaks of a variable for the other."""
    if not half or not half[-1].known or not _is_on(half[-1]):
        return False
    of_a_script = half[-1].form in (Form.INSTALLER, Form.COMMAND)
    return not of_a_script or other not in half[-1].at.span.source.content


_MANIFEST_OF_THAT_NAME = pattern(r"server/manifests/(?P<name>ccm(?:\.ya?ml\b|\.json\b|/))")


def _manifest_deleted(invocation: Invocation) -> Iterator[_Conflict]:
    """Report a cloud controller of one's own whose manifest has the name of K3s's.

    Where both parts of its cloud controller are disabled, K3s deletes whatever is called `ccm` from its manifests.
    """
    for controller in _given(invocation, "disable-cloud-controller"):
        balancers = [one for one in _items(invocation, "disable") if "servicelb" in str(one.value).split(",")]
        manifest = _MANIFEST_OF_THAT_NAME.search(controller.at.span.source.content)
        if manifest and balancers and not exclusive(controller.when, balancers[0].when):
            message = f"with servicelb disabled as well, K3s deletes the manifest {manifest['name']} as one of its own"
            advice = "give the manifest of another cloud controller another name"
            yield _Conflict(controller, message, advice, balancers[0], Severity.MEDIUM)


# --- flannel and the way to the nodes -------------------------------------------------------------------------


def _egress_without_agent(invocation: Invocation) -> Iterator[_Conflict]:
    if not has_come((Version(1, 24, 14), Version(1, 25, 10), Version(1, 26, 5), Version(1, 27, 2)), invocation.version):
        return
    for mode, agent in _together(invocation, "egress-selector-mode", "disable-agent"):
        if str(mode.value) in ("agent", "disabled"):
            message = f"without an agent, webhooks and aggregated APIs may fail with egress-selector-mode {mode.value}"
            advice = "set egress-selector-mode to cluster or pod"
            yield _Conflict(mode, message, advice, agent, Severity.MEDIUM)


def _flannel_conf(invocation: Invocation) -> Iterator[_Conflict]:
    for backend, file in _together(invocation, "flannel-backend", "flannel-conf"):
        if not backend.known:
            continue
        if str(backend.value) == "none":
            message = "flannel-conf does nothing: flannel-backend none turns flannel off"
            yield _Conflict(file, message, _KEEP_ONE, backend, Severity.MEDIUM)
        else:
            message = f"this node takes flannel-conf as it is, and {backend.value} does nothing here"
            yield _Conflict(backend, message, "name the backend in the file", file, Severity.MEDIUM)


def _flannel_beside_vpn(invocation: Invocation) -> Iterator[_Conflict]:
    for vpn in ("vpn-auth", "vpn-auth-file"):
        for backend, auth in _together(invocation, "flannel-backend", vpn):
            if backend.known and str(backend.value) not in ("none", "tailscale"):
                message = f"K3s uses the backend of the VPN, and {backend.value} does nothing"
                yield _Conflict(backend, message, "leave it out: the VPN decides", auth, Severity.MEDIUM)


def _flannel_over_external_addresses(invocation: Invocation) -> Iterator[_Conflict]:
    if _settings(invocation, "vpn-auth", "vpn-auth-file", "flannel-conf", "disable-agent"):
        return
    for external in _given(invocation, "flannel-external-ip"):
        backends = [one for one in _settings(invocation, "flannel-backend") if not exclusive(one.when, external.when)]
        backend = backends[-1] if backends else None
        kind = str(backend.value) if backend else "vxlan"
        if invocation.wholly_seen and not invocation.all("node-external-ip") and kind in _BACKENDS:
            message = "flannel uses the internal address of this node all the same: it has no node-external-ip"
            yield _Conflict(external, message, "add node-external-ip", severity=Severity.MEDIUM)
        elif kind in _PLAIN and (confidence := Confidence.HIGH if backend else _absence(invocation, external)):
            told = kind if backend else f"{kind}, the default"
            message = f"flannel sends the traffic of pods over external addresses without encryption: {told}"
            advice = "set flannel-backend to wireguard-native"
            yield _Conflict(external, message, advice, backend, Severity.MEDIUM, confidence)


_PLAIN = ("vxlan", "host-gw")
_BACKENDS = (*_PLAIN, "wireguard-native")


# --- networks -------------------------------------------------------------------------------------------------


class _Range(NamedTuple):
    """A network, or one address, and the setting that gives it."""

    value: Network
    setting: Setting

    @property
    def told(self) -> str:
        """How a message names it."""
        return f"{self.setting.flag.name} {self.value}"


_DEFAULTS = {
    "cluster-cidr": {4: "10.42.0.0/16", 6: "fd00:42::/56"},
    "service-cidr": {4: "10.43.0.0/16", 6: "fd00:43::/112"},
}
"""What K3s takes where nothing is given, by the IP version of the node (K3s pkg/util/net.go, GetDefaultAddresses)."""
_OTHER = {"cluster-cidr": "service-cidr", "service-cidr": "cluster-cidr"}
_SAME_VERSIONS = (Version(1, 23, 7), Version(1, 24, 0))


def _ip_versions_differ(invocation: Invocation) -> Iterator[_Conflict]:
    """Report cluster-cidr and service-cidr of different IP versions, or with another one first."""
    if not has_come(_SAME_VERSIONS, invocation.version) or _given(invocation, "disable-agent"):
        return
    clusters, services = _ranges(invocation, "cluster-cidr"), _ranges(invocation, "service-cidr")
    if clusters is None or services is None or not _in_one_arm(clusters, services):
        return
    if clusters and services:
        if _versions(clusters) != _versions(services) or clusters[0].value.version != services[0].value.version:
            yield _Conflict(
                services[0].setting,
                f"K3s does not start: cluster-cidr is {_told_versions(clusters)}, service-cidr"
                f" {_told_versions(services)}",
                "give both the same IP versions, in the same order",
                clusters[0].setting,
            )
        return
    for given in (clusters, services):
        if len(_versions(given)) == 2 and (confidence := _absence(invocation, given[0].setting)):
            name = given[0].setting.flag.name
            message = f"K3s does not start: {name} is dual-stack, and {_OTHER[name]} by default of one IP version"
            yield _Conflict(given[0].setting, message, f"add a dual-stack {_OTHER[name]}", confidence=confidence)


def _node_lacks_an_ip_version(invocation: Invocation) -> Iterator[_Conflict]:
    if not has_come(_SAME_VERSIONS, invocation.version):
        return
    if _settings(invocation, "disable-agent", "vpn-auth", "vpn-auth-file"):
        return
    clusters, nodes = _ranges(invocation, "cluster-cidr"), _ranges(invocation, "node-ip")
    if not clusters or not nodes or not _in_one_arm(clusters, nodes):
        return
    missing = _versions(clusters) - _versions(nodes)
    if missing and (confidence := _absence(invocation, nodes[0].setting)):
        lacked = f"IPv{missing.pop()}"
        message = f"K3s does not start: node-ip has no {lacked} address, and cluster-cidr asks for one"
        advice = f"add an {lacked} address to node-ip"
        yield _Conflict(nodes[0].setting, message, advice, clusters[0].setting, confidence=confidence)


def _ranges_overlap(invocation: Invocation) -> Iterator[_Conflict]:
    clusters, services = _ranges(invocation, "cluster-cidr"), _ranges(invocation, "service-cidr")
    if clusters is None or services is None or not _in_one_arm(clusters, services):
        return
    for service in services:
        for cluster in clusters:
            if _overlap(service.value, cluster.value):
                message = f"pods and Services share addresses: {cluster.told} overlaps {service.told}"
                yield _Conflict(service.setting, message, _APART, cluster.setting, Severity.MEDIUM)
    for one in (*(clusters if not services else ()), *(services if not clusters else ())):
        name = _OTHER[one.setting.flag.name]
        default = _default(name, one)
        if _overlap(one.value, default) and (confidence := _absence(invocation, one.setting)):
            message = f"pods and Services share addresses: {one.told} overlaps {default}, the default {name}"
            yield _Conflict(one.setting, message, _APART, severity=Severity.MEDIUM, confidence=confidence)


_APART = "choose networks that have no address in common"


def _dns_outside_of_services(invocation: Invocation) -> Iterator[_Conflict]:
    """Report a cluster-dns that no Service can have; whoever disables CoreDNS has another server in mind."""
    if any(not one.known or "coredns" in str(one.value) for one in _settings(invocation, "disable")):
        return
    services, addresses = _ranges(invocation, "service-cidr"), _ranges(invocation, "cluster-dns")
    if services is None or not addresses or not _in_one_arm(services, addresses):
        return
    for dns in addresses:
        able = [service for service in services if service.value.version == dns.value.version]
        if able and not any(_overlap(dns.value, service.value) for service in able):
            message = f"CoreDNS cannot get {dns.value.network_address}, which lies outside of {able[0].told}"
            yield _Conflict(dns.setting, message, _WITHIN, able[0].setting, Severity.MEDIUM)
        default = _default("service-cidr", dns)
        if not services and not _overlap(dns.value, default) and (confidence := _absence(invocation, dns.setting)):
            address = dns.value.network_address
            message = f"CoreDNS cannot get {address}, which lies outside of {default}, the default service-cidr"
            yield _Conflict(dns.setting, message, _WITHIN, severity=Severity.MEDIUM, confidence=confidence)


_WITHIN = "choose an address of service-cidr; K3s itself takes the tenth"


def _ranges(invocation: Invocation, name: str) -> list[_Range] | None:
    """Return the networks or addresses that a list flag is given; None where one is not known."""
    settings = _items(invocation, name)
    if not settings:
        return []
    from ipaddress import ip_network  # noqa: PLC0415  loaded only where networks are given

    found = []
    for setting in settings:
        for part in str(setting.value).split(",") if str(setting.value) else ():
            if not setting.known or ("/" in part) is not name.endswith("-cidr"):
                return None
            try:
                found.append(_Range(ip_network(part, strict=False), setting))
            except ValueError:
                return None  # K3s does not start with it, which another rule says
    return found


def _in_one_arm(*several: Iterable[_Range]) -> bool:
    """Whether everything stands in the same arms of a script."""
    return len({one.setting.when for ranges in several for one in ranges}) <= 1


def _default(name: str, other: _Range) -> Network:
    """Return what K3s takes for a flag that is not given, beside a network of one IP version."""
    from ipaddress import ip_network  # noqa: PLC0415  loaded only where networks are given

    return ip_network(_DEFAULTS[name][other.value.version])


def _overlap(one: Network, other: Network) -> bool:
    if one.version != other.version:
        return False
    return one.network_address in other or other.network_address in one


def _versions(ranges: Iterable[_Range]) -> set[int]:
    return {one.value.version for one in ranges}


def _told_versions(ranges: list[_Range]) -> str:
    first = f"IPv{ranges[0].value.version}"
    return f"dual-stack, {first} first" if len(_versions(ranges)) == 2 else f"{first} only"


# --- what is given --------------------------------------------------------------------------------------------


def _settings(invocation: Invocation, *names: str) -> list[Setting]:
    """Return what a server or agent is given for some flags, whatever it is.

    An address that k3sup is told is none of its flags, though it stands with them: it has no option.
    """
    return [one for one in invocation.all(*names) if one.flag.roles and one.at is not one.value]


def _items(invocation: Invocation, name: str) -> list[Setting]:
    """Return the items of a list flag: the environment counts only where nothing else gives it."""
    settings = _settings(invocation, name)
    return [one for one in settings if one.origin is not Origin.ENVIRONMENT] or settings


def _given(invocation: Invocation, name: str, beside: When = ()) -> list[Setting]:
    """Return the settings of a flag that count in their arms and give it something: true, a text, an item."""
    settings = [one for one in _items(invocation, name) if not exclusive(one.when, beside)]
    if settings and settings[0].flag.kind is Kind.LIST:
        return [one for one in settings if _is_on(one)]
    return [one for one in settings if invocation.last(name, (*beside, *one.when)) is one and _is_on(one)]


def _is_on(setting: Setting) -> bool:
    """Whether a flag is surely given something: a template alone may become nothing."""
    if setting.flag.kind is Kind.BOOL:
        return is_on(setting)
    known = "".join(run.text for run in setting.value.runs if run.known)
    return bool(_TEMPLATES.sub("", known).strip())


_TEMPLATES = pattern(
    r"\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}|<%(?:(?!<%).)*?%>|\$\{(?:(?!\$\{)[^}])*\}|\$\((?:(?!\$\()[^)])*\)",
    re.DOTALL,
)


def _together(invocation: Invocation, one: str, other: str) -> Iterator[tuple[Setting, Setting]]:
    """Yield the settings of two flags that hold at once: wherever the first is given, so is the other.

    Where the other one is given in some arms of a script only, the forks are most likely there to keep the two apart.
    """
    pairs = [(setting, _beside(invocation, setting, other)) for setting in _given(invocation, one)]
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
    given = _given(invocation, name, setting.when)
    return next((one for one in given if set(one.when) <= set(setting.when)), None)


def _is_shared_file(invocation: Invocation, *settings: Setting) -> bool:
    """Whether variables stand in a file that nothing seen reads: a script may take some here and some there."""
    if invocation.role or any(setting.form is not Form.ENVIRONMENT_FILE for setting in settings):
        return False
    return not is_systemd_environment(invocation.variables_of)


def _absence(invocation: Invocation, half: Setting, *, variables: bool = False) -> Confidence | None:
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


_ROWS: tuple[Callable[[Invocation], Iterator[_Conflict]], ...] = (
    _restore_without_reset,
    _restore_without_token,
    _side_by_side,
    _etcd_disabled_without_server,
    _agent_without_half_of_its_join,
    _egress_without_agent,
    _manifest_deleted,
    _flannel_conf,
    _flannel_beside_vpn,
    _flannel_over_external_addresses,
    _ip_versions_differ,
    _node_lacks_an_ip_version,
    _ranges_overlap,
    _dns_outside_of_services,
)
"""What K3s refuses, ignores or warns of, in about the order in which it would meet it."""
