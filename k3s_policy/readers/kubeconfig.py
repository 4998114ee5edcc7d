"""Kubeconfigs that K3s wrote: `/etc/rancher/k3s/k3s.yaml`, under whatever name it was copied to.

What tells them from those of other clusters are their certificates: the authorities that a K3s server makes for itself
are called `k3s-server-ca@<time>` and `k3s-client-ca@<time>` (K3s pkg/daemons/control/deps/deps.go).
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping
from k3s_policy.model.subjects import ClusterSecret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([^-]*)-----END")
_AUTHORITY = re.compile(rb"k3s-(?:server|client)-ca@[0-9]")
_PRIVATE_KEY = "LS0tLS1CRUdJTi"
"""`-----BEGIN `, in base64."""


def claims(seen: Seen) -> bool:
    """Whether a file is a kubeconfig."""
    root = seen.document.root
    return isinstance(root, Mapping) and str(root.scalar("kind") or "") == "Config" and bool(root.items("users"))


def read(seen: Seen) -> Iterator[Found]:
    """Yield the private keys of users, where the kubeconfig is K3s's by its certificates or its name."""
    root, path = seen.document.root, seen.path
    if not isinstance(root, Mapping):
        return
    named = path.endswith(("/k3s.yaml", "/k3s.yml")) or path in ("k3s.yaml", "k3s.yml")
    issued = any(_is_of_k3s(certificate) for certificate in _certificates(root))
    for user in root.items("users") if named or issued else ():
        key = user.scalar("user", "client-key-data") if isinstance(user, Mapping) else None
        if key is not None and str(key).startswith(_PRIVATE_KEY):
            yield ClusterSecret("the private key of a kubeconfig that K3s wrote", key.text, key.text)


def _certificates(root: Mapping) -> Iterator[str]:
    for part, inside, name in (
        ("clusters", "cluster", "certificate-authority-data"),
        ("users", "user", "client-certificate-data"),
    ):
        for item in root.items(part):
            given = item.scalar(inside, name) if isinstance(item, Mapping) else None
            if given is not None:
                yield str(given)


def _is_of_k3s(data: str) -> bool:
    try:
        pem = b64decode(data).decode("ascii", "replace")
        return any(_AUTHORITY.search(b64decode(body)) for body in _PEM.findall(pem))
    except ValueError:  # no base64, or characters that are in none
        return False
