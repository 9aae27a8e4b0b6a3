#!/bin/sh
# Set-up on a fresh machine, checks of the code, and all tests. Arguments go to pytest:
#   sh run_tests.sh                    what every change must pass
#   sh run_tests.sh -m slow            the long tests
#   sh run_tests.sh tests/cnsr -k room some of them
set -eu
cd "$(dirname "$0")"
sh setup.sh --dev

if [ $# = 0 ]; then
    echo "== ruff, mypy, clang-format"
    .venv/bin/ruff check .
    .venv/bin/ruff format --check --quiet .
    .venv/bin/mypy
    find renderer -name '*.h' -o -name '*.cpp' | xargs .venv/bin/clang-format --dry-run --Werror
fi

echo "== pytest"
# One thread a process: the two test processes would otherwise fight for the cores.
OMP_NUM_THREADS=1 exec .venv/bin/python -m pytest -q --numprocesses 2 "$@"
