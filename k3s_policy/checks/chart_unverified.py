"""A Helm chart is fetched so that anybody on the way can put another in its place.

K3s's Helm controller installs each HelmChart with the rights of cluster-admin (k3s-io/helm-controller
`pkg/controllers/chart/chart.go`), and Helm checks no signature there: who serves the chart decides what runs. With
`insecureSkipTLSVerify` the certificate of the repository is not checked, with `plainHTTP` there is none, and an address
that begins with `http://` has none either. `authPassCredentials` hands the login of the repository to every host that
its index names (Helm's `--pass-credentials`).

Fetch charts over https, and name the authority of a certificate of your own with `repoCA` or `repoCAConfigMap`. Charts
that lie in `/var/lib/rancher/k3s/server/static` are served by the cluster itself.

```yaml wrong path=manifests/registry.yaml
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata:
  name: registry
  namespace: kube-system
spec:
  chart: registry
  repo: https://charts.example.net
  version: 2.4.1
  insecureSkipTLSVerify: true
```

```yaml right path=manifests/registry.yaml
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata:
  name: registry
  namespace: kube-system
spec:
  chart: registry
  repo: https://charts.example.net
  version: 2.4.1
  repoCAConfigMap:
    name: charts-ca
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.template import is_substituted
from k3s_policy.judge.rule import Problem, rule
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.fragment import Chart
    from k3s_policy.text import Text

_PLAIN = pattern(r"(?i)http://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^:/?#]*)")
_SERVICE = pattern(r"(?i)http://(?:[^/@]*@)?[^/:]+\.svc(?:\.[^/:]+)?\.?(?:[:/]|$)")
_OF_SERVICES = "serve the charts over TLS, or from /var/lib/rancher/k3s/server/static"
_LOOPBACK = pattern(r"(?i)localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")


@rule(
    severity="medium",
    see=("https://docs.k3s.io/add-ons/helm", "https://helm.sh/docs/helm/helm_install/"),
    tags=("external/cwe/cwe-494",),
)
def check(chart: Chart) -> Problems:
    """Report each setting of a chart by which it is not sure who serves it, or who gets the login."""
    plain = [address for address in (chart.repository, chart.chart) if address is not None and _is_plain(address)]
    # Over plain HTTP there is no certificate to check.
    if chart.unverified is not None and not plain:
        message = "the chart is fetched from whoever answers: no certificate is checked"
        yield Problem(chart.unverified, message, "name the authority with repoCA or repoCAConfigMap")
    if chart.plain is not None:
        message = "the chart is fetched without TLS, and can be replaced on the way"
        yield Problem(chart.plain, message, "remove it, and serve the chart over TLS")
    if chart.spread is not None:
        message = "the login of the repository is sent to every host that its index names"
        yield Problem(chart.spread, message, "remove it, and serve the charts from the repository's own host")
    for address in plain:
        message = "the chart is fetched over plain HTTP, and can be replaced on the way"
        yield Problem(address, message, _OF_SERVICES if _SERVICE.match(str(address)) else "write https://")


def _is_plain(address: Text) -> bool:
    """Whether an address crosses a network without TLS; a host that is filled in may be this one."""
    match = _PLAIN.match(str(address))
    if match is None or not match["host"] or not address.cut(match, "host").known or is_substituted(match["host"]):
        return False
    return _LOOPBACK.fullmatch(match["host"]) is None
