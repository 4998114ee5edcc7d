"""Words of a command line that K3s never reads, flags among them.

The first word that is neither a flag nor the value of one ends the flags. K3s starts all the same and says nothing:
that word and every flag behind it are lost (Go's `flag` package through urfave/cli, K3s `pkg/cli/cmds`). So is all that
stands behind `--`.

It takes little: a value behind a bool flag (`--cluster-init true`, where `--cluster-init=true` is meant), a blank
behind `=`, a second value (`--disable traefik servicelb`), a long dash from a word processor, the role once more behind
`INSTALL_K3S_EXEC="server ..."`, a backslash with a blank behind it. systemd runs no shell: `&&`, `>> file` and
`2>&1` of a unit reach K3s as words, and so does `# a comment`.

Give each value a flag of its own, join the value of a bool flag to it with `=`, and quote what holds blanks.

```sh wrong
curl -sfL https://get.k3s.io | sh -s - server --disable traefik servicelb --flannel-backend wireguard-native
```

```sh right
curl -sfL https://get.k3s.io | sh -s - server --disable traefik --disable servicelb --flannel-backend wireguard-native
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind, flags
from k3s_policy.k3s.value import as_truth
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Form, Input
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Flag
    from k3s_policy.model.invocation import Invocation, Started
    from k3s_policy.text import Text

_FILLED_IN = pattern(r"\{\{|\{%|<%|%\{|@[A-Za-z_]+@|__\w|^[<\[].*[>\]]$|^(?:\.\.\.|…)$")
"""Templates and the blanks of documentation: what they become, and where it ends, is not known."""

_OPERATOR = pattern(r"(?:&&|\|\|?|;;?|&|[0-9&]?(?:>>?|<)(?:&[0-9-])?)")
_MEANT = {"yes": True, "on": True, "no": False, "off": False}
"""What people write behind a bool flag besides what Go reads as a truth value."""
_BETWEEN_WORDS = pattern(r"[\s'\",\\]*(?:-\s+['\"]?)?")
"""What may stand between two neighbouring words: blanks, quotes, a continued line, the dash of a YAML list."""


class _Stray(NamedTuple):
    """Where an invocation goes astray."""

    word: str
    """The first word that is lost."""
    before: str
    """The word in front of it."""
    option: Flag | None
    """The flag that the word in front is, or is the value of."""
    role: str
    form: Form
    flag: Callable[[str], Flag | None]
    """Looks up a flag by a name without hyphens."""


class _Cause(NamedTuple):
    """Why a word is no flag and no value."""

    what: str
    help: str


@rule(
    severity="medium",
    see=("https://docs.k3s.io/installation/configuration", "https://docs.k3s.io/cli"),
    fields=("started",),
)
def check(invocation: Invocation) -> Problems:
    """Report the words that K3s never reads, from the first to the last."""
    started = invocation.started
    if started is None or not started.stray:
        return
    # Of the exact words, those that are empty variables are gone.
    first = next((n for n, word in enumerate(started.words) if word.span == started.stray[0].span), 0)
    before = started.words[:first]
    if not before or not _is_told(invocation, started, before):
        return
    stray = _stray(invocation, started, before)
    behind = [flag for word in started.stray[1:] if (flag := _flag_at(stray, str(word)))]
    if not behind and _changes_nothing(stray, started.stray):
        return
    cause = _cause(stray)
    # An empty word has no characters to point at.
    shown = started.stray if stray.word else started.stray[1:]
    yield Problem(
        _stretch(shown),
        f"{cause.what}; K3s ignores {_told(behind, started.stray)}",
        help=cause.help,
        severity=Severity.LOW if _is_harmless(stray, started.stray) else None,
        confidence=Confidence.HIGH if all(word.known for word in before) else Confidence.MEDIUM,
        related=() if stray.word else ((started.stray[0], "this word is empty"),),
    )


def _is_told(invocation: Invocation, started: Started, before: Sequence[Text]) -> bool:
    """Whether the first stray word is one for certain, and no other rule's matter."""
    stray = started.stray[0]
    if started.form is Form.UNIT and _is_about_lines(stray):
        return False
    if not stray.known or _may_hold_more(invocation, before) or _is_torn(before[-1], stray):
        return False
    return not any(_FILLED_IN.search(str(word)) for word in started.words)


_NOTHING_MORE = pattern(r"[ \t]+(?:#.*)?$")
_DIRECTIVE = pattern(r"\[[A-Z][A-Za-z]+\]|[A-Z][A-Za-z]+=")


def _is_about_lines(word: Text) -> bool:
    """Whether a word is a directive that a backslash swallowed, or a backslash that joins nothing."""
    span = word.span
    line = span.source.line(span.line)
    if _DIRECTIVE.match(str(word)):
        return not line[: span.column - 1].strip()
    return str(word) == "\\" and _NOTHING_MORE.match(line, span.column) is not None


def _may_hold_more(invocation: Invocation, before: Sequence[Text]) -> bool:
    """Whether a word in front of the stray ones is a variable that may become several, or none."""
    places = {word.span for word in before}
    opened = [unseen.at for unseen in invocation.unseen if unseen.kind is Input.ARGUMENTS and unseen.at is not None]
    return any(at.span in places for at in opened if at is not invocation.at)


def _is_torn(before: Text, word: Text) -> bool:
    """Whether a blank of documentation, `<name of the server>`, was taken for a redirection."""
    one, other = before.span, word.span
    return one.source is other.source and "<" in one.source.content[one.end : other.start]


def _stray(invocation: Invocation, started: Started, before: Sequence[Text]) -> _Stray:
    table = flags().as_of(invocation.version)

    def look_up(name: str) -> Flag | None:
        return table.get(name, invocation.role or None)

    words = [str(word) for word in before]
    options = (word for word in reversed(words[-2:]) if word.startswith("-") and word != "--")
    name = next(options, "").lstrip("-").partition("=")[0]
    return _Stray(
        word=str(started.stray[0]),
        before=words[-1],
        option=look_up(name),
        role=invocation.role,
        form=started.form,
        flag=look_up,
    )


def _flag_at(stray: _Stray, word: str) -> Flag | None:
    """Return the flag that K3s would read in a word."""
    return stray.flag(word.lstrip("-").partition("=")[0]) if word.startswith("-") else None


# --- what is lost ---------------------------------------------------------------------------------------


def _told(behind: Sequence[Flag], stray: Sequence[Text]) -> str:
    """Say what K3s ignores; words that are no flags are not repeated, since one may be a credential."""
    if len(behind) == 1:
        return f"it and `--{behind[0].name}` behind it"
    if behind:
        return f"it and {len(behind)} flags behind it"
    return "it and all behind it" if len(stray) > 1 else "it"


def _changes_nothing(stray: _Stray, words: Sequence[Text]) -> bool:
    """Whether K3s does what is meant: the last word repeats the role, or is empty."""
    return len(words) == 1 and stray.word in ("", "-", stray.role)


def _is_harmless(stray: _Stray, words: Sequence[Text]) -> bool:
    """Whether nothing is lost yet: a comment, or `true` where K3s takes the flag for true."""
    if stray.word.startswith("#"):
        return words[0].span.line == words[-1].span.line
    return len(words) == 1 and _is_value_of_bool(stray) and as_truth(stray.word) is True


def _stretch(words: Sequence[Text]) -> Text:
    """Return the words with what stands between them, as far as they are written one behind the other."""
    last = words[0]
    for word in words[1:]:
        one, other = last.span, word.span
        if one.source is not other.source or other.start < one.end:
            break
        if not _BETWEEN_WORDS.fullmatch(one.source.content, one.end, other.start):
            break
        last = word
    return words[0].upto(last)


# --- why ------------------------------------------------------------------------------------------------


def _cause(stray: _Stray) -> _Cause:
    likeliest_first = (*_told_by_the_word(stray), *_told_by_the_flag(stray))
    if likeliest_first:
        return likeliest_first[0]
    setting = re.match(r"[a-z][a-z-]+=", stray.word)
    advice = "name the flag it is for, for instance --kube-apiserver-arg" if setting else "leave it out"
    return _Cause("this is neither a flag nor the value of one", advice)


def _told_by_the_word(stray: _Stray) -> Iterator[_Cause]:
    """Yield the reasons that the word itself shows."""
    word = stray.word
    if stray.before == "--":
        yield _Cause("`--` ends the flags", "leave out --")
    if operator := _OPERATOR.match(word):
        who = "systemd runs no shell" if stray.form is Form.UNIT else "no shell reads these words"
        yield _Cause(f"{who}, so `{operator[0]}` is an argument", "leave it out, or have a shell run the command")
    if word.startswith("#"):
        yield _Cause("a comment behind a command is made of arguments", "give the comment a line of its own")
    if not word.strip(" \t\\"):
        yield _BLANK if word else _EMPTY
    if re.match(r"\\+\s*-", word):
        yield _Cause("with a backslash in front this is no flag", "leave out the backslash")
    if re.match(r"[\u2010-\u2015\u2212]", word):
        yield _Cause("this begins with a long dash and is no flag", "write two hyphens: --")


_BLANK = _Cause("a backslash with a blank behind it continues no line", "end the line with the backslash")
_EMPTY = _Cause("an empty word ends the flags", "leave it out, or the quotes around a variable that may be empty")


def _told_by_the_flag(stray: _Stray) -> Iterator[_Cause]:
    """Yield the reasons that the flag in front of the word shows, or the one whose name it is."""
    word, flag = stray.word, stray.option
    name = flag.name if flag else ""
    if _is_value_of_bool(stray):
        wrong = "" if as_truth(word) else ", and is true here"
        truth = "true" if as_truth(word) or _MEANT.get(word) else "false"
        yield _Cause(f"`--{name}` takes a value only behind `=`{wrong}", f"write --{name}={truth}")
    if flag and stray.before.endswith("="):
        yield _Cause(f"a blank stands behind `--{name}=`, whose value is empty", "leave out the blank")
    if word in ("server", "agent"):
        yield _Cause(f"`{word}` is no role behind a flag or another role", "name the role once, in front of all flags")
    if (meant := stray.flag(word.partition("=")[0])) and len(meant.name) > 1:
        yield _Cause(f"`{meant.name}` lacks its hyphens", f"write --{meant.name}")
    if flag and flag.kind is Kind.LIST and stray.before.endswith(","):
        yield _Cause(f"a blank ends the list of `--{name}`", "leave out the blank")
    if flag and flag.kind is Kind.LIST:
        yield _Cause(f"`--{name}` takes one word", f"write --{name} for each value")
    if flag and flag.kind is not Kind.BOOL:
        yield _Cause(f"the value of `--{name}` ends at the blank", "put the value in quotes, or leave the word out")


def _is_value_of_bool(stray: _Stray) -> bool:
    """Whether the word is meant for the bool flag in front of it."""
    flag = stray.option
    apart = stray.before.startswith("-") and "=" not in stray.before
    return (
        flag is not None
        and flag.kind is Kind.BOOL
        and apart
        and (stray.word in _MEANT or as_truth(stray.word) is not None)
    )
