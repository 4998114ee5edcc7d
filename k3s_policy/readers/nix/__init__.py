"""NixOS configurations: `services.k3s`, and the files of K3s below `environment.etc`.

The module makes one command line of its options, and a unit that runs it (nixpkgs
nixos/modules/services/cluster/rancher/default.nix, ExecStart). Modules of other files may add to it, so that nothing is
concluded from what is not said. What a string holds ends up in the Nix store, which every local user can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats import template
from k3s_policy.formats.shell import split_words
from k3s_policy.k3s.places import UNIT_FOLDER, configures
from k3s_policy.k3s.version import Version
from k3s_policy.model.file import File, host_at, source_of
from k3s_policy.model.fragment import Copy, Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.lower import Argument, Variable
from k3s_policy.readers.nix.expression import (
    Binding,
    Call,
    Choice,
    Joined,
    List,
    Name,
    Other,
    Set,
    String,
    UnfollowedError,
    parse,
)
from k3s_policy.text.branch import ALWAYS, Branch, When
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found, Seen
    from k3s_policy.readers.nix.expression import Expression
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_WRAPPERS = frozenset({"mkIf", "mkForce", "mkDefault", "mkOverride", "mkMerge", "mkBefore", "mkAfter", "mkOrder"})
"""Functions of the module system around a value: their last argument is it."""
_STRINGS = frozenset({"toString", "escapeShellArgs", "concatStringsSep", "unwords", "flatten", "concatLists"})
"""Functions that make one string of a list, whose last argument is the list."""
_PACKAGE = pattern(r"\bk3s_(?P<major>\d+)_(?P<minor>\d+)$")

_OPTIONS = {
    "serverAddr": "--server",
    "token": "--token",
    "tokenFile": "--token-file",
    "agentToken": "--agent-token",
    "agentTokenFile": "--agent-token-file",
    "configPath": "--config",
    "disable": "--disable",
    "nodeName": "--node-name",
    "nodeLabel": "--node-label",
    "nodeTaint": "--node-taint",
    "nodeIP": "--node-ip",
    "nodeExternalIP": "--node-external-ip",
}
"""Options of the module that hold values of flags, in the order of its command line."""
_SWITCHES = {"selinux": "--selinux", "clusterInit": "--cluster-init", "disableAgent": "--disable-agent"}


def claims(_: Seen) -> bool:
    """Whether a file is an expression of Nix: its name says so."""
    return True


def read(seen: Seen) -> Iterator[Found]:
    """Read each set of a file that configures K3s; the sets of a file are different hosts."""
    try:
        root = parse(seen.text)
        hosts = [found for one in _sets(root) for found in _hosts(one)]
        fragments = [fragment for host, bindings in hosts for fragment in _host(host, bindings)]
    except (UnfollowedError, RecursionError):
        return  # names may stand for names that stand for names
    yield from fragments


def _sets(root: Expression) -> Iterator[Set]:
    """Yield every set, the outer ones first."""
    waiting: list[Expression] = [root]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue  # a name stands for it in several places
        seen.add(id(one))
        match one:
            case Set():
                yield one
                waiting += (binding.value for binding in reversed(one.bindings))
            case List():
                waiting += reversed(one.items)
            case Call():
                waiting += (*reversed(one.arguments), one.function)
            case Joined():
                waiting += reversed(one.operands)
            case Choice():
                waiting += (one.other, one.one)
            case Other():
                waiting += reversed(one.inner)


_ROOTS = ("services", "environment", "systemd")
"""Where the options begin that matter here; a configuration may stand below other names: `config.services.k3s`."""


def _hosts(root: Set) -> Iterator[tuple[str, tuple[Binding, ...]]]:
    """Yield what the bindings of a set say of each host, by the place of the set and the names above the options."""
    hosts: dict[tuple[str, ...], list[Binding]] = {}
    for binding in root.bindings:
        begins = next((number for number, name in enumerate(binding.path) if name in _ROOTS), None)
        if begins is not None and "options" not in binding.path[:begins]:
            own = Binding(binding.path[begins:], binding.at, binding.value)
            hosts.setdefault(binding.path[:begins], []).append(own)
    for names, bindings in hosts.items():
        yield ".".join((host_at(root.at), *names)), tuple(bindings)


def _host(host: str, bindings: tuple[Binding, ...]) -> Iterator[Found]:
    settings: dict[str, list[tuple[Binding, When]]] = {}
    variables: list[Variable] = []
    for binding, when in _flat(bindings, ALWAYS):
        match binding.path:
            case ("services", "k3s", option, *_):
                settings.setdefault(option, []).append((binding, when))
            case ("systemd", "services", "k3s", "environment", name):
                if name and isinstance(value := _plain(binding.value), String):
                    variables.append(Variable(binding.at, value.text, Form.UNIT_ENVIRONMENT, when))
            case ("environment", "etc", path, kind):
                yield from _file(f"/etc/{path}", kind, binding, when, host)
            case ("systemd", "units", name, "text"):
                yield from _file(f"{UNIT_FOLDER}{name}", "text", binding, when, host)
    if settings:
        yield _start(settings, variables, host)


def _file(path: str, kind: str, binding: Binding, when: When, host: str) -> Iterator[Found]:
    """Read a file that is written here, or taken from the repository."""
    value = _plain(binding.value)
    if not isinstance(value, String):
        return
    if kind == "text":
        yield File(text=template.opaque(value.text), path=path, host=host, when=when, may_go_on=True)
    elif kind == "source" and configures(path):
        yield Copy(value.text, path, host, source_of(value.text), when=when)


def _flat(
    bindings: tuple[Binding, ...], when: When, seen: frozenset[int] = frozenset()
) -> Iterator[tuple[Binding, When]]:
    """Yield bindings with those of the sets that are their values, by their whole paths, as far as they matter here.

    `services.k3s` itself is given none of its own: what its options hold is theirs. `seen` are the sets around it,
    which a name may stand for again.
    """
    for binding in bindings:
        inside = False
        if _leads_on(binding.path) and id(binding.value) not in seen:
            within = seen | {id(binding.value)}
            for inner, arms in _contents(binding.value, when, set()):
                inside = True
                whole = tuple(Binding((*binding.path, *one.path), one.at, one.value) for one in inner.bindings)
                yield from _flat(whole, arms, within)
        if not inside:
            yield binding, when


_LEADING = (
    ("services", "k3s"),
    ("environment", "etc"),
    ("systemd", "units"),
    ("systemd", "services", "k3s", "environment"),
)
"""The options that matter here."""


def _leads_on(path: tuple[str, ...]) -> bool:
    """Whether something that matters may stand in the set at a path."""
    if path[:2] in (("environment", "etc"), ("systemd", "units")):
        return len(path) < 4
    return any(path == names[: len(path)] for names in _LEADING)


def _contents(value: Expression, when: When, seen: set[int]) -> Iterator[tuple[Set, When]]:
    """Yield the sets that a value is, or is merged of, each once."""
    if id(value) in seen:
        return
    seen.add(id(value))
    match value:
        case Set():
            yield value, when
        case Call() if _called(value) in _WRAPPERS:
            yield from _contents(value.arguments[-1], when, seen)
        case List():
            for item in value.items:
                yield from _contents(item, when, seen)
        case Joined("//"):
            for operand in value.operands:
                yield from _contents(operand, when, seen)
        case Choice():
            yield from _contents(value.one, (*when, _branch(value.at, 0)), seen)
            yield from _contents(value.other, (*when, _branch(value.at, 1)), seen)


def _called(call: Call) -> str:
    """Return the name of the function that is called, without the set it is taken from."""
    return str(call.function.text).rpartition(".")[2] if isinstance(call.function, Name) else ""


def _branch(at: Text, arm: int) -> Branch:
    span = at.span
    return Branch(span.source.path, span.start, arm)


def _plain(value: Expression) -> Expression:
    """Take away what the module system has around a value."""
    while isinstance(value, Call) and _called(value) in _WRAPPERS:
        value = value.arguments[-1]
    return value


# --- services.k3s -----------------------------------------------------------------------------------------


def _start(settings: dict[str, list[tuple[Binding, When]]], variables: list[Variable], host: str) -> Start:
    role, because = _role(settings)
    first = next(iter(settings.values()))[0][0]
    at = settings["role"][-1][0].at if "role" in settings else first.at
    unseen = [Unseen(Input.ARGUMENTS, "other modules may add to services.k3s")]
    if "environmentFile" in settings:
        unseen.append(
            Unseen(Input.ENVIRONMENT, "environmentFile holds variables", settings["environmentFile"][-1][0].at)
        )
    version, hidden = _release(settings)
    return Start(
        at=at,
        role=role,
        role_reason=because,
        arguments=tuple(_arguments(settings)),
        form=Form.NIX,
        variables=tuple(variables),
        version=version,
        unseen=(*unseen, *hidden),
        host=host,
    )


def _role(settings: dict[str, list[tuple[Binding, When]]]) -> tuple[str | None, str]:
    """Return the role; without one the module makes a server, which counts where K3s is enabled too."""
    for binding, _ in reversed(settings.get("role", [])):
        value = _plain(binding.value)
        known = isinstance(value, String) and str(value.text) in ("server", "agent")
        return (str(value.text), "") if known and isinstance(value, String) else (None, "")
    for binding, _ in settings.get("enable", []):
        value = _plain(binding.value)
        if isinstance(value, Name) and str(value.text) == "true":
            return "server", "the NixOS module makes a server where no role is set"
    return None, ""


def _release(settings: dict[str, list[tuple[Binding, When]]]) -> tuple[Version | None, tuple[Unseen, ...]]:
    """Return the line of releases that the package is of; without one the release is that of nixpkgs."""
    for binding, _ in settings.get("package", []):
        value = _plain(binding.value)
        match = _PACKAGE.search(str(value.text)) if isinstance(value, Name) else None
        if match is not None:
            return Version.parse(f"v{match['major']}.{match['minor']}"), ()
    return None, (Unseen(Input.VERSION, "the release is that of nixpkgs"),)


def _arguments(settings: dict[str, list[tuple[Binding, When]]]) -> Iterator[Argument]:
    """Yield the command line in the order of the module's."""
    for option, flag in _OPTIONS.items():
        for binding, when in settings.get(option, []):
            for text, arms in _values(binding.value, when, set()):
                if str(text):
                    yield Argument(binding.at.stand_in(flag), arms)
                    yield Argument(text, arms)
    for option, flag in _SWITCHES.items():
        for binding, when in settings.get(option, []):
            yield from _switch(binding, flag, when)
    for binding, when in settings.get("extraFlags", []):
        for text, arms in _values(binding.value, when, set()):
            words = split_words(text)
            yield from (Argument(word, arms) for word in ([text.unknown()] if words is None else words))


def _switch(binding: Binding, flag: str, when: When) -> Iterator[Argument]:
    value = _plain(binding.value)
    if isinstance(value, Name) and str(value.text) in ("true", "false"):
        if str(value.text) == "true":
            yield Argument(binding.at.stand_in(flag), when)
    else:
        at = binding.at
        yield Argument(at.stand_in(flag + "=") + at.stand_in("${…}", known=False), when)


def _values(value: Expression, when: When, seen: set[int]) -> Iterator[tuple[Text, When]]:
    """Yield the strings that a value is, or is made of; what is computed is not known.

    `seen` are lists and calls that were followed: names may stand for the same again and again.
    """
    if not isinstance(value, String | Name | Other):
        if id(value) in seen:
            return
        seen.add(id(value))
    match value:
        case String():
            yield value.text, when
        case List() | Joined("++"):
            for item in value.items if isinstance(value, List) else value.operands:
                yield from _values(item, when, seen)
        case Choice():
            yield from _values(value.one, (*when, _branch(value.at, 0)), seen)
            yield from _values(value.other, (*when, _branch(value.at, 1)), seen)
        case Call():
            yield from _of_call(value, when, seen)
        case Joined("+"):
            yield from _sum(value, when, seen)
        case Name() | Other():
            yield from _computed(value, when)


def _computed(value: Name | Other, when: When) -> Iterator[tuple[Text, When]]:
    at = value.text if isinstance(value, Name) else value.at
    if str(at) != "null":
        yield at.unknown(), when


def _of_call(call: Call, when: When, seen: set[int]) -> Iterator[tuple[Text, When]]:
    """Follow the functions that lists of flags are written with."""
    name = _called(call)
    last = call.arguments[-1]
    function = call.function
    if name in _WRAPPERS or name in _STRINGS:
        yield from _values(last, when, seen)
    elif (
        name in ("optional", "optionals", "optionalString") and len(call.arguments) == 2 and isinstance(function, Name)
    ):
        yield from _values(last, (*when, _branch(function.text, 0)), seen)
    elif isinstance(function, Name):
        yield function.text.unknown(), when


def _sum(value: Joined, when: When, seen: set[int]) -> Iterator[tuple[Text, When]]:
    """Follow `"--a " + b`: one string of several."""
    parts = [found for operand in value.operands for found in _values(operand, when, seen)]
    if parts:
        whole = parts[0][0]
        for text, _ in parts[1:]:
            whole = whole + text
        yield whole, when
