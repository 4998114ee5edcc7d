"""What a running server keeps below `/var/lib/rancher/k3s`: its tokens, and the keys of its authorities.

Keys are in `server/tls` and `agent` (K3s pkg/daemons/control/deps/deps.go). A token is a credential where tokens of K3s
are kept; the form that a server gives it is known wherever it stands (`model.committed`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s.places import ReadAs, is_cluster_key, of_path
from k3s_policy.model.fragment import HeldCredential
from k3s_policy.model.invocation import Form
from k3s_policy.model.subjects import ClusterSecret, Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_KEY = pattern(r"-----BEGIN (?!ENCRYPTED )(?:[A-Z]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z]+ )?PRIVATE KEY-----")
_LONGEST = 8192
"""Characters from which on a file is neither a token nor a key."""


def claims(seen: Seen) -> bool:
    """Whether a file is small enough to be a key, and where K3s keeps its own."""
    return len(seen.content) <= _LONGEST and is_cluster_key(seen.path)


def read(seen: Seen) -> Iterator[Found]:
    """Yield the token, or the keys."""
    text = seen.file.text
    if _is_token(seen):
        token = text.strip()
        yield Credential(seen.path, token, token, Form.CONFIG)
        if seen.file.host is not None:
            yield HeldCredential(what="the token", at=token, path=seen.path, host=seen.file.host, when=seen.file.when)
        return
    for match in _KEY.finditer(seen.content):
        key = text.cut(match)
        yield ClusterSecret("a private key of the cluster", next(key.lines()), key)


def _is_token(seen: Seen) -> bool:
    """Whether a file is a token: of the repository one word that is no path, as a link that was checked out is one.

    What is written where tokens are kept is one, whatever it looks like: a command may make it.
    """
    if of_path(seen.path) is not ReadAs.TOKEN or not seen.content.strip():
        return False
    return seen.written or (len(seen.content.split()) == 1 and _PATH.match(seen.content.strip()) is None)


_PATH = pattern(r"\.{0,2}/")
