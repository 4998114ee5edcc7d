"""Files that a script writes: `tee`, redirections of `cat`, `echo` and `printf`, here-documents."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from k3s_policy.fragment import ConfigFile, Registries
from k3s_policy.model import BrokenFile
from k3s_policy.readers import config, environment, unit
from k3s_policy.readers.script.call import unwrapped
from k3s_policy.text import Text, join
from k3s_policy.tree import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.branch import When
    from k3s_policy.fragment import Fragment
    from k3s_policy.readers.script.call import Call

__all__ = ["Writing", "WrittenFile", "fragments", "gather", "writings"]

_UNIT = re.compile(r"k3s[^/]*\.service(?:\.d/[^/]+\.conf)?$")
_ENVIRONMENT = re.compile(r"(?:default|sysconfig)/k3s[^/]*$|k3s[^/]*\.service\.env$|rancher/k3s/[^/]*\.env$")
_REGISTRIES = re.compile(r"(?:^|/)registries\.ya?ml$")
_YAML = re.compile(r"\.ya?ml$")
_INTO = frozenset({">", ">>", ">|"})


@dataclass(frozen=True, eq=False)
class Writing:
    """One command that writes to a file."""

    path: Text
    content: Text
    appends: bool
    when: When


@dataclass(frozen=True, eq=False)
class WrittenFile:
    """What a file holds after a script has written to it."""

    path: str
    content: Text
    when: When


def writings(call: Call, standard_input: tuple[Text, ...] = ()) -> Iterator[Writing]:
    """Yield what a command writes where, as far as the script says what it prints.

    `standard_input` is what the whole script is fed, and so a command that nothing is piped into.
    """
    targets = [
        (redirect.target.text, redirect.operator == ">>")
        for redirect in call.command.redirects
        if redirect.target is not None and redirect.operator in _INTO
    ]
    if call.name == "tee":
        appends = any(str(word.text) in ("-a", "--append") for word in call.words[1:])
        targets.extend((word.text, appends) for word in call.words[1:] if not word.text.startswith("-"))
    content = _output(call, standard_input) if targets else None
    if content is not None:
        for target, appends in targets:
            yield Writing(target, content, appends, call.command.when)


def gather(every: list[Writing]) -> list[WrittenFile]:
    """Put together what is written to one file: a later `>` starts anew, `>>` goes on.

    So do the commands of a group, which share its one redirection.
    """
    files: dict[tuple[str, When], list[Text]] = {}
    targets: dict[tuple[str, When], Text] = {}
    for writing in every:
        key = (str(writing.path), writing.when)
        if key in files and (writing.appends or targets[key] is writing.path):
            files[key].append(writing.content)
        else:
            files[key] = [writing.content]
        targets[key] = writing.path
    return [WrittenFile(path, join(parts, "\n"), when) for (path, when), parts in files.items()]


def fragments(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read a written file as the format that its path tells."""
    if _UNIT.search(file.path):
        yield from unit.read(file.content, file.path, host)
    elif _ENVIRONMENT.search(file.path):
        yield from environment.read(file.content, file.path, host)
    elif _REGISTRIES.search(file.path):
        yield from _registries(file, host)
    elif _YAML.search(file.path):
        yield from _config(file, host)


def _config(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read a config of which variables may hold lines, or all: what they hold is not judged."""
    content, hidden = _without_hidden_lines(file.content)
    for fragment in config.read_document(content, read_yaml(content), file.path, host=host):
        if isinstance(fragment, ConfigFile):
            entries = tuple(entry._replace(when=file.when) for entry in fragment.entries)
            error = fragment.error if content.known else None
            yield replace(fragment, entries=entries, when=file.when, open=(*fragment.open, *hidden), error=error)
        else:
            yield fragment


def _registries(file: WrittenFile, host: str) -> Iterator[Fragment]:
    """Read registries; where a variable holds a whole line, nobody knows what the lines below it belong to."""
    from k3s_policy.readers import registries  # noqa: PLC0415  few scripts write them

    lines = list(file.content.lines())
    shown = [line for line in lines if any(run.known and run.text.strip() for run in line.runs) or not line.strip()]
    content = join(shown, "\n") if shown else file.content[:0]
    whole = len(shown) == len(lines)
    document = read_yaml(content)
    if registries.claims(file.path, document.root):
        for fragment in registries.read_document(content, document, file.path, host):
            if isinstance(fragment, Registries):
                # What a loop writes comes once for each turn, with the name of the variable in the place of its value.
                repeated = fragment.repeated if content.known else ()
                yield replace(fragment, open=not whole, unknown=fragment.unknown if whole else (), repeated=repeated)
            elif whole or not isinstance(fragment, BrokenFile):
                yield fragment


def _without_hidden_lines(content: Text) -> tuple[Text, tuple[Text, ...]]:
    """Take out the lines that a variable makes, and return them too: any setting may hide there."""
    if content.known:
        return content, ()
    lines = list(content.lines())
    hidden = tuple(line for line in lines if not all(run.known for run in line.lstrip().runs[:1]))
    shown = [line for line in lines if line not in hidden]
    return (join(shown, "\n") if shown else content[:0]), hidden


def _output(call: Call, standard_input: tuple[Text, ...]) -> Text | None:
    """Return what a command prints, None where the script does not say."""
    if call.command.input:
        return join(call.command.input, "\n")
    if call.name in ("echo", "printf"):
        return _printed(call)
    if call.name not in ("tee", "cat"):
        return None
    if call.command.upstream is None:
        reads = call.name == "tee" or len(call.words) == 1
        return join(standard_input, "\n") if standard_input and reads else None
    upstream = unwrapped(call.command.upstream)
    return _output(upstream, standard_input) if upstream is not None else None


def _printed(call: Call) -> Text | None:
    words = [word.text for word in call.words[1:]]
    if call.name == "printf":
        return _formatted(words[0], words[1:]) if words else None
    interprets = False
    while words and re.fullmatch(r"-[neE]+", str(words[0])):
        interprets = interprets or "e" in str(words.pop(0))
    if not words:
        return None
    text = join(words, " ")
    return _with_line_breaks(text) if interprets else text


def _formatted(template: Text, values: list[Text]) -> Text | None:
    """Return what `printf` makes of a format of `%s` only; None for what is more involved."""
    pieces = template.split("%s")
    if "%" in str(template).replace("%s", "") or len(values) < len(pieces) - 1:
        return None
    runs = [*_with_line_breaks(pieces[0]).runs]
    for piece, value in zip(pieces[1:], values, strict=False):
        runs.extend((*value.runs, *_with_line_breaks(piece).runs))
    return Text(runs)


def _with_line_breaks(text: Text) -> Text:
    r"""Replace each `\n` that `printf` and `echo -e` interpret."""
    return join(text.split("\\n"), "\n")
