"""K3s, or a chart that it installs, is installed without saying which release.

Without `INSTALL_K3S_VERSION` the install script takes what the channel `stable` has that day (K3s `install.sh`,
get_release_version); so does `k3sup` without `--k3s-version`, and an image without a tag, or with `latest`, is another
one next month. The hosts of one cluster then run the releases of the days they were set up on, a server that is set up
anew may be a minor release ahead of the others, and what was tested is not what runs.

A Plan of the system-upgrade controller that names a channel and no version upgrades whenever the channel moves, and a
HelmChart of a repository without `version` takes the newest chart when it is first installed.

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

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.model.fragment import Chart, Upgrade
from k3s_policy.model.invocation import Input
from k3s_policy.model.membership import speaks_of

if TYPE_CHECKING:
    from k3s_policy.judge.rule import Problems
    from k3s_policy.model.invocation import Invocation


@rule(
    severity="low",
    profile="strict",
    see=("https://docs.k3s.io/installation/configuration", "https://docs.k3s.io/upgrades/manual"),
    fields=("release",),
)
def check(subject: Invocation | Chart | Upgrade) -> Problems:
    """Report what chooses the release, where that is another one with time."""
    if isinstance(subject, Chart):
        yield from _of_chart(subject)
    elif isinstance(subject, Upgrade):
        if subject.channel is not None and subject.version is None:
            yield Problem(subject.channel, "K3s is upgraded whenever this channel moves", "name one release as version")
    elif subject.release is not None and subject.release.floating and not _may_be_pinned(subject):
        message = f"{subject.release.floating}: what is set up later runs another release"
        yield Problem(subject.release.at, message, "pin one release")


def _of_chart(chart: Chart) -> Problems:
    """Report a chart of a repository without a version; an archive has the one it was packed with."""
    of_registry = chart.chart is not None and chart.chart.startswith("oci://")
    if chart.version is None and not chart.packed and (chart.repository is not None or of_registry):
        yield Problem(chart.at, "this chart has no version: the newest one is installed", "pin its version")


def _may_be_pinned(invocation: Invocation) -> bool:
    """Whether variables that nobody sees may name a release, or the file itself speaks of one elsewhere."""
    unseen = invocation.lacks(Input.ENVIRONMENT)
    return (unseen is not None and unseen.at is not None) or speaks_of(invocation, "INSTALL_K3S_VERSION")
