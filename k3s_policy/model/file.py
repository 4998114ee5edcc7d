"""What the door opens: a text with what is known of it before it is read, and what readers make of it.

A repository's file is a File, and so is whatever one file holds of another: what a script writes, cloud-init describes,
a task copies. A reader turns one File into fragments and more Files, and knows no other reader.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from k3s_policy.formats import template
from k3s_policy.k3s.places import ReadAs
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS, When
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from k3s_policy.formats.tree import Document
    from k3s_policy.model.fragment import Fragment, Start
    from k3s_policy.model.invocation import Form
    from k3s_policy.model.lower import Variable
    from k3s_policy.text import Text

__all__ = ["Collected", "File", "Found", "Mode", "Provenance", "Reader", "Seen", "host_at", "source_of"]


class Provenance(Enum):
    """Where a File comes from."""

    REPOSITORY = "repository"
    """By itself: its name may say that it is a template, and where it lies places it on a host."""
    PLACED = "placed"
    """By itself as well, under the path of a host that a task or a command puts it at."""
    WRITTEN = "written"
    """In another one, which has marked what it fills in, and says on which host it is."""


class Mode(NamedTuple):
    """The permissions that a file is given with its content."""

    path: Text
    bits: Text
    """As `chmod` takes them."""
    default: str = ""
    """Whose default they are; empty where they are said."""


class File(NamedTuple):
    """A text to be read, with what its carrier knows of it.

    A named tuple, as every run loads this module: a data class of so many fields takes five times as long to make.
    """

    text: Text
    path: str
    """Where it is on its host, or in the repository: formats are known by it. Empty where it has no name."""
    read_as: ReadAs | None = None
    """What it is, where the carrier knows; else its path and content tell."""
    provenance: Provenance = Provenance.WRITTEN
    host: str | None = None
    """As `Start.host` names it; None where its own place names it."""
    when: When = ALWAYS
    form: Form | None = None
    """Where a script stands, if not in a file."""
    given: tuple[Variable, ...] = ()
    """The variables that a script is started with."""
    others: AbstractSet[str] = frozenset()
    """The paths of scripts on its host that are read by themselves, whatever they are called."""
    said: Start | None = None
    """What the carrier says of whatever is started, as a Start without words; see `model.carrier`."""
    partial: bool = False
    """Whether it is a piece of a file, of which nothing else is seen."""
    may_go_on: bool = False
    """As `Setting.may_go_on`, of a config."""
    concerns_k3s: bool = False
    """Whether something says that it does, though no word of its own may."""
    synthetic: bool = False
    """Whether the carrier made it up of what a tool is told, so that it downloads and collects nothing."""
    mode: Mode | None = None


class Collected(NamedTuple):
    """What a script only collects in variables: fragments that count where nothing else is made of their values."""

    entries: tuple[tuple[Text, Fragment], ...]
    """Each with the value that it is made of."""


Found: TypeAlias = "Fragment | File | Collected"
"""What a reader hands back; the door hands on fragments alone."""


class Reader(Protocol):
    """A module of `readers/`."""

    def claims(self, seen: Seen) -> bool:
        """Whether a File is in this format; asked where the table of the door says that it may be."""

    def read(self, seen: Seen) -> Iterator[Found]:
        """Yield what a File holds that is in this format, in the order in which it takes effect."""


class Seen:
    """A File as readers see it: what it becomes where it is a template, and its YAML, composed when first asked for."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.content = str(file.text)
        """As it is written, where it is a template too."""
        self.path = template.without_suffix(file.path)
        """That of what it becomes."""

    @property
    def written(self) -> bool:
        """Whether another file writes it."""
        return self.file.provenance is Provenance.WRITTEN

    @cached_property
    def text(self) -> Text:
        """What a format of text reads: what a template fills in is marked as not known."""
        file = self.file
        named = not self.written and template.is_template(file.path)
        syntax = template.syntax_of(file.path, self.content) if named else None
        return template.substituted(file.text, syntax) if syntax else file.text

    @cached_property
    def host(self) -> str:
        """The name of the host that it is on, or describes."""
        return self.file.host or host_at(self.file.text)

    @cached_property
    def described_host(self) -> str:
        """The name of the host that it describes: that of its carrier only where that is a part of the description."""
        return self.host if self.file.read_as is ReadAs.DESCRIPTION else host_at(self.file.text)

    @property
    def source(self) -> str:
        """The path of the repository's file that it stands in."""
        return source_of(self.file.text)

    @property
    def beside(self) -> str:
        """The path in the repository that it counts as lying at: what a script writes lies beside the script."""
        folder = self.source.rpartition("/")[0]
        return f"{folder}/{self.path.rpartition('/')[2]}".lstrip("/") if self.written else self.path

    @property
    def composed(self) -> Text:
        """The text that the document was composed of."""
        return self._composition[0]

    @property
    def document(self) -> Document:
        """The YAML that it holds."""
        return self._composition[1]

    @property
    def hidden(self) -> tuple[Text, ...]:
        """Lines that a variable makes, and that may hold anything: they are left out of the document."""
        return self._composition[2]

    @cached_property
    def _composition(self) -> tuple[Text, Document, tuple[Text, ...]]:
        from k3s_policy.formats.tree import read_yaml  # loaded when YAML is met

        text = self.file.text
        if self.written:
            text, hidden = _without_hidden_lines(text)
            document = read_yaml(text)
            return text, replace(document, open_places=(*document.open_places, *hidden)) if hidden else document, hidden
        named = template.is_template(self.file.path) or _JINJA.match(self.content) is not None
        plain = None if named else read_yaml(text)
        if plain is not None and plain.error is None:
            return text, plain, ()
        syntax = template.syntax_of(self.file.path, self.content)
        if syntax is None:
            return text, plain or read_yaml(text), ()
        masked = template.masked(text, syntax)
        return masked.text, replace(read_yaml(masked.text), open_places=masked.open_places), ()


_JINJA = pattern(r"\ufeff?##\s*template:\s*jinja")


def _without_hidden_lines(text: Text) -> tuple[Text, tuple[Text, ...]]:
    """Take out the lines of which nothing is known, and return them too: what a variable holds may be any line."""
    if text.known:
        return text, ()
    lines = list(text.lines())
    shown: list[Text] = []
    hidden: list[Text] = []
    for line in lines:
        told = any(run.known and run.text.strip() for run in line.runs) or not line.strip()
        (shown if told else hidden).append(line)
    return (join(shown, "\n") if shown else text[:0]), tuple(hidden)


def host_at(text: Text) -> str:
    """Name a host by the place of the text that describes it: two files that write one path are two hosts."""
    span = text.span
    return f"{span.source.path}#{span.start}"


def source_of(text: Text) -> str:
    """Return the path of the repository's file that a text stands in."""
    return text.span.source.path
