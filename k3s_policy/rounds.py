"""Reading in rounds: the files that were gathered, then those that they name, until nothing more is wanted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from k3s_policy.assemble import assemble
from k3s_policy.assemble.host_paths import Purpose, first_named
from k3s_policy.k3s.places import ReadAs
from k3s_policy.model.file import source_of
from k3s_policy.model.finding import ScanError
from k3s_policy.model.fragment import Override
from k3s_policy.readers import door
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from k3s_policy.assemble import Assembly
    from k3s_policy.assemble.host_paths import Wanted
    from k3s_policy.discover import Candidate
    from k3s_policy.gather import Gathered
    from k3s_policy.model.file import File
    from k3s_policy.model.fragment import Fragment
    from k3s_policy.semgrep.searched import Searched
    from k3s_policy.text import Source

__all__ = ["put_together"]


def put_together(
    gathered: Gathered, errors: list[ScanError], searched: Searched | None = None
) -> tuple[Assembly, set[str]]:
    """Put the files together, with those that they name; return also the paths of those that are K3s's.

    What could not be read is added to `errors`.
    """
    rounds = _Rounds(gathered, errors)
    rounds.read(map(door.of_source, gathered.sources))
    rounds.read(rounds.tasks())
    if searched is not None:
        rounds.fragments += (fragment for _, fragment in searched.fragments)
        rounds.of_k3s |= {source.path for source, _ in searched.fragments}
    assembly = assemble(rounds.fragments, gathered.scope)
    done: set[tuple[Wanted, str]] = set()
    # A file that is named may name another: an environment file says K3S_CONFIG_FILE.
    while named := {(wanted, path) for wanted in assembly.wanted for path in rounds.paths_of(wanted)} - done:
        done.update(named)
        before = len(rounds.fragments)
        for wanted, path in sorted(named, key=lambda one: (one[0].purpose.value, one[0].paths, one[0].target, one[1])):
            rounds.read_wanted(wanted, path)
        if len(rounds.fragments) > before:
            assembly = assemble(rounds.fragments, gathered.scope)
    return assembly, rounds.of_k3s


class _Rounds:
    """What was read so far of the files of a repository."""

    def __init__(self, gathered: Gathered, errors: list[ScanError]) -> None:
        self.fragments: list[Fragment] = []
        self.of_k3s: set[str] = set()
        """The paths of those that are K3s's."""
        self._errors = errors
        self._gathered = gathered

    def read(self, files: Iterable[File]) -> None:
        """Read files, each by itself: one that cannot be read does not hide the others, nor is its content told."""
        for file in files:
            path = source_of(file.text)
            try:
                found = list(door.read(file))
            except Exception as error:  # noqa: BLE001
                self._errors.append(ScanError(f"could not be read: {type(error).__name__}", path))
                continue
            self.fragments.extend(found)
            if any(map(door.counts, found)):
                self.of_k3s.add(path)

    def read_wanted(self, wanted: Wanted, path: str) -> None:
        """Read a file as what names it says that it is read."""
        if wanted.purpose is Purpose.COPIED and path in self.of_k3s:
            return  # it is known for what it is already
        source = self._source(path)
        if source is None:
            return
        match wanted.purpose:
            case Purpose.OVERRIDE:
                self.fragments.append(Override(source.path))
            case Purpose.COPIED:
                self.read([door.copied_to(source, wanted.target)])
            case Purpose.CONFIG:
                self.read([door.of_source(source, ReadAs.CONFIG)])
            case Purpose.ENVIRONMENT:
                self.read([door.of_source(source, ReadAs.ENVIRONMENT)])

    def paths_of(self, wanted: Wanted) -> Iterator[str]:
        """Yield the path of a file that is wanted, the likeliest that there is, and those of a config's drop-ins."""
        paths = self._paths
        for named in first_named(wanted.paths, paths):
            yield named
            if wanted.purpose is Purpose.CONFIG:
                yield from (path for path in paths if path.startswith(f"{named}.d/"))

    def tasks(self) -> Iterator[File]:
        """Yield the tasks of roles that hold files whose names do not tell what they become: a task may say it."""
        unknown = (source.path for source in self._gathered.sources if source.path not in self.of_k3s)
        roles = {match["role"] for path in unknown if (match := _OF_A_ROLE.match(path))}
        for path in sorted(self._paths - self.of_k3s) if roles else ():
            role, tasks, name = path.rpartition("/tasks/")
            if tasks and role in roles and name.endswith((".yml", ".yaml")):
                source = self._source(path)
                if source is not None:
                    yield door.of_source(source, concerns_k3s=True)

    # Few scans ask for a file by its path, and a repository may have thousands.

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return {source.path: source for source in self._gathered.sources}

    @cached_property
    def _others(self) -> dict[str, Candidate]:
        return {candidate.path: candidate for candidate in self._gathered.candidates}

    @cached_property
    def _paths(self) -> AbstractSet[str]:
        return self._sources.keys() | self._others.keys()

    def _source(self, path: str) -> Source | None:
        return self._sources.get(path) or self._gathered.opened(self._others[path])


_OF_A_ROLE = pattern(r"(?P<role>.*)/(?:templates|files)/")
