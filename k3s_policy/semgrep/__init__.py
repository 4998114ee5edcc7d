"""Programs that start K3s, found by the Semgrep patterns in `rules/`: Terraform, Python, Go, JavaScript, Ruby.

A pattern points at a stretch of a program that holds a script, a command, options or a config of K3s; the stretch is
read as its native reader would read it, and judged by the same checks. Semgrep is no dependency: where it is not
installed, the files are named that were not searched.
"""

from k3s_policy.semgrep.language import language_of
from k3s_policy.semgrep.pointed import READINGS, fragments
from k3s_policy.semgrep.process import Answer, Match, SemgrepFailedError, program, search

__all__ = ["READINGS", "Answer", "Match", "SemgrepFailedError", "fragments", "language_of", "program", "search"]
