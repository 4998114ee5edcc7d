"""systemd unit files and environment files, read as systemd reads them.

`read_unit` cuts a unit file into directives; `combine` makes of a unit and its drop-ins what the service gets;
`exec_commands`, `environment` and `environment_path` read one value each, `words` cuts one, `specifiers` are those of
a word; `expand` puts variables into a command; `environment_file` reads an EnvironmentFile=. Every word is a Text:
each character still knows where it was written, through quotes, continued lines and variables. Nothing here reads the
host or raises on bad input.

The behaviour is that of systemd 252 (system manager). Newer versions differ in corners only; each function names
the source file it follows.
"""

from k3s_policy.formats.systemd.command import EXEC_KEYS, ExecCommand, ExecFlag, ExecResult, exec_commands
from k3s_policy.formats.systemd.expansion import expand
from k3s_policy.formats.systemd.service import LoadState, Service, combine, drop_in_folders
from k3s_policy.formats.systemd.specifier import Specifier, specifiers
from k3s_policy.formats.systemd.unit import Directive, Line, UnitError, UnitFile, read_unit
from k3s_policy.formats.systemd.variables import (
    Assignments,
    EnvironmentFile,
    EnvironmentPath,
    Variable,
    assignments,
    environment,
    environment_file,
    environment_path,
    merged,
)
from k3s_policy.formats.systemd.words import Escapes, Flaw, words

__all__ = [
    "EXEC_KEYS",
    "Assignments",
    "Directive",
    "EnvironmentFile",
    "EnvironmentPath",
    "Escapes",
    "ExecCommand",
    "ExecFlag",
    "ExecResult",
    "Flaw",
    "Line",
    "LoadState",
    "Service",
    "Specifier",
    "UnitError",
    "UnitFile",
    "Variable",
    "assignments",
    "combine",
    "drop_in_folders",
    "environment",
    "environment_file",
    "environment_path",
    "exec_commands",
    "expand",
    "merged",
    "read_unit",
    "specifiers",
    "words",
]
