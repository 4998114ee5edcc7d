"""Shell scripts: the commands they start, with the words, input and environment each would get.

Nothing is executed. tree-sitter-bash finds the structure in the outline of a script; the script is then
walked once, in order, with what its variables may hold. So the characters of a word keep the place where
they were written: those of `--token "$TOKEN"` lie in the assignment of `TOKEN`.

This knows nothing of K3s, and does not look into `bash -c '...'`, `eval` or remote commands: whoever knows
what such a word means can read it as a script of its own.
"""

from k3s_policy.formats.shell.script import Command, Redirect, Script
from k3s_policy.formats.shell.variables import Assignment, Word
from k3s_policy.formats.shell.walk import read_script
from k3s_policy.formats.shell.words import command_line, split_words

__all__ = ["Assignment", "Command", "Redirect", "Script", "Word", "command_line", "read_script", "split_words"]
