"""Which program a word of a command names: K3s itself, a shell, an image of K3s.

K3s's releases name the binaries of other architectures `k3s-arm64`, `k3s-armhf`, `k3s-s390x`; its images are called
`rancher/k3s` and, in registries of one's own, anything that ends in `/k3s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    import re

__all__ = ["SHELL", "image", "is_database", "is_k3s", "is_shell", "shell_of"]

_K3S = pattern(r"(?:^|/)k3s(?:-(?:arm64|armhf|s390x|amd64))?$")
_IMAGE = pattern(r"(?:^|/)k3s(?::(?P<tag>[^@]+))?(?:@.*)?$")
_DATABASE = pattern(r"(?:^|/)(?:mysql|mysql-server|mariadb|postgres|postgresql|etcd)(?::[^@/]+)?(?:@.*)?$")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
SHELL = r"(?:ba|da|a|k|z)?sh"
"""The same names, as a part of a pattern."""


def is_k3s(word: str) -> bool:
    """Whether a program, with its path or without, is K3s."""
    return _K3S.search(word) is not None


def is_shell(word: str) -> bool:
    """Whether a program, with its path or without, runs the script it is given."""
    return word.rpartition("/")[2] in _SHELLS


def shell_of(script: str) -> str | None:
    """Return the shell that the first line of a script names, None where it names none."""
    match = _SHEBANG.match(script[:200])
    return match["shell"] if match else None


_SHEBANG = pattern(rf"\ufeff?\s*#!\s*/\S*?(?:/|env\s+(?:-\S+\s+)*)(?P<shell>{SHELL})\b")


def image(name: str) -> re.Match[str] | None:
    """Return the match of an image of K3s, with its `tag`; None for another image."""
    return _IMAGE.search(name)


def is_database(name: str) -> bool:
    """Whether an image, by its name, is that of a database in which K3s can keep its data."""
    return _DATABASE.search(name) is not None
