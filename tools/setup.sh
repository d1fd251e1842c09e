#!/bin/sh
# Makes the virtual environment with whatever this machine has for it, and installs the pinned
# requirements into it. usage: setup.sh PYTHON FOLDER
set -eu
python=$1
venv=$2

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "there is no $python. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv), or name one: make setup PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Moorage's server needs 3.11 or newer. Name another: make setup PYTHON=python3.12"

make_venv() {
    [ -x "$1/bin/python" ] && "$1/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    rm -rf "$1"
    "$python" -m venv "$1" >/dev/null 2>&1 && return 0
    rm -rf "$1"
    "$python" -m virtualenv -q "$1" >/dev/null 2>&1 && return 0
    rm -rf "$1"
    command -v uv >/dev/null 2>&1 && uv venv -q --seed -p "$python" "$1" && return 0
    rm -rf "$1"
    return 1
}

install() {
    "$1/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$2"
}

make_venv "$venv" ||
    fail "$("$python" --version) has no way to make a virtual environment. Install one (Debian: apt-get install python3-venv), then run make setup again"
install "$venv" requirements/dev.txt
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .

# The Deployment Manager's own client, for tests alone: its pins clash with ours.
if ! { make_venv .venvs/roboflow && install .venvs/roboflow requirements/roboflow-client.txt; }; then
    rm -rf .venvs/roboflow
    printf 'setup: the client roboflow-slim cannot be installed; the tests that drive it will be skipped\n' >&2
fi

# The console's front-end parts, from npm. Where it cannot be had everything else works all the same;
# the tool says what is missing.
"$venv/bin/python" tools/vendor.py || true
