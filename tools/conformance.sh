#!/bin/sh
# Runs tests/conformance on each given TensorFlow, in a temporary environment, which takes 2 GB and some minutes.
#     tools/conformance.sh 2.15 2.16 2.17 2.18 2.19 2.20 2.21
#     tools/conformance.sh nightly
# ESTIMATOR_LAB_TF115, a Python with TensorFlow 1.15, and ESTIMATOR_LAB_TF115_FULL=1 add the tests that need it.
set -eu
cd "$(dirname "$0")/.."
for version in "$@"; do
    case "$version" in
        2.15) pythons=3.11 ;;
        2.16 | 2.17 | 2.18 | 2.19) pythons='3.12 3.11' ;;
        *) pythons='3.13 3.12 3.11' ;;
    esac
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$(tools/find_python.sh $pythons)" -m venv "$folder/environment"
    python=$folder/environment/bin/python
    # A copy, in which any TensorFlow may be the newest one.
    git archive --prefix=copy/ HEAD | tar -x -C "$folder"
    if [ "$version" = nightly ]; then
        "$python" -m pip install --quiet --editable "$folder/copy[test]"
        "$python" -m pip uninstall --quiet --yes tensorflow tf-keras keras
        "$python" -m pip install --quiet --upgrade tf-nightly tf-keras-nightly
        sed -i 's/NEWEST_TENSORFLOW = (2, 15), .*/NEWEST_TENSORFLOW = (2, 15), (9, 0)/' "$folder/copy/estimator_lab/base/version.py"
    else
        # 2.20 writes graphs with a function that protobuf 7 removed.
        protobuf=protobuf
        [ "$version" = 2.20 ] && protobuf='protobuf<7'
        "$python" -m pip install --quiet --editable "$folder/copy[test]" "tensorflow==$version.*" "$protobuf"
    fi
    echo "== TensorFlow $version on $("$python" --version)"
    (cd "$folder/copy" && "$python" -m pytest --numprocesses=2 --dist=loadscope tests/conformance)
    rm -rf "$folder"
done
