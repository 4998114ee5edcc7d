"""Compare a scan of one small config.yaml with what yamllint takes for the same file.

Both are timed as whole processes, in turn, so that whatever else the machine does slows down both alike.
Exit code 1 says that the scan took more than 1.2 times as long.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 1.3
"""How many times as long as yamllint a scan may take."""

CONFIG = """\
---
write-kubeconfig-mode: "0640"
token-file: /etc/rancher/k3s/token
server: https://k3s.example.com:6443
tls-san:
  - k3s.example.com
  - 192.0.2.10
node-label:
  - environment=production
disable:
  - servicelb
  - traefik
secrets-encryption: true
"""


def compiled(cache: str) -> dict[str, str]:
    """Return an environment in which modules are compiled once, as pip does when it installs them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": cache}


def time_command(command: list[str], folder: str, environment: dict[str, str]) -> float:
    """Return the seconds one process took; findings are no failure."""
    started = time.perf_counter()
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if process.returncode not in {0, 1}:
        sys.exit(f"{command[0]} ended with exit code {process.returncode}:\n{process.stdout}{process.stderr}")
    return seconds


def main() -> int:
    """Time both commands in turn, print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=30, help="how often each is run (default %(default)s)")
    options = parser.parse_args()
    programs = Path(sys.executable).parent
    ours = [str(programs / "k3s-policy"), "scan", "config.yaml"]
    theirs = [str(programs / "yamllint"), "config.yaml"]
    for program in (ours[0], theirs[0]):
        if not Path(program).exists():
            sys.exit(f"{program} is not installed")
    with (
        tempfile.TemporaryDirectory(prefix="small-file-") as folder,
        tempfile.TemporaryDirectory(prefix="compiled-") as cache,
    ):
        environment = compiled(cache)
        Path(folder, "config.yaml").write_text(CONFIG, encoding="utf-8")
        for command in (ours, theirs):  # compiles modules and fills the disk cache
            time_command(command, folder, environment)
        times = [
            (time_command(ours, folder, environment), time_command(theirs, folder, environment))
            for _ in range(options.runs)
        ]
    scan, lint = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"k3s-policy {scan * 1000:.0f} ms, yamllint {lint * 1000:.0f} ms, medians of {options.runs} runs in turn")
    print(f"ratio {scan / lint:.2f}, limit {LIMIT}")
    return int(scan / lint > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
