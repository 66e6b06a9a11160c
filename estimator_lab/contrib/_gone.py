"""Replacements of the packages and names of ``tf.contrib`` that are missing; each ends a sentence."""

from collections.abc import Mapping

from estimator_lab.tf1._moved_names import table

_COLUMNS = 'use the columns of tf.feature_column, and tf.feature_column.input_layer'
_CANNED = 'use the class of the same name in tf.estimator'
_QUEUES = 'use tf.data'
_ADDONS = 'the last version of tensorflow-addons, 0.23 for TensorFlow 2.15, had it'
_PROBABILITY = 'use the package tensorflow-probability'
_DISTRIBUTE = 'use tf.distribute.MirroredStrategy in a RunConfig'
_TRAIN_AND_EVALUATE = 'use tf.estimator.train_and_evaluate with a TrainSpec and an EvalSpec'

PACKAGES: Mapping[str, str] = {
    'all_reduce': _DISTRIBUTE,
    'autograph': 'use tf.autograph',
    'batching': 'use tf.nondifferentiable_batch_function',
    'bayesflow': _PROBABILITY,
    'boosted_trees': 'TensorFlow 2.8 is the last version that has boosted trees; they live on in ydf',
    'checkpoint': 'use tf.train.Checkpoint',
    'copy_graph': 'use tf.graph_util and tf.import_graph_def',
    'deprecated': 'use tf.summary',
    'eager': 'use tf.GradientTape, tf.Variable and tf.executing_eagerly',
    'factorization': 'use tf.estimator.experimental.KMeans',
    'ffmpeg': 'use tf.audio, or the package tensorflow-io',
    'graph_editor': 'use tf.import_graph_def with input_map',
    'grid_rnn': 'use tf.nn.rnn_cell',
    'hadoop': 'use the package tensorflow-io',
    'hooks': 'use tf.train.ProfilerHook',
    'input_pipeline': _QUEUES,
    'integrate': 'use tf.math.reduce_sum over steps, or scipy.integrate',
    'kafka': 'use the package tensorflow-io',
    'kernel_methods': 'use tf.keras.layers.experimental.RandomFourierFeatures',
    'kinesis': 'use the package tensorflow-io',
    'labeled_tensor': 'use tf.Tensor with axes by number',
    'legacy_seq2seq': 'use tf.nn.dynamic_rnn with the cells of tf.nn.rnn_cell',
    'linear_optimizer': 'use tf.estimator.experimental.LinearSDCA',
    'lite': 'use tf.lite',
    'memory_stats': 'use tf.config.experimental.get_memory_info',
    'meta_graph_transform': 'use tf.graph_util',
    'model_pruning': 'use the package tensorflow-model-optimization',
    'nearest_neighbor': 'use the package scann',
    'optimizer_v2': 'use the optimizers of tf.train',
    'proto': 'use tf.io.decode_proto and tf.io.encode_proto',
    'quantize': 'use the package tensorflow-model-optimization',
    'recurrent': 'use tf.nn.dynamic_rnn',
    'reduce_slice_ops': 'use tf.math.segment_sum',
    'resampler': _ADDONS,
    'rpc': 'use grpc',
    'saved_model': 'use tf.saved_model and tf.estimator.Estimator.export_saved_model',
    'session_bundle': 'use tf.saved_model',
    'solvers': 'use tf.linalg.experimental.conjugate_gradient',
    'specs': 'use tf.layers',
    'tensor_forest': 'use the package ydf',
    'tensorrt': 'use tf.experimental.tensorrt',
    'testing': 'use tf.test',
    'text': 'use the package tensorflow-text',
    'timeseries': 'use tf.estimator with an RNN',
    'training.tuner': _TRAIN_AND_EVALUATE,
}

# The packages of 1.15 that are missing here.
_WORDS = """
bigtable cloud cmake constrained_optimization decision_trees fused_conv ignite kernel_methods libsvm
periodic_resample quantization receptive_field remote_fused_graph stat_summarizer
"""
MISSING_PACKAGES = frozenset((*_WORDS.split(), *(name for name in PACKAGES if '.' not in name)))

# {package: {replacement: names separated by white space}}
NAMES: Mapping[str, Mapping[str, str]] = table(f"""
[crf]
use tf.contrib.crf.crf_log_norm: CrfForwardRnnCell
use tf.contrib.crf.crf_decode: CrfDecodeForwardRnnCell CrfDecodeBackwardRnnCell
[cudnn_rnn]
use a tf.train.Saver, as the variables have the format of the compatible cells:
    CudnnGRUSaveable CudnnLSTMSaveable CudnnRNNReluSaveable CudnnRNNTanhSaveable
    CudnnParamsFormatConverterGRU CudnnParamsFormatConverterLSTM CudnnParamsFormatConverterRelu
    CudnnParamsFormatConverterTanh
[data]
use Dataset.map with tf.ensure_shape: assert_element_shape
use tf.data.experimental.make_batched_features_dataset: read_batch_features
use Dataset.window: sliding_window_batch
use the package tensorflow-io: LMDBDataset
use Dataset.prefetch: prefetch_to_device
use Dataset.reduce: reduce_dataset
[distribute]
use tf.distribute.experimental.MultiWorkerMirroredStrategy: MultiWorkerAllReduce
{_DISTRIBUTE}: Monitor StandardInputStep StandardSingleLossStep Step
[estimator]
use tf.saved_model: SavedModelEstimator
[layers]
{_COLUMNS}:
    input_from_feature_columns joint_weighted_sum_from_feature_columns scattered_embedding_column
    sequence_input_from_feature_columns shared_embedding_columns weighted_sum_from_feature_columns
use tf.recompute_grad: recompute_grad
[learn]
{_CANNED}:
    DNNEstimator DNNLinearCombinedEstimator LinearEstimator
use tf.contrib.learn.LinearClassifier: LogisticRegressor
use tf.contrib.learn.Estimator: BaseEstimator Trainable
{_TRAIN_AND_EVALUATE}: Evaluable evaluate train
use tf.estimator.experimental.KMeans: KMeansClustering
use tf.keras.preprocessing: preprocessing
{_QUEUES}: read_batch_examples
use a tf.Session: run_n
use a tf.train.SessionRunHook: BaseMonitor CaptureVariable EveryN RunHookAdapterForMonitors
use tf.estimator.LatestExporter in an EvalSpec: ExportMonitor
use save_checkpoints_steps of a RunConfig, or tf.train.CheckpointSaverHook: CheckpointSaver
use save_summary_steps of a RunConfig, or tf.train.SummarySaverHook: SummarySaver
use tf.train.LoggingTensorHook with the names of the tensors: GraphDump LoggingTrainable
leave it out, as an Estimator logs its loss and writes summaries: get_default_monitors
[lookup]
use tf.contrib.lookup.index_table_from_file: string_to_index_table_from_file
[opt]
use tf.keras.optimizers.legacy.Nadam: NadamOptimizer
use tf.keras.optimizers.legacy.Adamax: AdaMaxOptimizer
use scipy.optimize with tf.gradients: ScipyOptimizerInterface ExternalOptimizerInterface
{_DISTRIBUTE}: ElasticAverageOptimizer ModelAverageOptimizer
[rnn]
use tf.nn.static_bidirectional_rnn once for each layer: stack_bidirectional_rnn
[tfprof]
use tf.compat.v2.profiler.experimental.Profile: ProfileContext
[tpu]
use tf.distribute.experimental.TPUStrategy, on TensorFlow 2.15: TPUDistributionStrategy keras_to_tpu_model
use tf.profiler.experimental: profiler
[training]
use tf.data, which has bucket_by_sequence_length in tf.data.experimental:
    batch_sequences_with_states bucket bucket_by_sequence_length SequenceQueueingStateSaver FeedingQueueRunner
use tf.data.experimental.rejection_resample:
    rejection_sample resample_at_rate stratified_sample weighted_resample
use tf.train.replica_device_setter without it: GreedyLoadBalancingStrategy RandomStrategy
""")


def sentence(path: str) -> str:
    """Returns the error message for `tf.contrib.<path>`: one sentence that says what to use instead."""
    package, name = path.partition('.')[0], path.rpartition('.')[2]
    remedy = PACKAGES.get(path) or _replacement(package, name) or PACKAGES.get(package)
    return (
        f'tf.contrib.{path} is not supported: '
        + (remedy or 'it ended with TensorFlow 1, and TensorFlow 2 has nothing of that name')
        + '.'
    )


def is_known(package: str, name: str) -> bool:
    """Returns whether this name has its own sentence, so that it is not looked up elsewhere."""
    return _replacement(package, name) is not None


def _replacement(package: str, name: str) -> str | None:
    sentences = NAMES.get(package, {}).items()
    return next((replacement for replacement, names in sentences if name in names.split()), None)
