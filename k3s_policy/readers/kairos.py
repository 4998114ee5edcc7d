"""Kairos: a cloud-config whose `k3s` and `k3s-agent` say what K3s is started with.

Kairos puts the `args`, with blanks between them, into the command of a unit, and `env` into an environment file
(provider-kairos `internal/provider/bootstrap.go`, oneTimeBootstrap). With `p2p` its nodes agree on their roles, tokens
and addresses by themselves, and more is added (`internal/role/p2p/k3s.go`). Files and commands stand in `stages` too,
where a file without `permissions` gets none at all (mudler/yip `pkg/plugins/files.go`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.shell import split_words
from k3s_policy.formats.tree import Mapping, Scalar, Sequence, arrives
from k3s_policy.formats.user_data import HostFile, commands, decoded, files, mode_of, script_of
from k3s_policy.model.fragment import Start
from k3s_policy.model.host_files import files_of, said_of, script_file
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.subjects import Credential
from k3s_policy.text import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_BLOCKS = {"k3s": "server", "k3s-agent": "agent"}
_FINDING_EACH_OTHER = ("p2p", "kairos")
"""Keys, the second of which is the older, of nodes that find each other."""
_KEYS = frozenset({"enabled", "args", "env", "replace_args", "replace_env", "embedded_registry"})
_BESIDE = frozenset({"stages", "p2p", "users", "write_files", "runcmd"})
"""Keys of which one stands beside `k3s` in nearly every config of Kairos, with more in it than a word."""


def claims(seen: Seen) -> bool:
    """Whether a file is a config of Kairos that starts K3s, or has stages."""
    root = seen.document.root
    if not isinstance(root, Mapping):
        return False
    return _has_stages(root) or any(_is_block(root, name) for name in _BLOCKS)


def _has_stages(root: Mapping) -> bool:
    return any(step.items("files") or step.items("commands") for step in _steps(root))


def _steps(root: Mapping) -> Iterator[Mapping]:
    """Yield the steps of all stages; what aliases repeat is one."""
    stages = {id(node): node for _, node in _entries(root.last("stages"))}
    steps = {id(step): step for node in stages.values() if isinstance(node, Sequence) for step in node.items}
    yield from (step for step in steps.values() if isinstance(step, Mapping))


def _is_block(root: Mapping, name: str) -> bool:
    block = root.last(name)
    if not isinstance(block, Mapping) or not {str(key) for key, _ in block.entries} <= _KEYS:
        return False
    options = any(isinstance(item, Scalar) and item.text.startswith("-") for item in block.items("args"))
    beside = any(isinstance(item, Mapping) for name in _BESIDE for item in (root.last(name), *root.items(name)))
    return options or isinstance(block.last("env"), Mapping) or beside


def read(seen: Seen) -> Iterator[Found]:
    """Yield what K3s is started with, what the files hold, and what the commands start."""
    if isinstance(seen.document.root, Mapping):
        yield from _read(seen.document.root, seen.described_host, said_of(seen.composed[:0], seen.document))


def _read(root: Mapping, host: str, said: Start | None) -> Iterator[Found]:
    yield from _as_cloud_init(root, host, said)
    for step in _steps(root):
        written = list(_files(step))
        yield from files_of(written, host, said)
        for command in commands(step.last("commands")):
            yield script_file(command, host, said, written)
    for name in _FINDING_EACH_OTHER:
        if (token := root.scalar(name, "network_token")) is not None:
            yield Credential(what="network_token", at=token.text, value=token.text, form=Form.CONFIG, tag=token.tag)
    unseen = (*_unseen(root), *(said.unseen if said is not None else ()))
    for name, role in _BLOCKS.items():
        key = next((key for key, _ in reversed(root.entries) if str(key) == name), None)
        block = root.last(name)
        if key is not None and isinstance(block, Mapping) and _is_block(root, name) and _starts(block):
            # A file with both blocks is for several hosts: what it writes is beside the server here.
            beside = host if role == "server" or root.last("k3s") is None else f"{host}#agent"
            yield _start(key.text, role, block, root, beside, unseen)


def _as_cloud_init(root: Mapping, host: str, said: Start | None) -> Iterator[Found]:
    """Hand back what the keys of cloud-init write and run: Kairos takes them too."""
    if (early := script_of(root, "bootcmd")) is not None:
        yield script_file(early, host, said)
    written = list(files(root.last("write_files"), "Kairos"))
    yield from files_of(written, host, said)
    if (late := script_of(root, "runcmd")) is not None:
        yield script_file(late, host, said, written)


def _entries(node: object) -> tuple[tuple[Scalar, object], ...]:
    return node.entries if isinstance(node, Mapping) else ()


def _starts(block: Mapping) -> bool:
    enabled = block.scalar("enabled")
    return enabled is None or str(arrives(enabled)) != "false"


def _start(key: Text, role: str, block: Mapping, root: Mapping, host: str, unseen: tuple[Unseen, ...]) -> Start:  # noqa: PLR0913, PLR0917
    words = [word for item in block.items("args") if isinstance(item, Scalar) for word in split_words(item.text) or ()]
    if role == "server":
        words = [*_datastore(root), *words]
    return Start(
        at=key,
        role=role,
        role_reason=f"Kairos starts it as the role of `{key}`",
        arguments=tuple(Argument(word) for word in words),
        form=Form.UNIT,
        variables=tuple(
            Variable(name.text, value.text, Form.ENVIRONMENT_FILE, tag=value.tag)
            for name, value in _entries(block.last("env"))
            if isinstance(value, Scalar)
        ),
        unseen=unseen,
        host=host,
        words=(key.stand_in("/usr/bin/k3s"), key.stand_in(role), *words),
    )


def _datastore(root: Mapping) -> Iterator[Text]:
    """Yield the argument that Kairos makes of an external database."""
    external = root.scalar("p2p", "auto", "ha", "external_db")
    if external is not None and "://" in str(external):
        yield join((external.text.stand_in("--datastore-endpoint"), external.text), "=")


def _unseen(root: Mapping) -> Iterator[Unseen]:
    """Say what Kairos adds by itself where nodes find each other."""
    for key, _ in root.entries:
        if str(key) in _FINDING_EACH_OTHER:
            yield Unseen(Input.ARGUMENTS, "Kairos adds arguments by itself", key.text)
            yield Unseen(Input.ENVIRONMENT, "Kairos adds a token and an address by itself", key.text)
        elif str(key) == "kubevip":
            yield Unseen(Input.ARGUMENTS, "Kairos adds addresses of kube-vip", key.text)


def _files(step: Mapping) -> Iterator[HostFile]:
    for item in step.items("files"):
        path = item.scalar("path") if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and path is not None:
            written, encoding, mode = item.scalar("content"), item.scalar("encoding"), item.scalar("permissions")
            content = decoded(written.text, str(encoding or "")) if written is not None else path.text[:0]
            yield HostFile(path.text, content, None if mode is None else mode_of(mode))
