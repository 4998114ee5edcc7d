"""The datastore-endpoints that count, each with the files beside it and what becomes of TLS.

Nothing is concluded from what was not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy.formats.template import marked
from k3s_policy.k3s import endpoint as grammar
from k3s_policy.k3s.endpoint import Backend, Endpoint, Files, Outcome, Tls
from k3s_policy.k3s.endpoint.mysql import tls_mode
from k3s_policy.k3s.endpoint.outcome import ENDPOINT_WINS
from k3s_policy.k3s.version import has_come
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import CIPHERS
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.k3s.endpoint import Parameter, Refusal
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

__all__ = ["FILES", "BesideFiles", "Datastore", "cut_short", "datastores"]

FILES = ("datastore-cafile", "datastore-certfile", "datastore-keyfile")
"""The flags that name files for TLS to the datastore."""


class BesideFiles(Enum):
    """What becomes of a `tls=` that verifies nothing, beside the datastore files."""

    ALONE = "there are no files"
    LOSES = "the files verify all the same"
    WINS = "the files are ignored"


@dataclass(frozen=True, eq=False, repr=False)
class Datastore:
    """A datastore-endpoint that counts, with what stands beside it."""

    invocation: Invocation
    setting: Setting
    endpoint: Endpoint
    """Its parts; what a template or variable fills in is not known in them, and has no separators."""
    files: tuple[Setting, ...]
    """The settings of `FILES` that count beside it, in that order; empty ones are none."""

    @property
    def at(self) -> Text:
        """Where it is given."""
        return self.setting.at

    @property
    def backend(self) -> Backend | None:
        """What keeps the state; None where the endpoint is refused, or its scheme is not known."""
        return self.endpoint.backend

    @property
    def given(self) -> Files:
        """Which of the files are given."""
        return Files(*(any(setting.flag.name == name for setting in self.files) for name in FILES))

    @property
    def refusal(self) -> Refusal | None:
        """Why K3s does not start with it: the endpoint is refused, or half of a pair of files is missing."""
        if self.endpoint.refusal is not None or self.may_hide_files:
            return self.endpoint.refusal
        return grammar.refused_files(self.endpoint, self.given)

    @property
    def outcome(self) -> Outcome | None:
        """What becomes of TLS; None where it cannot be told, or files may be given at a place that was not read."""
        if not any(self.given) and self.may_hide_files:
            return None
        return grammar.outcome(self.endpoint, self.given, self.invocation.version)

    @property
    def may_hide_files(self) -> bool:
        """Whether the place where the endpoint stands was not wholly read: the files may be named there too."""
        return self.invocation.may_hide(self.setting.origin)

    @property
    def confidence(self) -> Confidence:
        """How sure a conclusion is from what does not stand beside the endpoint."""
        return Confidence.HIGH if self.invocation.wholly_seen and self.endpoint.text.known else Confidence.MEDIUM

    @property
    def protection(self) -> tuple[Outcome, Confidence] | None:
        """What becomes of TLS across a network, and how sure that is.

        None where nothing crosses one, where it cannot be told, and where files may decide that were not seen.
        """
        if self.endpoint.is_local:
            return None
        version = self.invocation.version
        # A socket among the servers has no TLS, and needs none.
        dialled = replace(self.endpoint, by_network=tuple(filter(None, self.endpoint.by_network)))
        found = grammar.outcome(dialled, self.given, version)
        at_best = grammar.outcome(dialled, Files(authority=True, certificate=True, key=True), version)
        if found is None or at_best is None:
            return None
        hinges = (found.tls, found.falls_back) != (at_best.tls, at_best.falls_back)
        if hinges and self.may_hide_files:
            return None
        named = any(address.host.known and not address.is_loopback for address in self.endpoint.addresses)
        return found, min(self.confidence if hinges else Confidence.HIGH, _sure(named))

    @property
    def mysql_tls(self) -> tuple[Parameter, str] | None:
        """The `tls` parameter of a MySQL endpoint that counts, with the mode the driver reads in it.

        None where there is none, where its value is empty or not known, and where the endpoint is refused.
        """
        parameter = self.endpoint.parameter("tls") if self.backend is Backend.MYSQL else None
        if parameter is None or not parameter.value.known or self.endpoint.refusal is not None:
            return None
        mode = tls_mode(self.endpoint)
        return (parameter, mode) if mode else None

    @property
    def tls_beats_files(self) -> tuple[bool, Confidence]:
        """Whether `tls=` of a MySQL endpoint beats the files in this release, and how sure that is.

        The newest release counts where none is known. kine 0.17 was not seen, nor which patches of old lines have 0.16.
        """
        version = self.invocation.version
        seen = version is None or version.line < ENDPOINT_WINS[0].line or version.line in _SEEN
        return has_come(ENDPOINT_WINS, version), _sure(seen)

    @property
    def without_verification(self) -> tuple[BesideFiles, Confidence]:
        """What a `tls=` of MySQL that verifies nothing does to the files, and how sure the conclusion is."""
        beats_files, confidence = self.tls_beats_files
        reached = grammar.outcome(self.endpoint, self.given, self.invocation.version)
        beside = BesideFiles.LOSES if reached is not None and reached.tls is Tls.VERIFIED else BesideFiles.WINS
        if beside is BesideFiles.WINS and not self.files:
            beside = BesideFiles.ALONE
            # Files that were not seen may win, where this release lets them.
            confidence = _sure(beats_files or not self.may_hide_files)
        return beside, Confidence.MEDIUM if reached is None else confidence

    @property
    def given_files(self) -> tuple[tuple[Text, str], ...]:
        """Where the files are given, as related places."""
        return tuple((file.place, f"{file.flag.name} is given here") for file in self.files)


_SEEN = ((1, 35), (1, 36))
"""The lines of which it is known which release got kine 0.16."""


def _sure(seen: bool) -> Confidence:  # noqa: FBT001  the one thing it is about
    return Confidence.HIGH if seen else Confidence.MEDIUM


def datastores(invocation: Invocation) -> Iterator[Datastore]:
    """Yield each datastore-endpoint that counts, one for each branch of a script; an empty one is none."""
    for setting in invocation.all("datastore-endpoint"):
        if not str(setting.value) or invocation.last("datastore-endpoint", setting.when) is not setting:
            continue
        found = (invocation.last(name, setting.when) for name in FILES)
        files = tuple(one for one in found if one is not None and str(one.value))
        yield Datastore(invocation, setting, _parsed(setting), files)


def cut_short(value: Text) -> Text | None:
    """Return the character that ends an endpoint before its end: one of the shell's own, in a word without quotes.

    A blank goes before the `&` that sends a command to the background, and before the `;` that ends it; these stand
    before more of the endpoint.
    """
    last = value.runs[-1]
    match = _CUT.match(last.source.content, last.end)
    return last.source.text[last.end : last.end + 1] if match and "://" in str(value) else None


_CUT = pattern(r"\(|&(?=[A-Za-z_]\w*=)|[&;|<>](?=[^\s'\"]*@)")


def _parsed(setting: Setting) -> Endpoint:
    encrypted = str(setting.value).startswith(CIPHERS) or setting.tag is not None
    return grammar.parse(setting.value.unknown() if encrypted else marked(setting.value))
