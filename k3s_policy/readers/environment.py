"""Environment files: what systemd, the install script and compose read beside a unit or command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.model import Credential, Form
from k3s_policy.model.fragment import EnvironmentFile
from k3s_policy.model.lower import Variable
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.formats.systemd import EnvironmentFile as SystemdFile
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["claims", "credentials", "credentials_of_k3s", "read"]

_PATH = pattern(r"(?:^|/)(?:[^/]*\.env|\.env(?:\.[^/]+)?|(?:default|sysconfig)/k3s[^/]*)$")
_SYSTEMD = pattern(r"(?:^|/)(?:[^/]*\.service\.env|(?:default|sysconfig)/[^/]+)$")
_OF_K3S = pattern(r"(?:^|/)etc/(?:(?:default|sysconfig)/k3s[^/.]*|systemd/system/k3s[^/]*\.service\.env)$")
_EXPORT = pattern(r"(?:\ufeff[ \t]*(?:export[ \t]+)?|[ \t]*export[ \t]+)(?=[A-Za-z_])")
_VARIABLE = pattern(r"(?m)^[ \t]*(?:export[ \t]+)?(?:K3S_[A-Z0-9_]+|AWS_SECRET_ACCESS_KEY)[ \t]*=")


def claims(path: str, content: str) -> bool:
    """Whether a file lies where the unit of the install script looks, or holds variables of K3s and a fitting name."""
    if _OF_K3S.search(path):
        return True
    return _PATH.search(path) is not None and _VARIABLE.search(content) is not None


def read(text: Text, path: str, host: str | None = None) -> Iterator[Fragment]:
    """Read an environment file as systemd does; a file that is not systemd's, as a shell or compose does."""
    from k3s_policy.formats import systemd  # noqa: PLC0415  most scans meet no such file

    file = systemd.environment_file(text)
    variables = tuple(_variables(file))
    exported = tuple(variable for line in text.lines() for variable in _exported(line))
    if _SYSTEMD.search(path):
        # systemd drops these lines; what they hold is committed all the same.
        yield from credentials(exported)
        yield EnvironmentFile(text, variables, path, host, file, systemd=True)
    else:
        yield EnvironmentFile(text, variables + exported, path, host, file, exported)


def _variables(file: SystemdFile) -> Iterator[Variable]:
    for one in file.variables:
        yield Variable(one.name, one.value, Form.ENVIRONMENT_FILE)


def _exported(line: Text) -> Iterator[Variable]:
    """Yield what a line assigns that begins with `export`, or with a byte-order mark."""
    from k3s_policy.formats import systemd  # noqa: PLC0415  likewise

    if match := _EXPORT.match(str(line)):
        yield from _variables(systemd.environment_file(line[match.end() :]))


def credentials_of_k3s(variables: Iterable[Variable]) -> Iterator[Credential]:
    """Yield the credentials in variables that only K3s has, where other programs may read them too: of a pipeline."""
    for one in variables:
        if str(one.name).startswith("K3S_") and any(run.known for run in one.value.runs):
            yield from credentials((one,))


def credentials(variables: Iterable[Variable]) -> Iterator[Credential]:
    """Yield the credentials in variables of K3s that do not reach it."""
    for variable in variables:
        name = str(variable.name)
        for flag in flags().by_environment(name):
            for secret in credential.secrets(flag, variable.value):
                yield Credential(name, variable.name, secret, variable.form)
