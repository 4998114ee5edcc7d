"""Shell scripts: where K3s is installed, started, and its files are written.

The commonest place of all. `k3s_policy.formats.shell` knows the shell and nothing of K3s; this package knows what the
commands mean: the install script and its variables (K3s `install.sh`), `k3s` itself, `k3sup`, containers, and
commands that write a config file, an environment file or a unit. Commands that are only printed are none.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from itertools import chain, takewhile
from typing import TYPE_CHECKING

from k3s_policy.formats import template
from k3s_policy.formats.shell import command_line, read_script
from k3s_policy.k3s.places import INSTALLER_URL, OWN_INSTALLER_URL, is_installer, leads_into_configuration
from k3s_policy.k3s.program import is_k3s, is_shell, shell_of
from k3s_policy.k3s.sieve import concerns_text
from k3s_policy.model.file import File, host_at, source_of
from k3s_policy.model.fragment import TOO_MUCH, Start, Unfollowed
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.subjects import Download
from k3s_policy.readers.script import copying, k3d, permissions, printing, start, writing
from k3s_policy.readers.script.call import (
    OPTIONS_WITH_VALUE,
    Call,
    shell_options,
    unwrapped,
    upstream,
    upstream_words,
    without_options,
)
from k3s_policy.readers.script.collected import collected
from k3s_policy.readers.script.download import (
    DOWNLOADING_PROGRAMS,
    THE_INSTALLER,
    addresses_of_installer,
    check_of,
    fetched,
)
from k3s_policy.text import join
from k3s_policy.text.branch import ALWAYS, both, exclusive
from k3s_policy.text.substitution import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from k3s_policy.formats.shell import Script, Word
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.model.lower import Variable
    from k3s_policy.readers.script.download import Check, Fetched
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["claims", "read"]

_SUFFIXES = frozenset({"sh", "bash", "zsh", "ksh", "ash"})
_TEMPLATE_SUFFIXES = frozenset({"tpl", "tftpl", "tmpl", "template", "in"})
# Statements, and expressions that are a word by themselves: no shell has either. `--format '{{ .ID }}'` is common.
_TEMPLATE = re.compile(
    r"%\{~?\s*(?:if|endif)\b|\{%-?\s*(?:if|endif|for)\b|(?m:(?:^|[ \t=])\{\{[ \t][^{}\n]*\}\}(?=[ \t]|$))"
)
_GENERIC_INSTALLER = re.compile(r"(?:^|/)install\.sh$")
_REMOTE_PROGRAMS = frozenset({"ssh", "multipass", "lxc", "incus", "vagrant", "docker", "podman", "nerdctl", "kubectl"})
_APPLYING = ("apply", "create", "replace")
"""Commands of kubectl that read objects."""
_CONTAINER_PROGRAMS = frozenset({"docker", "podman", "nerdctl"})
# Programs that put a file made elsewhere in its place, so that the script alone does not tell what it holds.
_PLACING_PROGRAMS = frozenset({"cp", "mv", "ln", "install", "scp", "rsync", "curl", "wget", "envsubst", "sed", "yq"})
_IN_PLACE = re.compile(r"-[A-Za-z]*i|--in-?place")
_COMMAND_OPTION = re.compile(r"-[A-Za-z]*c")
_LOGIN_OPTION = re.compile(r"-[A-Za-z]*i|--login")
_DEEPEST = 6


def claims(seen: Seen) -> bool:
    """Whether a file is a shell script, by its suffix or first line."""
    if not _SUFFIXES.isdisjoint((_suffix(seen.file.path), _suffix(seen.path))):
        return True
    return shell_of(seen.content) is not None


def _suffix(path: str) -> str:
    name = path[path.rfind("/") + 1 :]
    return name.rpartition(".")[2].lower() if "." in name else ""


def read(seen: Seen) -> Iterator[Found]:
    """Read a script from its first to its last command."""
    file = seen.file
    reading = _Reading(host=seen.host, path=seen.source, given=file.given, form=file.form, depth=0)
    reading.others = file.others
    reading.synthetic = file.synthetic
    yield from reading.read(file.text if seen.written else _filled(seen))


def _filled(seen: Seen) -> Text:
    """Return a script with what another program fills in first marked as not known."""
    text, path, content = seen.file.text, seen.file.path, seen.content
    named = _suffix(path) in _TEMPLATE_SUFFIXES or template.is_template(path)
    syntax = template.syntax_of(path, content) if named or _TEMPLATE.search(content) else None
    return template.substituted(text, syntax) if syntax else text


@dataclass(repr=False)
class _OnHost:
    """What the scripts of one host do together: a file that one writes, another reads."""

    files: writing.WrittenFiles = field(default_factory=writing.WrittenFiles)
    places_files: bool = False
    sourced: Text | None = None

    def unseen(self) -> Iterator[Unseen]:
        """Yield what nobody sees of what they start."""
        if self.places_files or any(map(leads_into_configuration, self.files.unknown())):
            yield Unseen(Input.CONFIG, "the script puts a file into the K3s configuration")
        if self.sourced is not None:
            yield Unseen(Input.ENVIRONMENT, "the script takes variables from another file", self.sourced)


class _Reading:
    """One script being read: what its commands start and write."""

    def __init__(self, host: str, path: str, given: tuple[Variable, ...], form: Form | None, depth: int) -> None:
        self.host = host
        self.path = path
        """That of the repository's file in which the script stands."""
        self.given = given
        self.form = form
        self.depth = depth
        self.found: list[Found] = []
        self.on_host = _OnHost()
        """Shared with the scripts within this one that run on the same host."""
        self.when = ALWAYS
        """The branches in which it is run."""
        self.drained: dict[int, list[When]] = {}
        """The branches in which what is piped into a group was read by one of its commands."""
        self.standard_input: tuple[Text, ...] = ()
        self.others: AbstractSet[str] = frozenset()
        """Functions and scripts that are read by themselves, and are no install script by their names."""
        self.downloads: list[Fetched] = []
        self.written: dict[str, list[Fetched]] = {}
        """Downloads that were not run yet, by the names of their files."""
        self.origins: dict[str, Text | None] = {}
        """Where an install script of a name was downloaded from, None where that is not K3s's own address."""
        self.installers: set[int] = set()
        self.checks: list[tuple[Check, int]] = []
        """Each with the number of downloads before it."""
        self.synthetic = False
        self.bash = False
        """Whether no other shell runs it."""
        self.outermost = True
        """Whether it is not within a script of the same host."""
        self.folder = ""
        """Where it begins, as far as what runs it has said so."""
        self.allowance = Allowance()
        """How much variables may add to it and to the scripts within it."""

    def read(self, text: Text) -> Iterator[Found]:
        """Read a script from its first to its last command."""
        given = ((str(one.name), one.value, one.when) for one in self.given)
        script = read_script(text, given, self.folder, self.allowance)
        self.bash = self.bash or shell_of(str(text)) == "bash"
        self.others |= {command.inside for command in script.commands if command.inside}
        for command in script.commands:
            call = unwrapped(command, self.given)
            if call is not None:
                self._take(call)
        yield from self._finished(script)
        if self.allowance.spent and not self.depth:
            yield Unfollowed.at(text, TOO_MUCH)

    def _take(self, call: Call) -> None:
        """Take note of what one command means for K3s."""
        self._write(call)
        name = call.name
        if is_shell(name) or name == "su":
            self._shell(call)
        elif name == "eval":
            evaluated = join((word.text for word in call.words), " ")[len("eval ") :]
            self._nested(evaluated, call.variables, here=call)
        elif name in _CONTAINER_PROGRAMS and start.runs_container(call):
            self.found.extend(start.container(call))
        elif name in _REMOTE_PROGRAMS:
            self._remote(call)
        elif is_k3s(name):
            self.found.extend(start.k3s(call, self.host, self.form))
        elif name == "k3sup":
            self.found.extend(start.k3sup(call))
        elif name == "k3d":
            self.found.extend(k3d.created(call))
        elif self._is_installer(call.program, call, call.words[1:]):
            self._install(call, call.words[1:], self._origin(call.words[0]))
        else:
            self._file_command(call)

    def _write(self, call: Call) -> None:
        """Take note of what a command writes to files."""
        targets = writing.targets(call)
        if not targets or (printing.reads_input(call) and self._is_drained(call)):
            return
        for output in printing.outputs(call, self.standard_input, bash=self.bash):
            for target in targets:
                self.on_host.files.write(target, output._replace(when=both(self.when, output.when)))

    def _file_command(self, call: Call) -> None:
        """Take note of downloads, of files put in place, and of permissions."""
        if call.name in (".", "source"):
            self.on_host.sourced = call.command.at
        elif check := check_of(call):
            self.checks.append((check, len(self.downloads)))
        elif call.name in ("chmod", "mkdir"):
            self.found.extend(permissions.changed(call, self.host, self.form or Form.COMMAND))
        elif call.name in DOWNLOADING_PROGRAMS:
            self._download(call)
        elif call.name in _PLACING_PROGRAMS:
            self._put_in_place(call)

    def _put_in_place(self, call: Call) -> None:
        """Take note of the files that a command puts in their places: what the script wrote itself is nowhere else."""
        fed = printing.installed_input(call)
        command = None if fed else copying.copying(call)
        found = copying.configuration_copies(command, call, self.host, self.path) if command is not None else []
        copies = command.copies if command is not None and command.address is None else ()
        when, moves = both(self.when, call.command.when), call.name == "mv"
        written = set()
        for source, path in copies:
            if self.on_host.files.copy(str(call.located(source)), path, when, moves=moves):
                written.add(path)
        self.found.extend(one for one in found if one.path not in written)
        self.found.extend(permissions.installed(call, self.host, found))
        if not (found or fed) and _may_place(call):
            self.on_host.places_files = True

    def _download(self, call: Call) -> None:
        """Take note of a download, and of a file that it may put into the configuration of K3s."""
        download = fetched(call)
        if download is not None:
            self.downloads.append(download)
            for name in download.names:
                self.written.setdefault(name, []).append(download)
                if download.part == THE_INSTALLER:
                    self.origins[name] = self.origins.get(name) or _own_url(call.words)
        if (download is None or download.part != THE_INSTALLER) and _may_place(call):
            self.on_host.places_files = True

    def _downloads(self) -> Iterator[Download]:
        """Yield what was fetched of K3s and has not been checked."""
        named = frozenset(chain.from_iterable(check.words for check, _ in self.checks))
        listed = max((before for check, before in self.checks if check.is_open), default=0)
        for number, one in enumerate(self.downloads):
            part = THE_INSTALLER if id(one.call.command) in self.installers else one.part
            if part is None or (one.targets and (number < listed or not named.isdisjoint(one.names))):
                continue
            for position, url in enumerate(one.urls):
                yield Download(
                    what=part,
                    url=url,
                    unverified=one.unverified if not position else (),
                    secrets=one.secrets,
                    guarded=one.guarded,
                )

    def _finished(self, script: Script) -> Iterator[Found]:
        """Yield everything, with what it only collects in variables, and with what the scripts of its host write."""
        if not self.synthetic:
            self.found.append(collected(script))
            self.found.extend(self._downloads())
        if not self.outermost:
            yield from self.found
            return
        for file in self.on_host.files.files():
            self.found.append(file._replace(host=self.host, others=self.others, form=self.form))
        yield from _with_unseen(self.found, tuple(self.on_host.unseen()))

    def _shell(self, call: Call) -> None:
        words = call.words[1:]
        if call.name == "su":
            # Whose shell it is may stand in front of its option.
            options = (number for number, word in enumerate(words) if _COMMAND_OPTION.fullmatch(str(word.text)))
            words = words[next(options, 0) :]
        letters, operands, inline = shell_options(words)
        if inline is not None:
            if any(not run.known and INSTALLER_URL.search(run.text) for run in inline.text.runs):
                # sh -c "$(curl -sfL https://get.k3s.io)" - server ...
                self._install(call, operands[1:], _own_url([inline]))
            else:
                self._nested(inline.text, call.variables, self._received(call), here=call)
        elif any(INSTALLER_URL.search(str(word.text)) for word in upstream_words(call.command)):
            self._install(call, operands, _own_url(upstream_words(call.command)))
        elif operands and "s" not in letters and call.name != "su":
            if self._is_installer(str(operands[0].text), call, operands[1:]):
                self._install(call, operands[1:], self._origin(operands[0]))
        elif call.command.upstream is not None and start.for_installer(call.variables):
            self._install(call, operands, None)
        else:
            for text in self._received(call):
                self._nested(text, call.variables, here=call)

    def _received(self, call: Call) -> tuple[Text, ...]:
        return () if self._is_drained(call) else printing.received(call, self.standard_input, bash=self.bash)

    def _is_drained(self, call: Call) -> bool:
        """Whether an earlier command of a group has read what is piped into it; take note that this one does."""
        command = call.command
        if not command.piped or command.input:
            return False
        readers = self.drained.setdefault(id(command.piped), [])
        drained = any(not exclusive(when, command.when) for when in readers)
        readers.append(command.when)
        return drained

    def _is_installer(self, program: str, call: Call, operands: Sequence[Word]) -> bool:
        """Whether a script that is run is the install script: by its origin, or by its name and what it is given."""
        if program in self.others:
            return False
        if program.startswith("<(") and INSTALLER_URL.search(program):
            return True
        # Scripts of one's own have such names too.
        if is_installer(program) and start.for_k3s(call.variables, operands):
            return True
        name = program.rpartition("/")[2]
        if name in self.origins:
            return True
        told = any(str(assignment.name).startswith("INSTALL_K3S_") for assignment in call.command.assignments)
        return told or (_GENERIC_INSTALLER.search(program) is not None and start.for_installer(call.variables))

    def _origin(self, script: Word) -> Text | None:
        """Return the address a script was downloaded from, where that is K3s's own."""
        name = str(script.text).rpartition("/")[2]
        return self.origins.get(name) or _own_url([script])

    def _install(self, call: Call, operands: Sequence[Word], origin: Text | None) -> None:
        self.installers.update(map(id, upstream(call.command)))
        for word in call.words:
            ran = self.written.pop(str(word.text).rpartition("/")[2], ())
            self.installers.update(id(one.call.command) for one in ran)
        self.found.extend(addresses_of_installer(call))
        self.found.extend(start.installer(call, operands, self.host, self.form, origin))

    def _remote(self, call: Call) -> None:
        """Read what `ssh host '...'`, `multipass exec vm -- sh -c '...'` and their kind run elsewhere."""
        if call.name == "kubectl" and any(str(word.text) in _APPLYING for word in _before_separator(call.words[1:])):
            for text in self._received(call):
                self.found.append(File(text=text, path="objects.yaml", host=self.host, when=call.command.when))
            return
        address = None
        if call.name == "ssh":
            words = without_options(call.words[1:], OPTIONS_WITH_VALUE["ssh"])
            address = copying.address_of(words[0].text) if words else None
            rest: Sequence[Word] = words[1:]
        else:
            rest = _within_container(call) or _behind_separator(call.words[1:])
        if rest and rest[0].text.known and is_shell(str(rest[0].text)):
            _, operands, inline = shell_options(rest[1:])
            rest = (inline,) if inline is not None else operands
        if rest:
            # The words that ssh is given are a line for a shell there; others run them as they are.
            words_apart = call.name != "ssh" and len(rest) > 1
            line = command_line(word.text for word in rest) if words_apart else join((one.text for one in rest), " ")
            # What it is fed is the standard input of the command it runs.
            self._nested(line, (), self._received(call), address)
        else:
            # A shell that is given no command takes its input for a script.
            for text in self._received(call):
                self._nested(text, (), (), address)

    def _nested(
        self,
        text: Text,
        variables: Iterable[Variable],
        standard_input: tuple[Text, ...] = (),
        address: Text | None = None,
        *,
        here: Call | None = None,
    ) -> None:
        """Read a script within this one.

        `address` is what this one calls the host it runs on, if another; `here` is what runs it on this host.
        """
        folder = here.command.folder if here is not None and not _is_login(here) else ""
        if not any(concerns_text(str(part)) for part in (text, *standard_input, folder)):
            return
        if self.depth == _DEEPEST:
            self.found.append(Unfollowed.at(text, f"more than {_DEEPEST} levels of scripts in scripts"))
            return
        host = self.host if here else host_at(text)
        if address is not None:
            host = copying.remote_host(self.path, address)
        nested = _Reading(host=host, path=source_of(text), given=tuple(variables), form=self.form, depth=self.depth + 1)
        nested.standard_input = standard_input
        nested.others = self.others
        nested.synthetic = self.synthetic
        nested.allowance = self.allowance
        if here is not None:
            nested.bash = here.name == "bash" or (here.name == "eval" and self.bash)
            nested.folder = folder
            nested.on_host, nested.outermost = self.on_host, False
            nested.when = both(self.when, here.command.when)
        for found in nested.read(text):
            if address is not None and isinstance(found, Start) and found.host == host:
                self.found.append(replace(found, addresses=(address,)))
            else:
                self.found.append(found)


def _is_login(call: Call) -> bool:
    """Whether `su` or `sudo` runs a shell that begins in the home of its user."""
    program, *words = (str(word.text) for word in call.command.words)
    name = program.rpartition("/")[2]
    if name in ("su", "runuser"):
        return any(word in ("-", "-l", "--login") for word in takewhile(lambda word: word.startswith("-"), words))
    own = len(words) - len(without_options(call.command.words[1:], OPTIONS_WITH_VALUE["sudo"]))
    return name == "sudo" and any(_LOGIN_OPTION.fullmatch(word) for word in words[:own])


def _with_unseen(found: Iterable[Found], unseen: tuple[Unseen, ...]) -> Iterator[Found]:
    """Say what is not seen to whatever is started on hosts of the script, by itself or by what it writes."""
    for one in found:
        if unseen and isinstance(one, Start) and not one.isolated:
            yield replace(one, unseen=(*one.unseen, *unseen))
        elif unseen and isinstance(one, File):
            said = one.said or Start.without_words(one.text[:0], Form.COMMAND)
            yield one._replace(said=replace(said, unseen=(*said.unseen, *unseen)))
        else:
            yield one


def _may_place(call: Call) -> bool:
    """Whether a command may write into the configuration of K3s: what it only reads there, it does not."""
    words = [str(word.text) for word in call.words[1:]]
    targets = words
    if call.name in ("sed", "yq"):
        targets = words if any(_IN_PLACE.match(word) for word in words) else []
    elif call.name not in DOWNLOADING_PROGRAMS:
        targets = words[-1:]
    paths = [posixpath.join(call.command.folder, word) for word in targets if "://" not in word]
    written = (str(one.path) for one in writing.targets(call))
    return any(map(leads_into_configuration, (*paths, *written)))


def _own_url(words: Iterable[Word]) -> Text | None:
    """Return the first address of K3s's own install script among some words."""
    found = ((word.text, OWN_INSTALLER_URL.search(str(word.text))) for word in words)
    return next((text.cut(match) for text, match in found if match), None)


def _before_separator(words: Sequence[Word]) -> Sequence[Word]:
    """Return the words in front of `--`, behind which another command stands."""
    end = next((position for position, word in enumerate(words) if str(word.text) == "--"), len(words))
    return words[:end]


def _within_container(call: Call) -> Sequence[Word]:
    """Return the command that `docker exec CONTAINER` runs, empty where it is no such call."""
    if call.name not in _CONTAINER_PROGRAMS or len(call.words) < 2 or str(call.words[1].text) != "exec":
        return ()
    return without_options(call.words[2:], "euw")[1:]


def _behind_separator(words: Sequence[Word]) -> Sequence[Word]:
    """Return the command behind `--` or `-c`, or from the first shell on."""
    for position, word in enumerate(words):
        value = str(word.text)
        if value in ("--", "-c", "--command"):
            return words[position + 1 :]
        if is_shell(value):
            return words[position:]
    return ()
