#!/bin/sh
# Builds the native renderer into code/cnsr/. Finds or installs what it needs, or says what is missing. What is built
# already stays; a second run only compiles what changed.
#   sh build_renderer.sh
#   sh build_renderer.sh --sanitize    a second module, in build/, which finds faults of memory and undefined behavior
#                                      while it runs; `sh run_tests.sh --sanitized` builds it and runs tests with it
# PYTHON=path chooses the interpreter that the module is for (default: .venv's, else python3). Options for CMake may
# follow, e.g. -DCNSR_NATIVE_CPU=OFF for a module that other CPUs run, too.
set -eu
cd "$(dirname "$0")"
. ./system_packages.sh

sanitize=
if [ "${1:-}" = --sanitize ]; then
    sanitize=yes
    shift
fi
fail() { echo "error: $*" >&2 && exit 1; }

if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; fi
fi
command -v "$PYTHON" >/dev/null 2>&1 || fail "there is no Python called '$PYTHON'; name one: PYTHON=python3.12 sh $0"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$PYTHON is older than Python 3.10"

find_compiler() { command -v "${CXX:-c++}" >/dev/null 2>&1; }
find_compiler || need_packages "a C++ compiler" g++ make
find_compiler || fail "there is no C++ compiler called '${CXX:-c++}'"
command -v make >/dev/null 2>&1 || need_packages "make" make

# Asks the compiler itself, which knows all places where headers may be.
find_embree() {
    for version in 4 3; do
        if echo "#include <embree$version/rtcore.h>" | "${CXX:-c++}" -E -x c++ - >/dev/null 2>&1; then
            return 0
        fi
    done
    [ -n "${embree_DIR:-}${CMAKE_PREFIX_PATH:-}" ] # CMake looks there
}
find_embree || need_packages "the ray tracing library Embree" libembree-dev

"$PYTHON" -c 'import sysconfig, pathlib, sys; sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").is_file())' ||
    need_packages "Python's C header" "$("$PYTHON" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"

pip_install() {
    "$PYTHON" -m pip install --disable-pip-version-check --quiet --progress-bar off "$1" ||
        fail "could not install $1 with $PYTHON -m pip; install it yourself, then start again"
}
"$PYTHON" -c 'import pybind11' 2>/dev/null || pip_install "pybind11>=2.13,<4"

# CMake of the system, or PyPI's, which comes as a Python package.
if command -v cmake >/dev/null 2>&1; then
    run_cmake() { cmake "$@"; }
else
    "$PYTHON" -c 'import cmake' 2>/dev/null || pip_install "cmake>=3.18"
    run_cmake() { "$PYTHON" -m cmake "$@"; }
fi

# One folder for each interpreter: modules of two Python versions may lie side by side.
folder=build/renderer-$("$PYTHON" -c 'import sys; print(sys.implementation.cache_tag)')
if [ -n "$sanitize" ]; then
    folder=$folder-sanitized
    set -- -DCNSR_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCNSR_MODULE_FOLDER="$PWD/$folder/module" "$@"
fi
interpreter=$("$PYTHON" -c 'import sys; print(sys.executable)')
echo "== building the renderer for $("$PYTHON" --version) in $folder"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2 && fail "the renderer could not be built; see above"; }
}
quietly run_cmake -S renderer -B "$folder" -DPython_EXECUTABLE="$interpreter" \
    -Dpybind11_DIR="$("$PYTHON" -m pybind11 --cmakedir)" "$@"
quietly run_cmake --build "$folder" --parallel "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)"
sed -n 's/^.*Built target _native.*$/== done/p' "$log"
if [ -n "$sanitize" ]; then
    echo "$PWD/$folder/module: for tests, with \`sh run_tests.sh --sanitized\`"
    exit
fi
"$PYTHON" - <<'END'
import sys

sys.path.insert(0, "code")
from cnsr import _native

print(f"{_native.__file__} (Embree {_native.EMBREE_VERSION})")
END
