"""A variable in a unit that systemd does not expand as a shell would.

systemd puts variables into commands itself, and knows two forms: `$NAME` as a whole word is split at blanks, and
vanishes where the variable is empty or not set; `${NAME}` stands anywhere in a word and is never split, so that by
itself it is one word, be it empty or several options. Everything else stays as it is written, or is lost:
`--node-name=$NAME` and `${NAME:-first}` reach K3s with their dollar sign; `$NAME/x` is looked up as a variable of that
whole name, which nobody can set. Quotes change nothing, since systemd has taken them away before it looks for
variables. `$(...)` and backticks are for a shell, and there is none (systemd `src/basic/env-util.c`,
`replace_env_argv`; the same in systemd 252 and newer). In `sh -c '...'` systemd still comes first: it puts its own
variables in place of `${NAME}`, and nothing where only the script sets that.

Write `${NAME}` inside a word, and give a default with `Environment=`, which environment files beat. What a command
has to find out belongs in `sh -c '...'`, with `$NAME` or `$${NAME}`.

```ini wrong
[Service]
EnvironmentFile=/etc/default/k3s
ExecStart=/usr/local/bin/k3s server --node-name=$K3S_NAME --node-ip=${K3S_ADDRESS:-10.0.0.1}
```

```ini right
[Service]
Environment=K3S_ADDRESS=10.0.0.1
EnvironmentFile=/etc/default/k3s
ExecStart=/usr/local/bin/k3s server --node-name=${K3S_NAME} --node-ip=${K3S_ADDRESS}
```
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.program import is_k3s, is_shell
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Input, Invocation
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from k3s_policy.formats.systemd import ExecCommand
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Unit
    from k3s_policy.text import Text

_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_TEMPLATE_FILE = pattern(r"\.(?:tpl|tmpl|template)$")
"""Files that `envsubst` and its kind fill in first, for whom `$NAME` is a variable everywhere."""

_SUBSTITUTION = pattern(r"(?<!\$)\$\((?:[^()]|\([^()]*\))*\)?|`[^`]*`")
_BRACED = pattern(r"\$\$|\$\{(?P<name>[^{}]*)\}")
_BARE = pattern(r"\$\$|\$\{[^{}]*\}|\$(?P<name>[A-Z_][A-Z0-9_]*|[a-z_][a-z0-9_]*)(?![A-Za-z0-9_])")
_OPTION = pattern(r"--?(?P<name>[a-z][a-z0-9-]*)(?:=|$)")

_OF_SYSTEMD = pattern(
    r"PATH|LANG|LC_[A-Z]+|USER|LOGNAME|HOME|SHELL|TERM|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|(?:MAIN|MANAGER)PID"
    r"|(?:RUNTIME|STATE|CACHE|LOGS|CONFIGURATION|CREDENTIALS)_DIRECTORY|LISTEN_[A-Z]+|WATCHDOG_[A-Z]+|XDG_[A-Z_]+"
    r"|SYSTEMD_[A-Z_]+|[A-Za-z]+_(?:PROXY|proxy)"
)
"""Variables that systemd may set by itself (man systemd.exec), and those one tells it for all services."""

_SEVERAL = pattern(r"(?i)(?:args|arguments|flags|opts|options|params)$")
"""What people call a variable that holds more than one option."""

_BRACES = "write `${NAME}`, with braces"


@rule(
    severity="medium",
    see=("https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines",),
    fields=("started",),
)
def check(subject: Unit | Invocation) -> Problems:
    """Report what looks like a variable or a command in a unit's command and is none for systemd."""
    if isinstance(subject, Invocation):
        yield from _of_values(subject)
    elif not _TEMPLATE_FILE.search(subject.path):
        for directive in subject.file.directives:
            if directive.section == "Service" and str(directive.key) == "ExecStart":
                yield from _of_value(directive.value, subject)


def _of_value(value: Text, unit: Unit) -> Problems:
    """Judge a value of ExecStart= by itself."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    commands = [
        command
        for command in systemd.exec_commands(value, unit.name, lenient=True).commands
        if systemd.ExecFlag.NO_ENV_EXPAND not in command.flags
    ]
    told: list[Problem] = []
    if commands and all(map(_runs_k3s, commands)):
        told = [*_substitutions(value), *_braced(value)]
    yield from told
    covered = {offset for problem in told for offset in range(problem.at.span.start, problem.at.span.end)}
    for command in commands:
        if _runs_k3s(command):
            yield from (
                problem
                for problem in _bare(command)
                if covered.isdisjoint(range(problem.at.span.start, problem.at.span.end))
            )
        elif is_shell(str(command.path)) and len(command.argv) > 2 and "k3s" in str(command.argv[2]):
            yield from _of_script(command.argv[2], unit)


def _runs_k3s(command: ExecCommand) -> bool:
    """Whether a command starts K3s, itself or by a program such as `ip vrf exec mgmt`."""
    behind = pairwise(command.argv[1:])
    return is_k3s(str(command.path)) or any(
        is_k3s(str(word)) and str(following) in ("server", "agent") for word, following in behind
    )


def _substitutions(value: Text) -> Iterator[Problem]:
    for match in _SUBSTITUTION.finditer(str(value)):
        if value.cut(match).known:
            yield Problem(
                value.cut(match),
                "systemd is no shell: nothing runs this command, and K3s gets its text",
                "start K3s with `sh -c 'exec k3s ...'`, or write the result to an environment file in ExecStartPre=",
            )


def _braced(value: Text) -> Iterator[Problem]:
    """Yield what stands in braces and is no name."""
    for match in _BRACED.finditer(str(value)):
        name = match["name"]
        if name is None or _NAME.fullmatch(name) or not value.cut(match).known:
            continue
        if ":" in name:
            message = "systemd knows no defaults of variables: K3s gets this as it is written"
        else:
            message = "systemd takes all that is in the braces for a name, and puts nothing in its place"
        yield Problem(value.cut(match), message, "write `${NAME}`, and give a default with Environment=")


def _bare(command: ExecCommand) -> Iterator[Problem]:
    """Yield variables without braces that are not the whole word."""
    option = ""
    for word in command.argv[1:]:
        characters = str(word)
        if match := _OPTION.match(characters):
            option = match["name"]
        if characters.startswith("$") and not characters.startswith(("${", "$$")):
            if not _NAME.fullmatch(characters[1:]) and word.known:
                message = "systemd takes the whole word behind the `$` for a name: K3s does not get the word"
                yield Problem(word, message, _BRACES)
            continue
        for match in _BARE.finditer(characters):
            if match["name"] and word.cut(match).known and _is_meant(characters, match, option):
                message = "systemd expands `$NAME` as a whole word only: K3s gets this as it is written"
                yield Problem(word.cut(match), message, _BRACES)


def _is_meant(word: str, match: re.Match[str], option: str) -> bool:
    """Whether a `$` in a word begins a variable for whoever wrote it, and is no character of a password."""
    flag = flags().get(option)
    before, behind = word[match.start() - 1], word[match.end() : match.end() + 1]
    if flag is not None and flag.sensitive:
        return match["name"].isupper() and before in "=:/" and behind in ("", "@", ":", "/")
    return match["name"].isupper() or not before.isalnum()


def _of_script(script: Text, unit: Unit) -> Iterator[Problem]:
    """Judge a script that a shell runs, of which systemd expands the variables first."""
    characters = str(script)
    if characters.startswith("$") and not characters.startswith(("${", "$$")) and not _NAME.fullmatch(characters[1:]):
        message = "systemd takes the whole script behind the `$` for a name: the shell does not get it"
        begin = script[: len(characters.split(maxsplit=1)[0])]
        yield Problem(begin, message, "begin the script with a command, such as `exec`")
    for match in _BRACED.finditer(characters):
        name = match["name"] if script.cut(match).known else None
        if name and _NAME.fullmatch(name) and _sets(characters, name) and not _gives(unit, name):
            yield Problem(
                script.cut(match),
                "systemd puts its own variable here before the shell starts, and not what the script sets",
                "write `$NAME` or `$${NAME}`",
            )


def _sets(script: str, name: str) -> bool:
    """Whether a script gives a variable a value."""
    return re.search(rf"(?:^|[\s;&|(]){name}=|\bfor\s+{name}\b|\bread\s+(?:-\w+\s+)*{name}\b", script) is not None


def _gives(unit: Unit, name: str) -> bool:
    return any(
        str(directive.key) == "Environment" and f"{name}=" in str(directive.value) for directive in unit.file.directives
    )


class _Environment(NamedTuple):
    """What a command's variables hold, and whether everything was seen that could set them."""

    values: Mapping[str, Text]
    seen: bool

    def lacks(self, name: str) -> bool:
        """Whether nothing sets a variable."""
        own = _NAME.fullmatch(name) is not None and _OF_SYSTEMD.fullmatch(name) is None
        return self.seen and own and name not in self.values


def _of_values(invocation: Invocation) -> Problems:
    """Judge the variables of a command by what they hold, as far as that was seen."""
    started = invocation.started
    if started is None or not started.source_words:
        return
    environment = _Environment(started.environment, invocation.lacks(Input.ENVIRONMENT) is None)
    option = ""
    for word in started.source_words:
        characters = str(word)
        braced = _BRACED.fullmatch(characters) if word.known else None
        if characters.startswith("$") and not characters.startswith(("${", "$$")):
            yield from _whole_word(word, environment)
        elif braced and braced["name"] and not _wants_value(option):
            yield from _one_word(word, braced["name"], environment)
        else:
            for match in _BRACED.finditer(characters):
                if match["name"] and word.cut(match).known and environment.lacks(match["name"]):
                    yield _unset(word.cut(match), match["name"], "puts nothing in its place")
        option = characters


def _wants_value(option: str) -> bool:
    """Whether a word is an option whose value is the next one."""
    match = _OPTION.fullmatch(option)
    flag = flags().get(match["name"]) if match and not option.endswith("=") else None
    return flag is not None and flag.kind.takes_value


def _one_word(word: Text, name: str, environment: _Environment) -> Problems:
    """Judge a `${NAME}` that stands where options stand."""
    value = environment.values.get(name)
    advice = "write `$NAME`, without braces: it is split into words, and vanishes where it is empty"
    unset = environment.lacks(name)
    if unset or (value is not None and value.known and not value):
        message = "an empty `${NAME}` is an empty word, and K3s reads nothing behind it"
        yield Problem(word, message, advice, confidence=Confidence.MEDIUM if unset else Confidence.HIGH)
    elif value is not None and value.known and value.startswith("-") and " " in str(value).strip():
        message = "systemd does not split what stands in braces: K3s gets all these options as one word"
        yield Problem(word, message, advice, related=((value, "the value stands here"),))
    elif value is None and _SEVERAL.search(name):
        message = "systemd does not split what stands in braces: K3s gets several options as one word"
        yield Problem(word, message, advice, confidence=Confidence.MEDIUM)


def _whole_word(word: Text, environment: _Environment) -> Problems:
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    name = str(word[1:])
    if word.known and environment.lacks(name):
        yield _unset(word, name, "leaves the word out")
        return
    value = environment.values.get(name)
    if value is None or not value.known or value.startswith("-") or not _is_quoted(word):
        return
    parts = [part for part in systemd.words(value, systemd.Escapes.DROPPED) if not isinstance(part, systemd.Flaw)]
    if len(parts) > 1:
        yield Problem(
            word,
            f"systemd splits {name} at its blanks in spite of the quotes: K3s gets {len(parts)} words",
            _BRACES,
            related=((value, "the value stands here"),),
        )


def _unset(at: Text, name: str, consequence: str) -> Problem:
    what = name if name.isupper() else "this variable"  # in small letters it may be a password with a dollar sign
    message = f"no Environment= and no environment file sets {what}: systemd {consequence}"
    # A drop-in of the host, or the manager itself, may set it.
    return Problem(at, message, "set it with Environment=, or name the file that sets it", confidence=Confidence.MEDIUM)


def _is_quoted(word: Text) -> bool:
    """Whether a word begins behind a quote."""
    span = word.span
    return span.source.content[max(span.start - 1, 0) : span.start] in ("'", '"')
