"""Restoring a cluster, joining one, and what K3s does to manifests of another cloud controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.checks.conflicting_flags.conflict import (
    Conflict,
    absence,
    given,
    is_given,
    items_of,
    settings_of,
    together,
)
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Agent, Form
from k3s_policy.text.branch import exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.invocation import Invocation, Setting

__all__ = [
    "agent_without_half_of_its_join",
    "etcd_disabled_without_server",
    "manifest_deleted",
    "restore_without_reset",
    "restore_without_token",
]


def restore_without_reset(invocation: Invocation) -> Iterator[Conflict]:
    """Report a restore path without the reset that it is for."""
    for path in given(invocation, "cluster-reset-restore-path"):
        resets = [one for one in settings_of(invocation, "cluster-reset") if not exclusive(one.when, path.when)]
        confidence = Confidence.HIGH if resets else absence(invocation, path, variables=True)
        if confidence and all(one.known and not is_given(one) for one in resets):
            message = "K3s does not start: cluster-reset-restore-path is refused without cluster-reset"
            advice = "leave it out, and give both to one command: `k3s server --cluster-reset`"
            yield Conflict(path, message, advice, confidence=confidence)


def restore_without_token(invocation: Invocation) -> Iterator[Conflict]:
    """Report a restore on a host that most likely has no token; K3s looks for `token` alone, not for `token-file`."""
    for path, _ in together(invocation, "cluster-reset-restore-path", "cluster-reset"):
        if settings_of(invocation, "token") or not invocation.wholly_seen:
            continue
        confidence = _newness(invocation, path)
        if confidence:
            message = "K3s does not restore without token on a host that has no server/token in its data directory yet"
            advice = "give the token of the cluster that the snapshot is of: K3S_TOKEN"
            yield Conflict(path, message, advice, confidence=confidence)


def _newness(invocation: Invocation, path: Setting) -> Confidence | None:
    """Say how sure it is that a host has never run this server; None for a command that may run anywhere."""
    started = invocation.started
    if started is None or started.form not in (Form.COMMAND, Form.INSTALLER):
        return Confidence.LOW
    span = path.at.span
    installed = "INSTALL_K3S_SKIP_START" in span.source.content[: span.start]
    return Confidence.MEDIUM if started.form is Form.INSTALLER or installed else None


def etcd_disabled_without_server(invocation: Invocation) -> Iterator[Conflict]:
    """Report a server without etcd that joins none that has it."""
    for setting in given(invocation, "disable-etcd"):
        if settings_of(invocation, "server", "datastore-endpoint"):
            continue
        if confidence := absence(invocation, setting, variables=True):
            message = "K3s does not start: disable-etcd needs a server to join"
            yield Conflict(setting, message, "add server, or leave disable-etcd out", confidence=confidence)


def agent_without_half_of_its_join(invocation: Invocation) -> Iterator[Conflict]:
    """Report an agent that is given a server and no token, or the reverse: with neither, both come from elsewhere.

    K3s asks for no token where the kubelet has its certificate, that is, after the first start.
    """
    if not isinstance(invocation, Agent) or not invocation.wholly_seen or invocation.started is None:
        return
    tokens, servers = settings_of(invocation, "token", "token-file"), settings_of(invocation, "server")
    ignored = any(setting.flag.name == "cluster-secret" for setting in invocation.settings)
    if not tokens and not ignored and _comes_from_here(servers, "TOKEN"):
        message = "K3s does not start: an agent needs a token to join its server"
        yield Conflict(servers[-1], message, "add token-file, or set K3S_TOKEN", confidence=Confidence.MEDIUM)
    if not servers and _comes_from_here(tokens, "K3S_URL"):
        message = "K3s does not start: an agent needs the server that it is to join"
        yield Conflict(tokens[-1], message, "add server, or set K3S_URL", confidence=Confidence.MEDIUM)


def _comes_from_here(half: list[Setting], other: str) -> bool:
    """Whether one half of a join is wholly given here, and no script speaks of a variable for the other."""
    if not half or not half[-1].known or not is_given(half[-1]):
        return False
    of_a_script = half[-1].form in (Form.INSTALLER, Form.COMMAND)
    return not of_a_script or other not in half[-1].at.span.source.content


_MANIFEST_OF_THAT_NAME = pattern(r"server/manifests/(?P<name>ccm(?:\.ya?ml\b|\.json\b|/))")


def manifest_deleted(invocation: Invocation) -> Iterator[Conflict]:
    """Report a cloud controller of one's own whose manifest has the name of K3s's.

    Where both parts of its cloud controller are disabled, K3s deletes whatever is called `ccm` from its manifests.
    """
    for controller in given(invocation, "disable-cloud-controller"):
        balancers = [one for one in items_of(invocation, "disable") if "servicelb" in str(one.value).split(",")]
        manifest = _MANIFEST_OF_THAT_NAME.search(controller.at.span.source.content)
        if manifest and balancers and not exclusive(controller.when, balancers[0].when):
            message = f"with servicelb disabled as well, K3s deletes the manifest {manifest['name']} as one of its own"
            advice = "give the manifest of another cloud controller another name"
            yield Conflict(controller, message, help=advice, beside=balancers[0], severity=Severity.MEDIUM)
