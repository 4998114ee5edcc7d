#!/bin/sh
set -eu

k3s etcd-snapshot save \
    --s3 \
    --s3-bucket snapshots \
    --s3-access-key snapshot-writer-7q2x \
    --s3-secret-key "$S3_SECRET_KEY"
