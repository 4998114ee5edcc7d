"""`python -m k3s_policy`, which is `k3s-policy` where that is not on the path."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # With `-m`, Python looks for modules in the current folder first, which often is the repository to be scanned: a
    # `json.py` there is not ours. What Python itself loads before this line only `python -P -m` protects.
    if not sys.flags.safe_path:
        del sys.path[0]

    from k3s_policy.cli import run

    run()
