"""What a pattern points at, read as the script, command, options or config that it is.

A pattern says in its metadata how the stretch it matches is to be read: `k3s-policy: {reads: script}`. The fragments
are those that the native readers make of the same text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.shell import split_words
from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.program import is_k3s
from k3s_policy.k3s.recognise import TELLING_OPTION
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import ConfigFile, EnvironmentFile, Start, UnusedOptions
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.subjects import Credential
from k3s_policy.readers import door
from k3s_policy.semgrep.language import language_of
from k3s_policy.semgrep.literal import groups
from k3s_policy.semgrep.mapping import as_yaml
from k3s_policy.semgrep.quoting import masked
from k3s_policy.text import Text, join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from k3s_policy.model.fragment import Fragment
    from k3s_policy.semgrep.language import Language
    from k3s_policy.semgrep.literal import Group
    from k3s_policy.semgrep.process import Match
    from k3s_policy.text import Source

__all__ = ["READINGS", "fragments"]

# The same as the patterns in rules/ look for: a stretch may hold other strings, that are sentences.
_SCRIPT = pattern(
    r"get\.k3s\.io|INSTALL_K3S_[A-Z]+=|K3S_[A-Z_]+=|rancher/k3s/[\w.]*\.ya?ml|\bk3s\s+(?:server|agent)\s+(?:[\"'\\]|--?\w)"
    r"|\bk3sup\s+(?:install|join)\s"
)
_CLOUD_CONFIG = pattern(r"\s*#cloud-config\b")
_KEYS = pattern(r"(?m)^[^\S\n]*[\"']?[a-z]+-[a-z0-9-]+[\"']?:")
_PLACEHOLDER = pattern(r"(?<!<)<[A-Za-z]\w*(?:[-_ ]\w+)*>")
_DEFAULT = pattern(r"\bdefault\s*=\s*(?=\")")
_NAME = pattern(r'(?:variable\s+)?"?(?P<name>\w+)"?')
_ENDPOINT = pattern(r"(?i)endpoint$")


def fragments(matches: Sequence[Match]) -> Iterator[Fragment]:
    """Yield what the matches of one file point at, one at least; a text that several patterns match is read once."""
    done = _Read(matches[0].source)
    for reading, read in READINGS.items():
        # A stretch that holds another goes first.
        wanted = sorted(
            (match for match in matches if match.reads == reading), key=lambda match: (match.start, -match.end)
        )
        for match in wanted:
            language = language_of(match.source.path)
            if language is not None:
                yield from map(_hedged, read(match, language, done))


def _hedged(fragment: Fragment) -> Fragment:
    """Say of what a program starts or writes that it may do more than is seen."""
    if isinstance(fragment, Start):
        kinds = {Input.ARGUMENTS: "arguments", Input.ENVIRONMENT: "variables", Input.CONFIG: "a config file"}
        unseen = (Unseen(kind, f"the program may add {what}", fragment.at) for kind, what in kinds.items())
        return replace(fragment, unseen=(*fragment.unseen, *unseen), isolated=True)
    if isinstance(fragment, UnusedOptions):
        return replace(fragment, unseen=(Unseen(Input.ARGUMENTS, "the program may add arguments", fragment.at),))
    if isinstance(fragment, ConfigFile):
        return replace(fragment, open_places=(*fragment.open_places, fragment.text[:0]))
    return fragment


class _Read:
    """The texts of one file that were read."""

    def __init__(self, source: Source) -> None:
        self._characters = bytearray(len(source.content))
        """1 for each character that was read."""

    def anew(self, *texts: Text) -> bool:
        """Whether none of some texts was read before; from now on they are."""
        spans = [text.span for text in texts]
        if any(self._characters.find(1, span.start, span.end) >= 0 for span in spans):
            return False
        for span in spans:
            self._characters[span.start : span.end] = b"\1" * (span.end - span.start)
        return True


def _found(match: Match, language: Language) -> list[Group]:
    return groups(match.source, match.start, match.end, language)


def _texts(match: Match, language: Language) -> Iterator[Text]:
    for group in _found(match, language):
        yield from (value.text for value in group if value.literal)


def _script(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    for group in _found(match, language):
        texts = [value.text for value in group if value.literal]
        if any(str(text).endswith("\\") for text in texts[:-1]):
            yield from _lines(group, done)
            continue
        for text in texts:
            if _SCRIPT.search(str(text)) and not _CLOUD_CONFIG.match(str(text)) and done.anew(text):
                yield from _shell(text)


def _commands(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    for group in _found(match, language):
        yield from _lines(group, done)


def _lines(group: Group, done: _Read) -> Iterator[Fragment]:
    """Read a list as the lines of one script; what is no literal is a line that is not known."""
    if any(value.literal and _SCRIPT.search(str(value.text)) for value in group):
        lines = [value.text for value in group]
        if done.anew(*lines):
            yield from _shell(join(lines, "\n"))


def _shell(text: Text) -> Iterator[Fragment]:
    """Read a script, unless it is one line with something to be filled in by hand, which is advice.

    A shell would take `<NODE_TOKEN>` for redirections.
    """
    filled = masked(text, _PLACEHOLDER)
    if "\n" in str(text).strip() or not _PLACEHOLDER.search(str(text)):
        yield from _read(filled)


def _read(script: Text) -> Iterator[Fragment]:
    yield from door.read(File(text=script, path="", read_as=ReadAs.SCRIPT))


def _command(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    """Read the words of a call, from the program on, as a shell would be given them."""
    every = _found(match, language)
    heads = [group for group in every if any(value.literal and is_k3s(_base(value.text)) for value in group)]
    for group in heads:
        words = [value.text for value in group]
        first = next(n for n, value in enumerate(group) if value.literal and is_k3s(_base(value.text)))
        words = words[first:]
        if len(words) == 1 or not group[first + 1].literal:
            # The program stands alone, and its words in a list behind it.
            rest = next((one for one in every if one is not group and str(one[0].text) in ("server", "agent")), ())
            words = [words[0], *(value.text for value in rest)]
        if done.anew(*words):
            yield from _read(join(map(_quoted, words), " "))


def _base(text: Text) -> str:
    return str(text).rpartition("/")[2]


def _quoted(word: Text) -> Text:
    """Put a word in quotes, so that a shell takes it for one whatever it holds."""
    empty = word[:0]
    quote = empty.stand_in("'")
    inside = [
        part
        for number, part in enumerate(word.split("'"))
        for part in ((empty.stand_in("'\\''"),) if number else ()) + (part,)
    ]
    return Text(run for part in (quote, *inside, word[len(word) :].stand_in("'")) for run in part.runs)


def _options(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    for group in _found(match, language):
        words: list[Argument] = []
        for value in group:
            parts = (split_words(value.text) or []) if value.literal else [value.text]
            words += (Argument(part) for part in parts)
        telling = [word.text for word in words if TELLING_OPTION.match(str(word.text))]
        texts = [value.text for value in group if value.literal]
        if telling and done.anew(*texts):
            yield UnusedOptions(telling[0], tuple(words))


def _config(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    for text in _texts(match, language):
        if _KEYS.search(str(text)) and done.anew(text):
            yield from _config_file(text)


def _map(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    text = as_yaml(match.source, match.start, match.end, language)
    if text is not None and done.anew(text):
        yield from _config_file(text)


def _config_file(text: Text) -> Iterator[Fragment]:
    for fragment in door.read(File(text=text, path="config.yaml", host=host_at(text))):
        # A template that does not parse is no broken file: nobody knows what it becomes.
        yield replace(fragment, error=None) if isinstance(fragment, ConfigFile) else fragment


def _variable(match: Match, language: Language, done: _Read) -> Iterator[Fragment]:
    """Read `k3s_token = "..."`, or the default of `variable "k3s_token"`."""
    content = match.source.content
    named = _NAME.match(content, match.start, match.end)
    default = _DEFAULT.search(content, match.start, match.end) if content.startswith("variable", match.start) else None
    start = default.end() if default else content.find("=", match.start, match.end) + 1
    if named is None or not start:
        return
    name = match.source.text[named.start("name") : named.end("name")]
    values = [group[0].text for group in groups(match.source, start, match.end, language) if group[0].literal]
    if not values or not done.anew(values[0]):
        return
    if _ENDPOINT.search(str(name)):
        if "://" in str(values[0]):
            variable = Variable(name.stand_in("K3S_DATASTORE_ENDPOINT"), values[0], Form.VARIABLE)
            yield EnvironmentFile(values[0], (variable,), match.source.path, f"{match.source.path}#{start}")
    else:
        yield Credential(str(name), name, values[0], Form.VARIABLE)


READINGS: dict[str, Callable[[Match, Language, _Read], Iterator[Fragment]]] = {
    "commands": _commands,
    "script": _script,
    "command": _command,
    "map": _map,
    "config": _config,
    "variable": _variable,
    "options": _options,
}
"""How a stretch can be read, by what `reads:` says; what comes first has a text before the others."""
