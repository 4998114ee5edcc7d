"""What a credential's value is, and which characters of a file no output may show.

A rule about a literal credential asks `nature`: templates, encrypted values, references to secret managers
and placeholders are no leak. Whatever the nature, sensitive values are masked in every output.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from k3s_policy.formats.template import default_of
from k3s_policy.k3s.embedded import secret_parts
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.k3s.flags import Flag, Flags
    from k3s_policy.text import Source, Span, Text

__all__ = [
    "Nature",
    "Secret",
    "is_reference",
    "is_short",
    "is_well_known",
    "literal",
    "misspelt",
    "misspelt_variable",
    "nature",
    "secret_spans",
    "secrets",
]


class Nature(Enum):
    """What stands where a credential belongs."""

    LITERAL = "literal"
    TEMPLATE = "template"
    ENCRYPTED = "encrypted"
    PLACEHOLDER = "placeholder"
    EMPTY = "empty"


@dataclass(frozen=True, repr=False, slots=True)
class Secret:
    """What is compared and never shown."""

    value: str = field(repr=False)


# Jinja and Go templates, ERB, Terraform, shell, Ruby; `{NAME}` and `@NAME@` of home-made substitutions.
_TEMPLATE = pattern(
    r"\{\{(?:(?!\{\{).)*\}\}|\{%(?:(?!\{%).)*%\}|<%(?:(?!<%).)*%>|[$%#]\{(?:(?![$%#]\{)[^}])*\}|^\$\(.*\)$|^`.*`$"
    r"|^\$\$?[A-Za-z_][A-Za-z0-9_]*$"
    r"|^\{[A-Za-z_][A-Za-z0-9_. ]*\}$|^@@?[A-Za-z_][A-Za-z0-9_]*@@?$|^%[A-Z_][A-Z0-9_]*%$"
)
_ENCRYPTED = pattern(
    r"^(?:ENC\[|\$ANSIBLE_VAULT;|-----BEGIN (?:AGE|PGP)|ref\+|vault:|op://|bws://|arn:aws:|projects/[^/]+/secrets/"
    r"|secretref:|sops:|age1|!vault|secret://|keyvault:|azurekeyvault:|gcpsecretmanager:)"
)
_PLACEHOLDER = pattern(
    r"^(?:<[^>]*>|\[[^\]]*\]|\{\}|__\w+__)$"
    r"|^(?:x{3,}|X{3,}|\*{3,}|\.{2,}|-{3,}|_{3,}|#{3,}|\?{3,}|…)$|x{4,}$|\*{4,}"
    r"|(?i:^(?:<.*>)?your?[\W_a-z])|(?i:[\W_]your[\W_])|(?i:^(?:todo|tbd|redacted|replace|dummy|placeholder|masked|hidden|none|null)\b)"
    r"|(?i:replace[\W_]?(?:me|this|with))|(?i:^(?:insert|enter|put|add|set)[\W_].*(?:here|token|secret|password))"
    r"|(?i:^change[\W_]?(?:me|this)[\W_]+[a-z])|^CHANGE_?ME$"
    r"|(?i:[\W_]here$)|(?i:\bexample[\W_](?:token|secret|password))"
    r"|^(?:[A-Z0-9]+_)*(?:TOKEN|SECRET|PASSWORD|PASS|KEY)(?:_[A-Z0-9]+)*$"
)
_WELL_KNOWN = frozenset(
    {
        "12345", "123456", "12345678", "admin", "bar", "change-me", "changeit", "changeme", "changeme!", "default",
        "demo", "foo", "k3s", "k3s-secret", "k3stoken", "kine", "kubernetes", "letmein", "minioadmin",
        "mynodetoken", "mypassword", "mysecret", "mytoken", "myvagrant", "pass", "password", "postgres", "rancher",
        "root", "s3cr3t", "secret", "some-super-deduper-secret-thing", "somethingtotallyrandom", "supersecret",
        "test", "testing", "token", "vagrant", "verysecret",
    }
)  # fmt: skip
_TOKEN = pattern(r"^(?:.*?::)?(?:[A-Za-z0-9_-]+:)?(?P<secret>[^:]*)$", re.DOTALL)
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


def literal(secret: Text, tag: str | None = None) -> Text | None:
    """Return a credential that is written out: as the value, or as what a template takes where nobody gives one."""
    kind = nature(secret, tag)
    if kind is Nature.TEMPLATE:
        default = default_of(secret)
        return default if default is not None and nature(default) is Nature.LITERAL else None
    return secret if kind is Nature.LITERAL else None


def is_well_known(value: Text | str) -> bool:
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
    return secret_parts(value)


_PLAUSIBLE_NAME = pattern(r"-*[a-z]+(?:[-_.][a-z0-9]+)*")


# Names that K3s does not know, and that people give to credentials.
_SUSPICIOUS_NAME = pattern(r"(?i)tok|pass|psk|pwd|auth|cred|key|secret|datasto")


def misspelt(option: Text, value: Text | None, table: Flags) -> list[Text]:
    """Return the credentials in an option that K3s does not know, judged by the flag it most likely means.

    `tokn: 4f1c9a7b` holds one as `token` does, and so may the option itself: `-t4f1c9a7b`, `--token:4f1c9a7b`.
    """
    name = str(option)
    meant = table.get(table.nearest(name) or "")
    glued = _behind_name(option, table)
    found = [glued]
    if value is not None:
        suspicious = glued or _SUSPICIOUS_NAME.search(name)
        found += [value] if suspicious else secrets(meant, value)
    elif meant is not None and meant.sensitive and not name.startswith("-"):
        # A list or a mapping: whatever stands behind the key in its line.
        found.append(_rest_of_line(option))
    return [text for text in found if text]


def misspelt_variable(name: str, value: Text, table: Flags) -> list[Text]:
    """Return the credential in a variable that is none of K3s's and seems to be meant: `K3S_TOKN`."""
    meant = name.startswith("K3S_") and not table.by_environment(name) and _SUSPICIOUS_NAME.search(name)
    return [value] if meant and value else []


def _behind_name(option: Text, table: Flags) -> Text:
    """Return what is glued to the name of a sensitive flag; an empty Text where nothing is."""
    name = str(option)
    nothing = option[len(name) :]
    if _PLAUSIBLE_NAME.fullmatch(name):
        return nothing
    dashes = len(name) - len(name.lstrip("-"))
    sensitive = {word for flag in table if flag.sensitive for word in (flag.name, *flag.aliases)}
    word = re.match(r"[A-Za-z0-9_-]*", name[dashes:])
    meant = table.nearest(word[0]) if word else None
    if word and meant is not None:
        return option[dashes + word.end() + 1 :] if meant in sensitive else nothing
    # `-t4f1c9a7b` is what one writes for other programs; behind two hyphens a `t` begins a word.
    glued = [one for one in sensitive if name.startswith(one, dashes) and (len(one) > 1 or dashes == 1)]
    return option[dashes + max(map(len, glued)) :] if glued else nothing


def _rest_of_line(at: Text) -> Text:
    source, end = at.span.source, at.span.end
    line_end = source.content.find("\n", end)
    return source.text[end : line_end if line_end >= 0 else None]


# --- masking ----------------------------------------------------------------------------------------

# Whole values that only name where the credential comes from: showing them gives nothing away. `$sEcr3t` may be
# a password, so a variable's letters have to be of one case.
_REFERENCE = pattern(
    r"\{\{[^'\"{}]*\}\}|\$?\$\{[A-Za-z_][A-Za-z0-9_.]*(?::\?[^}]*)?\}|\$(?:[A-Z_][A-Z0-9_]*|(?:k3s|[a-z_])+)|<[^<>]*>|\*+|x{3,}"
)
# A second net under what the readers found: whatever looks like a credential in a file that is shown. Every part
# begins with a word or is bounded, so that a long line takes no longer than a short one for each character.
# `etcd-s3-config-secret` gives the name of a Secret, which is none.
_NAME = (
    r"(?:token|(?<!config-)secret|passw(?:or)?d|passphrase|pass(?![a-z])|pwd(?![a-z])"
    r"|(?:access|api|join|private|secret)[_-]?key(?:[_-]id)?|vpn[_-]auth)"
)
_QUOTED = r"(?=[\"'])(?:\"(?:[^\"\n\\]|\\.)*\"?|'[^'\n]*'?|\\.)+"
_LOOKS_SECRET = pattern(
    rf"://[^\s:/@'\"]{{0,200}}:(?P<login>[^\s'\"]{{1,1000}})@"
    rf"|(?P<token>K10[0-9a-z]{{8,}}(?:::[^\s'\"]*)?)"
    rf"|(?:^|(?<=[\s'\"`(=]))--?(?:t|(?:[a-z0-9]+-)*{_NAME})(?:=|[ \t]+)(?P<argument>{_QUOTED}|[^\s'\"\\-][^\s'\"\\]*)"
    # `&password=` ends at the next parameter; a flow mapping or JSON gives name and value apart.
    rf"|[?&][a-z_]*{_NAME}=(?P<parameter>[^&\s'\"]+)"
    rf"|\bname[\"']?:[ \t]*[\"']?[a-z0-9_.-]{{0,200}}(?:{_NAME}|_pass|_pw|auth)[a-z0-9_.-]{{0,200}}[\"']?,"
    rf"[ \t]*[\"']?value[\"']?:[ \t]*"
    rf"(?P<apart>{_QUOTED}|[^\s'\",}}]+)"
    rf"|(?P<issued>\b(?:gh[pousr]_[0-9a-z]{{20,}}|github_pat_[0-9a-z_]{{20,}}|AKIA[0-9A-Z]{{12,}}|tskey-[0-9a-z-]{{10,}}))"
    rf"|{_NAME}[s\d]{{0,3}}[\"']?[ \t]*=[ \t]*(?P<assigned>{_QUOTED}|[^\s'\"]+)"
    rf"|{_NAME}[\"']?:[ \t]+(?P<given>{_QUOTED}|[^\s'\"#&*!|>][^\n#]*)"
    # Other programs that a line may call beside K3s.
    rf"|\b(?:sshpass[ \t]+-p|(?:mysql|mariadb)[a-z]*\b[^\n|;]{{0,200}}?[ \t]-p)[ \t]*(?P<typed>{_QUOTED}|[^\s'\"]+)"
    rf"|\bcurl\b[^\n|;]{{0,200}}?[ \t](?:-u|--user)[ \t=]*[\"']?[^\s:'\"]{{0,200}}:(?P<user>[^\s'\"]+)"
    rf"|\b(?:Bearer|Basic)[ \t]+(?P<header>[^\s'\"]+)"
    # An endpoint that a blank or a `&` without quotes cuts in two: what stands behind the colon and is no port.
    rf"|datastore[_-]endpoint[\"']?[=: \t]{{1,4}}[\"']?(?:[a-z]+://)?[^\s:/@'\"]{{0,200}}:"
    rf"(?P<broken>(?!\d{{1,5}}(?:[/?#,;\s'\"]|$))(?!//)[^\n@'\"]{{1,300}})@",
    re.IGNORECASE | re.MULTILINE,
)
_SECRET_GROUPS = (
    "login", "token", "argument", "parameter", "apart", "issued", "assigned", "given", "typed", "user", "header",
    "broken",
)  # fmt: skip


def secret_spans(source: Source, found: Iterable[Span]) -> tuple[Span, ...]:
    """Return where credentials stand in a Source, sorted and without overlap.

    `found` are the places the readers know; to them comes whatever only looks like a credential, because a
    line that is shown may hold more than the setting it is shown for. A bare reference (`${TOKEN}`) stays.
    """
    from k3s_policy.text import Span  # for annotations the module does not need it

    known = sorted((span.start, span.end) for span in found if span.start < span.end)
    places = [*known, *_looks_secret(source.content, known)]
    merged: list[Span] = []
    for start, end in sorted(places):
        if end <= start or is_reference(source, start, end):
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Span(source, merged[-1].start, max(merged[-1].end, end))
        else:
            merged.append(Span(source, start, end))
    return tuple(merged)


def is_reference(source: Source, start: int, end: int) -> bool:
    """Whether a stretch of a file only names what holds a credential: `${TOKEN}`, `{{ token }}`, `<token>`."""
    return _REFERENCE.fullmatch(source.content, start, end) is not None


def _looks_secret(content: str, known: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for match in _LOOKS_SECRET.finditer(content):
        for group in _SECRET_GROUPS:
            written = match[group]
            if not written:
                continue
            start, end = match.span(group)
            if written[0] in "\"'":
                start += 1
                end -= len(written) > 1 and written[-1] == written[0]
            reference = _REFERENCE.match(content, start)
            if reference and reference.end() >= end:
                continue  # `--token {{ token }}` is one word for who fills it in, and three for the pattern
            # What is given goes on to the end of the line: a reader that knows better is believed.
            if group != "given" or not _lies_in(start, known):
                yield start, start + len(content[start:end].rstrip())


def _lies_in(offset: int, places: Sequence[tuple[int, int]]) -> bool:
    """Whether one of some places, sorted, holds an offset."""
    number = bisect_right(places, (offset, sys.maxsize)) - 1
    return number >= 0 and places[number][0] <= offset < places[number][1]
