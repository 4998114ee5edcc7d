#!/bin/sh
curl -sfL https://get.k3s.io | K3S_TOKEN_FILE=/root/k3s-token sh -s - server --server https://west.example.net:6443
