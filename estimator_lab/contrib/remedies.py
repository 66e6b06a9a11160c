"""What to use instead of the names and packages of ``tf.contrib`` that have no source, in one sentence."""

from collections.abc import Mapping

_COLUMNS = 'use the columns of tf.feature_column, and tf.feature_column.input_layer'
_DISTRIBUTE = 'use tf.distribute.MirroredStrategy in a RunConfig'
_PROBABILITY = 'use the package tensorflow-probability'
_TRAIN_AND_EVALUATE = 'use tf.estimator.train_and_evaluate with a TrainSpec and an EvalSpec'

_REMEDIES: Mapping[str, Mapping[str, str]] = {
    '': {  # whole packages
        _DISTRIBUTE: 'all_reduce',
        'use tf.autograph': 'autograph',
        'use tf.nondifferentiable_batch_function': 'batching',
        _PROBABILITY: 'bayesflow',
        'TensorFlow 2.8 is the last version that has boosted trees; they live on in ydf': 'boosted_trees',
        'use tf.train.Checkpoint': 'checkpoint',
        'leave it out, as paths of Google Cloud need no settings; for BigQuery, use tensorflow-io': 'cloud',
        'use tf.graph_util and tf.import_graph_def': 'copy_graph',
        'use tf.summary': 'deprecated',
        'use the package tensorflow-io': 'bigtable ffmpeg hadoop ignite kafka kinesis',
        'use tf.import_graph_def with input_map': 'graph_editor',
        'use tf.train.ProfilerHook': 'hooks',
        'use tf.data': 'input_pipeline',
        'use scipy.integrate': 'integrate',
        'use tf.keras.layers.experimental.RandomFourierFeatures': 'kernel_methods',
        'use tf.Tensor with axes by number': 'labeled_tensor',
        'use tf.nn.dynamic_rnn with the cells of tf.nn.rnn_cell': 'grid_rnn recurrent',
        'use tf.estimator.experimental.LinearSDCA': 'linear_optimizer',
        'use tf.lite': 'lite',
        'use tf.config.experimental.get_memory_info': 'memory_stats',
        'use tf.mixed_precision.MixedPrecisionLossScaleOptimizer with FixedLossScale or DynamicLossScale': (
            'mixed_precision'
        ),
        'use the package tensorflow-model-optimization': 'model_pruning quantize',
        'use the package scann': 'nearest_neighbor',
        'use the optimizers of tf.train': 'optimizer_v2',
        'use tf.io.decode_proto and tf.io.encode_proto': 'proto',
        'use tf.math.segment_sum': 'reduce_slice_ops',
        'tensorflow-addons 0.23, for TensorFlow 2.15, was the last package that had it': (
            'resampler sparsemax'
        ),
        'use tf.saved_model and tf.estimator.Estimator.export_saved_model': 'saved_model session_bundle',
        'use tf.linalg.experimental.conjugate_gradient': 'solvers',
        'use tf.layers': 'specs',
        'use the package ydf': 'decision_trees tensor_forest',
        'use tf.compat.v2.experimental.tensorrt': 'tensorrt',
        'use tf.test': 'testing',
        'use the package tensorflow-text': 'text',
        'use tf.estimator with a recurrent network': 'timeseries',
        '': (
            'cmake constrained_optimization fused_conv libsvm meta_graph_transform periodic_resample '
            'quantization receptive_field remote_fused_graph rpc stat_summarizer'
        ),
    },
    'crf': {
        'use tf.contrib.crf.crf_log_norm': 'CrfForwardRnnCell crf_multitag_sequence_score',
        'use tf.contrib.crf.crf_decode': 'CrfDecodeForwardRnnCell CrfDecodeBackwardRnnCell',
    },
    'cudnn_rnn': {
        'use tf.keras.layers.GRU with reset_after=True, which has the equations of cuDNN': (
            'CudnnCompatibleGRUCell CudnnGRU'
        ),
        'use tf.nn.dynamic_rnn with tf.nn.rnn_cell.BasicRNNCell': 'CudnnRNNRelu CudnnRNNTanh',
        'use a tf.train.Saver, as the variables are those of cells': 'CudnnGRUSaveable CudnnLSTMSaveable',
    },
    'data': {
        'use Dataset.map with tf.ensure_shape': 'assert_element_shape',
        'use Dataset.window': 'sliding_window_batch',
        'use the package tensorflow-io': 'LMDBDataset',
        'use Dataset.reduce': 'reduce_dataset',
    },
    'distribute': {
        'use tf.distribute.experimental.MultiWorkerMirroredStrategy': (
            'CollectiveAllReduceStrategy MultiWorkerAllReduce'
        ),
        _DISTRIBUTE: 'Monitor StandardInputStep StandardSingleLossStep Step',
    },
    'eager': {
        'use tf.train.Checkpoint': 'Checkpointable CheckpointableSaver Saver get_optimizer_variables',
        'use tf.variable_scope with reuse=tf.AUTO_REUSE': 'EagerVariableStore',
        'use tf.keras.Model': 'Network Sequential',
        'use tf.keras.metrics': 'metrics',
    },
    'estimator': {
        'use tf.saved_model': 'SavedModelEstimator',
        'use tf.compat.v2.estimator.experimental': 'RNNClassifier RNNEstimator',
    },
    'factorization': {
        'use the package scikit-learn': 'gmm GMM WALSMatrixFactorization WALSModel',
    },
    'feature_column': {
        'use tf.keras.experimental.SequenceFeatures': 'sequence_input_layer',
    },
    'image': {
        'multiply their 3 x 3 matrices': (
            'compose_transforms flat_transforms_to_matrices matrices_to_flat_transforms'
        ),
    },
    'layers': {
        _COLUMNS: (
            'input_from_feature_columns joint_weighted_sum_from_feature_columns scattered_embedding_column '
            'sequence_input_from_feature_columns shared_embedding_columns '
            'weighted_sum_from_feature_columns'
        ),
        'use tf.feature_column.categorical_column_with_vocabulary_file': (
            'sparse_column_with_vocabulary_file'
        ),
        'use tf.recompute_grad': 'recompute_grad',
    },
    'learn': {
        'use the class of the same name in tf.estimator': (
            'DNNEstimator DNNLinearCombinedEstimator LinearEstimator'
        ),
        'use tf.contrib.learn.LinearClassifier': 'LogisticRegressor',
        'use tf.estimator.LatestExporter': 'ExportStrategy',
        'use tf.contrib.learn.Estimator': 'BaseEstimator Trainable',
        'use the Estimator itself, whose fit, evaluate and predict accept x, y and batch_size': 'SKCompat',
        'use tf.contrib.layers.real_valued_column': 'infer_real_valued_columns_from_input_fn',
        'use tf.estimator.export.build_raw_serving_input_receiver_fn': 'build_default_serving_input_fn',
        'use tf.contrib.learn.read_keyed_batch_examples': 'read_keyed_batch_examples_shared_queue',
        'use tf.contrib.learn.read_keyed_batch_features': (
            'queue_parsed_features read_keyed_batch_features_shared_queue'
        ),
        'use tf.train.latest_checkpoint, to see whether there is a checkpoint': 'NotFittedError',
        _TRAIN_AND_EVALUATE: 'Evaluable evaluate train',
        'use tf.contrib.factorization.KMeansClustering': 'KMeansClustering',
        'use numpy.frombuffer of the encoded text': 'ByteProcessor',
        'use a tf.Session': 'run_n',
        'use tf.estimator.EvalSpec, and tf.estimator.experimental.stop_if_no_decrease_hook': (
            'ValidationMonitor'
        ),
        'use the hooks of tf.train': 'monitors',
    },
    'legacy_seq2seq': {
        'use tf.nn.static_rnn, then tf.contrib.legacy_seq2seq.embedding_rnn_decoder': (
            'embedding_tied_rnn_seq2seq one2many_rnn_seq2seq'
        ),
        'use tf.contrib.seq2seq.sequence_loss of padded batches': 'model_with_buckets',
    },
    'lookup': {
        'use tf.contrib.lookup.index_table_from_file': 'string_to_index_table_from_file',
    },
    'opt': {
        'use tf.keras.optimizers.legacy.Nadam': 'NadamOptimizer',
        'use tf.keras.optimizers.legacy.Adamax': 'AdaMaxOptimizer',
        'use scipy.optimize with tf.gradients': 'ScipyOptimizerInterface ExternalOptimizerInterface',
        _DISTRIBUTE: 'ElasticAverageOptimizer ModelAverageOptimizer',
    },
    'rnn': {
        'use tf.nn.static_bidirectional_rnn once for each layer': 'stack_bidirectional_rnn',
        'use tf.nn.rnn_cell.GRUCell, whose variables have other names': 'GRUBlockCell',
        'use tf.contrib.seq2seq.AttentionWrapper': 'AttentionCellWrapper',
        'use tf.nn.rnn_cell.LSTMCell, which is another cell': (
            'NASCell UGRNNCell PhasedLSTMCell GridLSTMCell CoupledInputForgetGateLSTMCell IndRNNCell'
        ),
        'use tf.keras.layers.ConvLSTM2D': 'ConvLSTMCell Conv1DLSTMCell Conv2DLSTMCell Conv3DLSTMCell',
    },
    'seq2seq': {
        'use tf.contrib.seq2seq.BahdanauAttention or LuongAttention': (
            'BahdanauMonotonicAttention LuongMonotonicAttention monotonic_attention safe_cumprod'
        ),
        'use tf.one_hot of tf.argmax': 'hardmax',
        'use tf.contrib.seq2seq.CustomHelper': (
            'InferenceHelper ScheduledEmbeddingTrainingHelper ScheduledOutputTrainingHelper'
        ),
    },
    'tfprof': {
        'use tf.compat.v2.profiler.experimental.Profile': 'ProfileContext',
    },
    'tpu': {
        'use tf.distribute.experimental.TPUStrategy, on TensorFlow 2.15': (
            'TPUDistributionStrategy keras_to_tpu_model'
        ),
        'use tf.compat.v2.profiler.experimental': 'profiler',
    },
    'training': {
        'use tf.contrib.training.batch_sequences_with_states': 'SequenceQueueingStateSaver',
        'use tf.data': 'FeedingQueueRunner',
        'use tf.data.experimental.rejection_resample': (
            'rejection_sample resample_at_rate stratified_sample weighted_resample'
        ),
        'use tf.train.replica_device_setter without it': 'GreedyLoadBalancingStrategy RandomStrategy',
        _TRAIN_AND_EVALUATE: 'tuner Tuner',
    },
}
"""{package: {end of a sentence: missing names, separated by white space}}."""

REMEDIES: Mapping[str, Mapping[str, str]] = {
    package: {name: remedy for remedy, names in rows.items() for name in names.split()}
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
        REMEDIES.get(place, {}).get(word) for place, word in ((package, name), (first, name), ('', first))
    )
    advice = next(filter(None, found), 'it ended with TensorFlow 1, and nothing replaces it')
    return f'tf.contrib.{path} is not supported: {advice}.'
