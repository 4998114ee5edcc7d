#!/usr/bin/env bash
# bootstrap.sh [mysql]: make this machine a server of the region, on its MySQL or on its etcd.
set -euo pipefail

export K3S_TOKEN_FILE=/root/k3s-token
flags="--tls-san k3s.east.example.net"

if [[ ${1:-} == mysql ]]; then
    K3S_DATASTORE_ENDPOINT=$(cat /root/k3s-datastore-endpoint)
    flags+=" --datastore-certfile /etc/k3s/db-client.crt"
    flags+=" --datastore-keyfile /etc/k3s/db-client.key"
else
    K3S_DATASTORE_ENDPOINT=https://etcd.east.example.net:2379
    flags+=" --datastore-certfile /etc/k3s/etcd-client.crt --datastore-keyfile /etc/k3s/etcd-client.key"
fi
export K3S_DATASTORE_ENDPOINT

curl -sfL https://get.k3s.io | sh -s - server $flags
