#!/usr/bin/env bash
set -euo pipefail

mkdir -p /etc/rancher/k3s
cat > /etc/rancher/k3s/config.yaml <<CONFIG
node-name: $(hostname)
token-file: /root/k3s-token
datastore-endpoint: "mysql://k3s:${DB_PASSWORD}@tcp(10.60.0.5:3306)/k3s?timeout=5s"
datastore-cafile: /etc/k3s/db-ca.crt
datastore-certfile: /etc/k3s/db-client.crt
datastore-keyfile: /etc/k3s/db-client.key
CONFIG
chmod 600 /etc/rancher/k3s/config.yaml

curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.33.4+k3s1 sh -s - server
chmod 640 /etc/rancher/k3s/k3s.yaml
