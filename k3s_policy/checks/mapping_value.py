"""A mapping, or a list in a list, where K3s takes text.

A flag of K3s has a text or a list of texts. Whatever else stands in the config file is printed as the programming
language does it: `- max-pods: 110` reaches the kubelet as `--[{max-pods 110}]`, which it does not know. K3s itself says
nothing (K3s `pkg/configfilearg/convert.go`). Of a list in a list only the first item counts. So it is in all releases
that have a config file.

Component arguments, labels and taints are texts with an equals sign or colon in them; a blank behind the colon makes
a mapping.

```yaml wrong
kubelet-arg:
  - max-pods: 110
node-label:
  tier: edge
```

```yaml right
kubelet-arg:
  - max-pods=110
node-label:
  - tier=edge
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence, arrives
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.flags import Kind, flags
from k3s_policy.model.finding import Severity
from k3s_policy.model.fragment import ConfigFile  # noqa: TC001  the annotation says whom the rule judges
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.formats.tree import Entry
    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.flags import Flag
    from k3s_policy.text import Text


@rule(severity="medium", see=("https://docs.k3s.io/installation/configuration",))
def check(file: ConfigFile) -> Problems:
    """Report values of flags that are no texts."""
    table = flags()
    for entry in file.entries:
        flag = table.get(str(entry.key)) or table.removed(str(entry.key))
        if flag is None:
            continue
        items = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        for item in items:
            if isinstance(item, Mapping):
                if not _is_template(item):
                    yield _mapping(flag, entry.key, item)
            elif isinstance(item, Sequence) and not (len(item.items) == 1 and isinstance(item.items[0], Scalar)):
                yield _nested(entry.key, item)


def _mapping(flag: Flag, key: Text, mapping: Mapping) -> Problem:
    component = flag.name.removesuffix("-arg")
    who = "K3s" if component == flag.name else component if component == "etcd" else f"the {component}"
    # Where the parser of the flag refuses what is printed, K3s does not start.
    refused = flag.kind not in (Kind.STRING, Kind.LIST)
    severity = Severity.HIGH if refused else None
    place = _place(key, mapping)
    if not mapping.entries:
        return Problem(place, f"{who} gets `[]` for an empty mapping", "leave it out, or write an empty list", severity)
    first = mapping.entries[0]
    shown = _shown(flag, first)
    several = len(mapping.entries) > 1
    secret = flag.sensitive or flag.embeds_credentials
    printed = "[{…}]" if secret else f"[{{{first.key} {shown or '<nil>'}}}{' …' if several else ''}]"
    meant = _meant(flag, str(first.key), shown)
    if meant is None:
        start = "K3s does not start: it" if refused else who
        return Problem(place, f"{start} gets `{printed}` for a mapping", "write a text", severity)
    advice = f"write one item for each: - {meant}" if several else f"write a text: - {meant}"
    return Problem(place, f"{who} gets `{printed}` in place of `{meant}`", advice)


def _meant(flag: Flag, key: str, value: str) -> str | None:
    """Return the text that an entry most likely stands for, where the values of a flag look like that."""
    if key == "key":
        return None
    if flag.name.endswith("-arg") or flag.name == "node-label":
        return f"{key}={value}"
    return f"{key}:{value}" if flag.name == "node-taint" else None


_HARMLESS = pattern(r"true|false|[0-9]{1,9}[A-Za-z%]{0,2}")


def _shown(flag: Flag, entry: Entry) -> str:
    """Return the value of a mapping as a message may show it: it could be a credential."""
    if not isinstance(entry.value, Scalar):
        return "…"
    received = str(arrives(entry.value))
    safe = not received or flag.name in ("node-label", "node-taint") or _HARMLESS.fullmatch(received)
    return received if safe else "…"


def _nested(key: Text, inner: Sequence) -> Problem:
    if not inner.items:
        return Problem(_place(key, inner), "K3s gets an empty text for an empty list in the list", "leave it out")
    if isinstance(inner.items[0], Scalar):
        message = f"K3s reads the first of these {len(inner.items)} items and forgets the others"
    else:
        message = "K3s gets the inner list as Go prints it, not its items"
    return Problem(_place(key, inner), message, "write one list with an item for each value")


def _place(key: Text, node: Mapping | Sequence) -> Text:
    """Return where a value stands: all of it in one line, else its first entry; the key for an alias."""
    written = node.written
    if written.span.source is not key.span.source or written.span.start < key.span.start:
        return key
    if written.span.line == written.span.end_line:
        return written
    first = node.entries[0].key.written if isinstance(node, Mapping) else next(written.lines())
    rest = node.entries[0].value.written if isinstance(node, Mapping) else first
    return first.upto(rest) if first.span.line == rest.span.end_line else first


def _is_template(mapping: Mapping) -> bool:
    """Whether braces or a key wait for another program: `{{ x }}` is a mapping for YAML, and so is `{X}`."""
    for key, _ in mapping.entries:
        if not (key.text.known and str(key)) or re.search(r"\{\{|\$\{|\{%|<%", str(key)):
            return True
    braces = mapping.written.startswith("{")
    return braces and bool(mapping.entries) and not any(str(arrives(value)) for _, value in mapping.entries)
