#!/bin/sh
# Runs tests/conformance on each given TensorFlow, in a temporary environment, which takes 2 GB and some minutes.
#     tools/conformance.sh 2.15 2.16 2.17 2.18 2.19 2.20 2.21
# ESTIMATOR_LAB_TF115, a Python with TensorFlow 1.15, and ESTIMATOR_LAB_TF115_FULL=1 add the tests that need it.
set -eu
cd "$(dirname "$0")/.."
for version in "$@"; do
    case "$version" in
        2.15) pythons=3.11 ;;
        2.16 | 2.17 | 2.18 | 2.19) pythons='3.12 3.11' ;;
        *) pythons='3.13 3.12 3.11' ;;
    esac
    environment=$(mktemp -d)
    trap 'rm -rf "$environment"' EXIT
    "$(tools/find_python.sh $pythons)" -m venv "$environment"
    # 2.20 writes graphs with a function that protobuf 7 removed.
    protobuf=protobuf
    [ "$version" = 2.20 ] && protobuf='protobuf<7'
    "$environment/bin/python" -m pip install --quiet --editable '.[test]' "tensorflow==$version.*" "$protobuf"
    echo "== TensorFlow $version on $("$environment/bin/python" --version)"
    "$environment/bin/python" -m pytest --numprocesses=2 --dist=loadfile tests/conformance
    rm -rf "$environment"
done
