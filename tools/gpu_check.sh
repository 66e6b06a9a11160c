#!/bin/sh
# Checks this machine's GPUs: the conformance suite, a short training of each model, and `mirrored` on all
# GPUs. Prints a line for each; exits with 1 if one fails.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=$(mktemp -d)
failed=0

check() {
    name=$1
    shift
    if "$python" -m "$@" >"$out/$name.txt" 2>&1; then
        echo "works  $name"
    else
        echo "FAILS  $name: see $out/$name.txt"
        failed=1
    fi
}

"$python" -c 'from estimator_lab.tf1 import tf; print(tf.config.list_physical_devices("GPU") or "There is no GPU.")'
check conformance pytest -q tests/conformance
for model in cnn mlp vgg resnet rbm dbn autoencoder gan recurrent recursive; do
    check "$model" estimator_lab.train --model="$model" --image_size=64 --max_steps=100 --model_dir="$out/$model"
done
check mirrored estimator_lab.train --max_steps=100 --distribution=mirrored --model_dir="$out/mirrored"
exit "$failed"
