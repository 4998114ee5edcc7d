"""What a check can judge besides Invocations and Clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.model.cluster import Cluster
from k3s_policy.model.invocation import BrokenFile, Form, Invocation
from k3s_policy.text.branch import ALWAYS, When

if TYPE_CHECKING:
    from k3s_policy.k3s.version import Version
    from k3s_policy.text import Text


__all__ = ["ClusterSecret", "Credential", "CredentialFile", "DatabaseImage", "Download", "FileMode", "Subject"]


@dataclass(frozen=True, eq=False, repr=False)
class Credential:
    """A credential that stands by itself, not in a setting of an invocation that was seen."""

    what: str
    """How a message calls it: `K3S_TOKEN`, `etcd-s3-secret-key`."""
    at: Text
    value: Text
    form: Form
    tag: str | None = None
    is_whole: bool = True
    """Whether it is all that `what` names, not the password in a URL."""


@dataclass(frozen=True, eq=False, repr=False)
class ClusterSecret:
    """A secret that a running cluster made: the key of a kubeconfig, a token, the key of an authority."""

    what: str
    """How a message calls it."""
    at: Text
    value: Text


@dataclass(frozen=True, eq=False, repr=False)
class FileMode:
    """Something that gives a file its permissions: a command, or what describes a host."""

    path: Text
    mode: Text
    """As `chmod` takes it. Where a default applies, it stands in for the path."""
    host: str | None = None
    """What names the host, as for the files that are written there; None where nothing does."""
    when: When = ALWAYS
    default: str = ""
    """Whose default it is, where nothing says the mode: `cloud-init`."""
    form: Form = Form.COMMAND


@dataclass(frozen=True, eq=False, repr=False)
class CredentialFile:
    """A file that is written to a host with credentials of K3s in it, and given permissions."""

    path: str
    holds: tuple[tuple[str, Text], ...]
    """What messages call the credentials, and where each is written; never empty."""
    change: FileMode
    """What decides who may read it."""
    permissions: int
    """Those that result, as far as anything says them."""


@dataclass(frozen=True, eq=False, repr=False)
class Download:
    """K3s itself is fetched, and nothing that was seen checks afterwards what came."""

    what: str
    """How a message calls what is fetched: `the install script`, `the program of K3s`."""
    url: Text
    unverified: tuple[Text, ...] = ()
    """The options for which any certificate will do."""
    secrets: tuple[Text, ...] = ()
    """What the server is shown beside the URL, and no output may show."""
    guarded: bool = False
    """Whether an address without a scheme is not taken for http."""


@dataclass(frozen=True, eq=False, repr=False)
class DatabaseImage:
    """The image of the database behind a datastore-endpoint, where the repository runs both."""

    at: Text
    """The image."""
    host: Text
    """What the endpoint calls it."""
    backend: str
    """What the endpoint takes it for: `mysql`."""
    version: Version | None = None
    """The release of K3s."""


Subject: TypeAlias = (
    Invocation
    | Cluster
    | Credential
    | ClusterSecret
    | CredentialFile
    | FileMode
    | Download
    | DatabaseImage
    | BrokenFile
)
"""What a check can judge."""
