# Sourced by ./start and ./test: installs Debian packages whose commands are missing.
# shellcheck shell=bash

# install_packages COMMAND:PACKAGE... installs the packages of those commands that are not there.
install_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    install_by_name "${missing[@]}"
}

# install_by_name PACKAGE... installs Debian packages.
install_by_name() {
    local missing=("$@") as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (the names of Debian's packages); install them and run this again" >&2
        exit 1
    fi
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! { "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null </dev/null; then
        echo "cannot install them here; run: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
}

# require_rust fails with the command that mends it.
require_rust() {
    if ! command -v cargo >/dev/null; then
        echo "Rust is missing; install it from https://rustup.rs and run this again" >&2
        exit 1
    fi
}

# require_venv installs what python3 needs to make an environment, which is no command of its own.
require_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_by_name python3-venv
}
