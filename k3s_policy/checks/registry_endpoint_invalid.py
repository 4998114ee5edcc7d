"""An endpoint of a mirror is no address that K3s can dial.

K3s takes endpoints apart as Go's net/url does; one that this refuses (a blank, a quote behind the port, a port that is
no number) is ignored with a warning in the log (K3s `pkg/agent/containerd/config.go`, getHostConfigs). Others are taken
and lead nowhere: `https://` has no host, and containerd speaks to `http` and `https` only. In either case images come
from the next endpoint, or from the registry itself, past the mirror.

Write `https://HOST:PORT`, with a path where the mirror has one.

```yaml wrong path=etc/rancher/k3s/registries.yaml
mirrors:
  docker.io:
    endpoint:
      - "https:/mirror.example.com:5000"
```

```yaml right path=etc/rancher/k3s/registries.yaml
mirrors:
  docker.io:
    endpoint:
      - "https://mirror.example.com:5000"
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Registries
    from k3s_policy.text import Text

_STRAY = pattern(r"[\s'\"\x00-\x1f\x7f]+")
_SLIP = pattern(r"(?i)https?(?::/(?!/)|//|:(?=[a-z]))")
_URL = pattern(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>(?:[^/?#]*@)?(?P<host>\[[^\[\]/?#]*\]|[^/?#@]*?)"
    r"(?::(?P<port>[^/?#@:]*))?)(?:[/?#].*)?"
)
_REFUSED = pattern(r"[\\^`{}|]|%(?!25[^%]*\])|\[(?!.*\])")
"""What Go's net/url has in no host."""
_HIGHEST_PORT = 65535


@rule(severity="medium", see=("https://docs.k3s.io/installation/private-registry#mirrors",))
def check(registries: Registries) -> Problems:
    """Report endpoints that are ignored or lead nowhere; those that something else fills in are not judged."""
    for mirror in registries.mirrors:
        for endpoint in mirror.endpoints:
            if endpoint.known and (problem := _problem(endpoint)):
                yield problem


_IGNORED = "K3s ignores this endpoint"
_HELP = "write https://HOST:PORT"


def _problem(endpoint: Text) -> Problem | None:
    value = str(endpoint)
    if not value.strip():
        return Problem(endpoint, "an empty endpoint: there is no host to pull from", "name the mirror, or leave it out")
    if stray := _STRAY.search(value):
        what = "blank" if stray[0].isspace() else "quote" if not stray[0].strip("'\"") else "character"
        return Problem(endpoint.cut(stray), f"a stray {what}: {_IGNORED}, or cannot dial it", "leave it out")
    if slip := _SLIP.match(value):
        return Problem(endpoint.cut(slip), "a scheme ends in `://`: this endpoint leads nowhere", _HELP)
    match = _URL.fullmatch(value)
    if match is None:
        return Problem(endpoint, f"not a URL: {_IGNORED}", _HELP)
    part, message, advice = _fault(match["scheme"], match["host"], match["port"])
    return Problem(endpoint.cut(match, part) if part else endpoint, message, advice) if message else None


def _fault(scheme: str | None, host: str, port: str | None) -> tuple[str, str, str]:
    """Return the part of a URL that is at fault, what is wrong with it, and what to write; empty where nothing is."""
    number = port or "0"
    for wrong, part, message, advice in (
        (scheme is not None and scheme.lower() not in ("http", "https"), "scheme", _OTHER_SCHEME, _HELP),
        (not host, "", "an endpoint without a host leads nowhere", _HELP),
        ("," in host, "", "one endpoint that holds several leads nowhere", "make each an item of the list"),
        (port == "" and host.lower() in ("http", "https"), "", "an endpoint with two schemes leads nowhere", _HELP),
        (_REFUSED.search(host), "host", f"no host has such characters: {_IGNORED}", _HELP),
        (":" in host and host[0] != "[", "authority", _NO_BRACKETS, "write https://[ADDRESS]:PORT"),
        (not number.isdecimal(), "port", f"a port is a number: {_IGNORED}", _HELP),
        (number.isdecimal() and int(number[:9]) > _HIGHEST_PORT, "port", f"no port is above {_HIGHEST_PORT}", _HELP),
    ):
        if wrong:
            return part, message, advice
    return "", "", ""


_OTHER_SCHEME = "containerd speaks to registries by http and https only: this endpoint leads nowhere"
_NO_BRACKETS = "an IPv6 address needs brackets in a URL: this endpoint leads nowhere"
