"""Where the project is kept: the one place that says so.

Whatever else shows the address repeats it; tests/test_address.py sees to that, and writes it there after a change here.
It is a constant since pyproject.toml is not installed, and what is made of that takes some 50 ms to open.
"""

from __future__ import annotations

__all__ = ["ADDRESS"]

# A placeholder: where the project is going to be published is not settled.
ADDRESS = "https://github.com/k3s-policy/k3s-policy"
