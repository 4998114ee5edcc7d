"""Downloads by `curl` and `wget`: what they fetch, where they put it, and what they do not check.

Letters and names of options as their manuals have them (https://curl.se/docs/manpage.html,
https://www.gnu.org/software/wget/manual/wget.html).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from k3s_policy.k3s.download import THE_INSTALLER, part_of_k3s, path_of
from k3s_policy.model.subjects import Download
from k3s_policy.readers.script.call import upstream_words
from k3s_policy.readers.script.printing import received
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.readers.script.call import Call
    from k3s_policy.text import Text

__all__ = [
    "DOWNLOADING_PROGRAMS",
    "THE_INSTALLER",
    "Check",
    "Fetched",
    "addresses_of_installer",
    "check_of",
    "fetched",
]

DOWNLOADING_PROGRAMS = frozenset({"curl", "wget"})


@dataclass(frozen=True, eq=False, repr=False)
class Fetched:
    """One download: the addresses, and the files they are written to."""

    call: Call
    urls: tuple[Text, ...]
    targets: tuple[str, ...]
    """Empty where it is printed, as for a pipe."""
    unverified: tuple[Text, ...]
    """The options for which any certificate will do."""
    secrets: tuple[Text, ...]
    """Values of the options that hold credentials."""
    guarded: bool
    """Whether an option keeps curl from taking an address without a scheme for http."""

    @property
    def names(self) -> frozenset[str]:
        """What the files that are written are called, in whatever folder."""
        return frozenset(target.rpartition("/")[2] for target in self.targets)

    @cached_property
    def part(self) -> str | None:
        """What of K3s it fetches, as far as its own words tell."""
        return part_of_k3s([str(url) for url in self.urls], self.targets)


# Letters of the options that take a value.
_CURL_VALUES = "AbcCdDeEFhHKmoPQrtTuUwxXyYz"
_WGET_VALUES = "aABDeiIlOoPQRtTUwX"
_CURL_LONG = frozenset(
    {
        "--cacert", "--capath", "--cert", "--cert-type", "--ciphers", "--config", "--connect-timeout", "--connect-to",
        "--cookie", "--cookie-jar", "--dump-header", "--header", "--interface", "--key", "--limit-rate", "--max-redirs",
        "--max-time", "--netrc-file", "--noproxy", "--oauth2-bearer", "--output", "--output-dir", "--pass",
        "--pinnedpubkey", "--proto",
        "--proto-default", "--proto-redir", "--proxy", "--proxy-cacert", "--proxy-header",
        "--proxy-user", "--range", "--referer",
        "--request", "--resolve", "--retry", "--retry-delay", "--retry-max-time", "--speed-limit", "--speed-time",
        "--stderr", "--time-cond", "--tls-max", "--unix-socket", "--url", "--user", "--user-agent", "--write-out",
    }
)  # fmt: skip
_WGET_LONG = frozenset(
    {
        "--append-output", "--ca-certificate", "--ca-directory", "--certificate", "--directory-prefix",
        "--ftp-password", "--header",
        "--http-password", "--http-user", "--input-file", "--output-document", "--output-file", "--password",
        "--private-key", "--proxy-password", "--proxy-user",
        "--timeout", "--tries", "--user", "--user-agent", "--wait", "--waitretry",
    }
)  # fmt: skip
_LETTERS = {
    "k": "--insecure", "o": "--output", "O": "--remote-name", "u": "--user", "H": "--header", "d": "--data",
    "F": "--form", "T": "--upload-file", "I": "--head", "X": "--request", "U": "--proxy-user",
    "b": "--cookie", "E": "--cert",
}  # fmt: skip
_UNVERIFIED = frozenset({"--insecure", "--no-check-certificate"})
_TARGETS = frozenset({"--output", "--output-document"})
_SECRETS = frozenset(
    {"--user", "--header", "--password", "--http-password", "--ftp-password", "--proxy-password", "--proxy-user",
     "--proxy-header", "--oauth2-bearer", "--pass"}
)  # fmt: skip
_SECRET_PARTS = {"--cookie": "=", "--cert": ":"}
"""Options whose values hold a credential behind a sign."""
_NO_DOWNLOAD = frozenset(
    {"--data", "--data-raw", "--data-binary", "--data-urlencode", "--json", "--form", "--upload-file", "--head",
     "--spider", "--post-data", "--post-file", "--unix-socket"}
)  # fmt: skip


_Given: TypeAlias = "tuple[str, Text | None, Text]"
"""An option by its long name, with its value and where it stands; an operand has no name."""


def fetched(call: Call) -> Fetched | None:
    """Read a command of curl or wget; None where it fetches nothing that is kept, as a poll does."""
    given = list(_given(call, is_curl=call.name == "curl"))
    methods = {str(value) for name, value, _ in given if name == "--request" and value is not None}
    if methods - {"GET"} or any(name in _NO_DOWNLOAD for name, _, _ in given):
        return None
    urls = tuple(at if value is None else value for name, value, at in given if name in ("", "--url"))
    targets = list(_targets(call, given, urls))
    if "/dev/null" in targets:
        return None
    return Fetched(
        call=call,
        urls=urls,
        targets=tuple(target for target in targets if target not in ("-", "/dev/stdout")),
        unverified=tuple(at for name, _, at in given if name in _UNVERIFIED),
        secrets=tuple(secret for name, value, _ in given if value is not None for secret in _secrets(name, value)),
        guarded=any(name in ("--proto", "--proto-default") for name, _, _ in given),
    )


def _targets(call: Call, given: Sequence[_Given], urls: Iterable[Text]) -> Iterator[str]:
    """Yield the files that a command writes: those it names, those named as in the URL, those it is redirected to."""
    named = [(name, value) for name, value, _ in given if name == "--remote-name" or (name in _TARGETS and value)]
    yield from (str(value) for _, value in named if value is not None)
    # wget names a file as the URL does unless told otherwise, curl where it is told to.
    if named[-1][0] == "--remote-name" if named else call.name != "curl":
        yield from (path_of(str(url)).rpartition("/")[2] for url in urls)
    for one in call.command.redirects:
        if one.target is not None and one.operator in (">", ">|", ">>"):
            yield str(one.target.text)


def _secrets(name: str, value: Text) -> Iterator[Text]:
    """Yield the credential in a value; `--cookie cookies.txt` and `--cert client.pem` name a file alone."""
    sign = _SECRET_PARTS.get(name)
    secret = value if name in _SECRETS else value.partition(sign)[2] if sign else None
    if secret:
        yield secret


def _given(call: Call, *, is_curl: bool) -> Iterator[_Given]:
    """Yield each option by its long name, with its value and where it stands; an operand has no name."""
    words = deque(word.text for word in call.words[1:])
    while words:
        word = words.popleft()
        written = str(word)
        if written == "--":
            yield from (("", None, operand) for operand in words)
            return
        if written.startswith("--"):
            name, equals, value = word.partition("=")
            takes = str(name) in (_CURL_LONG if is_curl else _WGET_LONG)
            yield str(name), value if equals else words.popleft() if takes and words else None, word
        elif written.startswith("-") and len(written) > 1:
            yield from _letters(word, words, is_curl=is_curl)
        else:
            yield "", None, word


def _letters(word: Text, words: deque[Text], *, is_curl: bool) -> Iterator[_Given]:
    """Yield the options of one word, `-sfLk`; the last may take the rest of the word, or the next one of `words`."""
    with_value = _CURL_VALUES if is_curl else _WGET_VALUES
    position = 1
    while position < len(word):
        letter = str(word[position])
        position += 1
        if letter == "n" and not is_curl:  # -nc, -nv: two letters for one option
            position += 1
        elif letter in with_value:
            value = word[position:] if position < len(word) else words.popleft() if words else None
            long = _LETTERS.get(letter, letter) if is_curl else "--output-document" if letter == "O" else letter
            yield long, value, word
            return
        elif is_curl and letter in _LETTERS:
            yield _LETTERS[letter], None, word if len(word) == 2 else word[position - 1]


_ADDRESSES = frozenset({"INSTALL_K3S_ARTIFACT_URL", "INSTALL_K3S_CHANNEL_URL", "GITHUB_URL"})
"""Variables that say where the install script fetches K3s (K3s install.sh; GITHUB_URL until its release of 2025)."""


def addresses_of_installer(call: Call) -> Iterator[Download]:
    """Yield the addresses that the install script is given to fetch K3s from; it checks a sum that it fetches there."""
    given = {str(variable.name): variable.value for variable in call.variables}
    for name, value in given.items():
        if name in _ADDRESSES and value:
            yield Download("the program of K3s", value, guarded=True)


_SUM_PROGRAMS = frozenset({"sha256sum", "sha512sum", "shasum", "sha1sum", "md5sum", "gpg", "cosign", "openssl"})


_SIGNATURES = frozenset({"--verify", "verify-blob", "dgst"})
_CHECKING = pattern(r"--check|--status|-[^-]*c.*")


@dataclass(frozen=True, eq=False, repr=False)
class Check:
    """A command that checks sums or a signature of files."""

    words: frozenset[str]
    """The names of files, without their folders, among its words and in what it is fed; of `k3s.asc` also `k3s`."""
    is_open: bool
    """Whether it may check others: those that a file lists, or that a variable names."""


def check_of(call: Call) -> Check | None:
    """Read a command that checks what was downloaded, by its sum or a signature; None for others."""
    if call.name not in _SUM_PROGRAMS:
        return None
    words = [str(word.text) for word in call.words[1:]]
    signature = call.name in ("gpg", "cosign", "openssl")
    if signature and _SIGNATURES.isdisjoint(words):
        return None
    if not signature and not any(map(_CHECKING.fullmatch, words)):
        return None
    lists = not signature and any(word != "-" and word[:1] != "-" for word in words)
    fed_words = [word.text for word in upstream_words(call.command)]
    texts = [*(word.text for word in call.words[1:]), *fed_words, *call.command.input, *received(call)]
    names = {name.rpartition("/")[2].lstrip("*") for name in chain.from_iterable(str(text).split() for text in texts)}
    return Check(
        frozenset((*names, *(name.rpartition(".")[0] for name in names))),
        lists or not all(text.known for text in texts),
    )
