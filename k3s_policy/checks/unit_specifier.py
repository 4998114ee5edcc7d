"""A percent sign in a unit that systemd takes for a specifier.

In a unit `%` begins a specifier: `%i` is the instance, `%H` the host's name. systemd resolves specifiers after it has
unquoted a word, so quotes do not protect. Before a letter or digit that is no specifier, as in a percent-encoded
password (`p%40ss`), systemd refuses the whole unit where that stands in `Exec*=`, and drops the word where it stands
in `Environment=`: K3s does not start, or does not get the variable. Letters that do begin a specifier are replaced
without a word: of `%C3%BC` in a URL systemd makes `/var/cache3` and what follows (systemd `src/shared/specifier.c`,
`src/core/load-fragment.c`; the same in systemd 252 and newer).

The install script writes its arguments into a unit as they are (K3s `install.sh`, quote_indent), so the same holds for
them; variables it writes into an environment file.

Write `%%` for a percent sign, or move the value to an environment file, where `%` is a character like any other. In
`Exec*=` it is a finding of severity high, in `Environment=` and `EnvironmentFile=` one of severity medium.

```ini wrong
[Service]
Environment=HTTPS_PROXY=http://proxy.example.com:3128/?via=lab%20one
ExecStart=/usr/local/bin/k3s server
```

```ini right
[Service]
Environment=HTTPS_PROXY=http://proxy.example.com:3128/?via=lab%%20one
ExecStart=/usr/local/bin/k3s server
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.finding import Confidence, Severity
from k3s_policy.model.invocation import Form, Invocation
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from k3s_policy.formats.systemd import Directive, Specifier
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Unit
    from k3s_policy.text import Text

_ENCODED = pattern(r"%[0-9A-Fa-f]{2}")
_HOME_MADE = pattern(r"%[A-Z_][A-Z0-9_]*[G-Z_][A-Z0-9_]*%")
"""`%K3S_TOKEN%`, which a script fills in before systemd reads it; percent-encoding has no such letters."""

_HELP = "write `%%` for a percent sign, or move the value to an environment file, where `%` is plain"


@rule(
    severity="high",
    see=("https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html#Specifiers",),
    fields=("started",),
)
def check(subject: Unit | Invocation) -> Problems:
    """Report of each word the first `%` that was not meant to begin a specifier."""
    if isinstance(subject, Invocation):
        yield from _of_installer(subject)
        return
    for directive in subject.file.directives:
        found = [(word, spoilt) for word in _words(directive) if (spoilt := _spoilt(word, subject.name))]
        of_command = _of_command(directive, subject) if found else None
        for word, spoilt in found:
            yield _problem(spoilt, *(of_command or _of_word(word, directive)))


def _of_installer(invocation: Invocation) -> Problems:
    """Judge the arguments that the install script writes into a unit; on a host with OpenRC there is none."""
    started = invocation.started
    if started is not None and started.form is Form.INSTALLER:
        for word in started.words:
            if spoilt := _spoilt(word, _INSTALLED):
                refused = "systemd refuses the unit that the install script writes"
                yield _problem(spoilt, refused, Severity.HIGH, Confidence.MEDIUM)


_INSTALLED = "k3s.service"
"""What the install script calls its unit (K3s `install.sh`, setup_env)."""


def _words(directive: Directive) -> Iterator[Text]:
    """Yield the words of a directive in which systemd resolves specifiers."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    key = str(directive.key) if directive.section == "Service" else ""
    if key == "EnvironmentFile":
        yield directive.value
    elif key == "Environment" or key in systemd.EXEC_KEYS:
        escapes = systemd.Escapes.STRICT if key == "Environment" else systemd.Escapes.KEPT
        yield from (word for word in systemd.words(directive.value, escapes) if not isinstance(word, systemd.Flaw))


def _spoilt(word: Text, unit_name: str) -> list[Specifier]:
    """Return what begins no specifier or was not meant to, that first which systemd stumbles over."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    filled_in = {place for match in _HOME_MADE.finditer(str(word)) for place in range(*match.span())}
    found = [
        one
        for one in systemd.specifiers(word, unit_name)
        if one.start not in filled_in and (isinstance(one.value, systemd.Flaw) or _encodes(one, word))
    ]
    return sorted(found, key=lambda one: not isinstance(one.value, systemd.Flaw))


def _encodes(one: Specifier, word: Text) -> bool:
    """Whether a specifier surely was not meant to be one: with the next digit it encodes a character of a URL."""
    return 0 <= word.find("://") < one.start and _ENCODED.match(str(word), one.start) is not None


def _problem(
    spoilt: Sequence[Specifier], consequence: str, severity: Severity, confidence: Confidence = Confidence.HIGH
) -> Problem:
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    first, *others = spoilt
    message = f"`%` begins no specifier here: {consequence}"
    if not isinstance(first.value, systemd.Flaw):
        put = f"`{first.value}`" if first.value.known else "something else"
        message = f"systemd takes this percent-encoding for a specifier and puts {put} in its place"
    related = tuple((one.at, "the same here") for one in others)
    return Problem(first.at, message, help=_HELP, severity=severity, confidence=confidence, related=related)


def _of_command(directive: Directive, unit: Unit) -> tuple[str, Severity] | None:
    """Say what systemd does about a `%` that begins no specifier in a command, and how bad that is."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    key = str(directive.key)
    if key not in systemd.EXEC_KEYS:
        return None
    result = systemd.exec_commands(directive.value, unit.name)
    if result.ignored and result.ignored.specifier:
        return "systemd drops the command", Severity.HIGH if key == "ExecStart" else Severity.MEDIUM
    return f"systemd {'reads the drop-in no further' if unit.drop_in else 'refuses the whole unit'}", Severity.HIGH


def _of_word(word: Text, directive: Directive) -> tuple[str, Severity]:
    """Say the same for variables and their files."""
    if str(directive.key) == "EnvironmentFile":
        return "systemd does not read the environment file", Severity.MEDIUM
    name, equals, _ = str(word).partition("=")
    what = name if equals and name.isidentifier() else "the variable"
    return f"systemd drops {what}", Severity.MEDIUM
