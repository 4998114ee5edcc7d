#!/bin/sh
curl -sfL https://get.k3s.io | K3S_TOKEN_FILE=/root/k3s-token sh -s - server --tls-san west.example.net
