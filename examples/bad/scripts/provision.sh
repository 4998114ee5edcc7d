#!/usr/bin/env bash
set -euo pipefail

mkdir -p /etc/rancher/k3s
cat > /etc/rancher/k3s/config.yaml <<CONFIG
node-name: $(hostname)
token: 2f6b8d04e7915ca3
datastore-endpoint: "mysql://k3s:${DB_PASSWORD}@tcp(10.60.0.5:3306)/k3s?timeout=5s&tls=SKIP-VERIFY"
datastore-certfile: /etc/k3s/db-client.crt
CONFIG

curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.33.4+k3s1 sh -s - server
chmod 644 /etc/rancher/k3s/k3s.yaml
