"""OpenRC: service scripts in `/etc/init.d`, and the variables that `/etc/conf.d` gives them.

A service script is sourced by a shell, and starts `command` with `command_args`
(https://github.com/OpenRC/openrc/blob/master/service-script-guide.md). The install script writes one on Alpine (K3s
install.sh, create_openrc_service_file). Alpine's own package starts K3s with `${K3S_EXEC} ${K3S_OPTS}`, which its
conf.d file sets (aports community/k3s). Every user can read either file; what is exported there reaches K3s.

A service script may have functions as well, which are commands of a shell: `start_pre` writes a config, `start` starts
K3s itself. What is in /etc/init.d with a shell in its first line is a script and nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.shell import command_line, read_script
from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.program import is_k3s, shell_of
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File
from k3s_policy.model.invocation import Form
from k3s_policy.model.lower import Variable
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS, exclusive
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from k3s_policy.formats.shell import Assignment, Command, Script
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["claims", "read"]

_RUNNER = pattern(r"\s*#!\s*/\S*(?:openrc-run|runscript)\b")
_NAMED = pattern(r"(?:^|/)(?:init|conf)\.d/k3s[^/]*$|\.(?:openrc|initd|confd)$")
_SETTINGS = pattern(r"(?:^|/)conf\.d/k3s[^/]*$|\.confd$")
_ARGUMENTS = ("command_args", "command_args_background", "command_args_foreground")
_OPTIONS = ("K3S_EXEC", "K3S_OPTS")
_MOST = 20
"""Arms that are read: a service is not started in more ways."""
_TELLING = frozenset({"command", *_ARGUMENTS, *_OPTIONS})
_DAEMON_PROGRAMS = frozenset({"start-stop-daemon", "supervise-daemon"})
_STOPPING = frozenset({"--stop", "-K", "--signal", "-s"})
_STARTS_ITSELF = frozenset({"nohup", "exec"})


def claims(seen: Seen) -> bool:
    """Whether a file is one of OpenRC's: its first line says so under any name, or its place or its ending."""
    return _RUNNER.match(seen.content) is not None or _NAMED.search(seen.path) is not None


def read(seen: Seen) -> Iterator[Found]:
    """Read a service script, or the variables for one."""
    script = read_script(seen.text)
    settings = _SETTINGS.search(seen.path) is not None
    plain = not settings and shell_of(seen.content) is not None
    exported = [Variable(one.name, one.value, Form.SERVICE, one.when) for one in script.assignments if one.exported]
    if not plain:
        # Of a script in a shell the reader of scripts says what it collects.
        yield from credentials_of_k3s(Variable(one.name, one.value, Form.SERVICE) for one in script.assignments)
    if not settings:
        # What the variables of a service come to is told below: of its text only the commands are wanted.
        yield seen.file._replace(read_as=ReadAs.SCRIPT, host=seen.host, synthetic=not plain)
    started = [] if settings else [one for one in map(_daemon, script.commands) if one is not None]
    for command, words in started:
        yield _service(seen, command_line(words), command.when, exported)
    if started or (not settings and _starts_itself(script)):
        return
    for when in _arms(script.assignments):
        last = {str(one.name): one for one in script.assignments if not exclusive(one.when, when)}
        parts = list(_command(last, settings=settings))
        if parts:
            yield _service(seen, join(parts, " "), when, exported)


def _service(seen: Seen, text: Text, when: When, exported: Iterable[Variable]) -> File:
    """Return a command line that a service is started with."""
    return File(
        text=text, path="", read_as=ReadAs.SCRIPT, host=seen.host, when=when, form=Form.SERVICE, given=tuple(exported)
    )


def _daemon(command: Command) -> tuple[Command, list[Text]] | None:
    """Return what a command has started in the background, if that is K3s: `--exec` names it, or a word of its own."""
    words = [word.text for word in command.words]
    if not words or str(words[0]).rpartition("/")[2] not in _DAEMON_PROGRAMS:
        return None
    end = next((position for position, word in enumerate(words) if str(word) == "--"), len(words))
    if any(str(word) in _STOPPING for word in words[:end]):
        return None
    for word in words[1:end]:
        value = word.partition("=")[2] if word.startswith("-") else word
        if is_k3s(str(value)):
            return command, [value, *words[end + 1 :]]
    return None


def _starts_itself(script: Script) -> bool:
    """Whether a function of a service starts K3s in the place of OpenRC, which then reads no `command_args`."""
    for command in script.commands:
        words = [str(word.text) for word in command.words]
        while words and words[0] in _STARTS_ITSELF:
            words = words[1:]
        if command.inside and is_k3s(words[0] if words else "") and words[1:2] in (["server"], ["agent"]):
            return True
    return False


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
