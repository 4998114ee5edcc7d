"""A key in registries.yaml that K3s drops without a word.

K3s decodes the file into types with given keys (rancher/wharfie `pkg/registries/types.go`) and does not ask for others:
whatever they do not have is gone, and nothing is logged. A registry beside `mirrors` is no mirror, `configs` inside
`mirrors` is a registry of that name, and `auth.token`, which K3s's own documentation shows, is no login. `auths` at the
top is decoded, and nothing of K3s's looks at it.

| below | keys |
| --- | --- |
| the top | `mirrors`, `configs` |
| `mirrors.NAME` | `endpoint`, `rewrite` |
| `configs.HOST` | `auth`, `tls` |
| `auth` | `username`, `password`, `auth`, `identity_token` |
| `tls` | `ca_file`, `cert_file`, `key_file`, `insecure_skip_verify` |

Upper and lower case count. A key that holds an anchor which is used elsewhere is no finding, nor is one that begins
with `x-` or a dot.

```yaml wrong path=etc/rancher/k3s/registries.yaml
configs:
  registry.example.com:
    tls:
      ca: /etc/rancher/k3s/registry-ca.crt
```

```yaml right path=etc/rancher/k3s/registries.yaml
configs:
  registry.example.com:
    tls:
      ca_file: /etc/rancher/k3s/registry-ca.crt
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.registries import AUTH, CONFIG, MIRROR, TLS

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Registries
    from k3s_policy.model.registries import Unknown

_KEYS = {"": ("mirrors", "configs"), "mirrors": MIRROR, "configs": CONFIG, "auth": AUTH, "tls": TLS}
_PLACES = {
    "": "at the top of registries.yaml",
    "mirrors": "in a mirror",
    "configs": "in the config of a host",
    "auth": "in auth",
    "tls": "in tls",
}
_MEANT = {
    "auth": {"token": "identity_token, or password", "user": "username", "pass": "password"},
    "tls": {
        **dict.fromkeys(("insecure", "skipverify", "insecureskiptlsverify", "skiptlsverify"), "insecure_skip_verify"),
        **dict.fromkeys(("ca", "cacert", "cafile", "cacertfile"), "ca_file"),
        **dict.fromkeys(("cert", "certfile", "clientcert"), "cert_file"),
        **dict.fromkeys(("key", "keyfile", "clientkey"), "key_file"),
    },
    "mirrors": {**dict.fromkeys(("endpoints", "url", "urls", "mirror"), "endpoint"), "rewrites": "rewrite"},
    "": {"mirror": "mirrors", "config": "configs"},
}  # fmt: skip
"""What is meant by keys that are no slip of the pen, in lower case and without `_` and `-`."""


_FEW = 8
"""A mapping of more keys is none of a registry; aliases may bring a large one again and again."""


@rule(severity="medium", see=("https://docs.k3s.io/installation/private-registry",))
def check(registries: Registries) -> Problems:
    """Report keys without effect, with the one that has it."""
    misplaced = [mirror.name for mirror in registries.mirrors if str(mirror.name) in ("configs", "auths")]
    for name in misplaced:
        message = f"`{name}` in mirrors is the name of a registry: K3s drops what stands below it"
        yield Problem(name, message, "begin it where mirrors begins: configs stands beside mirrors")
    for one in registries.unknown:
        if one.within is not None and any(one.within.span == name.span for name in misplaced):
            continue
        if one.key.known and not str(one.key).startswith(("x-", ".")) and str(one.key) != "sops":
            yield Problem(one.key, f"K3s has no use for this key {_PLACES[one.place]}, and drops it", _advice(one))


def _advice(unknown: Unknown) -> str:
    name = str(unknown.key)
    if name == "auths":
        return "write configs.HOST.auth"
    plain = name.lower().replace("_", "").replace("-", "")
    own = _KEYS[unknown.place]
    meant = next((key for key in own if key.replace("_", "") == plain), None) or _MEANT.get(unknown.place, {}).get(
        plain
    )
    if meant is None and unknown.place == "" and isinstance(unknown.value, Mapping):
        below = {str(key) for key, _ in unknown.value.entries[:_FEW]}
        section = "mirrors" if below & MIRROR.keys() else "configs" if below & CONFIG.keys() else None
        if section is not None:
            return f"put it below {section}"
    if meant is None:
        home = next((place for place, keys in _KEYS.items() if name in keys and place != unknown.place), None)
        if home:
            return f"put it into {home}" if home in ("auth", "tls") else f"put it below {home}"
    if meant is None:
        from difflib import get_close_matches  # only for a slip of the pen

        meant = next(iter(get_close_matches(name, list(own), 1, 0.75)), None)
    return f"write {meant}" if meant else f"the keys here are {', '.join(own)}"
