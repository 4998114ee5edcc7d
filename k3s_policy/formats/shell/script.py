"""What a script does: its commands, as they are started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k3s_policy.formats.shell.variables import Assignment, Environment, Word
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["Command", "Redirect", "Script"]


@dataclass(frozen=True, repr=False)
class Redirect:
    """A redirection: `>`, `>>`, `2>`, `<`, `<<`, `<<<`; the target of a here-document is in the input."""

    operator: str
    target: Word | None


@dataclass(frozen=True, repr=False)
class Command:
    """A simple command, its words as it would get them, the first one its name.

    Assignments alone, `export X=1` and its kind, `[[ ]]` and `(( ))` are not commands. `redirects` and `input`
    include those of the groups and loops it stands in. `environment` is what the script has exported by then,
    and does not include `assignments`, which stand in front of this command alone.
    """

    words: tuple[Word, ...]
    assignments: tuple[Assignment, ...]
    environment: Environment
    piped: tuple[Command, ...]  # whose output reaches this one through a pipe, in their order
    input: tuple[Text, ...]  # here-documents and here-strings
    redirects: tuple[Redirect, ...]
    when: When
    at: Text  # from its first to its last character
    inside: str | None  # the function it stands in
    folder: str  # it works in, as far as the script has said so; empty where it has not

    @property
    def upstream(self) -> Command | None:
        """The last of the commands that are piped into this one."""
        return self.piped[-1] if self.piped else None


@dataclass(frozen=True, repr=False)
class Script:
    """What a script does: its commands and its assignments, in the order they are made."""

    commands: tuple[Command, ...]
    assignments: tuple[Assignment, ...]
    broken: tuple[Text, ...]  # stretches that could not be understood
