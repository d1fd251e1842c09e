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

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    if "$python" -m venv "$venv" >/dev/null 2>&1; then
        :
    elif rm -rf "$venv" && "$python" -m virtualenv -q "$venv" >/dev/null 2>&1; then
        :
    elif rm -rf "$venv" && command -v uv >/dev/null 2>&1 && uv venv -q --seed -p "$python" "$venv"; then
        :
    else
        rm -rf "$venv"
        fail "$("$python" --version) has no way to make a virtual environment. Install one (Debian: apt-get install python3-venv), then run make setup again"
    fi
fi

"$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
