#!/bin/sh
# Set-up on a fresh machine, checks of the code, and all tests. Arguments go to pytest:
#   sh run_tests.sh                    what every change must pass
#   sh run_tests.sh -m slow            the long tests
#   sh run_tests.sh tests/cnsr -k room some of them
#   sh run_tests.sh --sanitized        the renderer's tests (or those named) with a build of it that finds faults of
#                                      memory and undefined behavior; needs GCC
set -eu
cd "$(dirname "$0")"
sh setup.sh --dev

if [ "${1:-}" = --sanitized ]; then
    shift
    [ $# != 0 ] || set -- tests/renderer
    PYTHON=.venv/bin/python sh build_renderer.sh --sanitize
    # Python itself knows nothing of the sanitizers: they have to be there before it.
    for library in libasan libubsan; do
        file=$("${CXX:-c++}" -print-file-name=$library.so)
        [ -e "$file" ] || { echo "error: ${CXX:-c++} has no $library.so; is it GCC?" >&2 && exit 1; }
        preload="${preload:-} $file"
    done
    tag=$(.venv/bin/python -c 'import sys; print(sys.implementation.cache_tag)')
    echo "== pytest, sanitized"
    # In one process, whose exit status tells of leaks, too.
    OMP_NUM_THREADS=1 CNSR_NATIVE_FOLDER="$PWD/build/renderer-$tag-sanitized/module" LD_PRELOAD="$preload" \
        ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        LSAN_OPTIONS="suppressions=$PWD/tests/renderer/leaks.supp:print_suppressions=0" \
        exec .venv/bin/python -m pytest -q --numprocesses 0 --timeout 1800 "$@"
fi

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
