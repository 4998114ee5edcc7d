"""Files that a running server keeps below `/var/lib/rancher/k3s`: its tokens, and the keys of its authorities.

A token that K3s has made holds the hash of the cluster's authority: `K10<64 hexadecimal digits>::<user>:<password>`
(K3s pkg/clientaccess/token.go). Keys lie in `server/tls` and `agent` (K3s pkg/daemons/control/deps/deps.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.model import ClusterSecret
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_TOKEN = pattern(r"\s*(K10[0-9a-f]{64}::[^\s:]+:\S+)\s*")
_KEY_FILE = pattern(
    r"(?:^|/)rancher/k3s/(?:server|agent)/(?:[^/]+/)*[^/]+\.key$"
    r"|(?:^|/)server/tls/(?:(?:server|client|request-header)-ca|service(?:\.current)?|serving-kube-apiserver"
    r"|client-(?:admin|auth-proxy|controller|k3s-(?:cloud-)?controller|kube-apiserver|kube-proxy|scheduler|supervisor)"
    r"|etcd/(?:(?:server|peer)-ca|client|server-client|peer-server-client))\.key$"
)
"""Below the folder of K3s any key is one of its own; elsewhere the names tell that it wrote them."""
_KEY = pattern(r"-----BEGIN (?!ENCRYPTED )(?:[A-Z]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z]+ )?PRIVATE KEY-----")
_LONGEST = 8192
"""Characters from which on a file is neither a token nor a key."""


def claims(path: str, content: str) -> bool:
    """Whether a file is nothing but a full token, or a key where K3s keeps its own."""
    if len(content) > _LONGEST:
        return False
    return _TOKEN.fullmatch(content) is not None or _KEY_FILE.search(path) is not None


def read(text: Text, path: str) -> Iterator[Fragment]:
    """Yield the token, or the keys."""
    if token := _TOKEN.fullmatch(str(text)):
        found = text.cut(token, 1)
        yield ClusterSecret("a token that a server made", found, found)
    elif _KEY_FILE.search(path):
        for match in _KEY.finditer(str(text)):
            key = text.cut(match)
            yield ClusterSecret("a private key of the cluster", next(key.lines()), key)
