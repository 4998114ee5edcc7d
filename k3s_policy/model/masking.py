"""What of a Source may be shown: its content with every credential masked.

A credential is always shown as the same six characters, so that not even its length is told. Line breaks
inside one are kept, so that line numbers stay right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.model.finding import Report
    from k3s_policy.text import Source

__all__ = ["MASK", "Piece", "masked", "pieces", "secrets_of", "unparsed"]

MASK = "******"

_UNPARSED = "syntax-error"


class Piece(NamedTuple):
    """A stretch of a Source that is a secret or holds none."""

    start: int
    end: int
    secret: bool


def unparsed(report: Report) -> set[Source]:
    """Return the Sources that were not understood, in which a credential could stand anywhere."""
    return {finding.span.source for finding in report.findings if finding.rule == _UNPARSED}


def secrets_of(report: Report) -> dict[Source, tuple[Span, ...]]:
    """Return the secrets of each Source, neighbours joined; of an unparsed Source it is all of its content."""
    secrets = {source: _joined(spans) for source, spans in report.secrets.items()}
    for source in unparsed(report):
        secrets[source] = (Span(source, 0, len(source.content)),)
    return secrets


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Join what touches or overlaps: where one secret ends and the next begins is not to be seen."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(span.source, joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def pieces(secrets: Sequence[Span], start: int, end: int) -> Iterator[Piece]:
    """Cut the stretch from `start` to `end` into secrets and the rest, in order and without gaps."""
    position = start
    for span in secrets:
        first, last = max(span.start, position), min(span.end, end)
        if first >= last:
            continue
        if position < first:
            yield Piece(position, first, secret=False)
        yield Piece(first, last, secret=True)
        position = last
    if position < end:
        yield Piece(position, end, secret=False)


def masked(source: Source, secrets: Sequence[Span]) -> str:
    """Return the whole content with each line of a secret shown as `MASK`."""
    content = source.content
    return "".join(
        _veiled(content[piece.start : piece.end]) if piece.secret else content[piece.start : piece.end]
        for piece in pieces(secrets, 0, len(content))
    )


def _veiled(secret: str) -> str:
    return "\n".join(MASK if line.rstrip("\r") else line for line in secret.split("\n"))
