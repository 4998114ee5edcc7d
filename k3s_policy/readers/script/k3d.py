"""`k3d cluster create`, which starts the nodes of a cluster in containers (k3d-io/k3d cmd/cluster/clusterCreate.go).

Options name the nodes they are for behind `@`: `--k3s-arg "--disable=traefik@server:*"`. Up to k3d v4 there were
`--k3s-server-arg` and `--k3s-agent-arg` for all of a role.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.model.file import File, source_of
from k3s_policy.model.invocation import Input, Unseen
from k3s_policy.model.k3d import ClusterPlan, Given, nodes
from k3s_policy.readers.script.printing import received
from k3s_policy.text.pattern import pattern
from k3s_policy.text.substitution import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.formats.shell import Word
    from k3s_policy.model.file import Found
    from k3s_policy.readers.script.call import Call
    from k3s_policy.text import Text

__all__ = ["created"]

_SHORT = {"-s": "--servers", "-a": "--agents", "-i": "--image", "-c": "--config", "-e": "--env", "-v": "--volume"}
_WITH_VALUE = frozenset(
    {
        *_SHORT.values(), "--k3s-arg", "--k3s-server-arg", "--k3s-agent-arg", "--k3s-node-label", "--token", "--port",
        "-p", "--api-port", "--runtime-label", "--runtime-ulimit", "--label", "-l", "--registry-create", "--network",
        "--registry-config", "--registry-use", "--host-alias", "--subnet", "--timeout", "--gpus", "--servers-memory",
        "--agents-memory", "--lb-config-override",
    }
)  # fmt: skip
_FILTERS = pattern(r"(?<!\\)@")
_ESCAPED = pattern(r"\\(?=@)")


class _Option(NamedTuple):
    """An option, or an operand, whose name is empty."""

    name: str
    """Its long form."""
    at: Text
    value: Word


def created(call: Call) -> Iterator[Found]:
    """Read the making of a cluster, with the config that it is given as its input."""
    if [str(word.text) for word in call.words[1:3]] != ["cluster", "create"]:
        return
    given = list(_options(call.words[3:]))
    for text in received(call):
        yield File(text=text, path="k3d.yaml")
    plan = _plan(call, given)
    if not any(option.name == "--config" for option in given) or plan.arguments or plan.labels or plan.variables:
        yield from (node.start for node in nodes(plan))


def _plan(call: Call, given: Sequence[_Option]) -> ClusterPlan:
    last = {option.name: option.value.text for option in given}
    operands = [option.value for option in given if not option.name]
    return ClusterPlan(
        path=source_of(call.words[2].text),
        at=call.words[2].text,
        name=operands[0].text if operands else None,
        servers=last.get("--servers"),
        agents=last.get("--agents"),
        image=last.get("--image"),
        arguments=tuple(_arguments(given)),
        labels=tuple(_filtered(option.value) for option in given if option.name == "--k3s-node-label"),
        variables=tuple(_filtered(option.value) for option in given if option.name == "--env"),
        unseen=tuple(_unseen(given)),
        when=call.command.when,
    )


def _unseen(given: Iterable[_Option]) -> Iterator[Unseen]:
    for option in given:
        if not option.name and _may_be_several(option.value):
            yield Unseen(Input.ARGUMENTS, "a variable may add options", option.at)
        elif option.name == "--config":
            yield Unseen(Input.ARGUMENTS, "a config of k3d may say more", option.at)


def _may_be_several(word: Word) -> bool:
    """Whether the shell may make several words of one, or none."""
    return not word.text.known and not word.quoted


def _options(words: Sequence[Word]) -> Iterator[_Option]:
    """Yield each operand, and each option that has a value."""
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.text.partition("=")
        long = _SHORT.get(str(name), str(name))
        if not word.text.startswith("-"):
            yield _Option("", word.text, word)
        elif equals:
            yield _Option(long, name, replace(word, text=value))
        elif long in _WITH_VALUE and waiting:
            yield _Option(long, name, waiting.pop(0))


def _arguments(given: Iterable[_Option]) -> Iterator[Given]:
    """Yield what becomes arguments of K3s. The token does not, but as one of k3d it is seen by as many."""
    for name, at, word in given:
        if name == "--k3s-arg":
            yield _filtered(word)
        elif name in ("--k3s-server-arg", "--k3s-agent-arg"):
            yield Given(word.text, (name.split("-")[3],), word.when)
        elif name == "--token":
            yield Given(at, ("all",), word.when)
            yield Given(word.text, ("all",), word.when)


def _filtered(word: Word) -> Given:
    """Split a value from its node filters; an `@` of the value has a backslash (k3d-io/k3d cmd/util/filter.go)."""
    places = list(_FILTERS.finditer(str(word.text)))
    if not places:
        return Given(_unescaped(word.text), (), word.when)
    filters = str(word.text[places[-1].end() :]).split(";")
    return Given(_unescaped(word.text[: places[-1].start()]), tuple(filters), word.when)


def _unescaped(text: Text) -> Text:
    return replaced(text, ((*match.span(), text[:0]) for match in _ESCAPED.finditer(str(text))))
