"""What stands by itself: files that no unit reads, values that K3s never sees, options that nothing seen is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k3s_policy.assemble.nodes import invocation_of
from k3s_policy.formats.tree import Scalar
from k3s_policy.k3s import credential
from k3s_policy.k3s.flags import flags
from k3s_policy.k3s.places import is_misnamed_config
from k3s_policy.model import lower
from k3s_policy.model.fragment import Start, UnreadFile
from k3s_policy.model.invocation import Form, Input, Invocation, Origin, Setting, Unseen
from k3s_policy.model.subjects import Credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.assemble.host_paths import ConfigSet
    from k3s_policy.assemble.nodes import Launch
    from k3s_policy.assemble.scope import Scope
    from k3s_policy.model.fragment import EnvironmentFile, OtherCommand, UnusedOptions

__all__ = ["misnamed", "of_command", "of_environment", "of_options", "replaced_credentials", "unread"]


def unread(files: Iterable[EnvironmentFile], started: Sequence[Launch]) -> list[EnvironmentFile]:
    """Return the environment files that no unit read."""
    read = {id(variable.name) for one in started for variable in one.start.variables}
    return [file for file in files if not any(id(variable.name) in read for variable in file.variables)]


def of_environment(file: EnvironmentFile, scope: Scope) -> Invocation:
    """Lower an environment file that no unit read, so that what it holds is judged all the same."""
    start = Start(at=file.text[:0], role=None, arguments=(), form=Form.ENVIRONMENT_FILE, variables=file.variables)
    unseen = [Unseen(kind, "nothing seen reads this file") for kind in (Input.ARGUMENTS, Input.CONFIG)]
    return replace(invocation_of(start, (), unseen, (file.text.span.source.path,), scope), variables_of=file.path)


def replaced_credentials(sets: Iterable[ConfigSet]) -> Iterator[Credential]:
    """Yield the credentials of config files that K3s never sees: a later key replaces them, and they are there."""
    table = flags()
    for one in sets:
        for entry in lower.replaced([file.entries for file in one.files]):
            flag = table.get(str(entry.key)) or table.removed(str(entry.key))
            if flag is None or not isinstance(entry.value, Scalar):
                continue
            for secret in credential.secrets(flag, entry.value.text):
                yield Credential(what=str(entry.key), at=entry.key, value=secret, form=Form.CONFIG, tag=entry.value.tag)


def misnamed(sets: Iterable[ConfigSet]) -> Iterator[UnreadFile]:
    """Yield the configs called `config.yml` that no command names: K3s looks for `config.yaml`."""
    for one in sets:
        if one.host is None and is_misnamed_config(one.path):
            yield from (UnreadFile(file.entries[0].key, one.path) for file in one.main if file.entries)


def of_command(command: OtherCommand, scope: Scope) -> Invocation:
    """Lower a command such as `k3s token create`, as far as its flags are known."""
    known = flags().command(command.name)
    settings = []
    arguments = list(command.arguments)
    subcommand = str(arguments[0].text) if arguments and not arguments[0].text.startswith("-") else None
    for position, argument in enumerate(arguments):
        option, equals, value = argument.text.partition("=")
        flag = known.get(str(option).lstrip("-"), subcommand) if known and argument.text.startswith("-") else None
        if flag is None:
            continue
        if not equals:
            if flag.kind.takes_value and position + 1 == len(arguments):
                continue
            value = arguments[position + 1].text if flag.kind.takes_value else option.stand_in("true")
        settings.append(
            Setting(flag=flag, at=option, value=value, origin=Origin.ARGUMENT, form=command.form, when=argument.when)
        )
    path = command.at.span.source.path
    return Invocation(command.at, tuple(settings), version=scope.version_of((path,)), files=(path,))


def of_options(loose: UnusedOptions, scope: Scope) -> Invocation:
    """Lower options that stand in a variable: those of K3s count, the rest may be another program's."""
    path = loose.at.span.source.path
    words = [argument for argument in loose.arguments if str(argument.text) not in ("server", "agent", "k3s")]
    version = scope.version_of((path,), loose.version)
    lowered = lower.from_arguments(words, None, flags().as_of(version), Form.VARIABLE)
    unseen = (Unseen(kind, "nothing seen uses this variable") for kind in (Input.ARGUMENTS, Input.CONFIG))
    return Invocation(
        at=loose.at,
        settings=tuple(lowered.settings),
        unrecognised=(),
        unseen=(*loose.unseen, *unseen),
        version=version,
        files=(path,),
    )
