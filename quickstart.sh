#!/bin/sh
# The main job on a fresh Debian/Ubuntu machine with Python 3.10 or newer: set-up, a small PrimitiveRoom data set,
# training, and a picture of predictions for rooms that the network has never seen. A second run reuses what is there.
#   sh quickstart.sh                                        everything into quickstart/
#   sh quickstart.sh --seed 1 --out_folder quickstart_1     other scenes, another training
set -eu
start=$(date +%s)
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/setup.sh"
PYTHONPATH="$here/code" exec "$here/.venv/bin/python" -m cnsr.quickstart \
    --setup_seconds $(($(date +%s) - start)) "$@"
