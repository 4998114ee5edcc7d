#!/bin/sh
set -eu

curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.33.4+k3s1 K3S_TOKEN_FILE=/root/k3s-token sh -s - server \
    --tls-san k3s.east.example.net \
    --write-kubeconfig-mode 600 \
    --datastore-endpoint="https://etcd-1.east.example.net:2379" \
    --datastore-cafile /etc/k3s/etcd-ca.crt \
    --datastore-certfile /etc/k3s/etcd-client.crt \
    --datastore-keyfile /etc/k3s/etcd-client.key
