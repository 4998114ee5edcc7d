"""registries.yaml: mirrors, logins and TLS of registries, as K3s hands them to containerd.

The keys are those of rancher/wharfie `pkg/registries/types.go`; what else stands in the file is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.text import Text

__all__ = ["AUTH", "CONFIG", "FILE", "MIRROR", "TLS", "Config", "Given", "Mirror", "Repeated", "Unknown"]

FILE = {"mirrors": "map", "configs": "map", "auths": "map"}
"""The keys of the file, each with the type of its value. `auths` is decoded, and nothing of K3s's looks at it."""
MIRROR = {"endpoint": "list", "rewrite": "texts"}
CONFIG = {"auth": "auth", "tls": "tls"}
AUTH = {"username": "text", "password": "text", "auth": "text", "identity_token": "text"}
TLS = {"ca_file": "text", "cert_file": "text", "key_file": "text", "insecure_skip_verify": "truth"}


class Given(NamedTuple):
    """One key with its value."""

    key: Text
    value: Text

    @property
    def place(self) -> Text:
        """The key with its value where both stand in one line, else the key."""
        return self.key.beside(self.value)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Mirror:
    """Where the images of one registry are looked for."""

    name: Text
    """The registry as references of images have it, or `*`."""
    endpoints: tuple[Text, ...]
    """What something else fills in is marked as not known."""

    @property
    def host(self) -> Text:
        """The name as a message may show it: without a login in front of the host."""
        return _without_login(self.name)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Config:
    """How K3s logs in at one host, and how it verifies it."""

    name: Text
    """The host of an endpoint with its port, or `*`."""
    auth: tuple[Given, ...] = ()
    tls: tuple[Given, ...] = ()

    @property
    def host(self) -> Text:
        """The name as a message may show it: without a login in front of the host."""
        return _without_login(self.name)

    def last(self, key: str) -> Given | None:
        """Return what counts of a key of `auth` or `tls` that has a value, or is true."""
        return next((given for given in (*self.auth, *self.tls) if str(given.key) == key), None)


def _without_login(name: Text) -> Text:
    return name[str(name).rfind("@") + 1 :]


class Unknown(NamedTuple):
    """A key that K3s drops."""

    key: Text
    value: YamlNode
    place: str
    """What it stands in: `mirrors` and `configs` are entries of these; empty at the top of the file."""
    within: Text | None = None
    """The name of the registry it stands below."""


class Repeated(NamedTuple):
    """A key that stands twice in one mapping."""

    key: Text
    earlier: Text
    lost: bool
    """Whether the first value is forgotten; else K3s puts both together."""
