"""Where the data files lie: `schemas/` and `rules/`.

A wheel carries them inside the package, below `_data`; a checkout and an editable install have them
beside the package. Found with `os.path` and read with `open`, which are loaded anyway: `pathlib` and
`importlib.resources` would cost a hook on one file more than the reading itself.
"""

from __future__ import annotations

import json
import os.path
from functools import cache
from typing import Any

__all__ = ["folder", "schema"]


@cache
def folder(name: str) -> str:
    """Return the absolute path of the data folder `name` (`schemas`, `rules`).

    The wheel's place comes first: what lies beside an installed package belongs to other packages.
    Raises FileNotFoundError where the installation lacks the folder.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for place in (os.path.join(package, "_data", name), os.path.join(os.path.dirname(package), name)):
        if os.path.isdir(place):
            return place
    raise FileNotFoundError(f"this installation of k3s-policy has no {name} folder")


@cache
def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema `schemas/<name>.json`; every caller gets the same object and leaves it as it is.

    Raises FileNotFoundError where there is no such schema.
    """
    with open(os.path.join(folder("schemas"), f"{name}.json"), encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content
