"""Environment files: what systemd, the install script and compose read beside a unit or command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.k3s.places import is_systemd_environment
from k3s_policy.model.committed import credentials
from k3s_policy.model.fragment import EnvironmentFile
from k3s_policy.model.invocation import Form
from k3s_policy.model.lower import Variable
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.systemd import EnvironmentFile as SystemdFile
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_EXPORT = pattern(r"(?:\ufeff[ \t]*(?:export[ \t]+)?|[ \t]*export[ \t]+)(?=[A-Za-z_])")
_VARIABLE = pattern(r"(?m)^[ \t]*(?:export[ \t]+)?(?:K3S_[A-Z0-9_]+|AWS_SECRET_ACCESS_KEY)[ \t]*=")


def claims(seen: Seen) -> bool:
    """Whether a file with a fitting name holds variables of K3s."""
    return _VARIABLE.search(seen.content) is not None


def read(seen: Seen) -> Iterator[Found]:
    """Read an environment file as systemd does; a file that is not systemd's, as a shell or compose does."""
    from k3s_policy.formats import systemd  # most scans meet no such file

    text, path, host = seen.file.text, seen.path, seen.file.host
    file = systemd.environment_file(text)
    variables = tuple(_variables(file))
    exported = tuple(variable for line in text.lines() for variable in _exported(line))
    if is_systemd_environment(path):
        # systemd drops these lines; what they hold is committed all the same.
        yield from credentials(exported)
        yield EnvironmentFile(text=text, variables=variables, path=path, host=host, file=file, systemd=True)
    else:
        yield EnvironmentFile(
            text=text, variables=variables + exported, path=path, host=host, file=file, exported=exported
        )


def _variables(file: SystemdFile) -> Iterator[Variable]:
    for one in file.variables:
        yield Variable(one.name, one.value, Form.ENVIRONMENT_FILE)


def _exported(line: Text) -> Iterator[Variable]:
    """Yield what a line assigns that begins with `export`, or with a byte-order mark."""
    from k3s_policy.formats import systemd  # likewise

    if match := _EXPORT.match(str(line)):
        yield from _variables(systemd.environment_file(line[match.end() :]))
