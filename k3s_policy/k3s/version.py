"""K3s versions: `v1.33.4+k3s1`, the image tag `v1.33.4-k3s1`, `1.33.4`, and the minor line `v1.33`.

K3s names a release after the Kubernetes release it is made of and counts its own rebuilds after `+k3s`
(`-k3s` in image tags, where `+` is not allowed). Channels (`stable`), templates (`{{ version }}`) and
versions of other products (`v1.33.4+rke2r1`) are no versions here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

__all__ = ["LATEST", "Version", "has_come"]

LATEST: Final = 1_000_000
"""The patch number of a version that names only a minor line: it stands for the line's last release."""

_STAGES: Final = ("alpha", "beta", "rc", "")

# Not compiled here: most runs have no version to parse, and `re` keeps what it compiled.
# `+k3s.1` is how v1.16 and v1.17 were written; the architecture ends the tags of single-platform images.
_PATTERN: Final = (
    r"v?(?P<major>0|[1-9]\d{0,2})\.(?P<minor>\d{1,3})"
    r"(?:\.(?P<patch>\d{1,4})(?:-(?P<stage>alpha|beta|rc)\.?(?P<number>\d{0,4}))?"
    r"(?:[+-]k3s\.?(?P<build>\d{1,4})(?:-(?:amd64|arm64|arm|armhf|s390x|riscv64))?)?)?"
)


class Version(NamedTuple):
    """One K3s release; versions compare in the order of their release within a minor line, and by line.

    A release candidate comes before its release, and `v1.33.4` before `v1.33.4+k3s1`. A version without a
    patch number stands for the newest release of its line, since that is what a channel of that name installs.
    """

    major: int
    minor: int
    patch: int = LATEST
    stage: int = len(_STAGES) - 1
    candidate: int = 0
    build: int = 0

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a version, or return None where the text is none: a template, a channel, another product's version."""
        match = re.fullmatch(_PATTERN, text.strip(), re.ASCII)
        if match is None:
            return None
        patch = match["patch"]
        return cls(
            int(match["major"]),
            int(match["minor"]),
            LATEST if patch is None else int(patch),
            _STAGES.index(match["stage"] or ""),
            int(match["number"] or 0),
            int(match["build"] or 0),
        )

    @property
    def line(self) -> tuple[int, int]:
        """Major and minor number, which K3s maintains as one line of releases."""
        return self.major, self.minor

    @property
    def release(self) -> Self:
        """The release that a candidate is one for; the version itself where it is none."""
        return self._replace(stage=len(_STAGES) - 1, candidate=0)

    def __str__(self) -> str:
        if self.patch == LATEST:
            return f"v{self.major}.{self.minor}"
        stage = f"-{_STAGES[self.stage]}{self.candidate or ''}" if _STAGES[self.stage] else ""
        build = f"+k3s{self.build}" if self.build else ""
        return f"v{self.major}.{self.minor}.{self.patch}{stage}{build}"


def has_come(firsts: Collection[Version], version: Version | None) -> bool:
    """Whether a release has what came to several lines at once: `firsts` are the first releases that have it.

    Newer lines than those have it, older ones have not; with no `firsts` every release has it. None stands for the
    newest release.
    """
    if version is None or not firsts:
        return True
    return version >= next((first for first in firsts if first.line == version.line), max(firsts))
