#!/bin/sh
# Set-up on a fresh machine: virtual environment .venv, requirements, native renderer. What is there is reused.
#   sh setup.sh          what the program needs
#   sh setup.sh --dev    and what the tests need
# PYTHON=python3.12 sh setup.sh chooses the interpreter.
set -eu
cd "$(dirname "$0")"
. ./system_packages.sh

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

find_python() {
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
        if command -v "$name" >/dev/null 2>&1 && new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    echo "error: no Python 3.10 or newer${PYTHON:+ behind PYTHON=$PYTHON}; install one, or name it: PYTHON=python3.12 sh $0" >&2
    return 1
}

requirements="-r requirements.txt"
case ${1:-} in
"") ;;
--dev) requirements="$requirements -r requirements-dev.txt" ;;
*) echo "usage: sh setup.sh [--dev]" >&2 && exit 2 ;;
esac

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need_packages "Python's venv module" python3-venv
    echo "== creating .venv with $("$python" --version)"
    "$python" -m venv .venv
fi

# A stamp holds the requirements that were installed, so that a second run does not ask the network.
# shellcheck disable=SC2086 # $requirements is a list of options
wanted=$(cat $(echo "$requirements" | sed 's/-r//g') | cksum)
if [ "$(cat ".venv/installed${1:-}" 2>/dev/null)" != "$wanted" ]; then
    echo "== installing the requirements into .venv (PyTorch is large: this takes minutes on a slow line)"
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --progress-bar off \
        $requirements "setuptools>=77" "pybind11>=2.13,<4"
    echo "$wanted" >".venv/installed${1:-}"
fi

if [ "${1:-}" = --dev ] && ! { command -v Xvfb && command -v xauth; } >/dev/null 2>&1; then
    need_packages "a virtual display for the tests of the viewers" xvfb xauth libx11-6 libxext6 libgl1
fi

PYTHON=.venv/bin/python sh build_renderer.sh
