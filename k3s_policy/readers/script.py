"""Shell scripts: where K3s is installed, started, and its files are written.

The commonest place of all. `shell` knows the shell and nothing of K3s; this module knows what the commands
mean: the install script and its variables (K3s `install.sh`), `k3s` itself, `k3sup`, containers started by
`docker run`, and commands that write a config file, an environment file or a unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.branch import ALWAYS, When, exclusive
from k3s_policy.flags import flags
from k3s_policy.fragment import ConfigFile, LooseOptions, OtherCommand, Start
from k3s_policy.lower import Argument, Variable
from k3s_policy.model import Credential, FileMode, Form, Unseen
from k3s_policy.readers import config, environment, unit
from k3s_policy.shell import Command, read_script, split_words
from k3s_policy.text import Text, join
from k3s_policy.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.fragment import Fragment
    from k3s_policy.shell import Assignment, Script, Word

__all__ = ["claims", "read"]

_SUFFIXES = frozenset({"sh", "bash", "zsh", "ksh", "ash"})
_TEMPLATE_SUFFIXES = frozenset({"tpl", "tftpl", "tmpl", "template", "in"})
_SHEBANG = re.compile(r"#!\s*/\S*?(?:/|env\s+(?:-\S+\s+)*)(?:ba|da|a|z|k)?sh\b")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_OPTIONS_WITH_VALUE = {
    "sudo": "ugpCThRrDU", "doas": "uC", "env": "uCS", "nice": "n", "ionice": "cn", "timeout": "ks", "exec": "a",
    "ssh": "bcDEeFIiJLlmOopQRSWw", "nohup": "", "time": "fo", "command": "", "stdbuf": "ioe", "chroot": "", "xargs": "IndLPsEa",
}  # fmt: skip
_WRAPPERS = frozenset(_OPTIONS_WITH_VALUE) - {"ssh"}
_INSTALLER_URL = re.compile(r"get\.k3s\.io|get-k3s|k3s[^\s'\"]*install[^\s'\"/]*\.sh|install[^\s'\"/]*k3s|/k3s[^\s'\"]*/install\.sh")
_INSTALLER_FILE = re.compile(r"(?i)(?:^|/)(?:[^/]*k3s[^/]*install[^/]*|[^/]*install[^/]*k3s[^/]*|get[-_.]?k3s[^/]*)$")
_GENERIC_INSTALLER = re.compile(r"(?:^|/)install\.sh$")
_PROGRAM = re.compile(r"(?:^|/)k3s(?:-(?:arm64|armhf|s390x|amd64))?$")
_IMAGE = re.compile(r"(?:^|/)k3s(?::(?P<tag>[^@]+))?(?:@.*)?$")
_K3S_FOLDER = re.compile(r"rancher/k3s(?:/|$)|(?:systemd/system|default|sysconfig)/k3s")
_UNIT_PATH = re.compile(r"k3s[^/]*\.service(?:\.d/[^/]+\.conf)?$")
_ENVIRONMENT_PATH = re.compile(r"(?:default|sysconfig)/k3s[^/]*$|k3s[^/]*\.service\.env$|rancher/k3s/[^/]*\.env$")
_KUBECONFIG = re.compile(r"(?:^|/)k3s\.ya?ml$")
_DEEPEST = 6


def claims(path: str, content: str) -> bool:
    """Whether a file is a shell script, by its suffix or first line."""
    name = path[path.rfind("/") + 1 :]
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if suffix in _SUFFIXES:
        return True
    if suffix in _TEMPLATE_SUFFIXES or not suffix or suffix.isdigit():
        first = content[:200].lstrip("\ufeff \t\r\n")
        return _SHEBANG.match(first) is not None
    return False


def is_template(path: str, content: str) -> bool:
    """Whether another program fills the script in first: by its suffix, or by statements no shell has."""
    return path.rpartition(".")[2].lower() in _TEMPLATE_SUFFIXES or re.search(r"%\{~?\s*(?:if|endif)\b", content) is not None


def read(text: Text, given: Sequence[Variable] = (), form: Form | None = None, depth: int = 0) -> Iterator[Fragment]:
    """Read a script; `given` are variables it is started with, `form` says where it stands if not in a file."""
    if depth > _DEEPEST:
        return
    script = read_script(text)
    reading = _Reading(f"{text.span.source.path}#{text.span.start}", tuple(given), form, depth)
    for command in script.commands:
        reading.command(command)
    yield from reading.finished(script)


class _Call(NamedTuple):
    """A command without `sudo`, `env` and the like in front of it."""

    name: str
    words: tuple[Word, ...]
    variables: tuple[Variable, ...]
    command: Command


@dataclass
class _Writing:
    """What a script writes to one file."""

    path: Text
    when: When
    pieces: list[Text] = field(default_factory=list)


class _Reading:
    """One script being read: what its commands start and write."""

    def __init__(self, host: str, given: tuple[Variable, ...], form: Form | None, depth: int) -> None:
        self.host = host
        self.given = given
        self.form = form
        self.depth = depth
        self.found: list[Fragment] = []
        self.writings: list[_Writing] = []
        self.placed: Text | None = None

    def command(self, command: Command) -> None:
        """Take note of what one command means for K3s."""
        call = _unwrapped(command, self.given)
        if call is None:
            return
        self._writes(call)
        name = call.name
        if name in _SHELLS or name == "su":
            self._shell(call)
        elif name == "ssh" or (name in ("multipass", "lxc", "incus", "vagrant", "docker", "podman", "kubectl") and not _runs_container(call)):
            self._remote(call)
        elif _PROGRAM.search(name):
            self._k3s(call)
        elif name == "k3sup":
            self.found.extend(_k3sup(call))
        elif name in ("docker", "podman", "nerdctl"):
            self.found.extend(_container(call))
        elif _INSTALLER_FILE.search(name) or (_GENERIC_INSTALLER.search(name) and _for_installer(call.variables)):
            self._install(call, call.words[1:])
        elif name == "chmod":
            self.found.extend(_modes(call))
        elif name in ("cp", "mv", "ln", "install", "scp", "rsync", "curl", "wget", "envsubst", "sed", "yq"):
            target = next((word.text for word in call.words[1:] if _K3S_FOLDER.search(str(word.text))), None)
            self.placed = self.placed or target

    def finished(self, script: Script) -> Iterator[Fragment]:
        """Yield everything, with what the script writes and what it only collects in variables."""
        for writing in self.writings:
            self.found.extend(_written(writing, self.host, self.depth))
        self.found.extend(_loose(script, self.found))
        for fragment in self.found:
            if self.placed is not None and isinstance(fragment, Start) and not fragment.alone:
                unseen = Unseen("config", "the script puts a file into the K3s configuration")
                yield replace(fragment, unseen=(*fragment.unseen, unseen))
            else:
                yield fragment

    # --- programs that run a script -----------------------------------------------------------------

    def _shell(self, call: _Call) -> None:
        options, operands, inline = _shell_options(call.words[1:])
        if inline is not None:
            if _INSTALLER_URL.search(str(inline.text)) and not inline.text.known:
                # sh -c "$(curl -sfL https://get.k3s.io)" - server ...
                self._install(call, operands[1:])
            elif inline.text:
                self._nested(inline.text, call.variables)
            return
        if any(_INSTALLER_URL.search(str(word.text)) for word in _upstream_words(call.command)):
            self._install(call, operands)
        elif operands and call.name != "su" and "s" not in options:
            script = str(operands[0].text)
            if _INSTALLER_URL.search(script) or _INSTALLER_FILE.search(script):
                self._install(call, operands[1:])
            elif _GENERIC_INSTALLER.search(script) and _for_installer(call.variables):
                self._install(call, operands[1:])
        elif call.command.upstream is not None and _for_installer(call.variables):
            self._install(call, operands)
        for text in call.command.input:
            self._nested(text, call.variables)

    def _remote(self, call: _Call) -> None:
        rest = _without_options(call.words[1:], _OPTIONS_WITH_VALUE["ssh"] if call.name == "ssh" else "")
        if call.name == "ssh":
            rest = rest[1:]
        else:
            after = next((n for n, word in enumerate(rest) if str(word.text) in ("--", "-c", "--command")), None)
            shell = next((n for n, word in enumerate(rest) if str(word.text).rpartition("/")[2] in _SHELLS), None)
            rest = rest[after + 1 :] if after is not None and shell is None else rest[shell:] if shell is not None else ()
        if len(rest) > 2 and str(rest[0].text).rpartition("/")[2] in _SHELLS and str(rest[1].text).startswith("-"):
            rest = rest[2:]
        if rest:
            self._nested(join((word.text for word in rest), " "), ())
        for text in call.command.input:
            self._nested(text, ())

    def _nested(self, text: Text, variables: Iterable[Variable]) -> None:
        if text.known or "k3s" in str(text).lower():
            self.found.extend(read(text, tuple(variables), self.form, self.depth + 1))

    # --- K3s itself -----------------------------------------------------------------------------------

    def _install(self, call: _Call, operands: Sequence[Word]) -> None:
        words = [Argument(word.text, word.when) for word in operands]
        words = [*_exec_words(call.variables), *words]
        version = next((Version.parse(str(v.value)) for v in call.variables if str(v.name) == "INSTALL_K3S_VERSION"), None)
        for head, arguments in _alternatives(words):
            role, rest = _installed_role(head, arguments, call.variables)
            if role not in ("server", "agent", None):
                continue
            self.found.append(
                Start(
                    at=head.text if head is not None else call.command.at,
                    role=role,
                    arguments=tuple(_within(rest, call.command.when)),
                    form=self.form or Form.INSTALLER,
                    variables=tuple(_of_k3s(call.variables)),
                    version=version,
                    host=self.host,
                )
            )

    def _k3s(self, call: _Call) -> None:
        arguments = [Argument(word.text, word.when) for word in call.words[1:]]
        place = next((n for n, argument in enumerate(arguments) if not argument.text.startswith("-")), None)
        if place is None:
            return
        name = str(arguments[place].text)
        rest = tuple(_within(arguments[:place] + arguments[place + 1 :], call.command.when))
        if name in ("server", "agent"):
            self.found.append(
                Start(
                    at=arguments[place].text,
                    role=name,
                    arguments=rest,
                    form=self.form or Form.COMMAND,
                    variables=tuple(_of_k3s(call.variables)),
                    host=self.host,
                )
            )
        elif name in flags().commands:
            self.found.append(OtherCommand(arguments[place].text, name, rest))

    # --- files ------------------------------------------------------------------------------------------

    def _writes(self, call: _Call) -> None:
        targets = [
            (redirect.target.text, redirect.operator.endswith(">>"))
            for redirect in call.command.redirects
            if redirect.target is not None and redirect.operator in (">", ">>", ">|", "1>", "1>>")
        ]
        if call.name == "tee":
            appends = any(str(word.text) in ("-a", "--append") for word in call.words[1:])
            targets.extend((word.text, appends) for word in call.words[1:] if not word.text.startswith("-"))
        for target, appends in targets:
            if (content := _output(call)) is None:
                continue
            same = [w for w in self.writings if str(w.path) == str(target) and w.when == call.command.when]
            if same and appends:
                same[0].pieces.append(content)
            else:
                self.writings.append(_Writing(target, call.command.when, [content]))


def _unwrapped(command: Command, given: tuple[Variable, ...]) -> _Call | None:
    """Take `sudo -E`, `env A=b`, `nohup` and the like away from a command."""
    words = list(command.words)
    variables = [*given, *_exported(command), *(_variable(one) for one in command.assignments)]
    while words:
        name = str(words[0].text).rpartition("/")[2]
        if name not in _WRAPPERS:
            return _Call(str(words[0].text) if "k3s" in name or "install" in name else name, tuple(words), tuple(variables), command)
        words = list(_without_options(words[1:], _OPTIONS_WITH_VALUE[name]))
        if name in ("timeout", "chroot"):
            words = words[1:]
        while words and (match := re.match(r"([A-Za-z_]\w*)=", str(words[0].text))):
            word = words.pop(0)
            variables.append(Variable(word.text.cut(match, 1), word.text[match.end() :], Form.INSTALLER, word.when))
    return None


def _without_options(words: Sequence[Word], with_value: str) -> Sequence[Word]:
    """Leave out a command's own options, `with_value` being the letters of those that take the next word."""
    position = 0
    while position < len(words) and len(value := str(words[position].text)) > 1 and value[0] == "-":
        position += 1
        if value == "--":
            break
        if value[1] != "-" and value[-1] in with_value and (len(value) == 2 or value[1] not in with_value):
            position += 1
    return words[position:]


def _exported(command: Command) -> Iterator[Variable]:
    for assignments in command.environment.values():
        for assignment in assignments:
            if not exclusive(assignment.when, command.when):
                yield _variable(assignment)


def _variable(assignment: Assignment) -> Variable:
    return Variable(assignment.name, assignment.value, Form.INSTALLER, assignment.when)


def _of_k3s(variables: Iterable[Variable]) -> Iterator[Variable]:
    """Keep what K3s may read, of each name the one that counts."""
    kept: list[Variable] = []
    for variable in variables:
        name = str(variable.name)
        if name.startswith("K3S_") or flags().by_environment(name):
            kept = [v for v in kept if str(v.name) != name or not set(variable.when) <= set(v.when)]
            kept.append(variable)
    yield from kept


def _for_installer(variables: Iterable[Variable]) -> bool:
    return any(str(variable.name).startswith(("INSTALL_K3S_", "K3S_")) for variable in variables)


def _exec_words(variables: Iterable[Variable]) -> Iterator[Argument]:
    """Split INSTALL_K3S_EXEC, which the install script evaluates in front of its own arguments."""
    for variable in [v for v in variables if str(v.name) == "INSTALL_K3S_EXEC"][-4:]:
        for word in split_words(variable.value) or ():
            yield Argument(word, variable.when)


def _alternatives(words: list[Argument]) -> Iterator[tuple[Argument | None, list[Argument]]]:
    """Yield each way a command line can begin, with the words that can follow."""
    heads: list[Argument] = []
    for word in words:
        if all(exclusive(word.when, head.when) for head in heads):
            heads.append(word)
    if not heads:
        yield None, []
    for head in heads:
        yield head, [word for word in words if not exclusive(word.when, head.when)]


def _installed_role(
    head: Argument | None, words: list[Argument], variables: Sequence[Variable]
) -> tuple[str | None, list[Argument]]:
    """Say what the install script makes of a host, as its setup_env does: the first word, else K3S_URL."""
    if head is not None and not head.text.startswith("-"):
        if not head.text.known:
            return None, words
        return str(head.text), [word for word in words if word is not head]
    urls = [variable for variable in variables if str(variable.name) == "K3S_URL"]
    if not urls or all(not str(url.value) for url in urls):
        return "server", words
    certain = all(url.value.known or len(url.value) > 0 for url in urls) and any(not url.when for url in urls)
    return ("agent" if certain else None), words


def _within(arguments: Iterable[Argument], when: When) -> Iterator[Argument]:
    """Add the branches a command stands in to those of its words."""
    for argument in arguments:
        yield Argument(argument.text, tuple(dict.fromkeys((*when, *argument.when))))


def _shell_options(words: Sequence[Word]) -> tuple[str, Sequence[Word], Word | None]:
    """Split the words behind `sh` into option letters, operands, and the script of `-c`."""
    letters = ""
    position = 0
    while position < len(words):
        value = str(words[position].text)
        if value in ("-", "--", "\u2013", "\u2014"):
            # `sh -s –`: a dash that a word processor made longer is taken for the one that was meant.
            position += 1
            break
        if not words[position].text.known or not re.fullmatch(r"[-+][A-Za-z]+", value):
            break
        position += 1
        letters += value[1:]
        if "c" in value[1:] and position < len(words):
            return letters, words[position + 1 :], words[position]
        if value[-1] in "oO":
            position += 1
    return letters, words[position:], None


def _upstream_words(command: Command) -> Iterator[Word]:
    upstream = command.upstream
    while upstream is not None:
        yield from upstream.words
        upstream = upstream.upstream


# --- what other programs start --------------------------------------------------------------------------


def _options(words: Sequence[Word]) -> Iterator[tuple[Text, Word | None, Word]]:
    """Yield `--name`, its value behind `=` or in the next word, and the word it stands in."""
    for position, word in enumerate(words):
        if word.text.startswith("-"):
            name, equals, value = word.text.partition("=")
            following = words[position + 1] if position + 1 < len(words) else None
            yield name, (replace(word, text=value) if equals else following), word


_K3SUP_AS_K3S = {"--datastore": "--datastore-endpoint", "--tls-san": "--tls-san"}


def _k3sup(call: _Call) -> Iterator[Fragment]:
    """Read `k3sup install` and `k3sup join`, which run the install script on another host by ssh."""
    words = call.words[1:]
    if not words or str(words[0].text) not in ("install", "join", "pro"):
        return
    joins = str(words[0].text) == "join"
    arguments: list[Argument] = []
    variables: list[Variable] = []
    addresses: list[Text] = []
    version = None
    role = "agent" if joins else "server"
    for name, value, word in _options(words[1:]):
        option = str(name)
        if option == "--server" and joins:
            role = "server"
        elif option == "--cluster":
            arguments.append(Argument(name.stand_in("--cluster-init"), word.when))
        elif value is None:
            continue
        elif option == "--k3s-extra-args":
            arguments.extend(Argument(part, value.when) for part in split_words(value.text) or ())
        elif option in _K3SUP_AS_K3S:
            arguments.append(Argument(name.stand_in(_K3SUP_AS_K3S[option]), word.when))
            arguments.append(Argument(value.text, value.when))
        elif option == "--k3s-version":
            version = Version.parse(str(value.text))
        elif option in ("--ip", "--host"):
            addresses.append(value.text)
        elif option in ("--server-ip", "--server-host") and joins:
            url = value.text.stand_in(f"https://{value.text}:6443", known=value.text.known)
            variables.append(Variable(name.stand_in("K3S_URL"), url, Form.INSTALLER, word.when))
    yield Start(
        at=words[0].text,
        role=role,
        arguments=tuple(_within(arguments, call.command.when)),
        form=Form.INSTALLER,
        variables=tuple(variables),
        version=version,
        alone=True,
        addresses=tuple(addresses),
        unseen=(Unseen("environment", "k3sup gives the token itself"),),
    )


def _runs_container(call: _Call) -> bool:
    return call.name in ("docker", "podman") and any(str(word.text) in ("run", "create") for word in call.words[1:3])


def _container(call: _Call) -> Iterator[Fragment]:
    """Read `docker run ... rancher/k3s server ...`."""
    words = call.words
    if not any(str(word.text) in ("run", "create") for word in words[1:3]):
        return
    place = next((n for n, word in enumerate(words[2:], 2) if _IMAGE.search(str(word.text))), None)
    if place is None:
        return
    variables = []
    for name, value, word in _options(words[2:place]):
        if str(name) in ("-e", "--env") and value is not None:
            variable, equals, content = value.text.partition("=")
            if equals:
                variables.append(Variable(variable, content, Form.COMMAND, word.when))
    rest = [Argument(word.text, word.when) for word in words[place + 1 :]]
    role = str(rest[0].text) if rest else None
    if role not in ("server", "agent"):
        return
    image = _IMAGE.search(str(words[place].text))
    yield Start(
        at=rest[0].text,
        role=role,
        arguments=tuple(_within(rest[1:], call.command.when)),
        form=Form.COMMAND,
        variables=tuple(variables),
        version=Version.parse((image["tag"] if image else None) or ""),
        alone=True,
        unseen=(Unseen("config", "a volume may hold a config file"),),
    )


def _modes(call: _Call) -> Iterator[Fragment]:
    words = [word.text for word in call.words[1:] if not re.match(r"-[RcfvhHLP]+$|--", str(word.text))]
    for path in words[1:]:
        if _KUBECONFIG.search(str(path)) and words[0].known:
            yield FileMode(path, words[0])


# --- files that a script writes ---------------------------------------------------------------------------


def _output(call: _Call) -> Text | None:
    """Return what a command prints, as far as the script says it."""
    if call.command.input:
        return join(call.command.input, "\n")
    producer = call if call.name in ("echo", "printf", "cat") else None
    if producer is None and call.command.upstream is not None:
        producer = _unwrapped(call.command.upstream, ())
    if producer is None:
        return None
    if producer.command is not call.command and producer.command.input:
        return join(producer.command.input, "\n")
    words = [word.text for word in producer.words[1:]]
    interprets = producer.name == "printf"
    while words and producer.name == "echo" and re.fullmatch(r"-[neE]+", str(words[0])):
        interprets = interprets or "e" in str(words.pop(0))
    if producer.name not in ("echo", "printf") or not words:
        return None
    if producer.name == "printf":
        if "%" in str(words[0]):
            return _formatted(words)
        words = words[:1]
    text = join(words, " ")
    return join(text.split("\\n"), "\n") if interprets else text


def _formatted(words: list[Text]) -> Text | None:
    """Return what `printf` makes of a format of `%s` only; None for what is more involved."""
    template, rest = words[0], words[1:]
    pieces = template.split("%s")
    if "%" in str(template).replace("%s", "") or len(rest) < len(pieces) - 1:
        return None
    runs = [*join(pieces[0].split("\\n"), "\n").runs]
    for piece, value in zip(pieces[1:], rest, strict=False):
        runs.extend((*value.runs, *join(piece.split("\\n"), "\n").runs))
    return Text(runs)


def _written(writing: _Writing, host: str, depth: int) -> Iterator[Fragment]:
    """Read what a script writes to a file as the format that the file's path tells."""
    path = str(writing.path)
    text = join(writing.pieces, "\n")
    if _UNIT_PATH.search(path):
        yield from unit.read(text, path, host)
    elif _ENVIRONMENT_PATH.search(path):
        yield from environment.read(text, path, host)
    elif path.endswith((".yaml", ".yml")) or "config" in path:
        yield from _config(text, path, host, writing.when)
    elif path.endswith(".sh") and "k3s" in str(text):
        yield from read(text, (), None, depth + 1)


def _config(text: Text, path: str, host: str, when: When) -> Iterator[Fragment]:
    from k3s_policy.tree import read_yaml  # noqa: PLC0415  only scripts that write YAML need it

    for fragment in config.read_document(text, read_yaml(text), path, host=host):
        if isinstance(fragment, ConfigFile) and when != ALWAYS:
            entries = tuple(entry._replace(when=when) for entry in fragment.entries)
            yield replace(fragment, entries=entries, when=when)
        else:
            yield fragment


# --- what is only collected -----------------------------------------------------------------------------


_FULL_TOKEN = re.compile(r"^K10[0-9a-f]{16,}::")
_TOKEN_NAME = re.compile(r"^(?:K3S_(?:AGENT_)?TOKEN|K3S_CLUSTER_SECRET|K3S_DATASTORE_ENDPOINT|K3S_STORAGE_ENDPOINT)$")


def _loose(script: Script, found: Sequence[Fragment]) -> Iterator[Fragment]:
    """Yield credentials and K3s options in variables that nothing found here uses."""
    used = set(_used(found))
    for assignment in script.assignments:
        value = assignment.value
        if not value or any(
            path == run.source.path and run.start <= start < run.end for run in value.runs for path, start in used
        ):
            continue
        name = str(assignment.name)
        if _TOKEN_NAME.match(name) or _FULL_TOKEN.match(str(value)):
            yield Credential(name, assignment.name, value, Form.VARIABLE)
        elif "--" in str(value):
            words = split_words(value) or []
            if any(_tells(str(word)) for word in words):
                yield LooseOptions(assignment.name, tuple(Argument(word, assignment.when) for word in words))


def _tells(word: str) -> bool:
    """Whether a word is an option that only K3s has."""
    if not word.startswith("--"):
        return False
    name = word[2:].partition("=")[0]
    telling = name.startswith(("datastore-", "etcd-s3", "etcd-snapshot", "flannel-", "write-kubeconfig", "cluster-init"))
    return telling or name in ("no-deploy", "disable-agent", "kube-apiserver-arg", "disable-cloud-controller")


def _used(found: Iterable[Fragment]) -> Iterator[tuple[str, int]]:
    """Yield where each run begins that a command uses: the value of a variable is cut, never copied."""
    for fragment in found:
        texts: list[Text] = []
        if isinstance(fragment, Start):
            texts = [argument.text for argument in fragment.arguments] + [v.value for v in fragment.variables]
            texts.append(fragment.at)
        elif isinstance(fragment, OtherCommand | LooseOptions):
            texts = [argument.text for argument in fragment.arguments]
        elif isinstance(fragment, ConfigFile):
            texts = [fragment.text]
        elif isinstance(fragment, Credential):
            texts = [fragment.value]
        for text in texts:
            for run in text.runs:
                yield run.source.path, run.start
