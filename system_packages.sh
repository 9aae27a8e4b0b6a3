# Sourced by setup.sh and build_renderer.sh: installs Debian/Ubuntu packages, or says which command would.

# need_packages PURPOSE PACKAGE...: install the packages when root or password-less sudo allows it; otherwise print
# the one command that a person with the rights has to run, and end with status 1.
need_packages() {
    purpose=$1
    shift
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: $purpose is missing; install what Debian calls: $*" >&2
        exit 1
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        echo "error: $purpose is missing; run this once, then start again:" >&2
        echo "    sudo apt-get update && sudo apt-get install --yes $*" >&2
        exit 1
    fi
    echo "== installing system packages for $purpose: $*"
    log=$(mktemp)
    # The list of packages may be old or empty on a fresh machine: refresh it only if the first try fails.
    # shellcheck disable=SC2086 # $as_root is empty or one word
    if ! DEBIAN_FRONTEND=noninteractive $as_root apt-get install --yes --no-install-recommends "$@" >"$log" 2>&1; then
        $as_root apt-get update >"$log" 2>&1 &&
            DEBIAN_FRONTEND=noninteractive $as_root apt-get install --yes --no-install-recommends "$@" >>"$log" 2>&1 || {
            tail -n 15 "$log" >&2
            rm -f "$log"
            echo "error: apt-get could not install $*" >&2
            exit 1
        }
    fi
    rm -f "$log"
}
