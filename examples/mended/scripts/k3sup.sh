#!/usr/bin/env bash
set -euo pipefail

SERVER='--secrets-encryption --agent-token-file /root/k3s-agent-token'
k3sup install --ip 198.51.100.10 --user ops --cluster --k3s-version v1.33.4+k3s1 --k3s-extra-args "$SERVER"
k3sup join --ip 198.51.100.11 --user ops --server --server-ip 198.51.100.10 --k3s-version v1.33.4+k3s1 \
    --k3s-extra-args "$SERVER"
k3sup join --ip 198.51.100.12 --user ops --server --server-ip 198.51.100.10 --k3s-version v1.33.4+k3s1 \
    --k3s-extra-args "$SERVER"
k3sup join --ip 198.51.100.21 --user ops --server-ip 198.51.100.10 --k3s-version v1.33.4+k3s1
