"""Vagrantfiles: the scripts that provision machines, and what the plugin vagrant-k3s is told.

A shell provisioner runs its `inline` script on the machine
(https://developer.hashicorp.com/vagrant/docs/provisioning/shell).
The plugin vagrant-k3s runs the install script with its `args` and `env`, and writes `config` to the config file of K3s
(k3s-io/vagrant-k3s README).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from k3s_policy.formats.shell import command_line, split_words
from k3s_policy.k3s.places import CONFIG, INSTALLER_URL, ReadAs
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File
from k3s_policy.model.fragment import TOO_MUCH, Start, Unfollowed
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Variable
from k3s_policy.readers.vagrantfile.ruby import literals
from k3s_policy.text import Text, join
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import Values, replaced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.readers.vagrantfile.ruby import Literal

__all__ = ["claims", "read"]

_INLINE = pattern(r"(?::inline[ \t]*=>|\binline:|\.inline[ \t]*=)[ \t]*$")
_USED_INLINE = pattern(r"(?::inline[ \t]*=>|\binline:|\.inline[ \t]*=)[ \t]*(?P<name>[$@]{0,2}[A-Za-z_]\w*)")
_PATH = pattern(r"(?::path[ \t]*=>|\bpath:|\.path[ \t]*=)[ \t]*$")
_ARGUMENTS = pattern(r"(?::args[ \t]*=>|\bargs:)[ \t]*(?P<list>\[[^\]\n]*)?$")
_STRING = pattern(r"'[^']*'|\"[^\"]*\"")
_PARAMETER = pattern(r"'[^']*'|\"\$\{?(?P<quoted>[1-9])\}?\"|\$(?P<brace>\{)?(?P<bare>[1-9])(?(brace)\})")
_PLAIN = pattern(r"[\w./:@%+=,-]+")
_COUNTS = pattern(r"(?m)\bshift\b|\bset[ \t]+--|^[ \t]*(?:function[ \t]+\w+|\w+[ \t]*\(\))")
"""What gives `$1` another meaning than the first argument of the script."""
_GIVING = pattern(r"(?::env[ \t]*=>|\benv:|\.env[ \t]*=)")
_GIVES = (Unseen(Input.ENVIRONMENT, "Ruby may give variables to a script"),)
_FARTHEST = 200
"""Characters of a line in front of a string that are looked at."""
_NO_SCRIPT = frozenset({"YAML", "YML", "JSON", "RUBY", "TOML", "XML", "INI", "MSG", "MESSAGE", "TEXT", "HELP", "USAGE"})
_PAIR = pattern(
    r"(?P<quote>[\"']?)\b(?P<name>(?:INSTALL_)?K3S_[A-Z0-9_]+)(?P=quote)[ \t]*(?:=>|:|=)[ \t]*(?:\([ \t]*)?"
    r"(?:ENV(?:\[[^\]\n]*\][ \t]*\|\||\.fetch\([^,\n]*,)[ \t]*)?$"
)
"""A variable in front of its value, or of the default for when the environment has none."""
_ENVIRONMENT = pattern(r"(?::env[ \t]*=>|\benv:)[ \t]*\{[^}\n]*$")
_PLUGIN = pattern(
    r"(?m)^[^\n#]{0,200}?provision\b[^\n]{0,200}?(?::k3s\b|['\"]k3s['\"])[^\n]{0,200}?\bdo[ \t]{0,9}"
    r"\|[ \t]{0,9}(?P<name>\w+)"
)
_OPTION = pattern(r"\b(?P<name>\w+)\.(?P<option>args|env|config)[ \t]*=[ \t]*(?P<list>\[[^\]\n]*)?$")
_ASSIGNMENT = pattern(r"(?P<name>[A-Z]\w*)=")


def claims(_: Seen) -> bool:
    """Whether a file is a Vagrantfile: its name says so."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read the scripts that stand in the file, and what the plugin is told."""
    text, path = seen.text, seen.source
    content = str(text)
    found, spent = literals(text)
    uses: dict[str, dict[int, None]] = {}
    for match in _USED_INLINE.finditer(content):
        uses.setdefault(match["name"], {})[content.rfind("\n", 0, match.start()) + 1] = None
    arguments = _arguments_by_line(found)
    variables = _variables_by_line(text, found)
    gives = _GIVING.search(content) is not None
    for one in found:
        if _is_script(one, uses):
            lines = uses.get(one.assigned, {one.line: None})
            line = next(iter(lines)) if len(lines) == 1 else None
            counts = _COUNTS.search(str(one.text)) is not None
            command = one.text if line is None or counts else _given(one.text, arguments.get(line, ()))
            given = () if line is None else variables.get(line, ())
            said = Start.without_words(command[:0], Form.COMMAND, unseen=_GIVES) if gives else None
            yield File(text=command, path="", read_as=ReadAs.SCRIPT, given=tuple(given), said=said)
        elif _PATH.search(one.before) and INSTALLER_URL.search(str(one.text)):
            yield _installer(one, arguments.get(one.line, ()), f"{path}#{one.start}")
        elif (variable := _variable(text, one)) is not None:
            yield from credentials_of_k3s((variable,))
    blocks = list(_PLUGIN.finditer(content))
    starts = [one.start for one in found]
    for number, block in enumerate(blocks):
        end = blocks[number + 1].start() if number + 1 < len(blocks) else len(content)
        own = found[bisect_left(starts, block.end()) : bisect_left(starts, end)]
        yield from _plugin(own, block["name"], f"{path}#{block.start()}")
    if spent:
        yield Unfollowed.at(text, TOO_MUCH)


def _arguments_by_line(found: Sequence[Literal]) -> dict[int, list[Literal]]:
    """Return the arguments that provisioners are given, by where their lines begin."""
    lines: dict[int, list[Literal]] = {}
    for one in found:
        if _ARGUMENTS.search(one.before):
            lines.setdefault(one.line, []).append(one)
    return lines


def _variables_by_line(text: Text, found: Sequence[Literal]) -> dict[int, list[Variable]]:
    """Return the variables that provisioners are given, by where their lines begin."""
    lines: dict[int, list[Variable]] = {}
    for one in found:
        if _ENVIRONMENT.search(one.before) and (variable := _variable(text, one)) is not None:
            lines.setdefault(one.line, []).append(variable)
    return lines


def _variable(text: Text, literal: Literal) -> Variable | None:
    """Return the variable of K3s that a string is the value of; it may stand in the line below."""
    before, start = literal.before, literal.line
    if not before.strip(" \t("):
        end = max(start - 1, 0)
        start = str(text).rfind("\n", max(end - _FARTHEST, 0), end) + 1
        before = str(text)[start:end].rstrip("\\ \t")
    pair = _PAIR.search(before)
    if pair is None:
        return None
    name = text[start + pair.start("name") : start + pair.end("name")]
    return Variable(name, literal.text, Form.VARIABLE)


def _parameters(arguments: Sequence[Literal]) -> dict[str, Text]:
    """Return what `$1` and its kin hold, by the places of strings among the arguments."""
    given: dict[str, Text] = {}
    for one in arguments:
        match = _ARGUMENTS.search(one.before)
        first = _STRING.sub("", match["list"] or "").count(",") if match else 0
        alone = match is not None and match["list"] is None and one.words is None
        words = one.words or (split_words(one.text) if alone else None) or (one.text,)
        given |= {str(number): word for number, word in enumerate(words, first + 1)}
    return given


def _given(text: Text, arguments: Sequence[Literal]) -> Text:
    """Return a script with its arguments in place of `$1` and its kin, as far as they are words without punctuation."""
    values = Values(_parameters(arguments))
    parts = []
    for match in _PARAMETER.finditer(str(text)) if arguments else ():
        value = values.take(match["quoted"] or match["bare"] or "")
        if value is not None and match["quoted"]:
            parts.append((match.start(), match.end(), command_line((value,))))
        elif value is not None and _PLAIN.fullmatch(str(value)):
            parts.append((match.start(), match.end(), value))
    return replaced(text, parts)


def _installer(url: Literal, arguments: Sequence[Literal], host: str) -> File:
    """Return a provisioner that fetches the install script."""
    at = url.text[:0]
    words = (at.stand_in("curl -sfL"), url.text, at.stand_in("| sh -s -"), *_arguments(arguments))
    return File(text=join(words, " "), path="", read_as=ReadAs.SCRIPT, host=host)


def _is_script(literal: Literal, inline: Collection[str]) -> bool:
    """Whether a shell is given a string: where it stands, or by the variable that it is assigned to."""
    if literal.tag.upper() in _NO_SCRIPT:
        return False
    return _INLINE.search(literal.before) is not None or bool(literal.assigned and literal.assigned in inline)


def _plugin(own: Sequence[Literal], block: str, host: str) -> Iterator[Found]:
    """Read what one block of vagrant-k3s says."""
    given: dict[str, list[Literal]] = {"args": [], "env": [], "config": []}
    for literal in own:
        option = _OPTION.search(literal.before)
        if option is not None and option["name"] == block:
            given[option["option"]].append(literal)
    for config in given["config"][:1]:
        yield File(text=config.text, path=CONFIG, host=host, may_go_on=True)
    if not given["args"] and not given["env"]:
        return
    at = (given["args"] or given["env"])[0].text[:0]
    variables = [
        Variable(word.cut(match), word[match.end() + 1 :], Form.INSTALLER)
        for word in _words(given["env"])
        if (match := pattern(r"[A-Za-z_]\w*(?==)").match(str(word)))
    ]
    command = join([at.stand_in("curl -sfL https://get.k3s.io | sh -s -"), *_arguments(given["args"])], " ")
    yield File(text=command, path="", read_as=ReadAs.SCRIPT, host=host, given=tuple(variables), synthetic=True)


def _words(several: Sequence[Literal]) -> Iterator[Text]:
    for literal in several:
        if literal.words is not None:
            yield from literal.words
        else:
            yield literal.text


def _arguments(several: Sequence[Literal]) -> Iterator[Text]:
    """Yield arguments as a shell takes them: a string is split, the items of a list are not."""
    for literal in several:
        if literal.words is None and not literal.before.rstrip().endswith(("[", ",")):
            yield literal.text
        else:
            yield command_line(literal.words or (literal.text,))
