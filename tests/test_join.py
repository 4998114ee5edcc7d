"""The parts of the URL that a node joins by."""

from __future__ import annotations

import pytest

from k3s_policy.k3s.join import parse
from k3s_policy.text import Source


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("https://10.0.0.1:6443", ("https", "10.0.0.1", "6443", "")),
        ("HTTPS://k3s.example.com", ("HTTPS", "k3s.example.com", "", "")),
        ("http://k3s.example.com/edge?a=/b#c", ("http", "k3s.example.com", "", "/edge")),
        ("https://[fd00::1]:6443/", ("https", "fd00::1", "6443", "/")),
        ("https://[fd00::1]", ("https", "fd00::1", "", "")),
        ("https://fd00::1:6443", ("https", "fd00::1:6443", "", "")),
        ("https://user:pass@10.0.0.1:6443", ("https", "10.0.0.1", "6443", "")),
        ("https://10.0.0.1:k3s", ("https", "10.0.0.1", "k3s", "")),
        ("https://:6443", ("https", "", "6443", "")),
        ("https://{{ hostvars['a:b/c'].ip }}:6443", ("https", "{{ hostvars['a:b/c'].ip }}", "6443", "")),
        ("https://${FIRST:-10.0.0.1}:6443", ("https", "${FIRST:-10.0.0.1}", "6443", "")),
        ("https://[${FIRST}]:${PORT}", ("https", "${FIRST}", "${PORT}", "")),
        ("https://<the first server>:6443", ("https", "<the first server>", "6443", "")),
    ],
)
def test_parts_stand_where_they_are_written(written: str, parts: tuple[str, str, str, str]) -> None:
    url = parse(Source("config.yaml", written).text)
    assert url is not None
    found = (url.scheme, url.host, url.port, url.path)
    assert tuple(map(str, found)) == parts
    assert [written[part.span.start : part.span.end] for part in found] == list(parts)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "10.0.0.1:6443",
        "//10.0.0.1:6443",
        "https:// 10.0.0.1:6443",
        "https://10.0.0.1:6443,https://10.0.0.2:6443",
        "https://[fd00::1:6443",
        "https://[fd00::1]6443",
        "{{ k3s_url }}",
        "${PROTOCOL}://10.0.0.1:6443",
    ],
)
def test_what_has_no_such_parts(written: str) -> None:
    assert parse(Source("config.yaml", written).text) is None


def test_scheme_and_brackets() -> None:
    bare, whole = (parse(Source("", written).text) for written in ("HttpS://fd00::1:6443", "http://[fd00::1]:6443"))
    assert bare is not None
    assert whole is not None
    assert (bare.is_https, bare.lacks_brackets) == (True, True)
    assert (whole.is_https, whole.lacks_brackets) == (False, False)


def test_a_long_url_takes_no_longer_than_its_length() -> None:
    for piece in (":", "@", "[", "a:", "a@", "/"):
        parse(Source("", "https://" + piece * 20_000 + ",").text)
