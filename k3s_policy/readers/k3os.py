"""k3OS: a cloud-config whose `k3os` says how K3s is started.

k3OS runs the install script of K3s with `k3s_args`; where there are none, with `agent` if `server_url` is set and with
`server` otherwise (k3OS `pkg/cc/funcs.go`, ApplyK3S). Its service takes `/etc/environment`, which `environment` is
written to, and then K3S_URL and K3S_TOKEN. Keys may be written `k3s_args`, `k3sArgs` and in the singular
(`pkg/config/rename.go`). The last release of k3OS has K3s v1.23.3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Entry, Mapping, Scalar, Sequence, arrives
from k3s_policy.formats.user_data import commands, files
from k3s_policy.k3s.version import Version
from k3s_policy.model.fragment import Start
from k3s_policy.model.host_files import files_of, said_of, script_file
from k3s_policy.model.invocation import Form
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.text import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_ROLES = ("server", "agent")
_PROGRAM = "/sbin/k3s"
_KEYS = (
    "write_files", "runcmd", "bootcmd", "initcmd", "k3os",
    "server_url", "token", "labels", "k3s_args", "environment", "taints",
)  # fmt: skip
_LAST_RELEASE = Version.parse("v1.23.3+k3s1")


def claims(seen: Seen) -> bool:
    """Whether a file is a config of k3OS."""
    root = seen.document.root
    return isinstance(root, Mapping) and isinstance(root.last("k3os"), Mapping)


def read(seen: Seen) -> Iterator[Found]:
    """Yield what the files hold, the commands start, and how k3OS starts K3s, all on one host."""
    if isinstance(seen.document.root, Mapping):
        root = _with_known_keys(seen.document.root)
        yield from _read(root, seen.described_host, said_of(seen.composed[:0], seen.document))


def _read(root: Mapping, host: str, said: Start | None) -> Iterator[Found]:
    written = list(files(root.last("write_files"), "k3OS"))
    yield from files_of(written, host, said)
    for name in ("initcmd", "bootcmd", "runcmd"):
        for command in commands(root.last(name)):
            yield script_file(command, host, said, written)
    settings = root.last("k3os")
    if isinstance(settings, Mapping):
        start = _start(settings.written, _with_known_keys(settings), host)
        yield start if said is None else replace(start, unseen=said.unseen)


def _with_known_keys(mapping: Mapping) -> Mapping:
    """Return a mapping with its keys spelled as they are here; what is written in the singular is meant too."""
    spelling = {}
    for name in _KEYS:
        plain = name.replace("_", "")
        spelling.update({plain: name, plain.removesuffix("s"): name})
    entries = []
    for key, value in mapping.entries:
        known = spelling.get(str(key).lower().replace("_", ""))
        entries.append(Entry(Scalar(key.text.stand_in(known), key.written, plain=True) if known else key, value))
    return Mapping(tuple(entries), mapping.written, mapping.tag)


def _start(block: Text, settings: Mapping, host: str) -> Start:
    url = _entry(settings, "server_url")
    words = [arrives(item) for item in _items(settings.last("k3s_args"))]
    said = next((word for word in words[:1] if not word.startswith("-")), None)
    known_role = str(said) if said is not None and str(said) in _ROLES else None
    role = known_role or (None if said is not None else "agent" if url else "server")
    arguments = [Argument(word) for word in words if word is not said]
    arguments += _labels(settings)
    for taint in _items(settings.last("taints")):
        arguments.append(Argument(taint.text.stand_in("--kubelet-arg")))
        arguments.append(Argument(join((taint.text.stand_in("register-with-taints"), taint.text), "=")))
    at = said or block[:0]
    return Start(
        at=at,
        role=role,
        arguments=tuple(arguments),
        form=Form.INSTALLER,
        variables=tuple(_variables(settings)),
        version=_LAST_RELEASE,
        host=host,
        words=(at.stand_in(_PROGRAM), at.stand_in(role), *(one.text for one in arguments)) if role else (),
        role_reason="" if said is not None else f"k3OS makes it one where server_url is {'set' if url else 'not set'}",
    )


def _labels(settings: Mapping) -> Iterator[Argument]:
    labels = settings.last("labels")
    for key, value in labels.entries if isinstance(labels, Mapping) else ():
        if isinstance(value, Scalar):
            yield Argument(key.text.stand_in("--node-label"))
            yield Argument(join((key.text, value.text), "="))


def _variables(settings: Mapping) -> Iterator[Variable]:
    """Yield the variables that K3s gets, weakest first."""
    environment = settings.last("environment")
    for key, value in environment.entries if isinstance(environment, Mapping) else ():
        if isinstance(value, Scalar):
            yield Variable(key.text, value.text, Form.ENVIRONMENT_FILE, tag=value.tag)
    for name, variable in (("server_url", "K3S_URL"), ("token", "K3S_TOKEN")):
        entry = _entry(settings, name)
        if entry is not None and isinstance(entry.value, Scalar):
            value = entry.value
            yield Variable(entry.key.text.stand_in(variable), value.text, Form.ENVIRONMENT_FILE, tag=value.tag)


def _entry(mapping: Mapping, name: str) -> Entry | None:
    """Return the last entry of a key whose value is not empty."""
    return next((one for one in reversed(mapping.entries) if str(one.key) == name and _is_set(one.value)), None)


def _is_set(value: YamlNode) -> bool:
    return isinstance(value, Scalar) and bool(arrives(value))


def _items(node: YamlNode | None) -> list[Scalar]:
    """Return the items of a list; a single value is a list of one."""
    items = node.items if isinstance(node, Sequence) else (node,)
    return [item for item in items if isinstance(item, Scalar)]
