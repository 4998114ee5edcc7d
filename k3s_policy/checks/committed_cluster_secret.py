"""What a running cluster made is committed: a kubeconfig, a token, a private key.

A K3s server makes the keys of its authorities, its tokens and an admin kubeconfig when it first starts. Whoever has one
of them is let in: the user of `k3s.yaml` belongs to `system:masters`, which no rule of Kubernetes can hold back and no
list can revoke; with a full token (`K10<hash>::server:<password>`) any host joins the cluster, as a server if it likes
and then with all of its data; with `server/tls/server-ca.key` or `client-ca.key` anybody issues certificates
(K3s pkg/daemons/control/deps/deps.go, pkg/clientaccess/token.go).

A kubeconfig counts as K3s's where one of its certificates comes from an authority that K3s made (`k3s-server-ca@...`),
or where it is called `k3s.yaml`.

Remove the file, and replace what it holds, since the history of the repository keeps it: `k3s certificate rotate-ca`
for keys and kubeconfigs, `k3s token rotate` for tokens.

```text path=backup/var/lib/rancher/k3s/server/node-token wrong
K100000000000000000000000000000000000000000000000000000000000000000::server:4f1c9a7be2d0836f5512cc
```

```text path=backup/README.txt right
The token lies in the vault.
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.subjects import ClusterSecret


@rule(
    severity="high",
    see=("https://docs.k3s.io/cli/certificate", "https://docs.k3s.io/cli/token"),
    tags=("external/cwe/cwe-312", "external/cwe/cwe-321"),
    owns_credential=True,
    yields_credential=True,
)
def check(secret: ClusterSecret) -> Problems:
    """Report each secret of a cluster that lies in the repository.

    A token that is an argument, or in Environment= of a unit, is the matter of the rules about these.
    """
    yield Problem(
        secret.at,
        f"{secret.what} is committed: whoever has it is let into the cluster",
        "remove it, and replace it in the cluster: the history keeps it",
    )
