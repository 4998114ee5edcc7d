r"""An environment file has shell syntax that systemd does not read as a shell does.

`/etc/default/k3s`, `/etc/sysconfig/k3s`, `k3s.service.env` and other files that `EnvironmentFile=` names look like
shell, and no shell reads them (systemd `src/basic/env-file.c`; the same in systemd 252 and newer, but for comments):

- `export` becomes part of the name, and a name with a blank is dropped. So does a byte-order mark.
- `$NAME`, `${NAME}` and `$(...)` stay as they are.
- A `#` behind a value begins no comment, and `;` ends nothing: both are part of the value.
- Quotes count at the start of a value only; `x"y"` keeps them. A quote that is not closed takes all lines behind it.
- One line holds one variable. A backslash joins the next line, but not in front of a carriage return. Before systemd
  254 it does so in a comment too.

Write `NAME=value`, a line each, with the value in quotes as a whole or not at all, and comments on lines of their own.

```sh wrong path=etc/default/k3s
export K3S_NODE_NAME=first
K3S_URL=https://10.0.0.1:6443  # the first server
```

```sh right path=etc/default/k3s
K3S_NODE_NAME=first
# the first server
K3S_URL=https://10.0.0.1:6443
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats import template
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags
from k3s_policy.model.finding import Confidence
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.systemd import Variable
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import EnvironmentFile
    from k3s_policy.text import Text

_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_NAME = 200
"""Characters from which on something in front of a `=` is no name."""

_SHELL_NAME = pattern(r"(?P<word>export|declare|typeset|readonly)[ \t].*?(?P<name>[A-Za-z_][A-Za-z0-9_]*)$")
_HYPHENATED = pattern(r"[A-Za-z_][A-Za-z0-9_]*(?:[-.][A-Za-z0-9_]+)+")
_NAMES = r"(?:export[ \t]+)?(?:(?:K3S|CONTAINERD|KINE|AWS)_[A-Z0-9_]+|(?i:https?_proxy|no_proxy))="
"""Assignments of variables that K3s, its parts, or any program behind a proxy reads."""

_ASSIGNMENT = pattern(rf"(?:^|\n)[ \t]*(?P<name>{_NAMES})")
_SECOND = pattern(rf"[ \t\n;](?P<name>{_NAMES})")
_CLOSED = pattern(r"""'[^']*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_COMMENT = pattern(r"[ \t](?P<comment>#[^\n\r]*)")
_QUOTED = pattern(r"""(?<!\\)(?:(?P<quote>['"])[^'"\n\r]*(?P=quote)|")""")
_SEMICOLON = pattern(r"(?P<semicolon>;)[ \t]*$")
_REFERENCE = pattern(
    r"\\.|(?P<command>\$\((?:[^()]|\([^()]*\))*\)?|`[^`]*`)"
    r"|\$(?:\{(?P<braced>[^{}]*)\}|(?P<bare>[A-Z_][A-Z0-9_]*|[a-z_][a-z0-9_]*)(?![A-Za-z0-9_]))",
    re.DOTALL,
)


@rule(
    severity="medium",
    see=("https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=",),
)
def check(file: EnvironmentFile) -> Problems:
    """Report what a shell would read otherwise, in files that systemd reads."""
    if not file.systemd or file.file is None or template.syntax_of(file.path, str(file.text)) is not None:
        return
    for variable in file.file.dropped:
        yield from _dropped(variable.name)
    for variable in file.file.variables:
        yield from _in_value(variable)
    for comment in file.file.comments:
        following = _ASSIGNMENT.search(str(comment))
        if following is not None:
            yield Problem(
                comment[following.start() - 1 : following.start()],
                "before systemd 254 the backslash makes the next line a part of the comment",
                "leave out the backslash",
                related=((comment.cut(following, "name"), "nobody reads this"),),
            )


def _dropped(name: Text) -> Iterator[Problem]:
    """Yield why systemd takes something for no name of a variable."""
    marked = name.startswith(_BYTE_ORDER_MARK)
    name = name[1:] if marked else name
    match = _SHELL_NAME.match(str(name)) if len(name) < _LONGEST_NAME else None
    if match:
        yield Problem(
            name.cut(match, "word"),
            f"systemd is no shell: with `{match['word']}` in front it drops {match['name']}",
            f"leave out `{match['word']}`",
        )
    elif marked and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
        message = f"a byte-order mark in front spoils the name: systemd drops {name}"
        yield Problem(name, message, "save the file without a byte-order mark")
    elif _HYPHENATED.fullmatch(str(name)):
        message = "no name of a variable: systemd drops it, since a name has letters, digits and `_` only"
        yield Problem(name, message)


def _in_value(variable: Variable) -> Iterator[Problem]:
    name = str(variable.name)
    for part in variable.quoted:
        if problem := _badly_quoted(part, name):
            yield problem
            return
    plain = variable.plain
    if plain is None or not variable.value.known:
        return
    if comment := _COMMENT.search(str(plain)):
        message = f"systemd knows no comments behind a value: this is part of {name}"
        yield Problem(plain.cut(comment, "comment"), message, "write the comment on a line of its own")
        plain = plain[: comment.start()]
    yield from _plain(plain, variable)
    for part in (*variable.quoted, plain):
        if not part.startswith("'"):
            yield from _references(part, variable)


def _badly_quoted(part: Text, name: str) -> Problem | None:
    """Return what is wrong with the quotes around a part of a value, if anything."""
    swallowed = _ASSIGNMENT.search(str(part))
    if _CLOSED.fullmatch(str(part)):
        if swallowed is None:
            return None
        message = f"the quote is closed lines below: systemd takes what stands in between for part of {name}"
    elif str(part).partition("\n")[2].strip():
        message = f"the quote is never closed: systemd takes the rest of the file for the value of {name}"
    else:
        message = f"the quote is never closed: systemd takes the line break for part of {name}"
    related = ((part.cut(swallowed, "name"), "no variable of its own"),) if swallowed else ()
    return Problem(part[:1], message, "close the quote at the end of the value", related=related)


def _plain(plain: Text, variable: Variable) -> Iterator[Problem]:
    """Yield what is wrong with the part of a value that stands outside of quotes."""
    name, characters = str(variable.name), str(plain)
    read_by_k3s = flags().by_environment(name) or re.fullmatch(r"K3S_CONFIG_FILE|(?i:\w+_proxy)", name)
    quoted = _QUOTED.search(characters)
    # What goes into a command as `$NAME` is split there, and loses its quotes.
    if quoted and read_by_k3s and not variable.value.startswith(("{", "[")):
        message = f"quotes count at the start of a value only: these are part of {name}"
        yield Problem(plain.cut(quoted), message, "put the whole value into quotes")
    if second := _SECOND.search(characters):
        message = f"systemd reads one variable a line: this is part of {name}"
        yield Problem(plain.cut(second, "name"), message, "give each variable a line of its own")
    elif semicolon := _SEMICOLON.search(characters):
        yield Problem(plain.cut(semicolon, "semicolon"), f"systemd knows no `;`: it is part of {name}", "leave it out")
    if re.search(r"(?<!\\)(?:\\\\)*\\\r$", characters):
        yield Problem(
            plain[len(plain) - 2 : len(plain) - 1],
            "a carriage return stands behind the backslash: systemd does not join the next line",
            "write the file with line feeds alone",
        )


def _references(part: Text, variable: Variable) -> Iterator[Problem]:
    """Yield variables and commands that a shell would replace."""
    name = str(variable.name)
    for match in _REFERENCE.finditer(str(part)):
        if match["command"]:
            message = f"systemd runs no command for an environment file: this is part of {name} as it is written"
        elif _is_meant(match, part, variable):
            message = f"systemd puts no variables into an environment file: this is part of {name} as it is written"
        else:
            continue
        # Another program may fill the file in before systemd reads it.
        advice = "write the value itself, or have it filled in when the file is made"
        yield Problem(part.cut(match), message, advice, confidence=Confidence.MEDIUM)


def _is_meant(match: re.Match[str], part: Text, variable: Variable) -> bool:
    """Whether whoever wrote a `$` meant a variable, and no character of a password."""
    reference = match["braced"] or match["bare"]
    if not reference or (reference == str(variable.name) and str(variable.value) == match[0]):
        return False  # `K3S_TOKEN=${K3S_TOKEN}` is there to be filled in
    if match["braced"]:
        return True
    sensitive = any(flag.sensitive for flag in flags().by_environment(str(variable.name)))
    characters = str(part)
    before, behind = characters[max(match.start() - 1, 0) : match.start()], characters[match.end() : match.end() + 1]
    if sensitive:
        return reference.isupper() and before in '":/' and behind in ("", '"', "@", ":", "/")
    return reference.isupper() or not before.isalnum()
