#!/bin/sh
docker run --detach --privileged --name k3s-dev -p 6443:6443 \
    -e K3S_TOKEN="$K3S_TOKEN" \
    rancher/k3s:v1.33.4-k3s1 server --flannel-backend=wireguard-native --write-kubeconfig-mode=600
