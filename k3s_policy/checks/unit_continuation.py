r"""A line of a unit is joined with the next one by mistake, or is not joined with the one above.

A backslash joins a line with the next one where it is the line's last character. What follows then belongs to the
value, be it `Restart=always` or `[Install]`: systemd hands it to K3s as an argument, and the directive does nothing.
Comments in between are left out and do not end it; that is what happens when the last argument is commented out. An
empty line ends it, and so the unit of the install script, whose last argument has a backslash and an empty line behind
it, is in order. Without a backslash, or where a blank or a comment follows it, the next line stands by itself: systemd
takes `--token=abc` for an unknown key and ignores it with a warning in the journal (systemd
`src/shared/conf-parser.c`).

End each line of a command but the last in a backslash, with nothing behind it.

```ini wrong
[Service]
ExecStart=/usr/local/bin/k3s server \
    --disable=traefik \
Restart=always
```

```ini right
[Service]
ExecStart=/usr/local/bin/k3s server \
    --disable=traefik
Restart=always
```
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import flags
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.formats.systemd import Line
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Unit
    from k3s_policy.text import Text

_KEYS = (
    r"(?:Exec|Restart|Timeout|Limit|Environment|Standard|Syslog|Tasks|Memory|CPU|IO|OOM|StartLimit|Kill|Protect|Private"
    r"|Restrict|Condition|Assert|Runtime|Watchdog|Success|Notify|Device)[A-Za-z]*"
    r"|Type|User|Group|UMask|Nice|Slice|Delegate|WorkingDirectory|RemainAfterExit|PIDFile|StateDirectory|LogsDirectory"
    r"|AmbientCapabilities|CapabilityBoundingSet|NoNewPrivileges|PassEnvironment|LoadCredential|Description"
    r"|Documentation|Wants|Requires|Requisite|BindsTo|PartOf|Conflicts|Before|After|OnFailure|WantedBy|RequiredBy|Also"
    r"|Alias"
)
"""Keys that stand beside a command in units of K3s."""

_DIRECTIVE = pattern(rf"[ \t]*(?:(?P<key>{_KEYS})[ \t]*=|(?P<header>\[(?:Unit|Service|Install)\])[ \t]*$)")
_BEHIND = pattern(r"(?<!\\)(?:\\\\)*(?P<behind>\\[ \t]+(?P<comment>[#;].*)?)$")
_ARGUMENT = pattern(r"[ \t]*(?P<word>['\"]?--?[A-Za-z][^\s=]*|(?:server|agent)(?=\s|$))")
_VARIABLE = pattern(r"[ \t]*(?P<word>['\"]?(?:K3S_[A-Z0-9_]+|(?i:https?_proxy|no_proxy))(?==))")
_TEMPLATE = pattern(r"\{\{|\{%|%\{|<%")


@rule(severity="medium", see=("https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html",))
def check(unit: Unit) -> Problems:
    """Report backslashes that join too much, those that join nothing, and lines that nothing joins."""
    above: Line | None = None
    told = False
    for line in unit.file.lines:
        yield from _swallowed(line)
        lost = _lost(line, above)
        if above is not None and lost is not None:
            if not told and not _TEMPLATE.search(_between(above.parts[-1], lost)):
                yield _not_joined(lost, above)
            told = True
        elif line.item is not None:
            above, told = line if _is_continued(line) else None, False
            if above is not None and (match := _BEHIND.search(str(line.parts[-1]))):
                told = True
                what = "comment" if match["comment"] else "blank"
                yield Problem(
                    line.parts[-1].cut(match, "behind"),
                    f"a {what} stands behind the backslash: systemd does not join the next line",
                    "let the backslash be the last character of the line",
                )


def _is_continued(line: Line) -> bool:
    """Whether a line is a directive of which people make several lines."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    item = line.item
    if not isinstance(item, systemd.Directive) or item.section != "Service":
        return False
    return str(item.key) == "Environment" or str(item.key) in systemd.EXEC_KEYS


def _swallowed(line: Line) -> Problems:
    """Report the backslash that joins a line with the directive or section header behind it."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    item = line.item
    if isinstance(item, str):
        return
    for part, following in pairwise(line.parts):
        match = _DIRECTIVE.match(str(following))
        if match is None or not following.cut(match).known or _wants_value(part):
            continue
        if _TEMPLATE.search(_between(part, following)):
            continue
        what, effect = (match["header"], "section") if match["header"] else (f"{match['key']}=", "directive")
        whole = (
            f"{item.key}=" if isinstance(item, systemd.Directive) and not item.key.startswith("-") else "the line above"
        )
        yield Problem(
            part[-1],
            f"the backslash makes `{what}` a part of {whole}: it is no {effect} any more",
            "leave out the backslash, or put an empty line behind it",
            related=((following.strip(), "joined to the line above"),),
        )
        return


def _wants_value(part: Text) -> bool:
    """Whether a line ends in an option whose value stands in the next one: `--node-label` and `Type=edge`."""
    option = re.search(r"--([a-z-]+)['\"]?[ \t]*\\$", str(part))
    flag = flags().get(option[1]) if option else None
    return flag is not None and flag.kind.takes_value


def _lost(line: Line, above: Line | None) -> Text | None:
    """Return the first word of a line that is one of the command or variables above, and that systemd ignores."""
    from k3s_policy.formats import systemd  # a scan that meets no unit does without

    if (
        above is None
        or not isinstance(above.item, systemd.Directive)
        or not isinstance(line.item, systemd.Directive | systemd.Flaw)
    ):
        return None
    first = line.parts[0]
    match = (_VARIABLE if str(above.item.key) == "Environment" else _ARGUMENT).match(str(first))
    return first.cut(match, "word") if match is not None and first.cut(match).known else None


def _not_joined(word: Text, above: Line) -> Problem:
    if len(above.parts) > 1 and not str(above.parts[-1]).strip():
        return Problem(
            word,
            "systemd ignores this line: an empty line ends the one above",
            "take out the empty line, or put a comment in its place",
        )
    return Problem(
        word,
        "systemd ignores this line: the one above does not end in a backslash",
        "end the line above in a backslash",
        related=((_last_word(above), "a backslash is missing behind this"),),
    )


def _last_word(line: Line) -> Text:
    """Return the last word of a line, behind which the backslash belongs."""
    last = line.parts[-1].rstrip()
    return last[max(str(last).rfind(blank) for blank in " \t=") + 1 :]


def _between(one: Text, other: Text) -> str:
    """Return what stands in the file between two texts: nothing else tells of the statements of a template."""
    before, behind = one.span, other.span
    return before.source.content[before.end : behind.start] if before.source is behind.source else ""
