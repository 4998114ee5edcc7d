"""What K3s and the Kubernetes components inside of it refuse: networks, addresses, ports, taints, labels and the like.

Each function looks at the text of one value and yields the parts of it that are refused, with the reason. Lists with
commas are taken apart only where K3s takes them apart, and blanks stay where K3s leaves them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.text import Text

__all__ = [
    "Fault",
    "Taint",
    "addresses",
    "cipher_suites",
    "labels",
    "networks",
    "port",
    "port_range",
    "tls_version",
    "vpn",
]


class Fault(NamedTuple):
    """A part of a value that is refused."""

    at: Text
    reason: str
    """What is wrong, as it stands behind "K3s does not start:"."""
    advice: str = ""


# --- addresses --------------------------------------------------------------------------------------------


def networks(text: Text) -> Iterator[Fault]:
    """Yield what is no network of a list with commas (K3s pkg/cli/server/server.go, Go's net.ParseCIDR)."""
    for part in text.split(","):
        shown = str(part)
        address, slash, length = shown.partition("/")
        blank = _blank(part)
        if blank:
            yield blank
        elif not slash and _is_address(address):
            yield Fault(part, f"`{shown}` is an address, not a network", f"write its prefix length too: {address}/16")
        elif not _is_address(address) or not _is_prefix_length(length, 128 if ":" in address else 32):
            yield Fault(part, f"{_shown(part)} is no network", "write one as 10.42.0.0/16 or fd00:42::/56")


def addresses(text: Text) -> Iterator[Fault]:
    """Yield what is no IP address of a list with commas (K3s pkg/util/net.go, Go's net.ParseIP)."""
    for part in text.split(","):
        shown = str(part)
        blank = _blank(part)
        if blank:
            yield blank
        elif not _is_address(shown):
            address = shown.partition("/")[0]
            advice = f"write {address} without the prefix length" if _is_address(address) else "write an address"
            yield Fault(part, f"{_shown(part)} is no IP address", advice)


def _blank(part: Text) -> Fault | None:
    """Return the fault of a part with blanks around it, which would be right without them."""
    if str(part).strip() == str(part) or not str(part).strip():
        return None
    return Fault(part, "the blank is taken as a part of the address", "write a comma without a blank behind it")


_FOUR = pattern(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")


def _is_address(text: str) -> bool:
    """Whether Go reads an IP address here: no zeros in front of a number, no zone behind it."""
    if _FOUR.fullmatch(text):
        return True
    if ":" not in text or "%" in text:
        return False
    from ipaddress import AddressValueError, IPv6Address  # few configurations have one

    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _is_prefix_length(text: str, longest: int) -> bool:
    return re.fullmatch(r"[0-9]{1,4}", text) is not None and int(text) <= longest


def _shown(part: Text) -> str:
    """Name a part of a value in a message."""
    text = str(part)
    if not text:
        return "an empty text"
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN and text.isprintable() else "this"


_LONGEST_SHOWN = 60


# --- ports ------------------------------------------------------------------------------------------------

_LAST_PORT = 65535


def port(text: Text, number: int) -> Iterator[Fault]:
    """Yield a number that is no port to listen on (Go's net.Listen)."""
    if not 0 <= number <= _LAST_PORT:
        yield Fault(text, f"{number} is no port", f"write a number up to {_LAST_PORT}")


def _port(digits: str) -> int:
    """Return a number of a port, of one that is too large any that is too large too: Python refuses to read some."""
    return int(digits.lstrip("0")[: len(str(_LAST_PORT)) + 1] or "0")


def port_range(text: Text) -> Iterator[Fault]:
    """Yield a range of ports that is none (Kubernetes apimachinery/pkg/util/net/port_range.go)."""
    match = re.fullmatch(r"([0-9]+)(?:([-+])([0-9]+))?", str(text).strip())
    advice = "write the first and the last port, as in 30000-32767"
    if match is None:
        if str(text).strip():
            yield Fault(text, f"{_shown(text)} is no range of ports", advice)
        return
    low, last = _port(match[1]), _port(match[3] or match[1])
    high = low + last if match[2] == "+" else last
    if max(low, high) > _LAST_PORT:
        yield Fault(text, f"there are no ports above {_LAST_PORT}", advice)
    elif high < low:
        yield Fault(text, f"the range {_shown(text)} ends before it begins", advice)


# --- taints and labels ------------------------------------------------------------------------------------

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NAME = pattern(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DOMAIN = pattern(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


class Taint(NamedTuple):
    """A taint as K3s hands it to the kubelet: what it is known by, or why it is refused."""

    key: str
    effect: str
    fault: Fault | None = None

    @classmethod
    def read(cls, text: Text) -> Taint:
        """Read `key=value:effect` or `key:effect` (Kubernetes pkg/util/taints/taints.go)."""
        before, colon, effect = text.partition(":")
        key, equals, value = before.partition("=")
        return cls(str(key), str(effect), _taint_fault(text, key, value if equals else None, effect if colon else None))


def _taint_fault(text: Text, key: Text, value: Text | None, effect: Text | None) -> Fault | None:
    advice = f"end the taint with {', '.join(f':{one}' for one in _EFFECTS[:2])} or :{_EFFECTS[2]}"
    if effect is None:
        return Fault(text, f"the taint {_shown(text)} has no effect" if text else "a taint is empty", advice)
    if "," in str(effect):
        return Fault(text, f"{_shown(text)} is more than one taint", "make one item of each taint")
    if str(effect) not in _EFFECTS:
        return Fault(effect or text, f"the effect of a taint cannot be {_shown(effect)}", advice)
    if not _is_qualified(str(key)):
        return Fault(key or text, f"the key of a taint cannot be {_shown(key)}", _KEY_ADVICE)
    if value is not None and not _is_label_value(str(value)):
        return Fault(value, f"the value of a taint cannot be {_shown(value)}", _VALUE_ADVICE)
    return None


_KEY_ADVICE = "a key has letters, digits, -, _ and ., at most 63, and perhaps a domain with a slash before them"
_VALUE_ADVICE = "a value has letters, digits, -, _ and ., at most 63, and begins and ends with a letter or digit"


def _is_qualified(key: str) -> bool:
    """Whether a text is a name of Kubernetes with or without a domain (apimachinery, IsQualifiedName)."""
    domain, slash, name = key.rpartition("/")
    return _NAME.fullmatch(name) is not None and (not slash or _DOMAIN.fullmatch(domain) is not None)


def _is_label_value(value: str) -> bool:
    return not value or _NAME.fullmatch(value) is not None


_OWN_LABELS = frozenset(
    {
        "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone", "kubernetes.io/arch",
        "kubernetes.io/hostname", "kubernetes.io/os", "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
    }
)  # fmt: skip
"""What a kubelet may label its own node with below kubernetes.io (kubelet/pkg/apis/well_known_labels.go)."""
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


def labels(text: Text) -> Iterator[Fault]:
    """Yield what the kubelet refuses of a list of labels with commas (Kubernetes cmd/kubelet/app/options).

    A key is judged also where its value is not known yet.
    """
    for part in text.split(","):
        label, equals, value = part.strip().partition("=")
        key = label.rstrip()
        if not part.strip() or not key.known or _OPEN.search(str(key)):
            continue
        if not _is_qualified(str(key)):
            yield Fault(key or part, f"the key of a label cannot be {_shown(key)}", _KEY_ADVICE)
        elif _is_reserved(str(key)):
            advice = f"give it from outside: kubectl label node NAME {key}={value if value.known else 'VALUE'}"
            yield Fault(key, f"a kubelet may not give its own node the label `{key}`", advice)
        elif equals and value.known and not _OPEN.search(str(value)) and not _is_label_value(str(value).strip()):
            yield Fault(value, f"the value of a label cannot be {_shown(value)}", _VALUE_ADVICE)


_OPEN = pattern(r"[{}$<>%@]")
"""Marks of templates, which no label has."""


def _is_reserved(key: str) -> bool:
    """Whether a label belongs to Kubernetes and is none of those that a kubelet may set."""
    domain = key.rpartition("/")[0]
    if not any(_below(domain, reserved) for reserved in ("kubernetes.io", "k8s.io")):
        return False
    return key not in _OWN_LABELS and not any(_below(domain, own) for own in _OWN_DOMAINS)


def _below(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


# --- TLS --------------------------------------------------------------------------------------------------

_TLS_VERSIONS = ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
_SUITES = frozenset(
    {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        *(
            f"TLS_ECDHE_{key}_WITH_{cipher}"
            for key in ("ECDSA", "RSA")
            for cipher in (
                "AES_128_CBC_SHA", "AES_128_CBC_SHA256", "AES_128_GCM_SHA256", "AES_256_CBC_SHA", "AES_256_GCM_SHA384",
                "CHACHA20_POLY1305", "CHACHA20_POLY1305_SHA256", "RC4_128_SHA",
            )
        ),
        *(
            f"TLS_RSA_WITH_{cipher}"
            for cipher in (
                "3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_128_CBC_SHA256", "AES_128_GCM_SHA256", "AES_256_CBC_SHA",
                "AES_256_GCM_SHA384", "RC4_128_SHA",
            )
        ),
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    }
)  # fmt: skip
"""Every suite of Go's crypto/tls, the weak ones too, and two old names (component-base/cli/flag)."""


def tls_version(text: Text) -> Iterator[Fault]:
    """Yield what is no version for `tls-min-version`."""
    if str(text) and str(text) not in _TLS_VERSIONS:
        yield Fault(text, f"{_shown(text)} is no version of TLS here", f"write {_either(_TLS_VERSIONS[2:])}")


def cipher_suites(text: Text) -> Iterator[Fault]:
    """Yield what is no suite in `tls-cipher-suites`, a list with commas and perhaps blanks."""
    parts = [part.strip() for part in text.split(",")]
    if parts[0]:
        for part in parts:
            if str(part) not in _SUITES:
                yield Fault(part, f"there is no cipher suite {_shown(part)}", "write Go's names of suites")


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


# --- VPN --------------------------------------------------------------------------------------------------

_VPN_PARAMETERS = ("name", "joinKey", "controlServerURL")


def vpn(text: Text) -> Iterator[Fault]:
    """Yield what is wrong with a `vpn-auth` (K3s pkg/vpn/vpn.go); says nothing of what stands in it."""
    advice = "write name=tailscale,joinKey=KEY"
    end = text.find(",extraArgs=")
    given: dict[str, Text] = {}
    for part in (text[:end] if end >= 0 else text).split(","):
        name, equals, rest = part.partition("=")
        if str(name) not in _VPN_PARAMETERS:
            yield Fault(part, "vpn-auth has a parameter that K3s does not know", f"{advice}, without blanks")
            return
        if not equals:
            yield Fault(part, f"`{name}` of vpn-auth has no value", advice)
            return
        given[str(name)] = rest.partition("=")[0]
    if "name" not in given or str(given["name"]) != "tailscale":
        yield Fault(given.get("name") or text, "vpn-auth has to name tailscale, the only VPN there is", advice)
    elif not given.get("joinKey"):
        yield Fault(text, "vpn-auth has no joinKey", advice)
