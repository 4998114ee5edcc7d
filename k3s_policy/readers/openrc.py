"""OpenRC: service scripts in `/etc/init.d`, and the variables that `/etc/conf.d` gives them.

A service script is sourced by a shell, and starts `command` with `command_args`
(https://github.com/OpenRC/openrc/blob/master/service-script-guide.md). The install script writes one on Alpine (K3s
install.sh, create_openrc_service_file). Alpine's own package starts K3s with `${K3S_EXEC} ${K3S_OPTS}`, which its
conf.d file sets (aports community/k3s). Every user can read either file; what is exported there reaches K3s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.shell import read_script
from k3s_policy.k3s.places import ReadAs
from k3s_policy.model import Form
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.lower import Variable
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS, exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from k3s_policy.formats.shell import Assignment
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["claims", "read"]

_SETTINGS = pattern(r"(?:^|/)conf\.d/k3s[^/]*$|\.confd$")
_ARGUMENTS = ("command_args", "command_args_background", "command_args_foreground")
_OPTIONS = ("K3S_EXEC", "K3S_OPTS")
_MOST = 20
"""Arms that are read: a service is not started in more ways."""
_TELLING = frozenset({"command", *_ARGUMENTS, *_OPTIONS})


def claims(_: Seen) -> bool:
    """Whether a file is one of OpenRC's: its place or its ending says so, whatever it holds."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read a service script, or the variables for one."""
    assignments = read_script(seen.text).assignments
    variables = [Variable(one.name, one.value, Form.SERVICE, one.when) for one in assignments if one.exported]
    yield from credentials_of_k3s(Variable(one.name, one.value, Form.SERVICE) for one in assignments)
    settings = _SETTINGS.search(seen.path) is not None
    for when in _arms(assignments):
        last = {str(one.name): one for one in assignments if not exclusive(one.when, when)}
        words = list(_command(last, settings=settings))
        if words:
            yield File(
                text=join(words, " "),
                path="",
                read_as=ReadAs.SCRIPT,
                host=seen.file.host or host_at(seen.text),
                when=when,
                form=Form.SERVICE,
                given=tuple(variables),
            )


def _arms(assignments: Iterable[Assignment]) -> list[When]:
    """Return the arms that say what is started, where several do; else what holds everywhere."""
    telling = list(dict.fromkeys(one.when for one in assignments if str(one.name) in _TELLING))[:_MOST]
    return [when for when in telling if any(exclusive(when, other) for other in telling)] or [ALWAYS]


def _command(last: Mapping[str, Assignment], *, settings: bool) -> Iterator[Text]:
    """Yield the parts of the command line."""
    if settings:
        given = [last[name].value for name in _OPTIONS if name in last]
        if given:
            yield given[0][:0].stand_in("k3s")
        yield from given
        return
    command = last.get("command")
    if command is None or "k3s" not in str(command.value):
        return
    yield command.value[:0].stand_in("k3s") if not command.value.known else command.value
    yield from (last[name].value for name in _ARGUMENTS if name in last)
