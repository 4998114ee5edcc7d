"""K3s is installed without saying which release.

Without `INSTALL_K3S_VERSION` the install script takes what the channel `stable` has that day (K3s `install.sh`,
get_release_version); so does `k3sup` without `--k3s-version`, and an image without a tag, or with `latest`, is another
one next month. The hosts of one cluster then run the releases of the days they were set up on, a server that is set up
anew may be a minor release ahead of the others, and what was tested is not what runs.

Scripts that download nothing, install a commit, or take the release from a variable are not reported, nor are install
scripts of other places than K3s's own: they may choose one.

Name one release, and let an upgrade be a change that is looked at.

```sh wrong
curl -sfL https://get.k3s.io | sh -
```

```sh right
curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.36.3+k3s1 sh -
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.membership import speaks_of
from k3s_policy.rule import Problem, rule

if TYPE_CHECKING:
    from k3s_policy.model import Invocation
    from k3s_policy.rule import Problems


@rule(
    severity="low",
    profile="strict",
    see=("https://docs.k3s.io/installation/configuration", "https://docs.k3s.io/upgrades/manual"),
    fields=("release",),
)
def check(invocation: Invocation) -> Problems:
    """Report what chooses the release, where that is another one with time."""
    release = invocation.release
    if release is None or not release.floating or _may_be_pinned(invocation):
        return
    yield Problem(release.at, f"{release.floating}: what is set up later runs another release", "pin one release")


def _may_be_pinned(invocation: Invocation) -> bool:
    """Whether variables that nobody sees may name a release, or the file itself speaks of one elsewhere."""
    unseen = invocation.lacks("environment")
    return (unseen is not None and unseen.at is not None) or speaks_of(invocation, "INSTALL_K3S_VERSION")
