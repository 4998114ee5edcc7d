"""The overview for people: each node with what it is made of, what it sets, and where that is written."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from k3s_policy.reports.frame import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from k3s_policy.show.overview import ClusterView, NodeView, Overview, Place, SettingView

__all__ = ["render"]


def render(overview: Overview, *, shown: Callable[[str], str] = str, newest: str = "") -> str:
    """Return the overview as text; `shown` says how a path is written, `newest` is the release taken for granted."""
    blocks = [_node(node, shown, newest) for node in overview.nodes]
    blocks += [_cluster(cluster, shown) for cluster in overview.clusters]
    return "\n".join(f"{block}\n" for block in blocks)


def _node(node: NodeView, shown: Callable[[str], str], newest: str) -> str:
    return "\n".join([visible(_heading(node, shown)), *(f"  {visible(line)}" for line in _lines(node, shown, newest))])


def _heading(node: NodeView, shown: Callable[[str], str]) -> str:
    because = f" ({node.role_reason})" if node.role_reason else ""
    return f"{node.role or 'server or agent'} {shown(node.name)}{because}"


def _lines(node: NodeView, shown: Callable[[str], str], newest: str) -> Iterator[str]:
    yield f"version   {node.k3s_version or f'not known, taken for {newest}'}"
    if node.root:
        yield f"root      {shown(node.root)}"
    yield from _listed("files", map(shown, node.files))
    if node.argv:
        yield f"started   {shlex.join(node.argv)}"
    yield from _listed("not seen", (_with_place(one.reason, one.place, shown) for one in node.unseen))
    if node.state is not None and node.role:
        yield f"datastore {node.state}"
    yield from _settings(node.settings, shown)
    if node.positional:
        yield f"not read  {shlex.join(node.positional)}"
    yield from _listed(
        "ignored", (_with_place(f"{one.argument}: {one.reason}", one.place, shown) for one in node.ignored)
    )
    if node.fatal:
        yield f"fatal     {_with_place(node.fatal.message, node.fatal.place, shown)}"


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a title with the first of some lines beside it and the others below that."""
    for line in lines:
        yield f"{title:9} {line}"
        title = ""


def _with_place(text: str, place: Place | None, shown: Callable[[str], str]) -> str:
    return text if place is None else f"{text} ({_written(place, shown)})"


def _written(place: Place, shown: Callable[[str], str]) -> str:
    return f"{shown(place.path)}:{place.line}:{place.column}"


def _settings(settings: Iterable[SettingView], shown: Callable[[str], str]) -> Iterator[str]:
    rows = [
        (setting.flag if number == 0 else "", value, f"{place.origin} {_written(place, shown)}")
        for setting in settings
        for number, (value, place) in enumerate(zip(_values(setting), setting.places, strict=True))
    ]
    if not rows:
        return
    flag_width = max(len(flag) for flag, _, _ in rows)
    value_width = min(max(len(value) for _, value, _ in rows), _WIDEST_VALUE)
    yield "settings"
    for flag, value, place in rows:
        yield f"  {flag:{flag_width}}  {value:{value_width}}  {place}"


_WIDEST_VALUE = 40
"""Characters of the column of values; longer ones push their place to the right."""


def _values(setting: SettingView) -> tuple[str, ...]:
    """Return each value as a config file would have it."""
    values = setting.value if isinstance(setting.value, tuple) else (setting.value,)
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) or '""' for value in values)


def _cluster(cluster: ClusterView, shown: Callable[[str], str]) -> str:
    lines = [f"cluster {cluster.name}"]
    lines += (f"  {line}" for line in _listed("because", (_with_place(*one[1:], shown) for one in cluster.evidence)))
    lines.append(f"  datastore {cluster.state or 'its servers do not agree'}")
    lines += (f"  {line}" for line in _listed("servers", map(shown, cluster.servers)))
    lines += (f"  {line}" for line in _listed("agents", map(shown, cluster.agents)))
    return "\n".join(visible(line) for line in lines)
