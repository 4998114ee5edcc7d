#!/bin/sh
set -eu

curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.33.4+k3s1 sh -s - server \
    --token "51ce8b07f3d94a26" \
    --tls-san k3s.east.example.net \
    --write-kubeconfig-mode 644 \
    --datastore-endpoint="https://etcd-1.east.example.net:2379" \
    --datastore-certfile /etc/k3s/etcd-client.crt
