#!/usr/bin/env bash
# bootstrap.sh [mysql]: make this machine a server of the region, on its MySQL or on its etcd.
set -euo pipefail

token=c07e95b1d8f2463a
flags="--token $token --tls-san k3s.east.example.net"

if [[ ${1:-} == mysql ]]; then
    flags+=" --datastore-endpoint mysql://k3s:v3M_jetty_60@tcp(10.60.0.5:3306)/k3s?tls=skip-verify"
    flags+=" --datastore-certfile /etc/k3s/db-client.crt"
else
    flags+=" --datastore-endpoint https://etcd.east.example.net:2379 --datastore-keyfile /etc/k3s/db-client.key"
fi

curl -sfL https://get.k3s.io | sh -s - server $flags
