"""Docker Compose files: services that run a K3s image.

The image's entrypoint is `/bin/k3s` and its default command `agent` (K3s package/Dockerfile), so that `command:` holds
arguments of K3s. Variables are filled in first (https://docs.docker.com/reference/compose-file/interpolation/).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.interpolate import filled_in, interpolated
from k3s_policy.formats.shell import split_words
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s import program
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import IMAGE_PROGRAM, ReadAs
from k3s_policy.model.committed import credentials
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import Copy, OtherCommand, Start, Workload
from k3s_policy.model.invocation import INPUT_OF, Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.mount import mounted
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_ROLES = ("server", "agent")
_OVERRIDE = pattern(r"(?:^|/)(?:docker-)?compose\.override\.ya?ml$")
_SEVERAL = pattern(r"[1-9][0-9]{0,4}")


def claims(seen: Seen) -> bool:
    """Whether a file is a compose file: its services have images, or are built or extended."""
    root = seen.document.root
    services = root.last("services") if isinstance(root, Mapping) else None
    return isinstance(services, Mapping) and any(
        isinstance(service, Mapping)
        and {"image", "build", "extends"} & {str(key) for key, _ in service.merged().entries}
        for _, service in services.entries
    )


def read(seen: Seen) -> Iterator[Found]:
    """Yield what each service of K3s starts, and the files that are mounted into it."""
    root = seen.document.root
    services = root.last("services") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or not isinstance(services, Mapping):
        return
    for name, service in services.merged().entries:
        if isinstance(service, Mapping):
            yield from _service(name, service.merged(), root, seen)


def _service(name: Scalar, service: Mapping, root: Mapping, seen: Seen) -> Iterator[Found]:
    written = service.scalar("image")
    image = interpolated(written.text) if written is not None else None
    if image is None or not program.image(str(filled_in(image, {}))):
        return
    host = host_at(name.text)
    mounts = [
        *(mounted(source, target, host, seen.source) for source, target in _volumes(service)),
        *_configs(service, root, host, seen.source),
    ]
    said = Start(
        at=image,
        role=None,
        arguments=(),
        form=Form.COMPOSE,
        variables=tuple(_variables(service)),
        unseen=(*(mount for mount in mounts if isinstance(mount, Unseen)), *_unseen(service, seen.path)),
        host=host,
        isolated=True,
        addresses=tuple(_addresses(name, service)),
        workload=_workload(name, service),
        environment_files=tuple(_environment_files(service)),
        interpolates=True,
        image=image,
    )
    yield from _started(said, list(_words(service.last("entrypoint"))), list(_words(service.last("command"))))
    for mount in mounts:
        if isinstance(mount, Copy):
            yield replace(mount, only_if_started=True)
        elif isinstance(mount, File):
            yield mount


def _configs(service: Mapping, root: Mapping, host: str, path: str) -> Iterator[File | Copy | Unseen]:
    """Yield the files of `configs:`: what is written in the compose file, is kept beside it, or comes from elsewhere.

    One whose target is not said is at the top of the container (https://docs.docker.com/reference/compose-file/configs/).
    """
    for item in service.items("configs"):
        name = item.scalar("source") if isinstance(item, Mapping) else item
        if not isinstance(name, Scalar):
            continue
        target = item.scalar("target") if isinstance(item, Mapping) else None
        place = str(interpolated(target.text)) if target is not None else f"/{name}"
        content, source = root.scalar("configs", str(name), "content"), root.scalar("configs", str(name), "file")
        if content is not None:
            yield File(text=interpolated(content.text), path=place, host=host)
        elif source is not None:
            yield Copy(interpolated(source.text), place, host, path)
        else:
            yield Unseen(Input.CONFIG, "`configs` may hold a config file")


def _started(said: Start, entrypoint: list[Text], command: list[Text]) -> Iterator[Found]:
    """Yield what a service runs; `said` is what it says besides its words."""
    words = [*entrypoint, *command]
    if not entrypoint:
        own = command[1:] if command and program.is_k3s(str(command[0])) else command
        yield from _run(said, said.at.stand_in(IMAGE_PROGRAM), own, is_default=not command)
    elif program.is_k3s(str(words[0])) and len(words) > 1:
        yield from _run(said, words[0], words[1:])
    elif len(words) > 2 and program.is_shell(str(words[0])) and str(words[1]).startswith("-"):
        yield _script(said, words[2])
    else:
        # What another program does with its words was not seen; the image is K3s's all the same.
        yield from credentials(said.variables)


def _run(said: Start, program_: Text, words: list[Text], *, is_default: bool = False) -> Iterator[Found]:
    """Yield what K3s makes of its words; without any it starts an agent, if they are those of its own image."""
    role = next((word for word in words if str(word) in _ROLES), None)
    if words and role is None and not words[0].startswith("-"):
        yield from _command(words)
        return
    yield replace(
        said,
        at=role or said.at,
        role=str(role) if role else "agent" if is_default and "rancher/k3s" in str(said.image) else None,
        role_reason="" if role else "the image starts an agent where no command says otherwise",
        arguments=tuple(Argument(word) for word in words if word is not role),
        words=(program_, *words),
    )


def _command(words: list[Text]) -> Iterator[OtherCommand]:
    if str(words[0]) in flags().commands:
        yield OtherCommand(words[0], str(words[0]), tuple(Argument(word) for word in words[1:]), Form.COMPOSE)


def _script(said: Start, content: Text) -> File:
    """Return the script that a shell is given: what it starts has what the service says."""
    return File(
        text=content,
        path="",
        read_as=ReadAs.SCRIPT,
        host=said.host,
        form=Form.COMPOSE,
        given=said.variables,
        said=replace(said, variables=()),
    )


def _words(node: YamlNode | None) -> Iterator[Text]:
    """Yield the words of a command: a list as it is, a text split as a shell would."""
    if isinstance(node, Sequence):
        yield from (interpolated(item.text) for item in node.items if isinstance(item, Scalar))
    elif isinstance(node, Scalar):
        yield from split_words(interpolated(node.text)) or ()


def _variables(service: Mapping) -> Iterator[Variable]:
    """Yield the variables of `environment:`, a list or a mapping; one without a value comes from outside."""
    environment = service.last("environment")
    if isinstance(environment, Mapping):
        for key, value in environment.merged().entries:
            if isinstance(value, Scalar):
                outside = value.plain and not value.text
                given = value.text.stand_in(f"${{{key}}}", known=False) if outside else interpolated(value.text)
                yield Variable(key.text, given, Form.COMPOSE, tag=value.tag)
    elif isinstance(environment, Sequence):
        for item in environment.items:
            if isinstance(item, Scalar):
                name, equals, written = item.text.partition("=")
                given = interpolated(written) if equals else written.stand_in(f"${{{name}}}", known=False)
                yield Variable(name, given, Form.COMPOSE)


def _environment_files(service: Mapping) -> Iterator[Text]:
    """Yield the paths of `env_file:`: one, a list, or a list of mappings with a `path`."""
    node = service.last("env_file")
    for item in node.items if isinstance(node, Sequence) else (node,):
        named = item.scalar("path") if isinstance(item, Mapping) else item
        if isinstance(named, Scalar):
            yield interpolated(named.text)


def _volumes(service: Mapping) -> Iterator[tuple[Text | None, Text]]:
    """Yield the source and the target of each mount; a volume without a name has no source."""
    for item in service.items("volumes"):
        if isinstance(item, Mapping):
            source, target = item.scalar("source"), item.scalar("target")
            if target is not None:
                yield (interpolated(source.text) if source is not None else None), interpolated(target.text)
        elif isinstance(item, Scalar):
            first, colon, rest = interpolated(item.text).partition(":")
            yield (first, rest.partition(":")[0]) if colon else (None, first)


def _unseen(service: Mapping, path: str) -> Iterator[Unseen]:
    extends = service.last("extends") is not None
    if extends or _OVERRIDE.search(path):
        why = "`extends` may add to the service" if extends else "this file adds to another one"
        for kind in INPUT_OF.values():
            yield Unseen(kind, why)


def _addresses(name: Scalar, service: Mapping) -> Iterator[Text]:
    """Yield what other services call this one: its name, that of its container, its addresses."""
    yield name.text
    for key in ("container_name", "hostname"):
        if (given := service.scalar(key)) is not None:
            yield interpolated(given.text)
    networks = service.last("networks")
    for _, network in networks.entries if isinstance(networks, Mapping) else ():
        if isinstance(network, Mapping):
            found = (*network.items("aliases"), network.scalar("ipv4_address"), network.scalar("ipv6_address"))
            yield from (interpolated(one.text) for one in found if isinstance(one, Scalar))


def _workload(name: Scalar, service: Mapping) -> Workload | None:
    copies = service.scalar("deploy", "replicas") or service.scalar("scale")
    if copies is None or not _SEVERAL.fullmatch(str(copies)) or str(copies) == "1":
        return None
    return Workload(name.text, copies=copies.text)
