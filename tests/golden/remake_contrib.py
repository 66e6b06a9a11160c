"""Regenerates contrib_tf115.json: what real TensorFlow 1.15.5's tf.contrib computes.

    python3.7 -m pip install tensorflow==1.15.5 'protobuf<3.21' numpy scikit-learn
    python3.7 tests/golden/remake_contrib.py tests/golden/contrib_tf115.json

Inputs and weights are made by formula. The script also runs under `estimator_lab.contrib`, so that both sides
run the same lines.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from contrib_cells import cells, crf, cudnn_cells, cudnn_layers, fused_lstm, projections
from contrib_heads import heads, multi_heads
from contrib_hparams import hparams
from contrib_layers import (
    batch_norm,
    fully_connected,
    layer_norm,
    metrics,
    optimize_loss,
    optimizers,
)
from contrib_learn import learn_metrics, record_files, vocabularies
from contrib_queues import buckets
from contrib_sequences import (
    attention,
    beam_search,
    decoding,
    legacy_decoders,
    legacy_losses,
    legacy_models,
    sequence_losses,
)
from contrib_shared import tf
from contrib_training import embeddings, images, wrappers
from contrib_wrapped import wrapped_estimators

PARTS = [
    *(fully_connected, layer_norm, batch_norm, optimize_loss, optimizers, metrics, hparams),
    *(crf, fused_lstm, cells, wrappers, embeddings, images, heads, multi_heads, cudnn_cells, cudnn_layers),
    *(attention, decoding, beam_search, sequence_losses, legacy_decoders, legacy_losses),
    *(projections, legacy_models, buckets),
    *(learn_metrics, vocabularies, record_files, wrapped_estimators),
]


def everything():
    """Returns {part: figures}."""
    found = {}
    for part in PARTS:
        with tf.Graph().as_default():
            found[part.__name__] = part()
    return found


if __name__ == '__main__':
    figures = everything()
    figures['version'] = tf.__version__
    parts = [f' "{name}": {json.dumps(figures[name], sort_keys=True)}' for name in sorted(figures)]
    Path(sys.argv[1]).write_text('{\n' + ',\n'.join(parts) + '\n}\n')
    os._exit(0)  # without waiting for the threads of queues
