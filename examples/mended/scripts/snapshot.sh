#!/bin/sh
# The keys of the bucket are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.
set -eu

k3s etcd-snapshot save \
    --s3 \
    --s3-bucket snapshots
