#!/bin/sh
# Runs linters, type checker and tests on the newest TensorFlow with the newest installed Python, and tests on
# TensorFlow 2.15 with Python 3.11. Creates the environments it needs; reports a missing interpreter and continues.
#     tools/test.sh [PYTEST ARGUMENT...]
#     tools/test.sh check    the newest TensorFlow only, and the tests that train nothing
set -eu
cd "$(dirname "$0")/.."

# make_environment FOLDER PYTHON REQUIREMENT...: keeps an environment that is complete.
make_environment() {
    folder=$1 python=$2
    shift 2
    if [ "$(cat "$folder/ready" 2>/dev/null)" != "$*" ] || [ setup.py -nt "$folder/ready" ]; then
        rm -rf "$folder"
        "$python" -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet "$@"
        echo "$*" >"$folder/ready"
    fi
}

only_newest=0
if [ "${1-}" = check ]; then
    only_newest=1
    shift
    set -- -m 'not trains' "$@"
fi
failed=0
tested=0
# Three processes are for two cores: many tests wait for a process of their own.

if newest=$(tools/find_python.sh 3.13 3.12 3.11 3.10); then
    make_environment .venv-newest "$newest" --editable '.[test]'
    bin=.venv-newest/bin
    echo "== Lint and types"
    "$bin/ruff" check . || failed=1
    "$bin/ruff" format --check . || failed=1
    "$bin/mypy" || failed=1
    "$bin/lint-imports" --no-cache >/dev/null || "$bin/lint-imports" --no-cache || failed=1
    echo "== Newest TensorFlow: $("$bin/pip" list 2>/dev/null | grep -E '^tensorflow ') on $("$bin/python" --version)"
    "$bin/python" -m pytest --numprocesses=3 --dist=loadfile "$@" || failed=1
    tested=1
fi

if [ "$only_newest" = 1 ]; then
    :
elif oldest=$(tools/find_python.sh 3.11); then
    # Later versions of onnx need a later ml_dtypes than TensorFlow 2.15.
    make_environment .venv-tf215 "$oldest" --editable '.[test]' 'tensorflow==2.15.*' 'onnx<1.18'
    echo "== TensorFlow 2.15 on $(.venv-tf215/bin/python --version)"
    .venv-tf215/bin/python -m pytest --numprocesses=3 --dist=loadfile -m 'not once' "$@" || failed=1
    tested=1
else
    echo "== TensorFlow 2.15 is not tested: it needs Python 3.11, which is not installed"
fi

[ "$tested" = 1 ] || { echo "found no supported Python (3.10 to 3.13): nothing was tested" >&2; exit 1; }
exit "$failed"
