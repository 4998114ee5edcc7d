"""Endpoints that are lists of URLs: external etcd, and NATS.

kine splits both at each comma and trims nothing. Of etcd only the first scheme is looked at, by kine and by the client
(pkg/drivers/remote; etcd client/v3, dialWithBalancer). NATS takes user information and parameters from the first URL
(pkg/drivers/nats/config.go), and uses them percent-encoded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.k3s.endpoint.parts import (
    Address,
    Backend,
    Endpoint,
    Flaw,
    Parameter,
    Refusal,
    is_open,
    read_address,
    read_query,
)
from k3s_policy.k3s.endpoint.url import Url, parse_url
from k3s_policy.k3s.value import as_duration
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from k3s_policy.text import Text

__all__ = ["parse_etcd", "parse_nats"]


def parse_etcd(text: Text, scheme: Text, rest: Text) -> Endpoint:
    """Take apart a list of etcd servers, or the path of a socket."""
    if str(scheme) in ("unix", "unixs"):
        return replace(Endpoint.bare(text, scheme, Backend.ETCD), socket=rest)
    urls = [_split(one) for one in text.split(",")]
    login, _, _ = urls[0][1].partition("/")[0].rpartition("@")
    user, _, password = login.partition(":")
    addresses = tuple(_address(one, url.partition("/")[0].rpartition("@")[2]) for one, url in urls)
    return Endpoint(
        text=text,
        scheme=scheme,
        backend=Backend.ETCD,
        user=user,
        password=password,
        addresses=addresses,
        database=rest[len(rest) :],
        is_open=not text[-1:].known,
    )


def parse_nats(text: Text, scheme: Text, rest: Text) -> Endpoint:
    """Take apart a list of NATS servers; `jetstream://` needs a whole URL behind it."""
    listed = rest if str(scheme) == "jetstream" else text
    urls = [(one, parse_url(_split(one)[1])) for one in listed.split(",")]
    first = urls[0][1]
    parameters = tuple(read_query(first.query))
    return Endpoint(
        text=text,
        scheme=scheme,
        backend=Backend.NATS,
        user=first.user,
        password=first.password,
        addresses=tuple(_address(_split(one)[0], url.host) for one, url in urls),
        database=rest[len(rest) :],
        parameters=parameters,
        refusal=next(_refused(urls, parameters), None),
        is_open=is_open(first.query) or not (first.query or text[-1:].known),
    )


def _split(url: Text) -> tuple[Text, Text]:
    scheme, separator, rest = url.partition("://")
    return (scheme, rest) if separator else (url[:0], url)


def _address(scheme: Text, host: Text) -> Address:
    return read_address(host)._replace(scheme=scheme)


_RANGES = {"replicas": (1, 5), "revHistory": (2, 64)}
_BYTE = pattern(r"0*[0-9]{1,3}")
_LARGEST_BYTE = 255


def _refused(urls: list[tuple[Text, Url]], parameters: tuple[Parameter, ...]) -> Iterator[Refusal]:
    """Yield what kine refuses, in its order."""
    _, first = urls[0]
    if refusal := first.refusal or first.query_refusal:
        yield refusal
    # Of several of one name the first counts.
    by_name = {parameter.key: parameter for parameter in reversed(parameters)}
    yield from _refused_values(by_name)
    context = by_name.get("contextFile")
    if context and context.value:
        if first.host:
            yield Refusal(Flaw.INVALID_HOST, first.host, "beside contextFile no host may stand")
        return
    for url, parsed in urls:
        scheme, _ = _split(url)
        if parsed.refusal:
            yield parsed.refusal
        elif scheme.known and str(scheme).lower() != "nats":
            yield Refusal(Flaw.NOT_NATS, scheme or url, "each server of the list must begin with nats://")


def _refused_values(by_name: Mapping[str, Parameter]) -> Iterator[Refusal]:
    for name, (low, high) in _RANGES.items():
        number = by_name.get(name)
        # What is no number from 0 to 255 is passed over, and the default counts.
        if number is None or not number.value.known or not _BYTE.fullmatch(number.decoded):
            continue
        if int(number.decoded) <= _LARGEST_BYTE and not low <= int(number.decoded) <= high:
            yield Refusal(Flaw.INVALID_NUMBER, number.value, f"{name} must be from {low} to {high}")
    slow = by_name.get("slowMethod")
    if slow and slow.value and slow.value.known and as_duration(slow.decoded) is None:
        yield Refusal(Flaw.INVALID_DURATION, slow.value, "slowMethod is no duration with a unit, such as 500ms")
