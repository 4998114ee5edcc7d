"""Which values are judged as they are written, and where a problem with one is placed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem
from k3s_policy.k3s.flags import Kind
from k3s_policy.k3s.value import misread
from k3s_policy.model.finding import Confidence
from k3s_policy.model.invocation import Form, Origin
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.validation import Fault
    from k3s_policy.model.invocation import Invocation, Setting
    from k3s_policy.text import Text

__all__ = ["FILLED_IN", "counts", "is_judged", "is_last_word", "is_plain", "is_written", "named", "problem", "problems"]

FILLED_IN = pattern(
    r"[<>$@]|\{|__|\(\(|^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|(?i:\b(?:your|change[-_ ]?me|replace|todo|tbd|placeholder)\b)"
    r"|(?:^|[.:/])[xX*#?]{1,4}(?:[.:/]|$)|^[xX]{3,}$|\.\.\.|…|%[A-Z_]+%"
)
"""What a person or a program fills in first: `<ADDRESS>`, `$ADDRESS`, `NODE_IP`, `10.0.0.x`, `CHANGEME`."""


def is_judged(setting: Setting) -> bool:
    """Whether the value is known, and wrong, if at all, as it is written."""
    return setting.known and is_written(setting)


def is_written(setting: Setting) -> bool:
    """Whether somebody wrote the value as the text that K3s gets; what YAML changes is a matter of its own."""
    if setting.at is setting.value or is_last_word(setting) or setting.printed or _is_left_open(setting):
        return False
    written = setting.source_text
    return written is None or not misread(setting.flag, str(written).strip(), str(setting.value))


def _is_left_open(setting: Setting) -> bool:
    """Whether more is to come: marks of a template that YAML does not see, or a key whose items a script adds."""
    if setting.origin is not Origin.CONFIG:
        return False
    span = setting.value.span
    content = span.source.content
    before = content[max(0, span.start - 3) : span.start]
    if setting.value:
        return before.endswith(("[[", "[[ "))  # `[[ x ]]` is a list in a list
    rest = span.source.line(span.line)[span.column - 1 :]
    quoted = rest[:1] in ("'", '"') or before.endswith(("'", '"'))
    return (setting.may_go_on and not quoted) or re.search(r"#\{|#%|\{\{", rest) is not None  # `#{x}#` is a comment


def counts(invocation: Invocation, setting: Setting) -> bool:
    """Whether K3s goes on to use the value: one of a list, or the one that wins."""
    flag = setting.flag
    if flag.removed is not None or not flag.roles:
        return False
    return flag.kind is Kind.LIST or invocation.last(flag.name, setting.when) is setting


def is_last_word(setting: Setting) -> bool:
    """Whether a flag that takes a value ends a command line."""
    option, value = setting.at.span, setting.value.span
    ends = option.source is value.source and option.end == value.start
    return ends and setting.origin is Origin.ARGUMENT and not setting.value and setting.flag.kind is not Kind.BOOL


# --- problems -----------------------------------------------------------------------------------------------


def problems(setting: Setting, faults: Iterable[Fault]) -> Problems:
    """Yield a problem for each fault of a value that stops K3s."""
    for fault in faults:
        yield problem(setting, fault.at, f"K3s does not start: {fault.reason}", fault.advice)


def problem(setting: Setting, at: Text, message: str, advice: str) -> Problem:
    """Place a problem at the characters at fault, or at the option where these stand elsewhere."""
    confidence = Confidence.MEDIUM if setting.form is Form.VARIABLE else Confidence.HIGH
    at = at or _shown(setting)
    option, fault = setting.at.span, at.span
    if option.source is fault.source and option.start <= fault.start:
        return Problem(at or setting.at, message, advice, confidence=confidence)
    related = ((at, "the value is written here"),)
    return Problem(setting.at, message, advice, confidence=confidence, related=related)


def _shown(setting: Setting) -> Text:
    """Return a value with characters to point at: those of an empty one are its quotes or its `~`, if it has any."""
    value, span = setting.value, setting.value.span
    if value:
        return value
    if setting.source_text:
        return setting.source_text
    around = span.source.text[max(0, span.start - 1) : span.end + 1]
    return around if str(around) in ("''", '""') else value


def named(setting: Setting) -> str:
    """Name a value in a message, with the scalar that YAML has made it of."""
    shown = f"`{setting.value}`" if setting.value else "empty"
    return (
        shown
        if setting.source_text is None or not setting.source_text
        else f"{shown} (written `{setting.source_text}`)"
    )


def is_plain(value: str) -> bool:
    """Whether a value can be shown: no line of text, and nothing that is long enough for a credential."""
    return len(value) <= 24 and value.isprintable()
