"""Settings to draw: what a config file of K3s, and with it every other form, can hold."""

from __future__ import annotations

from forms import Given
from hypothesis import strategies as st

from k3s_policy.k3s.flags import Flag, Kind, flags

__all__ = ["PLAIN", "QUOTED", "role_and_settings"]

PLAIN = "abcxyzABC0123456789._/:,-"
QUOTED = PLAIN + " #%$'\"\\!*()[]{}&;<>?|~^+@=é"
_TEMPLATES = ("{{", "${", "$(", "{%", "<%", "%{")
"""What the tool takes for a template, whatever K3s would make of it."""


def _texts(alphabet: str) -> st.SearchStrategy[str]:
    texts = st.text(alphabet, min_size=1, max_size=12).map(str.strip)
    return texts.filter(lambda text: text and not any(mark in text for mark in _TEMPLATES))


def _values(flag: Flag, texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    if flag.sensitive:
        # A credential that begins with a quote may have its neighbours masked with it, which is what we compare.
        texts = texts.filter(lambda text: text[0] not in "'\"")
    match flag.kind:
        case Kind.BOOL:
            return st.sampled_from([("true",), ("false",), ("1",), ("maybe",)])
        case Kind.INT:
            return st.one_of(st.integers(-5, 70000).map(lambda number: (str(number),)), st.just(("abc",)))
        case Kind.DURATION:
            return st.sampled_from([("5m",), ("1h30m",), ("90s",), ("0.5s",), ("30",)])
        case Kind.LIST:
            return st.lists(texts, min_size=1, max_size=3).map(tuple)
        case _:
            return st.one_of(texts, st.sampled_from(flag.values or ("x",))).map(lambda text: (text,))


_BY_FORM = ("cluster-reset", "config", "server")
"""Flags that are judged by the form on purpose: a reset is typed, and not kept; the others change what else is read."""


def role_and_settings(alphabet: str) -> st.SearchStrategy[tuple[str, list[Given]]]:
    """Draw a role, and settings of it each of which a config file can hold."""

    def of_role(role: str) -> st.SearchStrategy[tuple[str, list[Given]]]:
        choice = [flag for flag in flags() if role in flag.roles and not flag.name.startswith(_BY_FORM)]
        one = st.sampled_from(choice).flatmap(
            lambda flag: _values(flag, _texts(alphabet)).map(lambda values: Given(flag, values))
        )
        several = st.lists(one, min_size=1, max_size=5, unique_by=lambda given: given.flag.name)
        return several.map(lambda found: (role, found))

    return st.sampled_from(["server", "agent"]).flatmap(of_role)
