"""What the configuration becomes: every node with its effective settings, for people and for programs.

`overview` makes of an Assembly records in which every credential is masked; the formats see nothing else.
"""

from k3s_policy.show.overview import Overview, overview

__all__ = ["Overview", "overview"]
