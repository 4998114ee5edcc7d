"""Environment files: what systemd, the install script and compose read beside a unit or command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy import credential
from k3s_policy.flags import flags
from k3s_policy.fragment import EnvironmentFile
from k3s_policy.lower import Variable
from k3s_policy.model import Credential, Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_PATH = re.compile(r"(?:^|/)(?:[^/]*\.env|\.env(?:\.[^/]+)?|(?:default|sysconfig)/k3s[^/]*)$")
_SYSTEMD = re.compile(r"(?:^|/)(?:[^/]*\.service\.env|(?:default|sysconfig)/[^/]+)$")
_EXPORT = re.compile(r"[ \t]*export[ \t]+(?=[A-Za-z_])")
_VARIABLE = re.compile(r"(?m)^[ \t]*(?:export[ \t]+)?(?:K3S_[A-Z0-9_]+|AWS_SECRET_ACCESS_KEY)[ \t]*=")


def claims(path: str, content: str) -> bool:
    """Whether a file holds variables of K3s and is named like an environment file."""
    return _PATH.search(path) is not None and _VARIABLE.search(content) is not None


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read an environment file as systemd does; a file that is not systemd's, as a shell or compose does."""
    variables = list(_variables(text))
    exported = [variable for line in text.lines() for variable in _exported(line)]
    if _SYSTEMD.search(path):
        # systemd drops these lines; what they hold is committed all the same.
        for variable in exported:
            yield from _credentials(variable)
    else:
        variables.extend(exported)
    yield EnvironmentFile(text, tuple(variables), path, host)


def _variables(text: Text) -> Iterator[Variable]:
    from k3s_policy import systemd  # noqa: PLC0415  most scans meet no such file

    for one in systemd.environment_file(text).variables:
        yield Variable(one.name, one.value, Form.ENVIRONMENT_FILE)


def _exported(line: Text) -> Iterator[Variable]:
    """Yield what a line that begins with `export` assigns."""
    if match := _EXPORT.match(str(line)):
        yield from _variables(line[match.end() :])


def _credentials(variable: Variable) -> Iterator[Credential]:
    name = str(variable.name)
    for flag in flags().by_environment(name):
        for secret in credential.secrets(flag, variable.value):
            yield Credential(name, variable.name, secret, variable.form)
