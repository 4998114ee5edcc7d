"""From the paths of the command line to the files worth reading.

In a git work tree git says which files there are; elsewhere, or where git refuses, the folders are walked.
What is left after that goes by two sieves before anything is parsed: names that no reader has a use for
(documentation, programs, media) are never opened, and content without a word of K3s's is dropped as bytes.

A file that the user names passes both. No program that a repository configures is ever run, no link is
followed out of the tree, and neither the working folder nor the locale changes the result.
"""

from k3s_policy.discover.arguments import top_of
from k3s_policy.discover.beside import neighbours
from k3s_policy.discover.candidate import Candidate, Discovery
from k3s_policy.discover.content import read
from k3s_policy.discover.encoding import decode
from k3s_policy.discover.search import discover
from k3s_policy.discover.sieve import (
    HOOK_FILES,
    SEARCHED_FILES,
    SEARCHED_SUFFIXES,
    UNREAD_NAMES,
    UNREAD_SUFFIXES,
    may_be_read,
    may_be_searched,
    worth_reading,
)

__all__ = [
    "HOOK_FILES",
    "SEARCHED_FILES",
    "SEARCHED_SUFFIXES",
    "UNREAD_NAMES",
    "UNREAD_SUFFIXES",
    "Candidate",
    "Discovery",
    "decode",
    "discover",
    "may_be_read",
    "may_be_searched",
    "neighbours",
    "read",
    "top_of",
    "worth_reading",
]
