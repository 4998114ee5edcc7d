"""Redaction: no finding holds a credential in its words, and every output learns which characters to hide.

Fingerprints are made here too, since they are of masked lines: one of the line itself would let a short
credential be guessed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.model.finding import Related
from k3s_policy.model.fragment import EnvironmentFile, Registries
from k3s_policy.model.invocation import Invocation
from k3s_policy.model.masking import MASK, masked
from k3s_policy.model.subjects import ClusterSecret, Credential, Download
from k3s_policy.text import Span
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from k3s_policy.model.finding import Finding
    from k3s_policy.model.fragment import Judged
    from k3s_policy.model.registries import Unknown
    from k3s_policy.text import Source, Text

__all__ = ["Hidden", "credentials_of", "redact"]

_UNMISTAKABLE = 8
"""Characters from which on the same characters elsewhere in a file are the same credential."""

_TELLING = 6
"""Characters from which on a credential in a message is no word of the message by chance."""


def redact(
    findings: Sequence[Finding], subjects: Iterable[Judged]
) -> tuple[tuple[Finding, ...], dict[Source, tuple[Span, ...]]]:
    """Return the findings as they may be shown, with fingerprints, and what no output may show of their files."""
    if not findings:
        return (), {}
    hidden = Hidden(subjects)
    shown = {source for finding in findings for source in _sources_of(finding)}
    secrets = {source: hidden.suspected(source) for source in shown}
    for span in _encoded(findings):
        secrets[span.source] = (*secrets[span.source], span)
    values = {source: _telling(texts) for source, texts in hidden.credentials.items()}
    for source, spans in secrets.items():
        # What only looks like a credential is hidden in frames, and so it is in words.
        suspected = (source.content[span.start : span.end] for span in spans)
        telling = {text for text in suspected if len(text) >= _TELLING and not credential.is_well_known(text)}
        values[source] = values.get(source, frozenset()) | telling
    begun = {source: _by_beginning(of_source) for source, of_source in values.items() if source in shown}
    told = [_told_without(begun.get(finding.span.source, {}), finding) for finding in findings]
    return tuple(_fingerprinted(told, secrets)), secrets


class Hidden:
    """Says of files which of their characters no output may show."""

    def __init__(self, subjects: Iterable[Judged]) -> None:
        """Take the credentials of everything that was read."""
        self.credentials = _credentials(subjects)
        self._known: dict[Source, tuple[Span, ...]] = {}
        self._suspected: dict[Source, tuple[Span, ...]] = {}

    def known(self, source: Source) -> tuple[Span, ...]:
        """Return where a file's credentials stand, and where else it repeats one."""
        if source not in self._known:
            self._known[source] = tuple(_spans_in(source, self.credentials))
        return self._known[source]

    def suspected(self, source: Source) -> tuple[Span, ...]:
        """Return the same with what only looks like a credential."""
        if source not in self._suspected:
            self._suspected[source] = credential.secret_spans(source, self.known(source))
        return self._suspected[source]


def _sources_of(finding: Finding) -> Iterator[Source]:
    yield finding.span.source
    for related in finding.related:
        yield related.span.source


def _encoded(findings: Iterable[Finding]) -> Iterator[Span]:
    """Yield what is encoded in the lines of findings: whoever decodes it sees all that it holds.

    Nobody knows which of its characters are a credential: what stands for a Secret holds others' too.
    """
    spans = {span for one in findings for span in (one.span, *(related.span for related in one.related))}
    yield from (span for span in spans if _is_encoded(span.source.content[span.start : span.end]))
    for source, first, last in {(span.source, *_lines(span)) for span in spans}:
        for match in _BASE64.finditer(source.content, first, last):
            if _is_encoded(match[0]):
                yield Span(source, match.start(), match.end())


def _lines(span: Span) -> tuple[int, int]:
    """Return the places between which the lines of a stretch stand."""
    content = span.source.content
    end = content.find("\n", span.end)
    return content.rfind("\n", 0, span.start) + 1, end if end >= 0 else len(content)


_BASE64 = pattern(r"[A-Za-z0-9+/]{24,}={0,2}")


def _is_encoded(written: str) -> bool:
    """Whether characters are base64 of a text, or of what gzip made of one."""
    if _BASE64.fullmatch("".join(written.split())) is None:
        return False
    from k3s_policy.formats.encoded import from_base64, is_compressed  # few findings are in such lines

    try:
        data = from_base64(written.encode())
        return is_compressed(data) or data.decode().isprintable() or "\n" in data.decode()
    except ValueError:
        return False


# --- which characters are credentials -------------------------------------------------------------------


def _credentials(subjects: Iterable[Judged]) -> dict[Source, list[Text]]:
    """Collect the credentials of everything that was read, by the files they are written in."""
    found: dict[Source, list[Text]] = {}
    for subject in subjects:
        for text in credentials_of(subject):
            for source in {run.source for run in text.runs}:
                found.setdefault(source, []).append(text)
    return found


def credentials_of(subject: Judged) -> Iterator[Text]:
    """Yield the credentials in one thing that was read, also in arguments that K3s never looks at."""
    if isinstance(subject, Invocation):
        lost = subject.started.lost if subject.started else ()
        for setting in (*subject.settings, *lost):
            yield from credential.secrets(setting.flag, setting.value)
        for option in subject.unrecognised:
            yield from credential.misspelt(option.at, option.value, flags())
    elif isinstance(subject, Credential | ClusterSecret):
        yield subject.value
    elif isinstance(subject, Registries):
        # Whatever a login is called: K3s drops it, and it is a credential all the same.
        yield from (one.value.written for one in subject.unknown if _may_be_secret(one))
    elif isinstance(subject, Download):
        yield from subject.secrets
    elif isinstance(subject, EnvironmentFile):
        for variable in subject.variables:
            yield from credential.misspelt_variable(str(variable.name), variable.value, flags())


def _may_be_secret(unknown: Unknown) -> bool:
    """Whether a key that K3s drops holds what a login or a private key is made of."""
    name = str(unknown.key).lower()
    if unknown.place == "auth":
        return name not in ("user", "email", "name")
    return unknown.place == "tls" and "key" in name


def _spans_in(source: Source, credentials: dict[Source, list[Text]]) -> Iterator[Span]:
    """Yield where a file's credentials are written, and where else it repeats one: in a comment, say."""
    values = set()
    for text in credentials.get(source, ()):
        yield from (span for span in text.spans if span.source is source)
        if len(text) >= _UNMISTAKABLE and text.known and not credential.is_well_known(text) and not _is_address(text):
            values.add(str(text))
    if values:
        # One search for all: a file may hold thousands.
        longest_first = sorted(values, key=len, reverse=True)
        for match in re.finditer("|".join(map(re.escape, longest_first)), source.content):
            yield Span(source, *match.span())


def _is_address(text: Text) -> bool:
    """Whether a credential is an address: what was meant as an example repeats where addresses belong."""
    return re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", str(text)) is not None


# --- what a finding says --------------------------------------------------------------------------------


def _telling(credentials: Iterable[Text]) -> frozenset[str]:
    """Return the credentials that a message would give away."""
    return frozenset(str(text) for text in credentials if len(text) >= _TELLING and not credential.is_well_known(text))


def _by_beginning(credentials: Iterable[str]) -> dict[str, list[str]]:
    """Sort credentials by their first characters: a file may hold thousands, and have as many findings."""
    found: dict[str, list[str]] = {}
    for value in credentials:
        found.setdefault(value[:_TELLING], []).append(value)
    return found


def _told_without(credentials: Mapping[str, Sequence[str]], finding: Finding) -> Finding:
    """Mask what a finding repeats of its file where that is a credential: the name of an option may hold one."""
    told = "\0".join((finding.message, finding.help, *(related.message for related in finding.related)))
    beginnings = {told[start : start + _TELLING] for start in range(len(told) - _TELLING + 1)}
    repeated = {value for one in beginnings & credentials.keys() for value in credentials[one] if value in told}
    for value in sorted(repeated, key=lambda value: (-len(value), value)):
        finding = replace(
            finding,
            message=finding.message.replace(value, MASK),
            help=finding.help.replace(value, MASK),
            related=tuple(Related(span, message.replace(value, MASK)) for span, message in finding.related),
        )
    return finding


# --- what a finding is known by -------------------------------------------------------------------------


def _fingerprinted(findings: Sequence[Finding], secrets: dict[Source, tuple[Span, ...]]) -> Iterator[Finding]:
    """Give each finding a fingerprint of its rule, file and masked line, counted where these are equal."""
    from hashlib import sha256  # only where something was found

    lines: dict[Source, list[str]] = {}
    digests: dict[tuple[str, Source, int], str] = {}
    seen: dict[str, int] = {}
    for finding in findings:
        source, number = finding.span.source, finding.span.line
        if source not in lines:
            lines[source] = masked(source, secrets.get(source, ())).split("\n")
        place = (finding.rule, source, number)
        if place not in digests:  # a line may hold thousands of findings
            line = " ".join(lines[source][number - 1].split())
            content = f"{finding.rule}\0{source.path}\0{line}"
            digests[place] = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        digest = digests[place]
        seen[digest] = seen.get(digest, 0) + 1
        yield replace(finding, fingerprint=f"{digest}:{seen[digest]}")
