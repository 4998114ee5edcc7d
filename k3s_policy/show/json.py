"""The overview for programs, as `schemas/show.json` describes it.

Its `version` grows when a program that reads it would have to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from k3s_policy.reports.json import document

if TYPE_CHECKING:
    from k3s_policy.show.overview import ClusterView, Fatal, NodeView, Overview, Place, SettingView
    from k3s_policy.show.state import State

__all__ = ["VERSION", "render"]

VERSION = 1


def render(overview: Overview) -> str:
    """Return the overview as a JSON document; paths are relative to the top of the repository."""
    return document(
        {
            "version": VERSION,
            "nodes": [_node(node) for node in overview.nodes],
            "clusters": [_cluster(cluster) for cluster in overview.clusters],
        }
    )


def _node(node: NodeView) -> dict[str, Any]:
    return {
        "name": node.name,
        "root": node.root,
        "role": node.role,
        "because": node.role_reason,
        "k3s_version": node.k3s_version,
        "files": list(node.files),
        "unseen": list(dict.fromkeys(one.kind for one in node.unseen)),
        "unseen_details": [{"kind": one.kind, "why": one.reason, **_optional(one.place)} for one in node.unseen],
        "argv": list(node.argv),
        "settings": {setting.flag: _setting(setting) for setting in node.settings},
        "positional": list(node.positional),
        "ignored": [one.argument for one in node.ignored],
        "ignored_details": [{"argument": one.argument, "why": one.reason, **_place(one.place)} for one in node.ignored],
        "fatal": None if node.fatal is None else _fatal(node.fatal),
        "datastore": None if node.state is None else _state(node.state),
    }


def _setting(setting: SettingView) -> dict[str, Any]:
    value = list(setting.value) if isinstance(setting.value, tuple) else setting.value
    places = [{"origin": place.origin, **_place(place)} for place in setting.places]
    return {"value": value, "masked": setting.masked, "places": places}


def _place(place: Place) -> dict[str, Any]:
    return {"path": place.path, "line": place.line, "column": place.column}


def _optional(place: Place | None) -> dict[str, Any]:
    return {"path": None, "line": None, "column": None} if place is None else _place(place)


def _fatal(fatal: Fatal) -> dict[str, Any]:
    return {"reason": fatal.reason, "message": fatal.message, **_place(fatal.place)}


def _cluster(cluster: ClusterView) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "declared": cluster.declared,
        "evidence": "; ".join(dict.fromkeys(one.reason for one in cluster.evidence)),
        "evidence_details": [
            {"ground": one.kind, "why": one.reason, **_optional(one.place)} for one in cluster.evidence
        ],
        "servers": list(cluster.servers),
        "agents": list(cluster.agents),
        "datastore": None if cluster.state is None else _state(cluster.state),
    }


def _state(state: State) -> dict[str, Any]:
    return {
        "kept": state.kept.name.lower(),
        "backend": state.backend,
        "tls": state.tls,
        "plaintext_fallback": state.falls_back,
        "refused": state.refused,
    }
