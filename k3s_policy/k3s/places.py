"""Where K3s, its install script, systemd and OpenRC look for files on a host, and as what they read them.

Paths in a repository count by how they end (`hosts/a/etc/rancher/k3s/config.yaml`), and so do those that a script makes
with a variable in front (`$ROOT/etc/default/k3s`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re

__all__ = [
    "CONFIG",
    "CONFIG_OF_RANCHER",
    "DATA",
    "IMAGE_PROGRAM",
    "INSTALLED_PROGRAM",
    "INSTALLER_URL",
    "KUBECONFIG",
    "OWN_INSTALLER_URL",
    "REGISTRIES",
    "UNIT_FOLDER",
    "EnvironmentPlace",
    "ReadAs",
    "UnitPlace",
    "belongs_to_k3s",
    "belongs_to_rke2",
    "configures",
    "environment_place",
    "holds_configuration",
    "is_cluster_key",
    "is_config_link",
    "is_drop_in",
    "is_installer",
    "is_misnamed_config",
    "is_misplaced_drop_in",
    "is_systemd_environment",
    "leads_into_configuration",
    "may_lead_to_k3s",
    "of_path",
    "root_of",
    "unit_place",
]


class ReadAs(Enum):
    """What a text is read as, where its place or what carries it says so and not its content."""

    CONFIG = "config"
    REGISTRIES = "registries"
    UNIT = "unit"
    ENVIRONMENT = "environment"
    SERVICE_SCRIPT = "service script"
    """OpenRC's, or the variables of one."""
    TOKEN = "token"  # noqa: S105  a word
    SCRIPT = "script"
    USER_DATA = "user data"
    """What a cloud hands to a host: a description, a script, or several in one message."""
    DESCRIPTION = "description"
    """YAML that describes a host, for cloud-init and its kind."""


CONFIG = "/etc/rancher/k3s/config.yaml"
"""K3s's config file (K3s pkg/cli/cmds/config.go)."""
CONFIG_OF_RANCHER = "/etc/rancher/k3s/config.yaml.d/50-rancher.yaml"
"""What Rancher writes for a cluster that it sets up (rancher/rancher pkg/capr/planner/config.go)."""
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
"""The default of `private-registry` (K3s pkg/cli/cmds/agent.go)."""
KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
"""The kubeconfig of the admin, which a server writes (K3s pkg/datadir/datadir.go, pkg/server/server.go)."""
DATA = "/var/lib/rancher/k3s"
"""The default of `data-dir` (K3s pkg/datadir/datadir.go)."""
UNIT_FOLDER = "/etc/systemd/system/"
"""Where the install script writes its unit (K3s install.sh, setup_env: INSTALL_K3S_SYSTEMD_DIR)."""
INSTALLED_PROGRAM = "/usr/local/bin/k3s"
"""Where the install script puts K3s where it can (K3s install.sh, setup_env: INSTALL_K3S_BIN_DIR)."""
IMAGE_PROGRAM = "/bin/k3s"
"""Where the image of K3s has it, which is its entrypoint (K3s package/Dockerfile)."""


# --- places -------------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Paths that one program looks at."""

    paths: re.Pattern[str]
    read_as: ReadAs


_PLACES = (
    # K3s pkg/configfilearg/parser.go: the main file, and of `<main file>.d/` what ends in .yaml or .yml in any case.
    _Place(
        pattern(r"(?:^|/)rancher/k3s/(?:config\.ya?ml|[^/]*config[^/]*\.d/[^/]+\.(?i:ya?ml))$"),
        ReadAs.CONFIG,
    ),
    _Place(pattern(r"(?:^|/)rancher/k3s/registries\.ya?ml$"), ReadAs.REGISTRIES),
    # K3s install.sh, create_systemd_service_file: k3s, k3s-agent, or k3s-$INSTALL_K3S_NAME; systemd adds drop-ins.
    _Place(pattern(r"(?:^|/)k3s[^/]*\.service(?:\.d/[^/]+\.conf)?$"), ReadAs.UNIT),
    # The unit of the install script has EnvironmentFile= for the first two and for the file beside itself, OpenRC's
    # service script sources the last (K3s install.sh, create_systemd_service_file, create_openrc_service_file).
    _Place(
        pattern(
            r"(?:^|/)etc/(?:default|sysconfig)/k3s[^/.]*$|(?:^|/)k3s[^/]*\.service\.env$"
            r"|(?:^|/)etc/rancher/k3s/[^/]*\.env$"
        ),
        ReadAs.ENVIRONMENT,
    ),
    # K3s install.sh, create_openrc_service_file; Alpine's package has the variables in conf.d (aports community/k3s).
    _Place(pattern(r"(?:^|/)etc/(?:init|conf)\.d/k3s[^/.]*$"), ReadAs.SERVICE_SCRIPT),
    # A server writes token, agent-token and node-token into server/ of its data, and reads the first (K3s
    # pkg/server/server.go, printTokens, pkg/util/token.go). K3s looks for none in /etc/rancher/k3s: people keep those
    # there that `token-file` names.
    _Place(pattern(r"(?:^|/)(?:etc/rancher/k3s/|rancher/k3s/(?:server/)?)(?:[^/]*[-_.])?token$"), ReadAs.TOKEN),
)


def of_path(path: str) -> ReadAs | None:
    """Return as what K3s, systemd or OpenRC read the file at a path, whatever it holds; None where none looks."""
    if "k3s" not in path:
        return None
    return next((place.read_as for place in _PLACES if place.paths.search(path)), None)


def belongs_to_k3s(path: str) -> bool:
    """Whether a path on a host is one of K3s's: a place of its configuration, or anything in its folders."""
    return of_path(path) is not None or _FOLDERS.search(path) is not None


_FOLDERS = pattern(r"rancher/k3s/(?:[^/]+/)*[^/]+$|/(?:default|sysconfig)/k3s[^/]*$")


def configures(path: str) -> bool:
    """Whether the file at a path decides how K3s is started, or may: a place of its configuration, or any unit."""
    return of_path(path) not in (None, ReadAs.TOKEN) or _UNIT.search(path) is not None


_UNIT = pattern(r"\.service(?:\.d/[^/]+\.conf)?$")


def is_drop_in(path: str) -> bool:
    """Whether a path is that of a drop-in of a config: a YAML file in `<main file>.d/`, whatever the main file."""
    return _DROP_IN.search(path) is not None


_DROP_IN = pattern(r"(?i)\.ya?ml\.d/[^/]+\.ya?ml$")


def is_misplaced_drop_in(path: str) -> bool:
    """Whether a file lies in a folder of drop-ins, and K3s passes it over all the same.

    By its ending, or because it lies in a folder in the folder (K3s pkg/configfilearg/parser.go, dotDFiles).
    """
    return _BELOW_DROP_INS.search(path) is not None and not is_drop_in(path)


_BELOW_DROP_INS = pattern(r"(?i)config\.ya?ml\.d/")


def belongs_to_rke2(path: str) -> bool:
    """Whether a path is one of RKE2's, which shares K3s's formats and not its rules."""
    return _RKE2.search(path) is not None


_RKE2 = pattern(r"(?:^|/)rancher/rke2/")


def is_systemd_environment(path: str) -> bool:
    """Whether systemd reads a file of variables, by its path; a shell or compose reads the others."""
    return _SYSTEMD_ENVIRONMENT.search(path) is not None


_SYSTEMD_ENVIRONMENT = pattern(r"(?:^|/)(?:[^/]*\.service\.env|(?:default|sysconfig)/[^/]+)$")


def may_lead_to_k3s(beginning: str) -> bool:
    """Whether a path that begins so, with a variable behind it, may be one that K3s's configuration has."""
    return any(folder.startswith(beginning) or beginning.startswith(folder) for folder in _CONFIGURING)


_CONFIGURING = ("/etc/rancher/k3s/", "/etc/default/", "/etc/sysconfig/", UNIT_FOLDER)


# --- where a host's files lie in a repository -----------------------------------------------------------------


def root_of(path: str) -> str | None:
    """Return the folder that stands for `/` of the host a file lies on, None where its path does not say."""
    for known in _ROOTS:
        if match := known.match(path):
            return match["root"].rstrip("/")
    return None


_ROOTS = (
    pattern(r"^(?P<root>.*?)(?:^|/)?etc/rancher/k3s/[^/]+$"),
    pattern(r"^(?P<root>.*?)(?:^|/)?(?:etc|usr/lib|usr/local/lib|lib|run)/systemd/system/[^/]+$"),
)


class UnitPlace(NamedTuple):
    """Where systemd finds a unit or a drop-in."""

    root: str
    """The folder that stands for `/` of its host, with a slash behind it."""
    rank: int
    """That of its tree, the strongest first."""


def unit_place(path: str) -> UnitPlace | None:
    """Return where systemd finds the unit or drop-in at a path; None where it looks for none."""
    match = _UNIT_FILE.match(path)
    return UnitPlace(match["root"] + "/", _UNIT_TREES.index(match["tree"])) if match else None


_UNIT_FILE = pattern(
    r"^(?P<root>.*?)/?(?:^|(?<=/))(?P<tree>etc|run|usr/local/lib|usr/lib|lib)/systemd/system/[^/]+(?:/[^/]+)?$"
)
_UNIT_TREES = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
"""Where systemd looks for units and drop-ins, the strongest first (systemd src/basic/path-lookup.c)."""


class EnvironmentPlace(NamedTuple):
    """Where the unit of the install script finds a file of variables."""

    root: str
    """The folder that stands for `/` of its host."""
    service: str


def environment_place(path: str) -> EnvironmentPlace | None:
    """Return where the unit of the install script finds the file at a path; None where it looks for none."""
    match = _ENVIRONMENT_FILE.match(path)
    return EnvironmentPlace(match["root"], match["name"] or match["unit"]) if match else None


_ENVIRONMENT_FILE = pattern(
    r"^(?P<root>.*?)/?(?:^|(?<=/))etc/"
    r"(?:(?:default|sysconfig)/(?P<name>k3s[^/]*)|systemd/system/(?P<unit>k3s[^/]*)\.service\.env)$"
)


def is_misnamed_config(path: str) -> bool:
    """Whether a file lies where K3s looks for its config, under the name that K3s does not look for."""
    root = root_of(path)
    return root is not None and path == f"{root}{CONFIG.removesuffix('.yaml')}.yml".lstrip("/")


def is_config_link(path: str) -> bool:
    """Whether a link of this path would be read for its config by the host that it is on."""
    return _CONFIG_LINK.search(path) is not None


_CONFIG_LINK = pattern(r"rancher/k3s/[^/]*\.ya?ml(?:\.d/[^/]*)?$")


def is_cluster_key(path: str) -> bool:
    """Whether a private key at a path is one that a server or agent of K3s made.

    Below its data any key is its own; elsewhere the names tell (K3s pkg/daemons/control/deps/deps.go).
    """
    return _CLUSTER_KEY.search(path) is not None


_CLUSTER_KEY = pattern(
    r"(?:^|/)rancher/k3s/(?:server|agent)/(?:[^/]+/)*[^/]+\.key$"
    r"|(?:^|/)server/tls/(?:(?:server|client|request-header)-ca|service(?:\.current)?|serving-kube-apiserver"
    r"|client-(?:admin|auth-proxy|controller|k3s-(?:cloud-)?controller|kube-apiserver|kube-proxy|scheduler|supervisor)"
    r"|etcd/(?:(?:server|peer)-ca|client|server-client|peer-server-client))\.key$"
)


def leads_into_configuration(path: str) -> bool:
    """Whether a path that a command writes to is a folder or a file of K3s's configuration, but its kubeconfig."""
    return _WRITTEN.search(path) is not None and not path.endswith(KUBECONFIG.removeprefix("/etc"))


_WRITTEN = pattern(r"rancher/k3s(?:/|$)|(?:systemd/system|default|sysconfig)/k3s")


def holds_configuration(folder: str) -> bool:
    """Whether files of K3s's configuration lie in a folder of a host, at some depth."""
    return _HOLDING.fullmatch(folder.rstrip("/") or "/") is not None


_HOLDING = pattern(r"/|/?etc(?:/rancher(?:/k3s)?|/systemd(?:/system)?|/default|/sysconfig)?")


# --- the install script -------------------------------------------------------------------------------------


INSTALLER_URL = pattern(
    r"get\.k3s\.io|get-k3s|k3s[^\s'\"]*install[^\s'\"/]*\.sh|install[^\s'\"/]*k3s|/k3s[^\s'\"]*/install\.sh"
)
"""What the addresses of K3s's install script have in common, its mirrors' included."""

OWN_INSTALLER_URL = pattern(
    r"(?:https?://)?(?:get\.k3s\.io/?|rancher-mirror\.[a-z0-9.-]+/k3s/k3s-install\.sh"
    r"|raw\.githubusercontent\.com/(?:k3s-io|rancher)/k3s/[^\s'\"]*install\.sh)"
)
"""Addresses of K3s's own; scripts of other places may do more, and choose a release themselves."""


def is_installer(program: str) -> bool:
    """Whether a script that is run has a name that people give to the install script of K3s."""
    return _INSTALLER.search(program) is not None


_INSTALLER = pattern(
    r"(?i)(?:^|/)(?![^/]*uninstall)(?:[^/]*k3s[^/]*install[^/]*|[^/]*install[^/]*k3s[^/]*|get[-_.]?k3s[^/]*)$"
)
