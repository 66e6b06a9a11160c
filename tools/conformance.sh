#!/bin/sh
# Runs tests/conformance on each given TensorFlow, in a temporary environment, and writes docs/conformance.md from the
# results of all versions that have been run.
#     tools/conformance.sh [RESULTS] VERSION...
#     tools/conformance.sh 2.15 2.16 2.17 2.18 2.19 2.20 2.21
# RESULTS is a folder for the results, kept between runs; default .conformance. An environment takes 2 GB and some
# minutes. CI runs the oldest and the newest version only. ESTIMATOR_LAB_TF115, a Python with TensorFlow 1.15, and
# ESTIMATOR_LAB_TF115_FULL=1 enable the tests of 1.15 checkpoints in both directions.
set -eu
cd "$(dirname "$0")/.."

results=.conformance
case "${1:-}" in
    [0-9]*) ;;
    "") sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) results=$1; shift ;;
esac
mkdir -p "$results"

# The Python versions that a TensorFlow version supports, newest first.
pythons() {
    case "$1" in
        2.15) echo 3.11 ;;
        2.16 | 2.17 | 2.18 | 2.19) echo 3.12 3.11 ;;
        *) echo 3.13 3.12 3.11 ;;
    esac
}

failed=0
for version in "$@"; do
    python=$(tools/find_python.sh $(pythons "$version"))
    environment=$(mktemp -d)
    trap 'rm -rf "$environment"' EXIT
    "$python" -m venv "$environment"
    # 2.20 writes graphs with a function that protobuf 7 removed.
    protobuf=protobuf
    [ "$version" = 2.20 ] && protobuf='protobuf<7'
    "$environment/bin/python" -m pip install --quiet '.[test]' "tensorflow==$version.*" "$protobuf"
    "$environment/bin/python" -m pip uninstall --quiet --yes estimator-lab
    echo "== TensorFlow $version on $("$environment/bin/python" --version)"
    "$environment/bin/python" -m pytest --numprocesses=2 --dist=loadfile tests/conformance \
        --junitxml="$results/$version.xml" || failed=1
    rm -rf "$environment"
done
python3 tools/conformance_table.py "$results"/*.xml >docs/conformance.md
exit "$failed"
