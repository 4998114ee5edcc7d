"""Docker Compose files: services that run a K3s image.

The image's entrypoint is `/bin/k3s` and its default command `agent` (K3s package/Dockerfile), so that `command:` holds
arguments of K3s. Variables are filled in first (https://docs.docker.com/reference/compose-file/interpolation/).
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.interpolate import filled_in, interpolated
from k3s_policy.formats.shell import split_words
from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s import program
from k3s_policy.k3s.flags import flags
from k3s_policy.model import Form, Unseen
from k3s_policy.model.fragment import OtherCommand, Placed, Start, Workload
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.readers import environment
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import Document, Node
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "mounted", "read_document"]

_ROLES = ("server", "agent")
_CONFIG_FOLDER = pattern(r"/etc/rancher(?:/k3s(?:/(?!registries\.ya?ml$).*)?)?")
"""Where a mount brings settings along: the registries are none."""
_REGISTRIES = "/etc/rancher/k3s/registries.yaml"
_OVERRIDE = pattern(r"(?:^|/)(?:docker-)?compose\.override\.ya?ml$")
_SEVERAL = pattern(r"[1-9][0-9]{0,4}")


def claims(document: Document, _: str) -> bool:
    """Whether a file is a compose file: its services have images, or are built or extended."""
    root = document.root
    services = root.last("services") if isinstance(root, Mapping) else None
    return isinstance(services, Mapping) and any(
        isinstance(service, Mapping)
        and {"image", "build", "extends"} & {str(key) for key, _ in service.merged().entries}
        for _, service in services.entries
    )


def read_document(_: Text, document: Document, path: str) -> Iterator[Fragment]:
    """Yield what each service of K3s starts, and the files that are mounted into it."""
    root = document.root
    services = root.last("services") if isinstance(root, Mapping) else None
    for name, service in services.merged().entries if isinstance(services, Mapping) else ():
        if isinstance(service, Mapping):
            yield from _service(name, service.merged(), path)


def _service(name: Scalar, service: Mapping, path: str) -> Iterator[Fragment]:
    written = service.scalar("image")
    image = interpolated(written.text) if written is not None else None
    if image is None or not program.image(str(filled_in(image, {}))):
        return
    host = f"{path}#{name.text.span.start}"
    mounts = [mounted(source, target, host, path) for source, target in _volumes(service)]
    said = Start(
        at=image,
        role=None,
        arguments=(),
        form=Form.COMPOSE,
        variables=tuple(_variables(service)),
        unseen=(*(mount for mount in mounts if isinstance(mount, Unseen)), *_unseen(service, path)),
        host=host,
        alone=True,
        addresses=tuple(_addresses(name, service)),
        workload=_workload(name, service),
        environment_files=tuple(_environment_files(service)),
        interpolates=True,
        image=image,
    )
    started = list(_started(said, list(_words(service.last("entrypoint"))), list(_words(service.last("command")))))
    yield from started
    if any(isinstance(fragment, Start) for fragment in started):
        yield from (mount for mount in mounts if isinstance(mount, Placed))


def _started(said: Start, entrypoint: list[Text], command: list[Text]) -> Iterator[Fragment]:
    """Yield what a service runs; `said` is what it says besides its words."""
    words = [*entrypoint, *command]
    if not entrypoint:
        own = command[1:] if command and program.is_k3s(str(command[0])) else command
        yield from _run(said, said.at.stand_in("/bin/k3s"), own, is_default=not command)
    elif program.is_k3s(str(words[0])) and len(words) > 1:
        yield from _run(said, words[0], words[1:])
    elif len(words) > 2 and program.is_shell(str(words[0])) and str(words[1]).startswith("-"):
        yield from _script(said, words[2])
    else:
        # What another program does with its words was not seen; the image is K3s's all the same.
        yield from environment.credentials(said.variables)


def _run(said: Start, program_: Text, words: list[Text], *, is_default: bool = False) -> Iterator[Fragment]:
    """Yield what K3s makes of its words; without any it starts an agent, if they are those of its own image."""
    role = next((word for word in words if str(word) in _ROLES), None)
    if words and role is None and not words[0].startswith("-"):
        yield from _command(words)
        return
    yield replace(
        said,
        at=role or said.at,
        role=str(role) if role else "agent" if is_default and "rancher/k3s" in str(said.image) else None,
        because="" if role else "the image starts an agent where no command says otherwise",
        arguments=tuple(Argument(word) for word in words if word is not role),
        words=(program_, *words),
    )


def _command(words: list[Text]) -> Iterator[OtherCommand]:
    if str(words[0]) in flags().commands:
        yield OtherCommand(words[0], str(words[0]), tuple(Argument(word) for word in words[1:]), Form.COMPOSE)


def _script(said: Start, content: Text) -> Iterator[Fragment]:
    """Read the script that a shell is given: what it starts has what the service says."""
    from k3s_policy.readers import script  # noqa: PLC0415  tree-sitter is loaded only where a shell is met

    for fragment in script.read(content, said.variables, Form.COMPOSE, host=said.host):
        if isinstance(fragment, Start) and fragment.host == said.host:
            yield replace(
                fragment,
                unseen=(*said.unseen, *fragment.unseen),
                alone=True,
                addresses=said.addresses,
                workload=said.workload,
                environment_files=said.environment_files,
                interpolates=True,
                image=said.image,
            )
        else:
            yield fragment


def _words(node: Node | None) -> Iterator[Text]:
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


def mounted(source: Text | None, target: Text, host: str, path: str) -> Placed | Unseen | None:
    """Return what is mounted where a container of K3s has its configuration: a part of the repository, or not seen."""
    place = str(target).rstrip("/")
    if place == _REGISTRIES and source is not None and source.startswith("."):
        return Placed(source, place, host, path)
    if not _CONFIG_FOLDER.fullmatch(place):
        return None
    if source is None or not source.startswith("."):
        return Unseen("config", f"a volume is mounted at {target}")
    folder = posixpath.splitext(place)[1] not in (".yaml", ".yml")
    return Placed(source, place, host, path, folder=folder)


def _unseen(service: Mapping, path: str) -> Iterator[Unseen]:
    if service.last("configs") is not None:
        yield Unseen("config", "`configs` may hold a config file")
    extends = service.last("extends") is not None
    if extends or _OVERRIDE.search(path):
        why = "`extends` may add to the service" if extends else "this file adds to another one"
        for kind in ("arguments", "environment", "config"):
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
