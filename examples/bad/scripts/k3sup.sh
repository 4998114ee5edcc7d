#!/usr/bin/env bash
set -euo pipefail

k3sup install --ip 192.0.2.10 --user ops --k3s-version v1.33.4+k3s1 \
    --k3s-extra-args '--secrets-encryption --agent-token d94f07b3e1a86c52'
k3sup join --ip 192.0.2.11 --user ops --server --server-ip 192.0.2.10 --k3s-version v1.33.4+k3s1
k3sup join --ip 192.0.2.12 --user ops --server --server-ip 192.0.2.10 --k3s-version v1.33.4+k3s1
k3sup join --ip 192.0.2.21 --user ops --server-ip 192.0.2.10 --k3s-version v1.33.4+k3s1
