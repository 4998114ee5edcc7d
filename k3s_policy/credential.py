"""What a credential's value is, and which characters of a file no output may show.

A rule about a literal credential asks `nature`: templates, encrypted values, references to secret managers
and placeholders are no leak. Whatever the nature, sensitive values are masked in every output.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy import endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.flags import Flag
    from k3s_policy.text import Source, Span, Text

__all__ = ["Nature", "is_short", "is_well_known", "nature", "secret_spans", "secrets"]


class Nature(Enum):
    """What stands where a credential belongs."""

    LITERAL = "literal"
    TEMPLATE = "template"
    ENCRYPTED = "encrypted"
    PLACEHOLDER = "placeholder"
    EMPTY = "empty"


# Jinja and Go templates, ERB, Terraform, shell, Ruby; `{NAME}` and `@NAME@` of home-made substitutions.
_TEMPLATE = re.compile(
    r"\{\{|\{%|<%|\$\{|\$\(|%\{|#\{|`"
    r"|^\$\$?[A-Za-z_][A-Za-z0-9_]*$"
    r"|^\{[A-Za-z_][A-Za-z0-9_. ]*\}$|^@@?[A-Za-z_][A-Za-z0-9_]*@@?$|^%[A-Z_][A-Z0-9_]*%$"
)
_ENCRYPTED = re.compile(
    r"^(?:ENC\[|\$ANSIBLE_VAULT;|-----BEGIN (?:AGE|PGP)|ref\+|vault:|op://|bws://|arn:aws:|projects/[^/]+/secrets/"
    r"|secretref:|sops:|age1|!vault|secret://|keyvault:|azurekeyvault:|gcpsecretmanager:)"
)
_PLACEHOLDER = re.compile(
    r"^(?:<[^>]*>|\[[^\]]*\]|__\w+__)$"
    r"|^(?:x{3,}|X{3,}|\*{3,}|\.{2,}|-{3,}|_{3,}|#{3,}|\?{3,}|…)$|x{4,}$|\*{4,}"
    r"|(?i:^(?:<.*>)?your?[\W_a-z])|(?i:[\W_]your[\W_])|(?i:^(?:todo|tbd|redacted|replace|dummy|placeholder|masked|hidden|none|null)\b)"
    r"|(?i:replace[\W_]?(?:me|this|with))|(?i:^(?:insert|enter|put|add|set)[\W_].*(?:here|token|secret|password))"
    r"|(?i:[\W_]here$)|(?i:\bexample[\W_](?:token|secret|password))"
    r"|^(?:[A-Z0-9]+_)*(?:TOKEN|SECRET|PASSWORD|PASS|KEY)(?:_[A-Z0-9]+)*$"
)
_WELL_KNOWN = frozenset(
    {
        "12345", "123456", "12345678", "admin", "changeit", "changeme", "changeme!", "default", "demo", "foo", "bar",
        "k3s", "k3s-secret", "k3stoken", "kine", "kubernetes", "letmein", "minioadmin", "mynodetoken", "mypassword",
        "mysecret", "mytoken", "myvagrant", "pass", "password", "postgres", "rancher", "root", "s3cr3t", "secret",
        "some-super-deduper-secret-thing", "somethingtotallyrandom", "supersecret", "test", "testing", "token",
        "vagrant", "verysecret",
    }
)  # fmt: skip
_TOKEN = re.compile(r"^(?:.*?::)?(?:[A-Za-z0-9_-]+:)?(?P<secret>[^:]*)$", re.DOTALL)
SHORT = 16
"""Characters below which a shared secret is called short: `openssl rand -hex 8` already has as many."""


def nature(value: Text | str, tag: str | None = None) -> Nature:
    """Say what a credential's value is; `tag` is its YAML tag, for instance `!vault`.

    Of a K3s token (`K10<hash>::server:<secret>`) the secret decides: a half placeholder such as
    `{PREFIX}::server:0a1b2c` still is a literal.
    """
    if tag and tag.lstrip("!").lower().startswith(("vault", "env", "sops", "secret")):
        return Nature.ENCRYPTED
    whole = str(value).strip().strip("'\"")
    decisive = whole
    if "::" in whole and (match := _TOKEN.match(whole)):
        decisive = match["secret"]
    known = isinstance(value, str) or value[len(str(value).rstrip()) - len(decisive) :].known
    if not decisive:
        return Nature.EMPTY
    if _ENCRYPTED.match(whole):
        return Nature.ENCRYPTED
    if not known or _TEMPLATE.search(decisive):
        return Nature.TEMPLATE
    if _PLACEHOLDER.search(decisive):
        return Nature.PLACEHOLDER
    return Nature.LITERAL


def is_well_known(value: Text) -> bool:
    """Whether the value is an example that documentation and tutorials print."""
    return str(value).strip().rpartition(":")[2].lower() in _WELL_KNOWN


def is_short(value: Text) -> bool:
    """Whether the secret part is so short that it can be guessed."""
    return len(str(value).strip().rpartition(":")[2]) < SHORT


def secrets(flag: Flag | None, value: Text) -> list[Text]:
    """Return the credentials in a flag's value: all of it for a token, the password for an endpoint.

    Passwords in URLs are found whatever the flag (`etcd-s3-proxy`, a component argument).
    """
    if not value:
        return []
    if flag is not None and flag.sensitive and not flag.embeds_credentials:
        return [value]
    return endpoint.secret_parts(value)


# --- masking ----------------------------------------------------------------------------------------

# Whole values that only name where the credential comes from: showing them gives nothing away.
_REFERENCE = re.compile(
    r"\{\{[^'\"{}]*\}\}|\$?\$\{[A-Za-z_][A-Za-z0-9_.]*(?::\?[^}]*)?\}|\$[A-Za-z_][A-Za-z0-9_]*|<[^<>]*>|\*+|x{3,}"
)
# A second net under what the readers found: whatever looks like a credential in a file that is shown.
_NAME = r"(?:token|secret|password|passwd|secret[_-]?key|access[_-]?key(?:[_-]id)?|vpn[_-]auth)"
_QUOTED = r"\"(?:[^\"\n\\]|\\.)*\"?|'[^'\n]*'?"
_LOOKS_SECRET = re.compile(
    rf"[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:(?P<login>[^\s'\"]+)@"
    rf"|(?P<token>K10[0-9a-z]{{8,}}(?:::[^\s'\"]*)?)"
    rf"|(?:^|(?<=[\s'\"`(=]))--?(?:t|(?:[a-z0-9]+-)*{_NAME})(?:=|[ \t]+)(?P<argument>{_QUOTED}|[^\s'\"\\-][^\s'\"\\]*)"
    rf"|[a-z0-9_.-]*{_NAME}[\"']?[ \t]*=[ \t]*(?P<assigned>{_QUOTED}|[^\s'\"]+)"
    rf"|[a-z0-9_.-]*{_NAME}[\"']?:[ \t]+(?P<given>{_QUOTED}|[^\s'\"#&*!|>][^\n#]*)",
    re.IGNORECASE | re.MULTILINE,
)
_SECRET_GROUPS = ("login", "token", "argument", "assigned", "given")


def secret_spans(source: Source, found: Iterable[Span]) -> tuple[Span, ...]:
    """Return where credentials stand in a Source, sorted and without overlap.

    `found` are the places the readers know; to them comes whatever only looks like a credential, because a
    line that is shown may hold more than the setting it is shown for. A bare reference (`${TOKEN}`) stays.
    """
    from k3s_policy.text import Span  # noqa: PLC0415  for annotations the module does not need it

    places = [(span.start, span.end) for span in found]
    places.extend(_looks_secret(source.content))
    merged: list[Span] = []
    for start, end in sorted(places):
        if end <= start or _REFERENCE.fullmatch(source.content, start, end):
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Span(source, merged[-1].start, max(merged[-1].end, end))
        else:
            merged.append(Span(source, start, end))
    return tuple(merged)


def _looks_secret(content: str) -> Iterator[tuple[int, int]]:
    for match in _LOOKS_SECRET.finditer(content):
        for group in _SECRET_GROUPS:
            if written := match[group]:
                start, end = match.span(group)
                if written[0] in "\"'":
                    start += 1
                    end -= len(written) > 1 and written[-1] == written[0]
                yield start, start + len(content[start:end].rstrip())
