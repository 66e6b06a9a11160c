"""What to use instead of the names and packages of ``tf.contrib`` that have no source, in one sentence."""

from collections.abc import Mapping

_DISTRIBUTE = 'use tf.distribute.MirroredStrategy in a RunConfig'
_ADDONS = 'tensorflow-addons 0.23, for TensorFlow 2.15, was the last package that had it'
_TRAIN_AND_EVALUATE = 'use tf.estimator.train_and_evaluate with a TrainSpec and an EvalSpec'

_REMEDIES: Mapping[str, Mapping[str, str]] = {
    '': {  # whole packages
        'all_reduce': _DISTRIBUTE,
        'autograph': 'use tf.autograph',
        'batching': 'use tf.nondifferentiable_batch_function',
        'bayesflow': 'use the package tensorflow-probability',
        'boosted_trees': 'TensorFlow 2.8 is the last version that has boosted trees; they live on in ydf',
        'checkpoint': 'use tf.train.Checkpoint',
        'cloud': 'leave it out, as paths of Google Cloud need no settings; for BigQuery, use tensorflow-io',
        'copy_graph': 'use tf.graph_util and tf.import_graph_def',
        'bigtable ffmpeg hadoop ignite kafka kinesis': 'use the package tensorflow-io',
        'graph_editor': 'use tf.import_graph_def with input_map',
        'hooks': 'use tf.train.ProfilerHook',
        'input_pipeline': 'use tf.data',
        'integrate': 'use scipy.integrate',
        'kernel_methods': 'use tf.keras.layers.experimental.RandomFourierFeatures',
        'labeled_tensor': 'use tf.Tensor with axes by number',
        'grid_rnn recurrent': 'use tf.nn.dynamic_rnn with the cells of tf.nn.rnn_cell',
        'linear_optimizer': 'use tf.estimator.experimental.LinearSDCA',
        'lite': 'use tf.lite',
        'memory_stats': 'use tf.config.experimental.get_memory_info',
        'mixed_precision': (
            'use tf.mixed_precision.MixedPrecisionLossScaleOptimizer with FixedLossScale or DynamicLossScale'
        ),
        'model_pruning': 'use the package tensorflow-model-optimization',
        'quantize': (
            'train without it, by a flag of the program such as --quantize=False or '
            '--quantize_delay_step=-1, or use the package tensorflow-model-optimization'
        ),
        'nearest_neighbor': 'use the package scann',
        'optimizer_v2': 'use the optimizers of tf.train',
        'proto': 'use tf.io.decode_proto and tf.io.encode_proto',
        'reduce_slice_ops': 'use tf.math.segment_sum',
        'resampler sparsemax': _ADDONS,
        'saved_model session_bundle': 'use tf.saved_model and tf.estimator.Estimator.export_saved_model',
        'solvers': 'use tf.linalg.experimental.conjugate_gradient',
        'specs': 'use tf.layers',
        'decision_trees tensor_forest': 'use the package ydf',
        'tensorrt': 'use tf.compat.v2.experimental.tensorrt',
        'testing': 'use tf.test',
        'text': 'use the package tensorflow-text',
        'timeseries': 'use tf.estimator with a recurrent network',
        'cmake constrained_optimization fused_conv libsvm meta_graph_transform periodic_resample '
        'quantization receptive_field remote_fused_graph rpc stat_summarizer': '',
    },
    'crf': {
        'CrfForwardRnnCell crf_multitag_sequence_score': 'use tf.contrib.crf.crf_log_norm',
        'CrfDecodeForwardRnnCell CrfDecodeBackwardRnnCell': 'use tf.contrib.crf.crf_decode',
    },
    'cudnn_rnn': {
        'CudnnCompatibleGRUCell CudnnGRU': (
            'use tf.keras.layers.GRU with reset_after=True, which has the equations of cuDNN'
        ),
        'CudnnRNNRelu CudnnRNNTanh': 'use tf.nn.dynamic_rnn with tf.nn.rnn_cell.BasicRNNCell',
        'CudnnGRUSaveable CudnnLSTMSaveable': 'use a tf.train.Saver, as the variables are those of cells',
    },
    'data': {
        'assert_element_shape': 'use Dataset.map with tf.ensure_shape',
        'sliding_window_batch': 'use Dataset.window',
        'LMDBDataset': 'use the package tensorflow-io',
        'reduce_dataset': 'use Dataset.reduce',
    },
    'distribute': {
        'CollectiveAllReduceStrategy MultiWorkerAllReduce': (
            'use tf.distribute.experimental.MultiWorkerMirroredStrategy'
        ),
        'Monitor StandardInputStep StandardSingleLossStep Step': _DISTRIBUTE,
    },
    'distributions': {'*': 'use the package tensorflow-probability'},
    'eager': {
        'Checkpointable CheckpointableSaver Saver get_optimizer_variables': 'use tf.train.Checkpoint',
        'EagerVariableStore': 'use tf.variable_scope with reuse=tf.AUTO_REUSE',
        'Sequential': 'use tf.keras.Sequential',
    },
    'estimator': {
        'SavedModelEstimator': 'use tf.saved_model',
        'RNNClassifier RNNEstimator': 'use tf.compat.v2.estimator.experimental',
    },
    'factorization': {'gmm GMM WALSMatrixFactorization WALSModel': 'use the package scikit-learn'},
    'feature_column': {'sequence_input_layer': 'use tf.keras.experimental.SequenceFeatures'},
    'image': {
        'compose_transforms flat_transforms_to_matrices matrices_to_flat_transforms': (
            'multiply their 3 x 3 matrices'
        ),
        'bipartite_match connected_components dense_image_warp interpolate_spline sparse_image_warp': _ADDONS,
    },
    'layers': {
        'input_from_feature_columns joint_weighted_sum_from_feature_columns scattered_embedding_column '
        'sequence_input_from_feature_columns shared_embedding_columns '
        'weighted_sum_from_feature_columns': (
            'use the columns of tf.feature_column, and tf.feature_column.input_layer'
        ),
        'sparse_column_with_vocabulary_file': 'use tf.feature_column.categorical_column_with_vocabulary_file',
        'recompute_grad': 'use tf.recompute_grad',
    },
    'learn': {
        'DNNEstimator DNNLinearCombinedEstimator LinearEstimator': (
            'use the class of the same name in tf.estimator'
        ),
        'LogisticRegressor': 'use tf.contrib.learn.LinearClassifier',
        'ExportStrategy': 'use tf.estimator.LatestExporter',
        'BaseEstimator Trainable': 'use tf.contrib.learn.Estimator',
        'SKCompat': 'use the Estimator itself, whose fit, evaluate and predict accept x, y and batch_size',
        'infer_real_valued_columns_from_input_fn': 'use tf.contrib.layers.real_valued_column',
        'build_default_serving_input_fn': 'use tf.estimator.export.build_raw_serving_input_receiver_fn',
        'read_keyed_batch_examples_shared_queue': 'use tf.contrib.learn.read_keyed_batch_examples',
        'queue_parsed_features read_keyed_batch_features_shared_queue': (
            'use tf.contrib.learn.read_keyed_batch_features'
        ),
        'NotFittedError': 'use tf.train.latest_checkpoint, to see whether there is a checkpoint',
        'Evaluable evaluate train': _TRAIN_AND_EVALUATE,
        'KMeansClustering': 'use tf.contrib.factorization.KMeansClustering',
        'ByteProcessor': 'use numpy.frombuffer of the encoded text',
        'run_n': 'use a tf.Session',
        'ValidationMonitor': f'{_TRAIN_AND_EVALUATE}, and tf.estimator.experimental.stop_if_no_decrease_hook',
        'monitors': f'use the hooks of tf.train; instead of its ValidationMonitor, {_TRAIN_AND_EVALUATE[4:]}',
    },
    'legacy_seq2seq': {
        'embedding_tied_rnn_seq2seq one2many_rnn_seq2seq': (
            'use tf.nn.static_rnn, then tf.contrib.legacy_seq2seq.embedding_rnn_decoder'
        ),
        'model_with_buckets': 'use tf.contrib.seq2seq.sequence_loss of padded batches',
    },
    'lookup': {'string_to_index_table_from_file': 'use tf.contrib.lookup.index_table_from_file'},
    'opt': {
        'NadamOptimizer': 'use tf.keras.optimizers.legacy.Nadam',
        'AdaMaxOptimizer': 'use tf.keras.optimizers.legacy.Adamax',
        'ScipyOptimizerInterface ExternalOptimizerInterface': 'use scipy.optimize with tf.gradients',
        'ElasticAverageOptimizer ModelAverageOptimizer': _DISTRIBUTE,
    },
    'rnn': {
        'stack_bidirectional_rnn': 'use tf.nn.static_bidirectional_rnn once for each layer',
        'GRUBlockCell': 'use tf.nn.rnn_cell.GRUCell, whose variables have other names',
        'AttentionCellWrapper': 'use tf.contrib.seq2seq.AttentionWrapper',
        'NASCell UGRNNCell PhasedLSTMCell GridLSTMCell CoupledInputForgetGateLSTMCell IndRNNCell': (
            'use tf.nn.rnn_cell.LSTMCell, which is another cell'
        ),
        'ConvLSTMCell Conv1DLSTMCell Conv2DLSTMCell Conv3DLSTMCell': 'use tf.keras.layers.ConvLSTM2D',
    },
    'seq2seq': {
        'BahdanauMonotonicAttention LuongMonotonicAttention monotonic_attention safe_cumprod': (
            'use tf.contrib.seq2seq.BahdanauAttention or LuongAttention'
        ),
        'hardmax': 'use tf.one_hot of tf.argmax',
        'InferenceHelper ScheduledEmbeddingTrainingHelper ScheduledOutputTrainingHelper': (
            'use tf.contrib.seq2seq.CustomHelper'
        ),
    },
    'tfprof': {'ProfileContext': 'use tf.compat.v2.profiler.experimental.Profile'},
    'tpu': {
        'TPUDistributionStrategy keras_to_tpu_model': (
            'use tf.distribute.experimental.TPUStrategy, on TensorFlow 2.15'
        ),
        'profiler': 'use tf.compat.v2.profiler.experimental',
    },
    'training': {
        'NextQueuedSequenceBatch SequenceQueueingStateSaver batch_sequences_with_states': (
            'split the sequences by tf.data, and feed the state of each segment to the next'
        ),
        'FeedingQueueRunner': 'use tf.data',
        'rejection_sample resample_at_rate stratified_sample weighted_resample': (
            'use tf.data.experimental.rejection_resample'
        ),
        'GreedyLoadBalancingStrategy RandomStrategy': 'use tf.train.replica_device_setter without it',
        'tuner Tuner': _TRAIN_AND_EVALUATE,
    },
}
"""{package: {missing names, separated by white space: end of a sentence}}."""

REMEDIES: Mapping[str, Mapping[str, str]] = {
    package: {name: remedy for names, remedy in rows.items() for name in names.split()}
    for package, rows in _REMEDIES.items()
}
"""{package: {missing name: what to use instead, '' for nothing}}; '' has the missing packages."""


def short(path: str) -> str:
    """Returns the path below tf.contrib without `python.learn`, as `learn.python.learn` is `learn` itself."""
    return path.replace('learn.python.learn', 'learn')


def sentence(path: str) -> str:
    """Returns the error message for `tf.contrib.<path>`: one sentence that says what to use instead."""
    package, _, name = short(path).rpartition('.')
    first = path.partition('.')[0]
    found = (
        REMEDIES.get(place, {}).get(word)
        for place, word in ((package, name), (first, name), (first, '*'), ('', first))
    )
    advice = next(filter(None, found), 'it ended with TensorFlow 1, and nothing replaces it')
    return f'tf.contrib.{path} is not supported: {advice}.'
