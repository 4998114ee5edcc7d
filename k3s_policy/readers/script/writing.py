"""What the commands of a script write: `tee`, redirections of `cat`, `echo` and `printf`, here-documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from k3s_policy.model.file import File
from k3s_policy.readers.script.call import unwrapped
from k3s_policy.text import Text, join
from k3s_policy.text.branch import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.readers.script.call import Call
    from k3s_policy.text.branch import When

__all__ = ["Writing", "gather", "installed_input", "writings"]

_INTO = frozenset({">", ">>", ">|"})


@dataclass(frozen=True, eq=False)
class Writing:
    """One command that writes to a file."""

    path: Text
    content: Text
    appends: bool
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
    targets.extend((target, False) for target in installed_input(call))
    for one, when in _alternatives(call) if targets else ():
        content = _output(one, standard_input)
        if content is not None:
            for target, appends in targets:
                yield Writing(target, content, appends, when)


def _alternatives(call: Call) -> Iterator[tuple[Call, When]]:
    """Yield a call for each branch that decides about one of its words: `echo X=$x`, where `x` has two values."""
    branches = dict.fromkeys(word.when for word in call.words if not set(word.when) <= set(call.command.when))
    for when in branches or (call.command.when,):
        words = tuple(word for word in call.words if not exclusive(word.when, when))
        yield call._replace(words=words), tuple(dict.fromkeys((*call.command.when, *when)))


def installed_input(call: Call) -> list[Text]:
    """Return the files that `install /dev/stdin FILE` makes of what it is fed."""
    words = [word.text for word in call.words] if call.name == "install" else []
    return [target for source, target in pairwise(words) if str(source) == "/dev/stdin"]


def gather(every: list[Writing]) -> list[File]:
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
    return [File(text=join(parts, "\n"), path=path, when=when, may_go_on=True) for (path, when), parts in files.items()]


def _output(call: Call, standard_input: tuple[Text, ...]) -> Text | None:
    """Return what a command prints, None where the script does not say."""
    if call.command.input:
        return join(call.command.input, "\n")
    if call.name in ("echo", "printf"):
        return _printed(call)
    if call.name not in ("tee", "cat", "install"):
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
