"""GitHub workflows and composite actions: the steps that run a shell.

Each job has a host of its own; `env:` stands at the workflow, the job and the step, the nearest wins
(https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax). Of `${{ }}` nothing is known. A
step for another shell, or on Windows without a word about the shell, is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s.places import ReadAs
from k3s_policy.k3s.program import SHELL
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.job import expanded, variables
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.model.lower import Variable

__all__ = ["claims", "read"]

_PATH = pattern(r"(?:^|/)(?:\.(?:github|gitea|forgejo)/workflows/[^/]+|action)\.ya?ml$")
_POSIX = pattern(rf"(?:\S*/)?{SHELL}\b")


def claims(seen: Seen) -> bool:
    """Whether a file is a workflow or a composite action, by its path and its jobs or steps."""
    root = seen.document.root
    if not isinstance(root, Mapping):
        return False
    if isinstance(root.get("runs", "steps"), Sequence):
        return True
    jobs = root.last("jobs")
    if _PATH.search(seen.path) is None or not isinstance(jobs, Mapping):
        return False
    return any(isinstance(job, Mapping) and job.last("steps") is not None for _, job in jobs.entries)


def read(seen: Seen) -> Iterator[Found]:
    """Read the steps of each job."""
    root = seen.document.root
    if not isinstance(root, Mapping):
        return
    given = tuple(variables(root.last("env")))
    yield from credentials_of_k3s(given)
    runs = root.last("runs")
    if isinstance(runs, Mapping):
        callers = Unseen(Input.ENVIRONMENT, "the workflow that uses the action may give variables")
        yield from _job(runs, given, f"{seen.source}#0", None, (callers,))
    jobs = root.last("jobs")
    for name, job in jobs.entries if isinstance(jobs, Mapping) else ():
        if isinstance(job, Mapping):
            shell = root.scalar("defaults", "run", "shell")
            yield from _job(job, given, host_at(name.text), shell, tuple(_unseen(root.last("env"), job)))


def _unseen(shared: YamlNode | None, job: Mapping) -> Iterator[Unseen]:
    """Say where the variables of a job are not wholly written: earlier steps add to a file of them, and so do actions.

    Those of `actions/` are GitHub's own, and add none of K3s's.
    """
    for node in (shared, job.last("env")):
        if isinstance(node, Scalar) and node.text:
            yield Unseen(Input.ENVIRONMENT, "an expression gives variables", node.text)
    for step in job.items("steps"):
        run, uses = (step.scalar("run"), step.scalar("uses")) if isinstance(step, Mapping) else (None, None)
        if run is not None and "GITHUB_ENV" in str(run):
            yield Unseen(Input.ENVIRONMENT, "an earlier step may give variables", run.text[:0])
        elif uses is not None and not str(uses).startswith("actions/"):
            yield Unseen(Input.ENVIRONMENT, "an action may give variables", uses.text)


def _job(
    job: Mapping, given: tuple[Variable, ...], host: str, shell: Scalar | None, unseen: tuple[Unseen, ...]
) -> Iterator[Found]:
    own = tuple(variables(job.last("env")))
    yield from credentials_of_k3s(own)
    given = (*given, *own)
    shell = job.scalar("defaults", "run", "shell") or shell
    runner = job.last("runs-on")
    windows = runner is not None and "windows" in str(runner.written).lower()
    for step in job.items("steps"):
        script = step.scalar("run") if isinstance(step, Mapping) else None
        if script is None or not isinstance(step, Mapping):
            continue
        named = step.scalar("shell") or shell
        if windows if named is None else _POSIX.match(str(named)) is None:
            continue
        own = tuple(variables(step.last("env")))
        yield from credentials_of_k3s(own)
        yield _step(script, (*given, *own), host, unseen)


def _step(content: Scalar, given: tuple[Variable, ...], host: str, unseen: tuple[Unseen, ...]) -> File:
    return File(
        text=expanded(content.text),
        path="",
        read_as=ReadAs.SCRIPT,
        host=host,
        form=Form.JOB,
        given=given,
        said=Start.without_words(content.text[:0], Form.JOB, unseen=unseen),
    )
