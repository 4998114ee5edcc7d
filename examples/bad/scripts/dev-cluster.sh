#!/bin/sh
docker run --detach --privileged --name k3s-dev -p 6443:6443 \
    -e K3S_TOKEN=f1b60e8d3c7a9254 \
    rancher/k3s:v1.33.4-k3s1 server --flannel-backend=wireguard --write-kubeconfig-mode=644
