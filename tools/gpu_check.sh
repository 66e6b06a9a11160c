#!/bin/sh
# Checks this machine's GPUs: the conformance suite, a training of each model, float16 against float32, and `mirrored` on
# all GPUs. Prints one table; without a GPU, the same on the CPU. Takes the flags of tools/gpu_check.py.
set -eu
cd "$(dirname "$0")/.."
PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python3}" tools/gpu_check.py "$@"
