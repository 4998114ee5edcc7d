"""Time a scan of 10,000 Kubernetes manifests in which there is nothing of K3s's.

The manifests are made from a fixed seed: about 1.4 KB each, 14 MB together, in nested folders of a git
repository. With `--templates` they are templates of Helm charts that do not parse, and that name K3s or a flag that
looks like one of its own. What is timed is the whole process, `k3s-policy scan .`, best of a few runs. Exit code 1
says that it took longer than the limit.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from k3s_policy.discover import discover, worth_reading
from k3s_policy.k3s.sieve import needles

MANIFESTS = 10_000
LIMIT = 1.5
"""Seconds that a scan of all of them may take."""
TEMPLATES = 2_000
LIMIT_OF_TEMPLATES = 6.0
"""Seconds that a scan of all templates may take: each is tried as it stands, and with its template masked."""

_NAMES = ("api", "billing", "cart", "checkout", "events", "gateway", "ingest", "ledger", "mailer", "orders", "search")
_ENVIRONMENTS = ("development", "staging", "production")
_IMAGES = ("nginx:1.27.3", "redis:7.4.1", "quay.io/prometheus/node-exporter:v1.8.2", "ghcr.io/example/api:2.14.0")

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: {namespace}
spec:
  replicas: {number}
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "{port}"
    spec:
      serviceAccountName: {name}
      securityContext:
        runAsNonRoot: true
        fsGroup: {port}
      containers:
        - name: {name}
          image: {image}
          args:
            - --listen-address=0.0.0.0:{port}
            - --log-level=info
            - --leader-elect
          env:
            - name: DATABASE_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {name}-database
                  key: password
            - name: UPSTREAM
              value: http://{name}.{namespace}.svc.cluster.local:{port}
          ports:
            - containerPort: {port}
              protocol: TCP
          readinessProbe:
            httpGet:
              path: /healthz
              port: {port}
            periodSeconds: 10
          resources:
            requests:
              cpu: {number}00m
              memory: {port}Mi
            limits:
              memory: {port}Mi
"""
_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: {port}
      targetPort: {port}
"""
_SETTINGS = """\
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}-settings
  namespace: {namespace}
data:
  settings.yaml: |
    server:
      address: 0.0.0.0:{port}
    token: {token}
    features: [search, {name}, export]
"""


_TEMPLATE = """\
{{{{- if or .Values.k3s (eq .Values.distribution "k3s") }}}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{{{ include "{name}.fullname" . }}}}
  labels: {{{{- include "{name}.labels" . | nindent 4 }}}}
spec:
  {{{{- with .Values.updateStrategy }}}}
  updateStrategy: {{{{- toYaml . | nindent 4 }}}}
  {{{{- end }}}}
  template:
    spec:
      containers:
        - name: {name}
          image: "{{{{ .Values.image }}}}:{{{{ .Values.tag | default .Chart.AppVersion }}}}"
          args:
            - --data-dir={{{{ .Values.dataDir }}}}
            - --node-ip=$(IP)
            {{{{- range .Values.extraArgs }}}}
            - {{{{ . }}}}
            {{{{- end }}}}
          ports:
            - containerPort: {port}
{{{{- end }}}}
"""


def manifest(generator: random.Random, *, templates: bool) -> str:
    """Return one manifest: a Deployment, sometimes with its Service or its ConfigMap; or a template of one."""
    values = {
        "name": f"{generator.choice(_NAMES)}-{generator.randrange(1000)}",
        "namespace": generator.choice(_ENVIRONMENTS),
        "image": generator.choice(_IMAGES),
        "number": generator.randrange(1, 10),
        "port": generator.randrange(3000, 9999),
        "token": f"{generator.getrandbits(64):016x}",
    }
    if templates:
        return _TEMPLATE.format(**values)
    parts = [_DEPLOYMENT, *(part for part in (_SERVICE, _SETTINGS) if generator.random() < 0.15)]
    return "".join(parts).format(**values)


def write_manifests(folder: Path, count: int, *, templates: bool) -> int:
    """Write the manifests, a hundred to an application, and return how many bytes they hold."""
    generator = random.Random(20)  # noqa: S311 - the same files at each run
    written = 0
    for number in range(count):
        application = folder / "clusters" / _ENVIRONMENTS[number % 3] / f"application-{number // 100:03}"
        content = manifest(generator, templates=templates)
        application.mkdir(parents=True, exist_ok=True)
        (application / f"manifest-{number:05}.yaml").write_text(content, encoding="utf-8")
        written += len(content)
    return written


def make_repository(folder: Path) -> None:
    """Make a git repository of everything in the folder."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com")
    # So many new objects make git tidy up in the background, where it would meet the removal of the folder.
    settings = (*author, "-c", "gc.auto=0", "-c", "maintenance.auto=false")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "Manifests")):
        subprocess.run(["git", *settings, *words], cwd=folder, env=environment, check=True)


def time_scan(folder: Path, command: list[str]) -> float:
    """Return the seconds one scan took, start of the process included."""
    # Modules are compiled at the first run and kept, as they are where the tool is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    scan = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if scan.returncode != 0:
        sys.exit(f"the scan ended with exit code {scan.returncode}:\n{scan.stdout}{scan.stderr}")
    return seconds


def time_steps(folder: Path) -> tuple[float, float, float]:
    """Return how long it takes, inside one process, to list, to open and read, and to sift the content."""
    flags = needles(["write-kubeconfig-mode", "node-label"])  # how many there are does not matter: it is a set
    started = time.perf_counter()
    candidates = discover([str(folder)]).candidates
    listed = time.perf_counter()
    contents = [Path(candidate.file).read_bytes() for candidate in candidates]
    opened = time.perf_counter()
    for candidate, content in zip(candidates, contents, strict=True):
        worth_reading(candidate.path, content, flags)
    sifted = time.perf_counter()
    return listed - started, opened - listed, sifted - opened


def main() -> int:
    """Make the manifests, time the scans, print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, help=f"how many (default {MANIFESTS}, of templates {TEMPLATES})")
    parser.add_argument("--runs", type=int, default=5, help="how many scans (default %(default)s)")
    parser.add_argument("--no-git", action="store_true", help="scan a plain folder, not a repository")
    parser.add_argument("--templates", action="store_true", help="templates that do not parse, not manifests")
    options = parser.parse_args()
    count = options.count or (TEMPLATES if options.templates else MANIFESTS)
    limit = LIMIT_OF_TEMPLATES if options.templates else LIMIT
    with tempfile.TemporaryDirectory(prefix="many-manifests-") as temporary:
        folder = Path(temporary)
        size = write_manifests(folder, count, templates=options.templates)
        if not options.no_git:
            make_repository(folder)
        listed, opened, sifted = min((time_steps(folder) for _ in range(options.runs)), key=sum)
        print(f"{count} {'templates' if options.templates else 'manifests'}, {size / 1e6:.1f} MB")
        print(f"in one process: list {listed:.2f} s, open and read {opened:.2f} s, sift {sifted:.2f} s")
        program = Path(sys.executable).with_name("k3s-policy")
        if not program.exists():
            sys.exit("k3s-policy is not installed beside this interpreter")
        seconds = min(time_scan(folder, [str(program), "scan", "."]) for _ in range(options.runs))
    print(f"k3s-policy scan . as a whole: {seconds:.2f} s, limit {limit} s")
    return int(seconds > limit)


if __name__ == "__main__":
    sys.exit(main())
