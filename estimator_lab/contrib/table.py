"""The source of each name of ``tf.contrib``, and what replaces the names that have none.

TABLE is {package: {source: names}}. A source is `tf` with a path below it, or a module. `old=new` means that
the source uses another name; `*` is every name that the source has. A source that starts with `!` is a
remedy: those names are missing, and the remedy ends the sentence that says so. The section `contrib` has the
missing packages, and `modules` those that are elsewhere as a whole, including everything below them.
"""

from collections.abc import Mapping

from estimator_lab.tf1.moved import names_of, table

_COLUMNS = 'use the columns of tf.feature_column, and tf.feature_column.input_layer'
_DISTRIBUTE = 'use tf.distribute.MirroredStrategy in a RunConfig'
_PROBABILITY = 'use the package tensorflow-probability'
_TRAIN_AND_EVALUATE = 'use tf.estimator.train_and_evaluate with a TrainSpec and an EvalSpec'

TABLE: Mapping[str, Mapping[str, str]] = table(f"""
[cluster_resolver]
tf.distribute.cluster_resolver:
    ClusterResolver SimpleClusterResolver UnionClusterResolver=UnionResolver TPUClusterResolver
    TFConfigClusterResolver GCEClusterResolver KubernetesClusterResolver SlurmClusterResolver
[compiler]
tensorflow.python.compiler.xla: jit xla
[contrib]
! {_DISTRIBUTE}: all_reduce
! use tf.autograph: autograph
! use tf.nondifferentiable_batch_function: batching
! {_PROBABILITY}: bayesflow
! TensorFlow 2.8 is the last version that has boosted trees; they live on in ydf: boosted_trees
! use tf.train.Checkpoint: checkpoint
! leave it out, as paths of Google Cloud need no settings; for BigQuery, use tensorflow-io: cloud
! use tf.graph_util and tf.import_graph_def: copy_graph
! use tf.summary: deprecated
! use the package tensorflow-io: bigtable ffmpeg hadoop ignite kafka kinesis
! use tf.import_graph_def with input_map: graph_editor
! use tf.train.ProfilerHook: hooks
! use tf.data: input_pipeline
! use scipy.integrate: integrate
! use tf.keras.layers.experimental.RandomFourierFeatures: kernel_methods
! use tf.Tensor with axes by number: labeled_tensor
! use tf.nn.dynamic_rnn with the cells of tf.nn.rnn_cell: grid_rnn recurrent
! use tf.estimator.experimental.LinearSDCA: linear_optimizer
! use tf.lite: lite
! use tf.config.experimental.get_memory_info: memory_stats
! use tf.mixed_precision.MixedPrecisionLossScaleOptimizer with FixedLossScale or DynamicLossScale:
    mixed_precision
! use the package tensorflow-model-optimization: model_pruning quantize
! use the package scann: nearest_neighbor
! use the optimizers of tf.train: optimizer_v2
! use tf.io.decode_proto and tf.io.encode_proto: proto
! use tf.math.segment_sum: reduce_slice_ops
! tensorflow-addons 0.23, for TensorFlow 2.15, was the last package that had it: resampler sparsemax
! use tf.saved_model and tf.estimator.Estimator.export_saved_model: saved_model session_bundle
! use tf.linalg.experimental.conjugate_gradient: solvers
! use tf.layers: specs
! use the package ydf: decision_trees tensor_forest
! use tf.compat.v2.experimental.tensorrt: tensorrt
! use tf.test: testing
! use the package tensorflow-text: text
! use tf.estimator with a recurrent network: timeseries
!:
    cmake constrained_optimization fused_conv libsvm meta_graph_transform periodic_resample quantization
    receptive_field remote_fused_graph rpc stat_summarizer
[crf]
estimator_lab.contrib.crf:
    crf_binary_score crf_decode crf_log_likelihood crf_log_norm crf_sequence_score crf_unary_score
    viterbi_decode
! use tf.contrib.crf.crf_log_norm: CrfForwardRnnCell crf_multitag_sequence_score
! use tf.contrib.crf.crf_decode: CrfDecodeForwardRnnCell CrfDecodeBackwardRnnCell
[cudnn_rnn]
estimator_lab.contrib.cudnn_rnn: CudnnCompatibleLSTMCell CudnnLSTM
! use tf.keras.layers.GRU with reset_after=True, which has the equations of cuDNN:
    CudnnCompatibleGRUCell CudnnGRU
! use tf.nn.dynamic_rnn with tf.nn.rnn_cell.BasicRNNCell: CudnnRNNRelu CudnnRNNTanh
! use a tf.train.Saver, as the variables are those of cells: CudnnGRUSaveable CudnnLSTMSaveable
[data]
estimator_lab.contrib.renamed:
    batch_and_drop_remainder padded_batch_and_drop_remainder sloppy_interleave
estimator_lab.contrib.input_datasets: Dataset FixedLengthRecordDataset TFRecordDataset TextLineDataset
tf.data: Iterator Options
tf.data.experimental: read_batch_features=make_batched_features_dataset *
! use Dataset.map with tf.ensure_shape: assert_element_shape
! use Dataset.window: sliding_window_batch
! use the package tensorflow-io: LMDBDataset
! use Dataset.reduce: reduce_dataset
[distribute]
estimator_lab.contrib.renamed: MirroredStrategy
tf.distribute:
    OneDeviceStrategy DistributionStrategy=Strategy ReplicaContext CrossDeviceOps get_strategy
    get_distribution_strategy=get_strategy get_replica_context has_strategy
    has_distribution_strategy=has_strategy in_cross_replica_context get_loss_reduction
tf.distribute.experimental: ParameterServerStrategy TPUStrategy
tensorflow.python.distribute.cross_device_ops: AllReduceCrossDeviceOps
tensorflow.python.distribute.distribute_config: DistributeConfig
tensorflow.python.distribute.distribute_coordinator: run_standard_tensorflow_server
tensorflow.python.distribute.distribute_lib: *
! use tf.distribute.experimental.MultiWorkerMirroredStrategy:
    CollectiveAllReduceStrategy MultiWorkerAllReduce
! {_DISTRIBUTE}: Monitor StandardInputStep StandardSingleLossStep Step
[distributions]
tf.distributions: *
[eager]
tf:
    GradientTape TensorSpec custom_gradient defun=function enable_eager_execution executing_eagerly function
    py_func=py_function wrap_function
tf.app: run
tf.train: Checkpoint
estimator_lab.contrib.renamed: list_devices
tensorflow.python.data.ops.iterator_ops: Iterator=OwnedIterator
tensorflow.python.eager.backprop:
    gradients_function implicit_gradients=implicit_grad implicit_value_and_gradients=implicit_val_and_grad
    value_and_gradients_function=val_and_grad_function
tensorflow.python.eager.context:
    ASYNC DEVICE_PLACEMENT_EXPLICIT DEVICE_PLACEMENT_SILENT DEVICE_PLACEMENT_WARN SYNC num_gpus
tensorflow.python.ops.resource_variable_ops: Variable=ResourceVariable
! use tf.train.Checkpoint: Checkpointable CheckpointableSaver Saver get_optimizer_variables
! use tf.variable_scope with reuse=tf.AUTO_REUSE: EagerVariableStore
! use tf.keras.Model: Network Sequential
! use tf.keras.metrics: metrics
[estimator]
estimator_lab.contrib.estimator:
    TowerOptimizer binary_classification_head clip_gradients_by_norm forward_features
    logistic_regression_head multi_class_head multi_head multi_label_head poisson_regression_head
    regression_head replicate_model_fn
tf.estimator: BaselineEstimator DNNEstimator DNNLinearCombinedEstimator LinearEstimator add_metrics
tf.estimator.experimental: *
! use tf.saved_model: SavedModelEstimator
! use tf.compat.v2.estimator.experimental: RNNClassifier RNNEstimator
[factorization]
tf.estimator.experimental: KMeansClustering=KMeans
tensorflow.python.ops.clustering_ops:
    COSINE_DISTANCE KMEANS_PLUS_PLUS_INIT KMeans RANDOM_INIT SQUARED_EUCLIDEAN_DISTANCE
! use the package scikit-learn: gmm GMM WALSMatrixFactorization WALSModel
[feature_column]
tf.feature_column:
    sequence_categorical_column_with_hash_bucket sequence_categorical_column_with_identity
    sequence_categorical_column_with_vocabulary_file sequence_categorical_column_with_vocabulary_list
    sequence_numeric_column
! use tf.keras.experimental.SequenceFeatures: sequence_input_layer
[framework]
tf.train:
    assert_global_step create_global_step get_global_step get_or_create_global_step init_from_checkpoint
    list_variables load_checkpoint load_variable
tf: TensorSpec argsort sort py_func assert_same_float_dtype assert_scalar convert_to_tensor_or_sparse_tensor
tensorflow.python.framework.tensor_util: is_tensor=is_tf_type
tensorflow.python.framework.smart_cond: smart_cond smart_case smart_constant_value
tensorflow.python.util.deprecation: deprecated deprecated_arg_values deprecated_args
tf_slim.ops.arg_scope: *
tf_slim.ops.variables: *
[image]
estimator_lab.contrib.image: angles_to_projective_transforms rotate transform translate
    translations_to_projective_transforms
! multiply their 3 x 3 matrices: compose_transforms flat_transforms_to_matrices matrices_to_flat_transforms
[keras]
tf.keras: *
[layers]
tf.nn: safe_embedding_lookup_sparse
tf.feature_column: bucketized_column create_feature_spec_for_parsing=make_parse_example_spec
    one_hot_column=indicator_column weighted_sparse_column=weighted_categorical_column
estimator_lab.contrib.columns:
    crossed_column embedding_column real_valued_column sparse_column_with_hash_bucket
    sparse_column_with_integerized_feature sparse_column_with_keys
estimator_lab.contrib.renamed: embed_sequence
tf_slim.layers: *
tf_slim.layers.layers: *
! {_COLUMNS}:
    input_from_feature_columns joint_weighted_sum_from_feature_columns scattered_embedding_column
    sequence_input_from_feature_columns shared_embedding_columns weighted_sum_from_feature_columns
! use tf.feature_column.categorical_column_with_vocabulary_file: sparse_column_with_vocabulary_file
! use tf.recompute_grad: recompute_grad
[learn]
estimator_lab.contrib.learn: MetricSpec ModeKeys ModelFnOps PredictionKey ProblemType RunConfig
estimator_lab.contrib.learn_estimator: Estimator
estimator_lab.contrib.learn_canned:
    DNNClassifier DNNLinearCombinedClassifier DNNLinearCombinedRegressor DNNRegressor LinearClassifier
    LinearRegressor
estimator_lab.contrib.learn_input:
    InputFnOps build_parsing_serving_input_fn infer_real_valued_columns_from_input read_batch_examples
    read_batch_features read_batch_record_features read_keyed_batch_examples read_keyed_batch_features
estimator_lab.contrib.experiment: Experiment make_export_strategy
tf.estimator: NanLossDuringTrainingError
! use the class of the same name in tf.estimator: DNNEstimator DNNLinearCombinedEstimator LinearEstimator
! use tf.contrib.learn.LinearClassifier: LogisticRegressor
! use tf.estimator.LatestExporter: ExportStrategy
! use tf.contrib.learn.Estimator: BaseEstimator Trainable
! use the Estimator itself, whose fit, evaluate and predict accept x, y and batch_size: SKCompat
! use tf.contrib.layers.real_valued_column: infer_real_valued_columns_from_input_fn
! use tf.estimator.export.build_raw_serving_input_receiver_fn: build_default_serving_input_fn
! use tf.contrib.learn.read_keyed_batch_examples: read_keyed_batch_examples_shared_queue
! use tf.contrib.learn.read_keyed_batch_features:
    queue_parsed_features read_keyed_batch_features_shared_queue
! use tf.train.latest_checkpoint, to see whether there is a checkpoint: NotFittedError
! {_TRAIN_AND_EVALUATE}: Evaluable evaluate train
! use tf.contrib.factorization.KMeansClustering: KMeansClustering
! use numpy.frombuffer of the encoded text: ByteProcessor
! use a tf.Session: run_n
! use tf.estimator.EvalSpec, and tf.estimator.experimental.stop_if_no_decrease_hook: ValidationMonitor
! use the hooks of tf.train: monitors
[legacy_seq2seq]
estimator_lab.contrib.legacy_seq2seq:
    attention_decoder basic_rnn_seq2seq embedding_attention_decoder embedding_attention_seq2seq
    embedding_rnn_decoder embedding_rnn_seq2seq rnn_decoder sequence_loss sequence_loss_by_example
    tied_rnn_seq2seq
! use tf.nn.static_rnn, then tf.contrib.legacy_seq2seq.embedding_rnn_decoder:
    embedding_tied_rnn_seq2seq one2many_rnn_seq2seq
! use tf.contrib.seq2seq.sequence_loss of padded batches: model_with_buckets
[lookup]
estimator_lab.contrib.renamed:
    HashTable index_table_from_tensor index_to_string_table_from_tensor
    string_to_index_table_from_tensor=index_table_from_tensor
tensorflow.python.ops.lookup_ops: *
! use tf.contrib.lookup.index_table_from_file: string_to_index_table_from_file
[losses]
tf_slim.losses: *
[metrics]
tf: confusion_matrix
tf.sets: set_difference=difference set_intersection=intersection set_size=size set_union=union
tf_slim.metrics: *
[nn]
tf.nn: *
[opt]
estimator_lab.contrib.opt:
    AdamWOptimizer DecoupledWeightDecayExtension LARSOptimizer LazyAdamOptimizer MomentumWOptimizer
    MovingAverageOptimizer extend_with_decoupled_weight_decay
! use tf.keras.optimizers.legacy.Nadam: NadamOptimizer
! use tf.keras.optimizers.legacy.Adamax: AdaMaxOptimizer
! use scipy.optimize with tf.gradients: ScipyOptimizerInterface ExternalOptimizerInterface
! {_DISTRIBUTE}: ElasticAverageOptimizer ModelAverageOptimizer
[predictor]
estimator_lab.contrib.predictor: from_estimator from_saved_model
[rnn]
tf.nn.rnn_cell:
    BasicLSTMCell BasicRNNCell DeviceWrapper DropoutWrapper GRUCell LSTMCell LSTMStateTuple MultiRNNCell
    RNNCell ResidualWrapper GRUBlockCellV2=GRUCell LSTMBlockCell=LSTMCell
tf.nn: static_bidirectional_rnn static_rnn static_state_saving_rnn
estimator_lab.contrib.projections: EmbeddingWrapper InputProjectionWrapper OutputProjectionWrapper
estimator_lab.contrib.rnn:
    LSTMBlockFusedCell LayerNormBasicLSTMCell TimeReversedFusedRNN stack_bidirectional_dynamic_rnn
    transpose_batch_time
! use tf.nn.static_bidirectional_rnn once for each layer: stack_bidirectional_rnn
! use tf.nn.rnn_cell.GRUCell, whose variables have other names: GRUBlockCell
! use tf.contrib.seq2seq.AttentionWrapper: AttentionCellWrapper
! use tf.nn.rnn_cell.LSTMCell, which is another cell: NASCell UGRNNCell PhasedLSTMCell GridLSTMCell
    CoupledInputForgetGateLSTMCell IndRNNCell
! use tf.keras.layers.ConvLSTM2D: ConvLSTMCell Conv1DLSTMCell Conv2DLSTMCell Conv3DLSTMCell
[seq2seq]
estimator_lab.contrib.attention: AttentionMechanism BahdanauAttention LuongAttention
estimator_lab.contrib.attention_wrapper: AttentionWrapper AttentionWrapperState
estimator_lab.contrib.beam_search:
    BeamSearchDecoder BeamSearchDecoderOutput BeamSearchDecoderState FinalBeamSearchDecoderOutput gather_tree
    tile_batch
estimator_lab.contrib.decoding: BasicDecoder BasicDecoderOutput Decoder dynamic_decode sequence_loss
estimator_lab.contrib.decoding_helpers:
    CustomHelper GreedyEmbeddingHelper Helper SampleEmbeddingHelper TrainingHelper
! use tf.contrib.seq2seq.BahdanauAttention or LuongAttention:
    BahdanauMonotonicAttention LuongMonotonicAttention monotonic_attention safe_cumprod
! use tf.one_hot of tf.argmax: hardmax
! use tf.contrib.seq2seq.CustomHelper:
    InferenceHelper ScheduledEmbeddingTrainingHelper ScheduledOutputTrainingHelper
[signal]
tf.signal: *
[staging]
tensorflow.python.ops.data_flow_ops: StagingArea
[stateless]
tf.random:
    stateless_multinomial stateless_random_normal=stateless_normal stateless_random_uniform=stateless_uniform
    stateless_truncated_normal
[summary]
tensorflow.python.ops.summary_ops_v2: *
tf.summary: all_summary_ops=all_v2_summary_ops
[tfprof]
tensorflow.python.profiler: model_analyzer tfprof_logger
! use tf.compat.v2.profiler.experimental.Profile: ProfileContext
[tpu]
estimator_lab.contrib.renamed: CrossShardOptimizer
tf.estimator.tpu: InputPipelineConfig RunConfig TPUConfig TPUEstimator TPUEstimatorSpec
tf.tpu:
    batch_parallel bfloat16_scope core cross_replica_sum initialize_system outside_compilation replicate
    rewrite shard shutdown_system
tensorflow.python.tpu.async_checkpoint: AsyncCheckpointSaverHook
tensorflow.python.tpu.training_loop: repeat while_loop
tensorflow.python.tpu.device_assignment: DeviceAssignment device_assignment
tensorflow.python.tpu.topology: Topology
tensorflow.python.tpu.tpu_function: get_tpu_context
tensorflow.python.tpu.ops.tpu_ops: *
! use tf.distribute.experimental.TPUStrategy, on TensorFlow 2.15: TPUDistributionStrategy keras_to_tpu_model
! use tf.compat.v2.profiler.experimental: profiler
[training]
estimator_lab.contrib.hparams: HParams parse_values
tf.train: checkpoints_iterator
tf_slim.training.training:
    add_gradients_summaries clip_gradient_norms clip_gradient_norms_fn create_train_op multiply_gradients
    train
tf_slim.training.evaluation:
    StopAfterNEvalsHook SummaryAtEndHook evaluate_once evaluate_repeatedly get_or_create_eval_step
    wait_for_new_checkpoint
estimator_lab.contrib.buckets: bucket bucket_by_sequence_length
estimator_lab.contrib.state_saver: NextQueuedSequenceBatch batch_sequences_with_states
! use tf.contrib.training.batch_sequences_with_states: SequenceQueueingStateSaver
! use tf.data: FeedingQueueRunner
! use tf.data.experimental.rejection_resample:
    rejection_sample resample_at_rate stratified_sample weighted_resample
! use tf.train.replica_device_setter without it: GreedyLoadBalancingStrategy RandomStrategy
! {_TRAIN_AND_EVALUATE}: tuner Tuner
[util]
tf: make_ndarray make_tensor_proto
tensorflow.python.framework.tensor_util: constant_value
[modules]
estimator_lab.contrib.datasets: learn.datasets learn.datasets.base learn.datasets.mnist
estimator_lab.contrib.experiment:
    learn.experiment learn.learn_runner learn.utils learn.utils.saved_model_export_utils
estimator_lab.contrib.learn_input:
    learn.io learn.learn_io learn.learn_io.graph_io learn.utils.input_fn_utils
estimator_lab.contrib.preprocessing:
    learn.preprocessing learn.preprocessing.categorical_vocabulary learn.preprocessing.text
tensorboard: tensorboard
tensorflow.core.protobuf.tpu: tpu.proto
tensorflow.python.compiler.xla.jit: compiler.jit
tensorflow.python.compiler.xla.xla: compiler.xla
tensorflow.python.tools.saved_model_utils: saved_model.python.saved_model.reader
tensorflow.python.tpu.device_assignment: tpu.python.tpu.device_assignment
tensorflow.python.tpu.error_handling: tpu.python.tpu.error_handling
tensorflow.python.tpu.session_support: tpu.python.tpu.session_support
tensorflow.python.tpu.tensor_tracer: tpu.python.tpu.tensor_tracer
tensorflow.python.tpu.topology: tpu.python.tpu.topology
tensorflow.python.tpu.tpu: tpu.python.tpu.tpu
tensorflow.python.tpu.tpu_context: tpu.python.tpu.tpu_context
tensorflow.python.tpu.tpu_feed: tpu.python.tpu.tpu_feed
tensorflow.python.tpu.tpu_function: tpu.python.tpu.tpu_function
tensorflow.python.tpu.tpu_sharding: tpu.python.tpu.tpu_sharding
tensorflow.python.tpu.training_loop: tpu.python.tpu.training_loop
tensorflow.python.tpu.util: tpu.python.tpu.util
tensorflow.python.training.basic_session_run_hooks: learn.basic_session_run_hooks
tensorflow.python.training.session_run_hook: learn.session_run_hook
tensorflow.python.util.nest: framework.nest
tensorflow_gan: gan
tf_slim: slim slim.python slim.python.slim
tf_slim.losses.metric_learning:
    losses.metric_learning losses.python.metric_learning losses.python.metric_learning.metric_loss_ops
""")

_WORDS = """
arg_scope async_checkpoint batching cluster_resolver core_rnn_cell crf cudnn_rnn cudnn_rnn_ops
dnn dnn_linear_combined encoders estimator estimators evaluation extenders feature_column framework functional
fused_rnn_cell hparam initializers interleave_ops lazy_adam_optimizer layers learn linear lookup loss_ops
losses lstm_ops metric_ops metric_spec metrics mirrored_strategy model_fn moving_average_optimizer
normalization one_device_strategy ops optimizers parameter_server_strategy prediction_key
attention_wrapper basic_decoder beam_search_decoder beam_search_ops decoder helper loss regularizers rnn
rnn_cell run_config shuffle_ops sort_ops summaries tpu tpu_cluster_resolver tpu_config tpu_estimator tpu_ops
tpu_optimizer training util utils variables weight_decay_optimizers
"""
PYTHON_MODULES = frozenset(_WORDS.split())
"""Modules of 1.15 below `tf.contrib.X.python`; each has all names of `tf.contrib.X`."""


def rows(package: str) -> list[tuple[str, str, str]]:
    """Returns (source, name of 1.15, name there) of each name of a package; `*` stays one row."""
    return list(names_of(TABLE.get(package, {})))


FORWARDED: Mapping[str, str] = {path: source for source, path, _ in rows('modules')}
"""{path below tf.contrib: the module that replaces all of it, with everything below}."""

MISSING_PACKAGES = frozenset(name for _, name, _ in rows('contrib'))


def remedy(package: str, name: str) -> str | None:
    """Returns what to use instead of a missing name; '' if nothing, None if the table doesn't list it."""
    found = {old: source[1:].strip() for source, old, _ in rows(package) if source.startswith('!')}
    return found.get(name)


def short(path: str) -> str:
    """Returns the path below tf.contrib without `python.learn`, as `learn.python.learn` is `learn` itself."""
    return path.replace('learn.python.learn', 'learn')


def sentence(path: str) -> str:
    """Returns the error message for `tf.contrib.<path>`: one sentence that says what to use instead."""
    package, _, name = short(path).rpartition('.')
    first = path.partition('.')[0]
    found = remedy(package, name) or remedy(first, name) or remedy('contrib', first)
    advice = found or 'it ended with TensorFlow 1, and nothing replaces it'
    return f'tf.contrib.{path} is not supported: {advice}.'
