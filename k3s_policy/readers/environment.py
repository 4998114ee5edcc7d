"""Environment files: what systemd, the install script and compose read beside a unit or command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.fragment import EnvironmentFile
from k3s_policy.lower import Variable
from k3s_policy.model import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_PATH = re.compile(r"(?:^|/)(?:[^/]*\.env|\.env(?:\.[^/]+)?|(?:default|sysconfig)/k3s[^/]*)$")
_VARIABLE = re.compile(r"(?m)^[ \t]*(?:export[ \t]+)?(?:K3S_[A-Z0-9_]+|AWS_SECRET_ACCESS_KEY)[ \t]*=")


def claims(path: str, content: str) -> bool:
    """Whether a file holds variables of K3s and is named like an environment file."""
    return _PATH.search(path) is not None and _VARIABLE.search(content) is not None


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read an environment file as systemd does."""
    from k3s_policy import systemd  # noqa: PLC0415  most scans meet no such file

    file = systemd.environment_file(text)
    variables = tuple(Variable(one.name, one.value, Form.ENVIRONMENT_FILE) for one in file.variables)
    yield EnvironmentFile(text, variables, path, host)
