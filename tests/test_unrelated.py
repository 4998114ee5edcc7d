"""What is not K3s's is left alone: thousands of templates that do not parse, and names that mean something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from k3s_policy.run import Request, scan

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATES = {
    "labels": """\
{{- define "app.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
{{- end }}
""",
    "deployment": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "app.fullname" . }}
  labels: {{- include "app.labels" . | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicaCount }}
  {{- end }}
  template:
    spec:
      {{- with .Values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: app
          image: "{{ .Values.image }}:{{ .Values.tag | default .Chart.AppVersion }}"
          args:
            - --data-dir={{ .Values.dataDir }}
            - --node-ip=$(IP)
            {{- range .Values.extraArgs }}
            - {{ . }}
            {{- end }}
""",
    # Words of K3s's and options that look like its own, in files that are not.
    "distribution": """\
{{- if eq .Values.distribution "k3s" }}
{{- $token := randAlphaNum 32 }}
token: {{ $token }}
server: https://{{ .Values.host }}:6443
{{- else if .Values.k3s }}
cluster-cidr: {{ .Values.cidr
{{- end }}
""",
    "unclosed": """\
{{- range $i, $node := .Values.k3s.nodes }}
- name: k3s-{{ $i }
  write-kubeconfig-mode: {{ $node.mode }}
    tls-san: [{{ $node.name }}
{{- end }}
""",
}


def test_templates_that_do_not_parse_give_nothing(tmp_path: Path) -> None:
    for number in range(500):
        folder = tmp_path / "charts" / f"chart-{number:03}" / "templates"
        folder.mkdir(parents=True)
        for name, content in _TEMPLATES.items():
            (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    report = scan(Request((str(tmp_path),)))
    assert (report.findings, report.errors, report.not_judged, report.files_read) == ((), (), (), 0)
    assert report.files_seen == 500 * len(_TEMPLATES)


_LOOK_ALIKES = {
    "a pipeline that prints advice": (
        ".github/workflows/release.yml",
        "jobs:\n  release:\n    steps:\n      - run: echo 'curl -sfL https://get.k3s.io | K3S_TOKEN=4f1c9a7b sh -'\n",
    ),
    "values of a chart": ("charts/k3s/values.yaml", "token: 4f1c9a7be2d0836f5512cc\nserver:\n  replicas: 3\n"),
    "an add-on for Home Assistant": (
        "k3s/config.yaml",
        "name: K3s\nversion: 1.2.3\nslug: k3s\nhost_network: true\noptions:\n  token: ''\nschema:\n  token: str\n",
    ),
    "a manifest called config.yaml": (
        "k3s/config.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    repoURL: https://example.com\n",
    ),
    "a scrape configuration": (
        "prometheus.yaml",
        "scrape_configs:\n  - job_name: k3s\n    tls_config: {insecure_skip_verify: true}\n",
    ),
    "kuscia, which takes the same option": (
        "scripts/start.sh",
        '#!/bin/bash\nkuscia start --datastore-endpoint "mysql://root:4f1c9a7b@tcp(127.0.0.1:3306)/kine"\n',
    ),
    "a database that holds a k3s": (
        "docker-compose.yml",
        "services:\n  db:\n    image: mysql:8\n    environment: {MYSQL_DATABASE: k3s, MYSQL_PASSWORD: 4f1c9a7b}\n",
    ),
}


@pytest.mark.parametrize(("path", "content"), _LOOK_ALIKES.values(), ids=_LOOK_ALIKES.keys())
def test_look_alikes_are_left_alone(tmp_path: Path, path: str, content: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    report = scan(Request((str(tmp_path),)))
    assert (report.findings, report.errors, report.not_judged) == ((), (), ())


def test_rke2_is_recognised_and_said_once(tmp_path: Path) -> None:
    for host in ("one", "two"):
        folder = tmp_path / host / "etc" / "rancher" / "rke2"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(
            "token: 4f1c9a7be2d0836f5512cc\ncni: cilium\ntls-san: [a]\n", encoding="utf-8"
        )
    report = scan(Request((str(tmp_path),)))
    assert not report.findings
    (note,) = (note for note in report.notes if "RKE2" in note)
    assert note.startswith("left alone, being RKE2's: one/etc/rancher/rke2/config.yaml, two/")
