"""Dockerfiles and Containerfiles: what a build runs, copies and keeps, and what the image starts.

The format is Docker's (https://docs.docker.com/reference/dockerfile/). K3s's own image starts `/bin/k3s agent` where
nothing else is said (K3s package/Dockerfile). What a build writes stays in the image, and so does every `ENV`.
"""

from __future__ import annotations

import posixpath
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats import template
from k3s_policy.formats.interpolate import filled_in, interpolated
from k3s_policy.formats.shell import command_line, split_words
from k3s_policy.formats.tree import Scalar, Sequence, read_yaml
from k3s_policy.k3s import program
from k3s_policy.k3s.download import part_of_k3s
from k3s_policy.k3s.places import IMAGE_PROGRAM, ReadAs
from k3s_policy.k3s.version import Version
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Variable
from k3s_policy.model.subjects import Download
from k3s_policy.text import Text, join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen

__all__ = ["claims", "read"]

_INSTRUCTION = pattern(r"(?s)[ \t]*(?P<name>[A-Za-z]+)(?:[ \t]+(?P<rest>.*))?$")
_ESCAPE = pattern(r"(?im)\A(?:#[^\n]*\n)*?#[ \t]*escape[ \t]*=[ \t]*`")
_HERE_DOCUMENT = pattern(r"(?<!\S)<<(?P<tabs>-?)(?P<quote>['\"]?)(?P<name>\w[\w.-]*)(?P=quote)(?=[\s;&|)>]|$)")
_QUOTED = pattern(r"(?s)'[^']*'|\"(?:[^\"\\]|\\.)*\"")
_OPTION = pattern(r"--[a-z-]+(?:=\S*)?(?:[ \t]+|$)")
_SHEBANG = pattern(r"#!\s*(?P<program>\S+)(?:[ \t]+(?P<argument>\S+))?")
_PAIR = pattern(r"(?P<name>[A-Za-z_]\w*)=")
_SUFFIX = pattern(r"\.(?:ya?ml|service|conf|env)$")
_NESTED = pattern(r"(?i)ONBUILD[ \t]+")


class _HereDocument(NamedTuple):
    """What stands between `<<EOF` and `EOF`."""

    name: str
    """What closes it, which is the name of its file where that is copied into a folder."""
    body: Text
    quoted: bool
    """Whether Docker leaves its variables alone."""


class _Instruction(NamedTuple):
    """One instruction: its name in capitals, and all behind it, without options."""

    name: str
    options: tuple[str, ...]
    rest: Text
    documents: tuple[_HereDocument, ...]


@dataclass(repr=False)
class _Stage:
    """An image on its way: what the instructions so far have made of it."""

    host: str
    image: Text
    variables: tuple[Variable, ...] = ()
    folder: str = ""
    """What `WORKDIR` says, which paths begin at; empty where that is not known."""
    is_k3s: bool = False
    entrypoint: tuple[Text, ...] | None = None
    command: tuple[Text, ...] | None = None
    says_command: bool = False
    """Whether the command stands in the stage itself."""


def claims(_: Seen) -> bool:
    """Whether a file is a Dockerfile: its name says so."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read the stages of a build; arguments in front of the first one are for the names of images alone."""
    known: dict[str, Text] = {}
    stages: dict[str, _Stage] = {}
    stage: _Stage | None = None
    for instruction in _instructions(seen.text):
        if instruction.name == "FROM":
            if stage is not None:
                yield from _started(stage)
            stage = _begun(instruction, stages, known)
        elif stage is None:
            if instruction.name == "ARG":
                known |= {str(one.name): one.value for one in _variables(instruction)}
        else:
            yield from _taken(instruction, stage)
    if stage is not None:
        yield from _started(stage)


# --- instructions -----------------------------------------------------------------------------------------


def _instructions(text: Text) -> Iterator[_Instruction]:
    """Yield the instructions: continued lines are put together, and comments between them left out."""
    escape = "`" if _ESCAPE.match(str(text)) else "\\"
    lines = deque(text.lines())
    while lines:
        logical = _logical_line(lines, escape)
        match = _INSTRUCTION.match(str(logical)) if logical is not None else None
        if logical is None or match is None or match["rest"] is None:
            continue
        name, rest = match["name"].upper(), logical.cut(match, "rest").strip()
        options = []
        position = 0
        while option := _OPTION.match(str(rest), position):
            options.append(option[0].strip())
            position = option.end()
        rest = rest[position:]
        documents = tuple(_documents(name, rest, lines))
        yield _Instruction(name, tuple(options), rest, documents)


def _logical_line(lines: deque[Text], escape: str) -> Text | None:
    """Take one line with all that continue it from the front of `lines`; None for a blank line or a comment."""
    line = lines.popleft()
    if str(line).lstrip()[:1] in ("", "#"):
        return None
    parts: list[Text] = []
    while True:
        stripped = line.rstrip()
        if not stripped or str(stripped)[-1] != escape:
            return Text(run for part in (*parts, line) for run in part.runs)
        parts.append(stripped[:-1])
        while lines and str(lines[0]).lstrip()[:1] in ("", "#"):
            lines.popleft()
        if not lines:
            return Text(run for part in parts for run in part.runs)
        line = lines.popleft()


def _documents(name: str, rest: Text, lines: deque[Text]) -> Iterator[_HereDocument]:
    """Take the here-documents of an instruction from the front of `lines`."""
    if name not in ("RUN", "COPY", "ADD"):
        return
    for match in _here_documents(rest):
        body = []
        while lines:
            line = lines.popleft()
            line = line.lstrip("\t") if match["tabs"] else line
            if str(line) == match["name"]:
                break
            body.append(line)
        yield _HereDocument(match["name"], join(body, "\n") if body else rest[:0], bool(match["quote"]))


def _here_documents(rest: Text) -> list[re.Match[str]]:
    """Return what announces here-documents: words by themselves, outside of quotes."""
    quoted = [match.span() for match in _QUOTED.finditer(str(rest)) if "<<" in match[0]]
    found = _HERE_DOCUMENT.finditer(str(rest))
    return [match for match in found if not any(start < match.start() < end for start, end in quoted)]


def _words(rest: Text) -> tuple[Text, ...] | None:
    """Return the words of the exec form, a list in JSON; None where it is none, and so the shell's."""
    if not rest.startswith("["):
        return None
    root = read_yaml(rest).root
    if not isinstance(root, Sequence) or not all(isinstance(item, Scalar) for item in root.items):
        return None
    return tuple(item.text for item in root.items if isinstance(item, Scalar))


def _script(instruction: _Instruction) -> Text | None:
    """Return what a shell is given to run; None where another program is."""
    words = _words(instruction.rest)
    if words is not None:
        return command_line(words) if words else None
    if not instruction.documents:
        return instruction.rest
    first = instruction.documents[0]
    if _HERE_DOCUMENT.fullmatch(str(instruction.rest)):
        shebang = _SHEBANG.match(str(first.body))
        runs = [word.rpartition("/")[2] for word in (shebang["program"], shebang["argument"] or "")] if shebang else []
        return first.body if not runs or any(map(program.is_shell, runs)) else None
    # The shell gets the line with its here-documents, as they stand.
    ends = [match["name"] for match in _here_documents(instruction.rest)]
    parts = [instruction.rest]
    for document, end in zip(instruction.documents, ends, strict=False):
        parts += [document.body, document.body[len(document.body) :].stand_in(end)]
    return join(parts, "\n")


def _variables(instruction: _Instruction) -> Iterator[Variable]:
    """Yield what `ENV` and `ARG` set: `NAME=value` several times, or, for `ENV`, `NAME value` once."""
    rest = instruction.rest
    name, blank, value = rest.partition(" ")
    if instruction.name == "ENV" and blank and "=" not in str(name):
        yield Variable(name, interpolated(value.strip()), Form.IMAGE)
        return
    for word in split_words(rest) or ():
        if match := _PAIR.match(str(word)):
            yield Variable(word.cut(match, "name"), word[match.end() :], Form.IMAGE)


# --- stages -----------------------------------------------------------------------------------------------


def _begun(instruction: _Instruction, stages: dict[str, _Stage], known: dict[str, Text]) -> _Stage:
    """Begin a stage with an image of a registry, or with an earlier stage."""
    words = split_words(interpolated(instruction.rest)) or [instruction.rest]
    image = filled_in(words[0], known)
    host = host_at(instruction.rest)
    earlier = stages.get(str(image).lower())
    if earlier is not None:
        stage = replace(earlier, host=host, says_command=False)
    else:
        stage = _Stage(host, image, is_k3s=program.image(str(image)) is not None)
    if len(words) > 2 and str(words[1]).lower() == "as":
        stages[str(words[2]).lower()] = stage
    return stage


def _taken(instruction: _Instruction, stage: _Stage) -> Iterator[Found]:
    """Apply an instruction to its stage, and yield what it means for K3s."""
    match instruction.name:
        case "ENV" | "ARG":
            variables = tuple(_variables(instruction))
            stage.variables = (*stage.variables, *variables)
            yield from credentials_of_k3s(variables)
        case "RUN":
            content = _script(instruction)
            if content is not None:
                yield File(text=content, path="", read_as=ReadAs.SCRIPT, host=stage.host, given=stage.variables)
        case "WORKDIR":
            stage.folder = _folder(instruction.rest, stage)
        case "COPY" | "ADD":
            yield from _copied(instruction, stage)
        case "ENTRYPOINT":
            # It drops the command of the image that the stage begins with, and keeps one of its own.
            stage.entrypoint = _command(instruction)
            stage.command = stage.command if stage.says_command else None
        case "CMD":
            stage.command, stage.says_command = _command(instruction), True


def _command(instruction: _Instruction) -> tuple[Text, ...]:
    words = _words(instruction.rest)
    if words is not None:
        return words
    rest = instruction.rest
    return rest[:0].stand_in("/bin/sh"), rest[:0].stand_in("-c"), rest


def _copied(instruction: _Instruction, stage: _Stage) -> Iterator[Found]:
    """Read files that are put into the image: what is written here, fetched, or taken from the repository."""
    words = _words(instruction.rest) or tuple(split_words(interpolated(instruction.rest)) or ())
    if len(words) < 2 or any(option.startswith("--from=") for option in instruction.options):
        return
    target = _in_folder(words[-1], stage)
    if instruction.documents:
        for document in instruction.documents:
            content = document.body if document.quoted else template.opaque(interpolated(document.body))
            # In a folder a here-document is called as the word that closes it.
            path = f"{target}{document.name}" if str(target).endswith("/") else str(target)
            yield File(text=content, path=path, host=stage.host, may_go_on=True)
        return
    for source in words[:-1]:
        if instruction.name == "ADD" and "://" in str(source):
            name = str(source).partition("?")[0].rpartition("/")[2]
            part = part_of_k3s((str(source),), (f"{target}{name}" if str(target).endswith("/") else str(target),))
            if part is not None and not any(option.startswith("--checksum=") for option in instruction.options):
                yield Download(part, source, guarded=True)
        else:
            yield File(text=_as_copy(source, target), path="", read_as=ReadAs.SCRIPT, host=stage.host, synthetic=True)


def _folder(written: Text, stage: _Stage) -> str:
    """Return the folder that `WORKDIR` goes to from the one before."""
    words = split_words(interpolated(written)) or [written]
    folder = filled_in(words[0], {str(one.name): one.value for one in stage.variables})
    if not folder.known or not (folder.startswith("/") or stage.folder):
        return ""
    return posixpath.normpath(
        f"{stage.folder}/{folder}" if stage.folder and not folder.startswith("/") else str(folder)
    )


def _in_folder(target: Text, stage: _Stage) -> Text:
    """Return where files are put: a relative path begins at the folder of the stage."""
    written = str(target)
    if not stage.folder or not target.known or written.startswith("/"):
        return target
    path = posixpath.normpath(f"{stage.folder}/{written}")
    return target.stand_in(f"{path}/" if written.endswith("/") or written in (".", "..") else path)


def _as_copy(source: Text, target: Text) -> Text:
    """Return the command of a shell that does the same: of a folder, `COPY` takes what is in it."""
    at = source[:0]
    if _SUFFIX.search(str(source)):
        return command_line((at.stand_in("cp"), source, target))
    inside = Text((*source.rstrip("/").runs, *source[len(source) :].stand_in("/").runs))
    return command_line((at.stand_in("cp"), at.stand_in("-r"), inside, target))


def _started(stage: _Stage) -> Iterator[Found]:
    """Yield what a container of the image starts."""
    entrypoint = stage.entrypoint
    if entrypoint is None:
        entrypoint = (stage.image.stand_in(IMAGE_PROGRAM),) if stage.is_k3s else ()
    words = (*entrypoint, *(stage.command or ()))
    if not words or (stage.entrypoint is None and stage.command is None):
        return
    image = program.image(str(stage.image))
    release = Version.parse((image["tag"] if image else None) or "")
    unseen = [
        Unseen(Input.CONFIG, "a volume may hold a config file"),
        Unseen(Input.ENVIRONMENT, "whoever runs the image may give variables"),
    ]
    if stage.is_k3s and release is None:
        unseen.append(Unseen(Input.VERSION, "the release is a variable"))
    yield File(
        text=command_line(words),
        path="",
        read_as=ReadAs.SCRIPT,
        host=stage.host,
        form=Form.IMAGE,
        given=stage.variables,
        said=replace(Start.without_words(words[0], Form.IMAGE, unseen=tuple(unseen)), version=release),
    )
