#!/usr/bin/env bash
# Make a virtual environment with locked dependencies and VSL in it: environment.sh PYTHON FOLDER LOCK
# Uses uv when it is there, else pip.
set -euo pipefail
python=$1 folder=$2 lock=$3

if [ -z "$python" ]; then
    echo "VSL needs Python 3.11, 3.12 or 3.13; none was found. Name one: make PYTHON=/path/to/python" >&2
    exit 1
fi
say() { printf '%s\n' "$*" >&2; }

if [ ! -x "$folder/bin/python" ]; then
    say "making $folder with $("$python" --version 2>&1)"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --seed --python "$python" "$folder"
    elif ! "$python" -m venv "$folder" 2>"$folder.error"; then
        cat "$folder.error" >&2
        rm -rf "$folder" "$folder.error"
        say "Python's venv module does not work here. On Debian: apt-get install python3-venv"
        exit 1
    fi
    rm -f "$folder.error"
fi
say "installing what $lock names"
if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python "$folder/bin/python" --require-hashes --compile-bytecode -r "$lock"
    uv pip install --quiet --python "$folder/bin/python" --no-deps --editable .
else
    "$folder/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --upgrade-deps "$folder"
    "$folder/bin/python" -m pip install --quiet --require-hashes -r "$lock"
    "$folder/bin/python" -m pip install --quiet --no-deps --editable .
fi
