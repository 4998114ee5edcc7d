"""systemd units that run K3s, and their drop-ins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats import systemd, template
from k3s_policy.k3s.places import ReadAs, of_path
from k3s_policy.model.fragment import Unit, UnusedOptions
from k3s_policy.model.invocation import BrokenFile
from k3s_policy.model.lower import Argument
from k3s_policy.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_TEMPLATE_SUFFIX = r"(?:\.(?:j2|jinja2?|tftpl|tpl|tmpl|template))?$"
_DROP_IN = re.compile(r"(?:^|/)(?P<unit>(?:[^/]+\.)?service)\.d/[^/]+\.conf" + _TEMPLATE_SUFFIX)
_HEADER = re.compile(r"(?m)^\[(?:Unit|Service|Install)\][ \t\r]*$")
_SECTION = re.compile(r"(?m)^[ \t]*\[")
_EXEC = re.compile(r"[ \t]*Exec[A-Za-z]*[ \t]*=")
_K3S = re.compile(r"\bk3s\b")
_NAME = re.compile(r"(?:^|/)(?P<name>[^/]+\.service)" + _TEMPLATE_SUFFIX)
_OPTION = re.compile(r"[ \t]*['\"]?--[a-z]")


def claims(seen: Seen) -> bool:
    """Whether a file is a unit that runs K3s, or a drop-in for such a unit."""
    content = seen.content
    drop_in = _DROP_IN.search(seen.file.path)
    if drop_in:
        return "k3s" in drop_in["unit"] or _runs_k3s(content) or (drop_in["unit"] == "service" and "K3S_" in content)
    name = _NAME.search(seen.file.path)
    if name is None:
        return False
    if not _HEADER.search(content):
        # A piece of K3s's own unit; Avahi's files, which are XML, end in .service too.
        return of_path(seen.path) is ReadAs.UNIT and (seen.file.partial or not seen.file.text.known)
    return "k3s" in name["name"] or _runs_k3s(content)


def _runs_k3s(content: str) -> bool:
    """Whether the word k3s stands in a command, which may go on over several lines."""
    command = False
    for line in content.splitlines():
        command = command or _EXEC.match(line) is not None
        if command and _K3S.search(line):
            return True
        command = command and line.endswith("\\")
    return False


def read(seen: Seen) -> Iterator[Found]:
    """Read one unit file or drop-in; what a template fills in is not known."""
    path, text = seen.file.path, seen.file.text
    if seen.file.partial and not _SECTION.search(seen.content):
        # What is put into a unit line by line is mostly for the section of the command.
        text = text[:0].stand_in("[Service]\n") + text
    syntax = template.syntax_of(path, seen.content)
    if syntax is not None and syntax.search(seen.content) is None:
        syntax = None  # called a template, with nothing to be filled in
    file = systemd.read_unit(template.substituted(text, syntax) if syntax else text)
    if file.error is not None and syntax is None:
        yield BrokenFile(file.error.at, file.error.message, "systemd")
    drop_in = _DROP_IN.search(path)
    name = _NAME.search(path)
    unit_name = drop_in["unit"] if drop_in else name["name"] if name else path[path.rfind("/") + 1 :]
    yield Unit(
        text=text,
        file=file,
        path=path,
        name=unit_name,
        drop_in=drop_in is not None,
        host=seen.file.host,
        template=syntax is not None,
    )
    if not seen.file.partial:
        yield from _without_command(file)


def _without_command(file: systemd.UnitFile) -> Iterator[UnusedOptions]:
    """Yield lines of options that no backslash joins with the command above, so that systemd ignores them."""
    for line in file.lines:
        if isinstance(line.item, systemd.Directive | systemd.Flaw) and _OPTION.match(str(line.parts[0])):
            words = [word for part in line.parts for word in systemd.words(part.rstrip("\\"), systemd.Escapes.KEPT)]
            arguments = tuple(Argument(word) for word in words if isinstance(word, Text))
            if arguments:
                yield UnusedOptions(arguments[0].text, arguments)
