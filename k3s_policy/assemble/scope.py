"""What holds for a whole scan, whatever files are put together in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from k3s_policy.assemble import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k3s_policy.assemble.options import Options
    from k3s_policy.k3s.version import Version

__all__ = ["Scope"]


@dataclass(frozen=True, repr=False)
class Scope:
    """What holds for a whole scan."""

    options: Options
    version: Version | None = None
    """The release asked for on the command line."""
    whole_repository: bool = field(default=False, kw_only=True)
    """Whether all of the repository is judged, so that what the options name has to be there."""
    partial: bool = field(default=False, kw_only=True)
    """Whether only some files of a repository are judged, so that nothing may be concluded from absence."""

    def version_of(self, files: Sequence[str], own: Version | None = None) -> Version | None:
        """Return the release that files are for; `own` is the one they name themselves."""
        return self.version or declared.declared_version(files, self.options) or own or self.options.version
