"""What a script only collects in variables: credentials and K3s options that no command seen here uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.shell import split_words
from k3s_policy.model import Credential, Form
from k3s_policy.model.fragment import ConfigFile, LooseOptions, OtherCommand, Start
from k3s_policy.model.lower import Argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from k3s_policy.formats.shell import Script
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.text import Text

__all__ = ["TELLING_OPTION", "collected"]

_FULL_TOKEN = re.compile(r"^K10[0-9a-f]{16,}::")
_CREDENTIAL_NAME = re.compile(r"^K3S_(?:(?:AGENT_)?TOKEN|CLUSTER_SECRET|(?:DATASTORE|STORAGE)_ENDPOINT|VPN_AUTH)$")
# Options no other program has. Any one of them makes the words of a variable K3s's.
TELLING_OPTION = re.compile(
    r"--(?:datastore-(?:endpoint|cafile|certfile|keyfile)|etcd-s3(?:-[a-z-]+)?|etcd-snapshot-[a-z-]+|flannel-(?:backend|iface|conf)"
    r"|write-kubeconfig(?:-mode|-group)?|cluster-init|no-deploy|disable-agent|disable-cloud-controller|kube-apiserver-arg)(?:=|$)"
)


def collected(script: Script, found: Sequence[Fragment]) -> Iterator[Fragment]:
    """Yield what variables hold and none of the fragments found so far is made of."""
    used = [(run.source, run.start) for text in _texts(found) for run in text.runs]
    for assignment in script.assignments:
        value = assignment.value
        if not value or _is_used(value, used):
            continue
        name = str(assignment.name)
        if _CREDENTIAL_NAME.match(name) or _FULL_TOKEN.match(str(value)):
            yield Credential(name, assignment.name, value, Form.VARIABLE)
        elif "--" in str(value):
            words = split_words(value) or []
            if any(TELLING_OPTION.match(str(word)) for word in words):
                yield LooseOptions(assignment.name, tuple(Argument(word, assignment.when) for word in words))


def _is_used(value: Text, used: Sequence[tuple[object, int]]) -> bool:
    """Whether something begins inside the value: what uses a variable is cut from its value, never copied."""
    return any(
        source is run.source and run.start <= start < run.end
        for run in value.runs
        if run.text
        for source, start in used
    )


def _texts(found: Iterable[Fragment]) -> Iterator[Text]:
    for fragment in found:
        match fragment:
            case Start():
                yield fragment.at
                yield from (argument.text for argument in fragment.arguments)
                yield from (variable.value for variable in fragment.variables)
            case OtherCommand() | LooseOptions():
                yield from (argument.text for argument in fragment.arguments)
            case ConfigFile():
                yield fragment.text
            case Credential():
                yield fragment.value
