"""Running Semgrep: one process, over copies of the files in a folder of their own.

The copies hold what was read, as UTF-8, so that offsets mean the same here and there whatever the encoding, the file's
changes since, or that it came in on standard input. Nothing that the repository configures for Semgrep is seen
(`.semgrepignore`, settings), nothing is written beside the files, and no rule comes from the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from k3s_policy.text import Source

__all__ = ["Answer", "Match", "SemgrepFailedError", "program", "search"]

_SECONDS = 600
"""How long Semgrep may take before it is taken for stuck."""

# `--experimental` starts in 0.2 s where the other takes 2 s; their answers are the same.
_OPTIONS = (
    *(
        "scan",
        "--json",
        "--quiet",
        "--metrics=off",
        "--disable-version-check",
        "--no-git-ignore",
        "--no-rewrite-rule-ids",
    ),
    *("--max-target-bytes=0", "--timeout=30"),
)
_SEARCHED = (0, 1)
"""Exit codes of a search that came to its end; with any other one, no file may have been searched at all."""
_KEPT = frozenset({"PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH"})
"""Variables that Semgrep is given: neither a token to log in with nor an address to send anything to."""


class SemgrepFailedError(Exception):
    """Semgrep did not run to its end; says why, without anything of the files."""


@dataclass(frozen=True, repr=False)
class Match:
    """A stretch of a file that a rule matches."""

    rule: str
    """The id of the rule, without the path that Semgrep puts in front of it."""
    source: Source
    start: int
    end: int
    message: str = field(repr=False)
    severity: str
    metadata: Mapping[str, Any]

    @property
    def reads(self) -> str:
        """How the stretch is to be read, empty where the rule only reports."""
        return self._own("reads")

    @property
    def reports(self) -> str:
        """The rule of the catalogue that a match breaks, empty where the pattern is a rule of its own."""
        return self._own("rule")

    def _own(self, key: str) -> str:
        own = self.metadata.get("k3s-policy")
        return str(own.get(key, "")) if isinstance(own, dict) else ""


@dataclass(frozen=True, repr=False)
class Answer:
    """What Semgrep found, and what it could not search."""

    matches: tuple[Match, ...]
    failed: tuple[tuple[str | None, str], ...]
    """Paths of files, None for the whole, and what went wrong."""
    partial: tuple[str, ...]
    """Paths of files that Semgrep understood in parts."""


def program() -> str | None:
    """Return where Semgrep is installed: beside this Python, else on the path; None where it is not."""
    name = "semgrep.exe" if os.name == "nt" else "semgrep"
    for folder in (os.path.dirname(sys.executable), *os.get_exec_path()):
        file = os.path.join(folder, name)
        # A relative folder of the path could be one of the repository.
        if os.path.isabs(file) and os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    return None


def search(sources: Sequence[Source], rules: Sequence[str], executable: str) -> Answer:
    """Search files by the rules in some files and folders, given by absolute paths. Raises SemgrepFailedError."""
    with tempfile.TemporaryDirectory(prefix="k3s-policy-", ignore_cleanup_errors=True) as folder:
        # Links in the path of the folder would change the paths of the answer.
        top = os.path.join(os.path.realpath(folder), "files")
        try:
            copies = dict(_copied(sources, top))
        except OSError as error:
            raise SemgrepFailedError(f"no copies can be made: {error.strerror or 'unknown error'}") from None
        answer, code = _answer(executable, rules, os.path.realpath(folder))
    failed = tuple(_failures(answer, copies))
    if not failed and code not in _SEARCHED:
        raise SemgrepFailedError(f"Semgrep gave up (exit code {code})")
    return Answer(
        tuple(_matches(answer, copies)),
        failed,
        tuple(sorted({copy.source.path for copy in _partial(answer, copies)})),
    )


@dataclass(frozen=True, eq=False, repr=False)
class _Copy:
    """A file as Semgrep has it."""

    source: Source

    @cached_property
    def _starts(self) -> list[int] | None:
        """The offset of each character in the bytes; None where all characters are single bytes."""
        if self.source.content.isascii():
            return None
        starts, position = [], 0
        for character in self.source.content:
            starts.append(position)
            position += len(character.encode("utf-8", "surrogatepass"))
        return [*starts, position]

    def offset(self, byte: int) -> int:
        """Return the offset in characters of a byte."""
        if self._starts is None:
            return min(byte, len(self.source.content))
        return bisect_right(self._starts, byte) - 1


def _copied(sources: Sequence[Source], top: str) -> Iterator[tuple[str, _Copy]]:
    """Write the files, each at its own path, which rules may go by; yield where each lies."""
    os.makedirs(top)
    # Without it, Semgrep would leave out tests and vendored files by its own taste.
    with open(os.path.join(top, ".semgrepignore"), "wb"):
        pass
    for number, source in enumerate(sources):
        parts = [part for part in source.path.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts or ".." in parts or ":" in parts[0] or parts[-1] == ".semgrepignore":
            parts = [f"outside-{number}", "".join(parts[-1:]).lstrip(".") or "file"]
        file = os.path.join(top, *parts)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as copy:
            copy.write(source.content.encode("utf-8", "surrogatepass"))
        yield file, _Copy(source)


def _answer(executable: str, rules: Sequence[str], folder: str) -> tuple[dict[str, Any], int]:
    """Return what Semgrep prints, and its exit code."""
    environment = {name: value for name, value in os.environ.items() if name in _KEPT}
    environment |= {
        "HOME": folder,
        # A rule may ask for others by their address; at this one nobody answers.
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
        "SEMGREP_URL": "http://127.0.0.1:9",
        "SEMGREP_SEND_METRICS": "off",
        "SEMGREP_ENABLE_VERSION_CHECK": "0",
        "SEMGREP_SETTINGS_FILE": os.path.join(folder, "settings.yml"),
        "SEMGREP_LOG_FILE": os.path.join(folder, "semgrep.log"),
        "SEMGREP_VERSION_CACHE_PATH": os.path.join(folder, "version"),
    }
    configs = [word for rule in rules for word in ("--config", rule)]
    for first in (("--experimental",), ()):
        command = [executable, _OPTIONS[0], *first, *_OPTIONS[1:], *configs, os.path.join(folder, "files")]
        try:
            ran = subprocess.run(  # noqa: S603 - Semgrep's absolute path, our own words, and absolute paths
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
            answer = json.loads(ran.stdout)
        except subprocess.TimeoutExpired:
            raise SemgrepFailedError(f"Semgrep took more than {_SECONDS} seconds") from None
        except OSError as error:
            raise SemgrepFailedError(f"Semgrep cannot be started: {error.strerror or 'unknown error'}") from None
        except ValueError:
            continue
        if isinstance(answer, dict) and isinstance(answer.get("results"), list):
            return answer, ran.returncode
    raise SemgrepFailedError(f"Semgrep gave no answer (exit code {ran.returncode})")


def _matches(answer: dict[str, Any], copies: dict[str, _Copy]) -> Iterator[Match]:
    for result in answer["results"]:
        copy = copies.get(result["path"])
        if copy is not None:
            extra = result["extra"]
            yield Match(
                rule=result["check_id"],
                source=copy.source,
                start=copy.offset(result["start"]["offset"]),
                end=copy.offset(result["end"]["offset"]),
                message=extra.get("message") or "",
                severity=extra.get("severity") or "",
                metadata=extra.get("metadata") or {},
            )


def _failures(answer: dict[str, Any], copies: dict[str, _Copy]) -> Iterator[tuple[str | None, str]]:
    for error in answer.get("errors") or ():
        path = error.get("path") or ""
        copy = copies.get(path)
        # The message of an error may hold what the file holds: only its kind is told.
        if path and copy is None:
            # A file of rules: with one that is broken, Semgrep searches nothing, and warns of it.
            yield None, f"Semgrep failed: {_kind(error)} in the rules {os.path.basename(path)}"
        elif error.get("level") == "error":
            yield (copy.source.path if copy else None), f"Semgrep failed: {_kind(error)}"


def _partial(answer: dict[str, Any], copies: dict[str, _Copy]) -> Iterator[_Copy]:
    for error in answer.get("errors") or ():
        copy = copies.get(error.get("path") or "")
        if copy is not None and error.get("level") != "error":
            yield copy


def _kind(error: dict[str, Any]) -> str:
    kind = error.get("type")
    name = kind[0] if isinstance(kind, list) and kind else kind
    rule = error.get("rule_id")
    return f"{name} in the rule {rule}" if rule else str(name)
