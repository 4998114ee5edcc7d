"""Credentials that are committed whatever becomes of them: in variables that do not reach K3s, and full tokens.

A token that a server made holds the hash of the cluster's authority: `K10<64 hexadecimal digits>::<user>:<password>`
(K3s pkg/clientaccess/token.go). Nothing else looks like it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s import credential
from k3s_policy.k3s.credential import Nature
from k3s_policy.k3s.flags import flags
from k3s_policy.model.subjects import ClusterSecret, Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.model.lower import Variable
    from k3s_policy.text import Text

__all__ = ["credentials", "credentials_of_k3s", "full_tokens"]

_FULL_TOKEN = pattern(r"(?<![0-9A-Za-z])K10[0-9a-f]{64}::[^\s:'\"$]+:(?![%*])[^\s'\"`\\<>(){}\[\],;|&$]++(?![${])")
"""A password that begins or goes on with what a shell or a template fills in is none that is written here."""


def credentials_of_k3s(variables: Iterable[Variable]) -> Iterator[Credential]:
    """Yield the credentials in variables that only K3s has, where other programs may read them too: of a pipeline."""
    for one in variables:
        if str(one.name).startswith("K3S_") and any(run.known for run in one.value.runs):
            yield from credentials((one,))


def credentials(variables: Iterable[Variable]) -> Iterator[Credential]:
    """Yield the credentials in variables of K3s that do not reach it."""
    for variable in variables:
        name = str(variable.name)
        for flag in flags().by_environment(name):
            for secret in credential.secrets(flag, variable.value):
                yield Credential(name, variable.name, secret, variable.form)


def full_tokens(text: Text) -> Iterator[ClusterSecret]:
    """Yield the tokens that a server made, wherever they stand in a text."""
    content = str(text)
    if "K10" in content and "::" in content:
        for match in _FULL_TOKEN.finditer(content):
            token = text.cut(match)
            if token.known and credential.nature(token) is Nature.LITERAL:
                yield ClusterSecret("a token that a server made", token, token)
