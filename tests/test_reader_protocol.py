"""Every module of `readers/` is a Reader: mypy holds each against the Protocol, and the door has each in its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from k3s_policy.readers import (
    ansible,
    butane,
    cloud_init,
    compose,
    config,
    data_folder,
    dockerfile,
    door,
    environment,
    hetzner_k3s,
    hosts,
    justfile,
    k3d,
    k3os,
    kairos,
    kubeconfig,
    makefile,
    manifest,
    nix,
    openrc,
    pipeline,
    registries,
    script,
    taskfile,
    unit,
    user_data,
    vagrantfile,
    workflow,
)

if TYPE_CHECKING:
    from k3s_policy.model.file import Reader

READERS: dict[str, Reader] = {
    "ansible": ansible,
    "butane": butane,
    "cloud_init": cloud_init,
    "compose": compose,
    "config": config,
    "data_folder": data_folder,
    "dockerfile": dockerfile,
    "environment": environment,
    "hetzner_k3s": hetzner_k3s,
    "hosts": hosts,
    "justfile": justfile,
    "k3d": k3d,
    "k3os": k3os,
    "kairos": kairos,
    "kubeconfig": kubeconfig,
    "makefile": makefile,
    "manifest": manifest,
    "nix": nix,
    "openrc": openrc,
    "pipeline": pipeline,
    "registries": registries,
    "script": script,
    "taskfile": taskfile,
    "unit": unit,
    "user_data": user_data,
    "vagrantfile": vagrantfile,
    "workflow": workflow,
}


def test_every_module_of_readers_is_one_but_the_door() -> None:
    folder = Path(door.__file__).parent
    there = {path.stem for path in folder.iterdir() if not path.name.startswith("_")}
    assert there - {"door"} == READERS.keys()


def test_the_table_of_the_door_has_every_reader() -> None:
    assert {one.reader for one in door.FORMATS} == READERS.keys()


def test_readers_have_nothing_else_to_call() -> None:
    assert {name: getattr(module, "__all__", None) for name, module in READERS.items()} == {
        name: ["claims", "read"] for name in READERS
    }
