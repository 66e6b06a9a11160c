#!/bin/sh
# Runs linters, type checker and tests on the newest TensorFlow with the newest installed Python, and tests on
# TensorFlow 2.15 with Python 3.11. Creates the environments it needs; reports a missing interpreter and continues.
#     tools/test.sh [PYTEST ARGUMENT...]          what guards a change; on 2.15 what depends on the version
#     tools/test.sh check [PYTEST ARGUMENT...]    the newest TensorFlow only, and the tests that train nothing
#     tools/test.sh rest [PYTEST ARGUMENT...]     all that the first leaves out
# PYTHONS="3.10" chooses the Python of the newest TensorFlow.
set -eu
cd "$(dirname "$0")/.."

# make_environment FOLDER PYTHON REQUIREMENT...: keeps an environment that is complete.
make_environment() {
    folder=$1 python=$2
    shift 2
    if [ "$(cat "$folder/ready" 2>/dev/null)" != "$python $*" ] || [ setup.py -nt "$folder/ready" ]; then
        rm -rf "$folder"
        "$python" -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet "$@"
        echo "$python $*" >"$folder/ready"
    fi
}

# Else each process compiles the package, and each worker of pytest rewrites all assertions again: 10 s of 16.
unset PYTHONDONTWRITEBYTECODE

mode=test oldest_files=
case "${1-}" in check | rest) mode=$1 && shift ;; esac
case "$mode" in
    # The files of VERSION in tests/conftest.py: each process would import all others, too.
    test) newest_tests='not all' oldest_tests='version and not all and not once'
        oldest_files='tests/conformance tests/contrib tests/tf1 tests/models/test_contract.py' ;;
    check) newest_tests='not all and not trains' oldest_tests= ;;
    rest) newest_tests='all' oldest_tests='not once and (all or not version)' ;;
esac
failed=0
tested=0
# Four processes are for two cores: many tests wait for a process of their own. With three it takes a fifth longer.

if newest=$(tools/find_python.sh ${PYTHONS:-3.13 3.12 3.11 3.10}); then
    make_environment .venv-newest "$newest" --editable '.[test]'
    bin=.venv-newest/bin
    if [ "$mode" != rest ]; then
        echo "== Lint and types"
        "$bin/ruff" check . || failed=1
        "$bin/ruff" format --check . || failed=1
        "$bin/mypy" || failed=1
        "$bin/lint-imports" --no-cache >/dev/null || "$bin/lint-imports" --no-cache || failed=1
    fi
    echo "== Newest TensorFlow: $("$bin/pip" list 2>/dev/null | grep -E '^tensorflow ') on $("$bin/python" --version)"
    "$bin/python" -m pytest --numprocesses=4 --dist=loadscope --no-loadscope-reorder -m "$newest_tests" "$@" || failed=1
    tested=1
fi

if [ -z "$oldest_tests" ]; then
    :
elif oldest=$(tools/find_python.sh 3.11); then
    # Later versions of onnx need a later ml_dtypes than TensorFlow 2.15.
    make_environment .venv-tf215 "$oldest" --editable '.[test]' 'tensorflow==2.15.*' 'onnx<1.18'
    [ $# -gt 0 ] || set -- $oldest_files
    echo "== TensorFlow 2.15 on $(.venv-tf215/bin/python --version)"
    .venv-tf215/bin/python -m pytest --numprocesses=4 --dist=loadscope --no-loadscope-reorder -m "$oldest_tests" "$@" || failed=1
    tested=1
else
    echo "== TensorFlow 2.15 is not tested: it needs Python 3.11, which is not installed"
fi

[ "$tested" = 1 ] || { echo "found no supported Python (3.10 to 3.13): nothing was tested" >&2; exit 1; }
exit "$failed"
