"""What of K3s is downloaded: its install script, its program, its images, by addresses and the names of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s.places import INSTALLER_URL
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["THE_INSTALLER", "part_of_k3s", "path_of"]

THE_INSTALLER = "the install script"
_PARTS = (
    (pattern(r"k3s-airgap-images|/k3s-images\.txt$|/k3s/agent/images/"), "images of K3s"),
    (pattern(r"/(?:k3s-io|rancher)/k3s/releases/.*/k3s(?:-[a-z0-9]+)?$"), "the program of K3s"),
    (pattern(r"/(?:k3s-io|rancher)/k3s/releases/"), "a release of K3s"),
)
_PROGRAM = pattern(r"k3s(?:-(?:arm64|armhf|s390x|amd64))?")
_KEPT_PROGRAM = pattern(r"k3s(?!.*\.(?:json|ya?ml|txt|html?|crt|pem|log)$)[\w.+%-]*")
_HOST = pattern(r"(?i)[a-z][a-z0-9+.-]*://(?P<host>[^/?#]*)")
_HOSTS_OF_INSTALLER = pattern(r"get\.k3s\.io|get-k3s")


def part_of_k3s(urls: Iterable[str], targets: Iterable[str]) -> str | None:
    """Say what of K3s is downloaded, by the addresses and the files that it is written to; None where it is nothing.

    Many a service answers at an address that ends in `k3s`: only what is kept under that name is the program.
    """
    kept = {target.rpartition("/")[2] for target in targets}
    for url in urls:
        host, path = _HOST.match(url), path_of(url)
        if _HOSTS_OF_INSTALLER.search(host["host"] if host else url) or INSTALLER_URL.search(path):
            return THE_INSTALLER
        if part := next((part for names, part in _PARTS if names.search(path)), None):
            return part
        if _PROGRAM.fullmatch(path.rpartition("/")[2]) and any(map(_KEPT_PROGRAM.fullmatch, kept)):
            return "the program of K3s"
    if any(map(INSTALLER_URL.search, kept)):
        return THE_INSTALLER
    if any(map(_PROGRAM.fullmatch, kept)):
        return "the program of K3s"
    return next((part for names, part in _PARTS for target in targets if names.search(target)), None)


def path_of(url: str) -> str:
    """Return an address without its host and what it asks."""
    host = _HOST.match(url)
    return (url[host.end() :] if host else url).partition("?")[0]
