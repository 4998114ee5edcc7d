"""Pipelines of GitLab, Drone and Woodpecker: lists of lines that one shell runs.

GitLab runs `before_script` and `script` of a job in one shell (https://docs.gitlab.com/ci/yaml/), Drone and Woodpecker
the `commands` of a step (https://docs.drone.io/pipeline/overview/, https://woodpecker-ci.org/docs/usage/workflow-syntax).
Each gives its jobs variables that are kept in its settings, so that an environment is never wholly seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.formats.tree import Mapping, Scalar, Sequence
from k3s_policy.k3s.places import ReadAs
from k3s_policy.model.committed import credentials_of_k3s
from k3s_policy.model.file import File, host_at
from k3s_policy.model.fragment import Start
from k3s_policy.model.invocation import Form, Input, Unseen
from k3s_policy.model.job import variables
from k3s_policy.model.lower import Variable
from k3s_policy.text import join
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.formats.tree import YamlNode
    from k3s_policy.model.file import Found, Seen
    from k3s_policy.text import Text

__all__ = ["claims", "read"]

_GITLAB = pattern(r"(?i)(?:^|/)(?:[^/]*\.)?gitlab-ci[^/]*\.ya?ml$|(?:^|/)\.gitlab/.*\.ya?ml$")
_STEPS = pattern(r"(?:^|/)\.(?:drone|woodpecker)(?:\.ya?ml|/.*\.ya?ml)$")

_ELSEWHERE = "elsewhere"
"""What stands for lines of another job."""


def claims(seen: Seen) -> bool:
    """Whether a file is a pipeline, by its path."""
    return _GITLAB.search(seen.path) is not None or _STEPS.search(seen.path) is not None


def read(seen: Seen) -> Iterator[Found]:
    """Read the jobs of GitLab, or the steps of the others."""
    for root in seen.document.roots:
        if isinstance(root, Mapping):
            yield from _gitlab(root) if _GITLAB.search(seen.path) else _steps(root)


def _gitlab(root: Mapping) -> Iterator[Found]:
    given = tuple(_values(root.last("variables")))
    shared = root.get("default", "before_script") or root.last("before_script")
    for name, job in root.entries:
        if not isinstance(job, Mapping):
            continue
        merged = job.merged()
        before = merged.last("before_script") or shared
        lines = [*_lines(before), *_lines(merged.last("script"))]
        own = (*given, *_values(merged.last("variables")))
        yield from credentials_of_k3s(own)
        yield from _script(lines, own, host_at(name.text))
        yield from _script(list(_lines(merged.last("after_script"))), own, host_at(name.text))


def _values(node: YamlNode | None) -> Iterator[Variable]:
    """Yield variables of GitLab, whose value may stand beside a description."""
    for key, value in node.merged().entries if isinstance(node, Mapping) else ():
        written = value.scalar("value") if isinstance(value, Mapping) else value
        if isinstance(written, Scalar):
            yield Variable(key.text, written.text, Form.JOB, tag=written.tag)


def _steps(root: Mapping) -> Iterator[Found]:
    given = tuple(variables(root.last("environment")))
    for part in ("steps", "pipeline", "services"):
        steps = root.last(part)
        named = (step for _, step in steps.entries) if isinstance(steps, Mapping) else root.items(part)
        for step in named:
            if isinstance(step, Mapping):
                own = (*given, *variables(step.last("environment")))
                yield from credentials_of_k3s(own)
                lines = list(_lines(step.last("commands")))
                yield from _script(lines, own, host_at(step.written))


def _lines(node: YamlNode | None) -> Iterator[Text]:
    """Yield the lines of a script: one text, or a list that may hold further lists.

    Those that `!reference [job, script]` takes from another job are not known
    (https://docs.gitlab.com/ci/yaml/yaml_optimization/#reference-tags).
    """
    if isinstance(node, Sequence) and node.tag:
        yield node.written.stand_in(_ELSEWHERE, known=False)
    elif isinstance(node, Scalar):
        yield node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _lines(item)


def _script(lines: list[Text], given: tuple[Variable, ...], host: str) -> Iterator[File]:
    if not lines:
        return
    unseen = [Unseen(Input.ENVIRONMENT, "the settings of the pipeline may give variables")]
    if any(str(line) == _ELSEWHERE for line in lines):
        unseen.append(Unseen(Input.CONFIG, "lines of another job may write a config file"))
    yield File(
        text=join(lines, "\n"),
        path="",
        read_as=ReadAs.SCRIPT,
        host=host,
        form=Form.JOB,
        given=given,
        said=Start.without_words(lines[0][:0], Form.JOB, unseen=tuple(unseen)),
    )
