"""Helm charts that K3s's own controller installs: HelmChart and HelmChartConfig of `helm.cattle.io/v1`.

What fetches a chart stands in its `spec` (k3s-io/helm-controller pkg/apis/helm.cattle.io/v1/types.go). Of the values
only those of Traefik are known, the chart that K3s packages (K3s manifests/traefik.yaml): whether a value of another
chart is a credential is for nobody here to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, read_yaml, resolve
from k3s_policy.k3s import credential
from k3s_policy.model.fragment import Chart
from k3s_policy.model.invocation import Form
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.model.file import Found
    from k3s_policy.text import Text

__all__ = ["read_object"]

_PACKAGED = frozenset({"traefik"})
# Variables by which Traefik's ACME providers take their credentials (https://go-acme.github.io/lego/dns/).
_SECRET_NAME = pattern(r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASS|(?:API|SECRET|ACCESS|CONSUMER|PRIVATE)_KEY)$")
_SECRET_VALUES = (("hub", "redis", "password"), ("hub", "redis", "sentinel", "password"))
"""Values of Traefik's chart that are credentials themselves: `hub.token` names a Secret."""


def read_object(root: Mapping) -> Iterator[Found]:
    """Yield what a HelmChart fetches, and the credentials in what either kind gives to a chart of K3s's own."""
    spec = root.get("spec")
    if not isinstance(spec, Mapping):
        return
    name = root.scalar("metadata", "name")
    if str(root.scalar("kind")) == "HelmChart":
        yield from _chart(name, spec)
    if name is not None and str(name) in _PACKAGED:
        yield from _values(spec)


def _chart(name: Scalar | None, spec: Mapping) -> Iterator[Found]:
    called = name if name is not None else spec.scalar("chart")
    if called is None:
        return
    yield Chart(
        at=called.text,
        chart=_text(spec, "chart"),
        repository=_text(spec, "repo"),
        version=_text(spec, "version"),
        packed=spec.last("chartContent") is not None,
        unverified=_switched_on(spec, "insecureSkipTLSVerify"),
        plain=_switched_on(spec, "plainHTTP"),
        spread=_switched_on(spec, "authPassCredentials"),
    )
    for key, value in spec.entries:
        if str(key) in ("repo", "chart") and isinstance(value, Scalar):
            for secret in credential.secrets(None, value.text):
                yield Credential(
                    what=str(key), at=key.text, value=secret, form=Form.CONFIG, tag=value.tag, is_whole=False
                )


def _text(spec: Mapping, name: str) -> Text | None:
    scalar = spec.scalar(name)
    return scalar.text if scalar is not None and scalar.text else None


def _switched_on(spec: Mapping, name: str) -> Text | None:
    """Return a key with its value where that is true, as kubectl reads YAML."""
    for key, value in reversed(spec.entries):
        if str(key) == name:
            on = isinstance(value, Scalar) and value.plain and resolve(str(value.text), plain=True) == "true"
            return key.text.upto(value.written) if on and value.written.known else None
    return None


def _values(spec: Mapping) -> Iterator[Credential]:
    content = spec.scalar("valuesContent")
    document = read_yaml(content.text).root if content is not None else None
    for values in (spec.get("values"), document):
        if isinstance(values, Mapping):
            yield from _variables(values)
            for route in _SECRET_VALUES:
                yield from _credential(".".join(route), values.scalar(*route))
    for route in _SECRET_VALUES:
        yield from _credential(".".join(route), spec.scalar("set", ".".join(route)))


def _variables(values: Mapping) -> Iterator[Credential]:
    for item in values.items("env"):
        name = item.scalar("name") if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and name is not None and _SECRET_NAME.search(str(name)):
            value = item.scalar("value")
            if value is not None:
                yield Credential(what=str(name), at=name.text, value=value.text, form=Form.CONTAINER, tag=value.tag)


def _credential(what: str, value: Scalar | None) -> Iterator[Credential]:
    if value is not None and value.text:
        yield Credential(what=what, at=value.text, value=value.text, form=Form.CONFIG, tag=value.tag)
