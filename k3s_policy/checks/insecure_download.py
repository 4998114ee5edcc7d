"""K3s is downloaded in a way that lets others on the network replace it.

The install script runs as root, and so do the program and the images that a host is given. Over plain `http://`, or
with certificates that are not verified (`curl --insecure`, `wget --no-check-certificate`), whoever is on the way can
send something else: a router, an access point, a name server. Sums that come by the same way prove nothing; the
install script itself checks the program against a list that it fetches from the same place (K3s `install.sh`,
download_hash). `curl` and `wget` take an address without a scheme for http, and where the server then redirects to
https, that answer can be replaced too (https://curl.se/docs/manpage.html).

Fetch over https, and have a certificate authority of one's own verified with `--cacert`. A file whose sum or signature
the script checks is no finding, nor is what comes from the host itself, or a poll of K3s's own API.

```sh wrong
curl -sfLk https://get.k3s.io | sh -s - server --cluster-init
```

```sh right
curl -sfL https://get.k3s.io | sh -s - server --cluster-init
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Confidence
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.subjects import Download
    from k3s_policy.text import Text

_HELP = "fetch it over https"
_SCHEME = pattern(r"(?i)[a-z][a-z0-9+.-]*://")
_PLAIN = pattern(r"(?i)(?P<scheme>http://)(?:[^/?#\s]*@)?(?P<host>\[[^\]\s]*\]|[^/:?#\s]*)")
_BARE = pattern(r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::[0-9]+)?(?:/|$)")
_HOST = pattern(r"(?i)(?:https?://)?(?:[^/?#\s]*@)?(?P<host>\[[^\]\s]*\]|[^/:?#\s]*)")
_LOOPBACK = pattern(r"(?i)localhost\.?|127\.[0-9.]+|\[::1\]|0\.0\.0\.0")


@rule(
    severity="high",
    see=("https://docs.k3s.io/installation/airgap", "https://curl.se/docs/sslcerts.html"),
    tags=("external/cwe/cwe-319", "external/cwe/cwe-295", "external/cwe/cwe-494"),
)
def check(download: Download) -> Problems:
    """Report the options that switch verification off, and addresses of plain http."""
    url = download.url
    host = _HOST.match(str(url))
    if host is not None and _LOOPBACK.fullmatch(host["host"]):
        return
    for option in download.unverified:
        name = option if option.startswith("-") else f"-{option}"
        yield Problem(
            option,
            f"{name} takes any certificate: whoever is on the way can replace {download.what}",
            "have the certificate verified, with --cacert if the authority is one's own",
        )
    if not _SCHEME.match(str(url)):
        bare = None if download.guarded else _BARE.match(str(url))
        if bare is not None and url.cut(bare).known:
            yield Problem(
                url.cut(bare, "host"),
                f"an address without a scheme is fetched over http: whoever is on the way can replace {download.what}",
                "write https:// in front of it",
            )
        return
    plain = _PLAIN.match(str(url))
    if plain is not None and url.cut(plain, "scheme").known:
        yield Problem(
            url.cut(plain, "scheme"),
            f"over http whoever is on the way can replace {download.what}",
            _HELP,
            confidence=_confidence(url.cut(plain, "host")),
        )


def _confidence(host: Text) -> Confidence:
    """A host that is filled in may be this one."""
    return Confidence.HIGH if host.known and host else Confidence.MEDIUM
