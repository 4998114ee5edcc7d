"""Commands that start or install K3s: the install script, `k3s` itself, `k3sup`, `docker run`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.formats.shell import split_words
from k3s_policy.k3s import program
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.version import Version
from k3s_policy.model.fragment import OtherCommand, Start
from k3s_policy.model.invocation import Form, Input, Release, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.model.release import release_of
from k3s_policy.readers.script.call import options
from k3s_policy.text import Run, Text
from k3s_policy.text.branch import ALWAYS, When, both, exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.formats.shell import Word
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.readers.script.call import Call

__all__ = ["container", "for_installer", "for_k3s", "installer", "k3s", "k3sup", "runs_container"]

_ROLES = ("server", "agent")
_CONTAINER_COMMANDS = ("run", "create")


def for_installer(variables: Iterable[Variable]) -> bool:
    """Whether variables of the install script are set, so that an `install.sh` is most likely K3s's."""
    return any(str(variable.name).startswith("INSTALL_K3S_") for variable in variables)


def for_k3s(variables: Iterable[Variable], operands: Sequence[Word]) -> bool:
    """Whether what a script is given is for K3s: its variables, a role, or a flag that no other program has."""
    if any(str(variable.name).startswith(("INSTALL_K3S_", "K3S_")) for variable in variables):
        return True
    words = [str(word.text) for word in operands]
    if words and words[0] in _ROLES:
        return True
    names = (word.lstrip("-").partition("=")[0] for word in words if word.startswith("--"))
    return any("-" in name and flags().get(name) is not None for name in names)


def installer(
    call: Call, operands: Sequence[Word], host: str, form: Form | None, origin: Text | None
) -> Iterator[Start]:
    """Read a run of the install script with some arguments (K3s install.sh, setup_env).

    `origin` is the address it was downloaded from, where that is K3s's own.
    """
    words = [*_exec_words(call.variables), *(Argument(word.text, word.when) for word in operands)]
    chosen = _chosen(call.variables, origin)
    for head, arguments in _beginnings(words):
        role, rest, because = _installed_role(head, arguments, call.variables)
        if role not in (*_ROLES, None):
            continue
        at = head.text if head is not None else call.words[0].text
        yield Start(
            at=at,
            role=role,
            arguments=tuple(_within(rest, call.command.when)),
            words=_installed_words(at, role, rest),
            role_reason=because,
            form=form or Form.INSTALLER,
            variables=tuple(_of_k3s(call.variables, form)),
            version=chosen.version,
            release=chosen.release,
            unseen=chosen.unseen,
            host=host,
            when=both(call.command.when, head.when if head is not None else ALWAYS),
        )


def _installed_words(at: Text, role: str | None, arguments: Iterable[Argument]) -> tuple[Text, ...]:
    """Return what the unit of the install script runs, nothing where its role is not known."""
    if role is None:
        return ()
    return (at.stand_in(_INSTALLED), at.stand_in(role), *(argument.text for argument in arguments))


_INSTALLED = "/usr/local/bin/k3s"
"""Where the install script puts K3s (K3s install.sh, setup_env)."""

_DEFAULT = re.compile(r"^\$\{[A-Za-z_]\w*:?-(?P<default>[^${}]+)\}$")


_NOT_BY_CHANNEL = frozenset({"INSTALL_K3S_COMMIT", "INSTALL_K3S_PR", "INSTALL_K3S_CHANNEL_URL"})
"""Variables that choose what is installed, or ask another server which release is that of a channel."""
_NO_DOWNLOAD = frozenset({"INSTALL_K3S_SKIP_DOWNLOAD", "INSTALL_K3S_BIN_DIR_READ_ONLY"})


class _Chosen(NamedTuple):
    """The release that is installed, as far as the script says it."""

    version: Version | None = None
    release: Release | None = None
    unseen: tuple[Unseen, ...] = ()
    """That one is said which the script does not know."""


def _chosen(variables: Sequence[Variable], origin: Text | None) -> _Chosen:
    """Return the release that the install script installs (K3s install.sh, get_release_version).

    INSTALL_K3S_VERSION wins over a channel; one that names a line, `v1.30`, tells the line at least. The default of
    `${VERSION:-v1.30.4}` counts. Without both it is the channel `stable`.
    """
    for name in ("INSTALL_K3S_VERSION", "INSTALL_K3S_CHANNEL"):
        for variable in reversed(variables):
            if str(variable.name) == name and variable.value:
                value = str(variable.value)
                default = _DEFAULT.match(value)
                version = Version.parse(default["default"] if default else value)
                if version is None and not variable.value.known:
                    return _Chosen(None, Release(variable.value), (Unseen(Input.VERSION, "the release is a variable"),))
                moves = name == "INSTALL_K3S_CHANNEL" and variable.value.known and _downloads(variables)
                return _Chosen(version, Release(variable.value, f"the channel {value} moves" if moves else ""))
    if origin is None or not _downloads(variables):
        return _Chosen()
    return _Chosen(release=Release(origin, "without a version the newest stable release is installed"))


def _downloads(variables: Iterable[Variable]) -> bool:
    """Whether the install script surely downloads the release of a channel (K3s install.sh, download_and_verify)."""
    for variable in variables:
        name, value = str(variable.name), variable.value
        if name in _NOT_BY_CHANNEL and value:
            return False
        if name in _NO_DOWNLOAD and (not value.known or str(value) in ("true", "binary")):
            return False
    return True


def _exec_words(variables: Iterable[Variable]) -> Iterator[Argument]:
    """Split INSTALL_K3S_EXEC, which the install script evaluates in front of its own arguments."""
    for variable in _latest(variable for variable in variables if str(variable.name) == "INSTALL_K3S_EXEC"):
        for word in split_words(_escaped(variable.value)) or ():
            yield Argument(word, variable.when)


def _escaped(arguments: Text) -> Text:
    """Put a backslash before each `*` of INSTALL_K3S_EXEC, as the install script does (K3s install.sh, escape).

    Without quotes the shell takes it away again; within quotes it stays, and K3s receives it. Other punctuation fares
    likewise, but is left alone here: what is wrong with the value that was meant is worth more to know.
    """
    runs: list[Run] = []
    position = 0
    for match in re.finditer(r"\*", str(arguments)):
        runs.extend(arguments[position : match.start()].runs)
        position = match.start()
        star = arguments[position].runs[0]
        runs.append(Run(source=star.source, start=star.start, end=star.start, text="\\", known=star.known))
    return Text((*runs, *arguments[position:].runs))


def _of_k3s(variables: Sequence[Variable], form: Form | None) -> Iterator[Variable]:
    """Keep what K3s may read, of each name the one that counts; all that a job of a pipeline gives is written there."""
    table = flags()
    names = {str(variable.name) for variable in variables}
    wanted = {name for name in names if name.startswith("K3S_") or table.by_environment(name)}
    for variable in _latest(variable for variable in variables if str(variable.name) in wanted):
        yield variable._replace(form=form) if form is Form.JOB else variable


def _latest(variables: Iterable[Variable]) -> list[Variable]:
    """Leave out variables that a later one of the same name replaces wherever they hold."""
    kept: list[Variable] = []
    for variable in variables:
        name = str(variable.name)
        kept = [one for one in kept if str(one.name) != name or not set(variable.when) <= set(one.when)]
        kept.append(variable)
    return kept


def _beginnings(words: list[Argument]) -> Iterator[tuple[Argument | None, list[Argument]]]:
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
) -> tuple[str | None, list[Argument], str]:
    """Say what the install script makes of a host, and why: its first word, else whether K3S_URL is set."""
    if head is not None and not head.text.startswith("-"):
        if not head.text.known:
            return None, words, ""
        return str(head.text), [word for word in words if word is not head], ""
    urls = _latest(variable for variable in variables if str(variable.name) == "K3S_URL")
    urls = [url for url in urls if url.value]
    if not urls:
        return "server", words, "the install script makes a server where K3S_URL is not set"
    if any(not url.when and _surely_set(url.value) for url in urls):
        return "agent", words, "the install script makes an agent where K3S_URL is set"
    return None, words, ""


def _surely_set(value: Text) -> bool:
    """Whether a value cannot be empty: some of its characters are there whatever fills in the rest."""
    return any(run.known and run.text for run in value.runs)


def _within(arguments: Iterable[Argument], when: When) -> Iterator[Argument]:
    """Add the branches a command stands in to those of its words."""
    for argument in arguments:
        yield Argument(argument.text, both(when, argument.when))


def k3s(call: Call, host: str, form: Form | None) -> Iterator[Fragment]:
    """Read a run of `k3s`, which may be another command in each arm of a script: `k3s $COMMAND`."""
    arguments = [Argument(word.text, word.when) for word in call.words[1:]]
    for head, _ in _beginnings([argument for argument in arguments if not argument.text.startswith("-")]):
        if head is None:
            return
        # By identity: two words of one text are two words.
        possible = [argument for argument in arguments if not exclusive(argument.when, head.when)]
        rest = tuple(_within((argument for argument in possible if argument is not head), call.command.when))
        name = str(head.text)
        if name in _ROLES:
            yield Start(
                at=head.text,
                role=name,
                arguments=rest,
                form=form or Form.COMMAND,
                variables=tuple(_of_k3s(call.variables, form)),
                host=host,
                when=both(call.command.when, head.when),
                words=(call.words[0].text, *(argument.text for argument in possible)),
            )
        elif name in flags().commands:
            yield OtherCommand(head.text, name, rest)


_K3SUP_AS_K3S = {"--datastore": "--datastore-endpoint", "--tls-san": "--tls-san", "--token": "--token"}


def k3sup(call: Call) -> Iterator[Start]:
    """Read `k3sup install` and `k3sup join`, which run the install script on another host by ssh.

    Its own options become those it hands to K3s (alexellis/k3sup cmd/install.go, cmd/join.go).
    """
    command = str(call.words[1].text) if len(call.words) > 1 else ""
    if command == "plan":
        yield from _planned(call)
    if command not in ("install", "join"):
        return
    given = list(options(call.words[2:]))
    if any(str(name) == "--skip-install" for name, _, _ in given):
        return  # it only fetches the kubeconfig
    values = [(str(name), value) for name, value, _ in given if value is not None]
    version, unseen = _k3sup_version(values)
    joins = command == "join"
    at = call.words[1].text
    role = "agent" if joins and all(str(name) != "--server" for name, _, _ in given) else "server"
    arguments = tuple(_within(_k3sup_arguments(given), call.command.when))
    yield Start(
        at=at,
        role=role,
        arguments=arguments,
        words=_installed_words(at, role, arguments),
        form=Form.INSTALLER,
        variables=tuple(_k3sup_variables(at, given)) if joins else (),
        version=version,
        release=_of_k3sup(call, values),
        unseen=unseen,
        isolated=True,
        addresses=tuple(value.text for name, value in values if name in ("--ip", "--host")),
        when=call.command.when,
    )


def _k3sup_version(values: Iterable[tuple[str, Word]]) -> tuple[Version | None, tuple[Unseen, ...]]:
    """Return the version that options name, the last one first; or say that a variable names it."""
    releases = [value.text for name, value in values if name in ("--k3s-version", "--k3s-channel")]
    versions = [version for release in releases if (version := Version.parse(str(release))) is not None]
    if versions:
        return versions[-1], ()
    hidden = any(not release.known for release in releases)
    return None, (Unseen(Input.VERSION, "the release is a variable"),) if hidden else ()


def _of_k3sup(call: Call, values: Iterable[tuple[str, Word]]) -> Release | None:
    """Return what chooses the release: `--k3s-version`, else a channel, `stable` by default (k3sup cmd/install.go)."""
    given = {name: value.text for name, value in values}
    if "--k3s-version" in given:
        return Release(given["--k3s-version"])
    if any(_may_be_options(earlier.text, word.text) for earlier, word in pairwise(call.words)):
        return None
    channel = given.get("--k3s-channel")
    if channel is None:
        return Release(call.words[1].text, "without a version the newest stable release is installed")
    return Release(channel, f"the channel {channel} moves")


def _may_be_options(earlier: Text, word: Text) -> bool:
    """Whether a word is made by a variable and is no value of the option before it."""
    takes_it = earlier.startswith("-") and "=" not in str(earlier)
    return not takes_it and not word[:1].known


_PLANNED = {"--server-k3s-extra-args": "server", "--agent-k3s-extra-args": "agent"}


def _planned(call: Call) -> Iterator[Start]:
    """Read `k3sup plan`, which prints such commands for a list of hosts (alexellis/k3sup cmd/plan.go)."""
    for name, value, word in options(call.words[2:]):
        role = _PLANNED.get(str(name))
        if role is None or value is None:
            continue
        arguments = tuple(_within(_k3sup_arguments([(name.stand_in("--k3s-extra-args"), value, word)]), word.when))
        yield Start(
            at=name,
            role=role,
            arguments=arguments,
            words=_installed_words(name, role, arguments),
            form=Form.INSTALLER,
            unseen=tuple(
                Unseen(kind, "k3sup plan adds what joins the hosts") for kind in (Input.ARGUMENTS, Input.ENVIRONMENT)
            ),
            isolated=True,
            when=call.command.when,
        )


def _k3sup_arguments(given: Iterable[tuple[Text, Word | None, Word]]) -> Iterator[Argument]:
    for name, value, word in given:
        option = str(name)
        if option == "--cluster":
            yield Argument(name.stand_in("--cluster-init"), word.when)
        elif option == "--no-extras":
            for component in ("servicelb", "traefik"):
                yield Argument(name.stand_in(f"--disable={component}"), word.when)
        elif value is not None and option == "--k3s-extra-args":
            yield from (Argument(part, value.when) for part in split_words(_escaped(value.text)) or ())
        elif value is not None and option in _K3SUP_AS_K3S:
            yield Argument(name.stand_in(_K3SUP_AS_K3S[option]), word.when)
            yield Argument(value.text, value.when)


def _k3sup_variables(at: Text, given: Iterable[tuple[Text, Word | None, Word]]) -> Iterator[Variable]:
    if all(str(name) != "--node-token" for name, _, _ in given):
        # k3sup fetches the token from the server.
        yield Variable(at.stand_in("K3S_TOKEN"), at.supplied("fetched"), Form.INSTALLER, ())
    for name, value, word in given:
        if value is None:
            continue
        if str(name) == "--node-token":
            yield Variable(name.stand_in("K3S_TOKEN"), value.text, Form.INSTALLER, word.when)
        elif str(name) in ("--server-ip", "--server-host"):
            url = value.text.stand_in(f"https://{value.text}:6443", known=value.text.known)
            yield Variable(name.stand_in("K3S_URL"), url, Form.INSTALLER, word.when)


def _unseen_release(image: Text) -> Iterator[Unseen]:
    """Say that the release of a container is not known, where its tag is filled in."""
    if not image.known or "{{" in str(image) or "${" in str(image):
        yield Unseen(Input.VERSION, "the release is a variable", image)


def runs_container(call: Call) -> bool:
    """Whether a container program starts a container, rather than running a command in one."""
    return any(str(word.text) in _CONTAINER_COMMANDS for word in call.words[1:3])


def container(call: Call) -> Iterator[Start]:
    """Read `docker run ... rancher/k3s server ...`."""
    words = call.words
    places = (n for n, word in enumerate(words[:-1]) if n > 1 and program.image(str(word.text)))
    # A volume may end in `/k3s` like an image; only behind the image stands what it runs.
    place = next((n for n in places if str(words[n + 1].text) in _ROLES), None)
    if place is None:
        return
    variables = []
    for name, value, word in options(words[2:place]):
        if str(name) in ("-e", "--env") and value is not None:
            variable, equals, content = value.text.partition("=")
            if equals:
                variables.append(Variable(variable, content, Form.COMMAND, word.when))
    image_name = words[place].text
    image = program.image(str(image_name))
    rest = [Argument(word.text, word.when) for word in words[place + 2 :]]
    yield Start(
        at=words[place + 1].text,
        role=str(words[place + 1].text),
        arguments=tuple(_within(rest, call.command.when)),
        form=Form.COMMAND,
        variables=tuple(variables),
        version=Version.parse((image["tag"] if image else None) or ""),
        release=release_of(image_name),
        unseen=(Unseen(Input.CONFIG, "a volume may hold a config file"), *_unseen_release(image_name)),
        isolated=True,
        words=(image_name.stand_in("/bin/k3s"), *(word.text for word in words[place + 1 :])),
    )
