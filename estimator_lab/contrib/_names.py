"""The source of each name of ``tf.contrib``: {package: {source: names}}.

A source is `tf` with a path below it, or a module. `old=new` means that the source uses another name; `*` is
every name that the source has.
"""

from collections.abc import Mapping

from estimator_lab.tf1._moved_names import table

NAMES: Mapping[str, Mapping[str, str]] = table("""
[cluster_resolver]
tf.distribute.cluster_resolver:
    ClusterResolver SimpleClusterResolver UnionClusterResolver=UnionResolver TPUClusterResolver
    TFConfigClusterResolver GCEClusterResolver KubernetesClusterResolver SlurmClusterResolver
[compiler]
tensorflow.python.compiler.xla: jit xla
[crf]
estimator_lab.contrib.crf:
    crf_binary_score crf_decode crf_log_likelihood crf_log_norm crf_multitag_sequence_score crf_sequence_score
    crf_unary_score viterbi_decode
[cudnn_rnn]
estimator_lab.contrib.cudnn_cells: CudnnCompatibleGRUCell CudnnCompatibleLSTMCell
estimator_lab.contrib.cudnn_rnn:
    CudnnGRU CudnnLSTM CudnnRNNRelu CudnnRNNTanh
    CUDNN_GRU CUDNN_INPUT_AUTO_MODE CUDNN_INPUT_LINEAR_MODE CUDNN_INPUT_SKIP_MODE CUDNN_LSTM
    CUDNN_RNN_BIDIRECTION CUDNN_RNN_RELU CUDNN_RNN_TANH CUDNN_RNN_UNIDIRECTION
[data]
estimator_lab.contrib.renamed: batch_and_drop_remainder padded_batch_and_drop_remainder sloppy_interleave
tf.data.experimental: *
[distribute]
estimator_lab.contrib.renamed: MirroredStrategy CollectiveAllReduceStrategy
tf.distribute:
    OneDeviceStrategy DistributionStrategy=Strategy ReplicaContext CrossDeviceOps get_strategy
    get_distribution_strategy=get_strategy get_replica_context has_strategy
    has_distribution_strategy=has_strategy in_cross_replica_context get_loss_reduction
tf.distribute.experimental: ParameterServerStrategy TPUStrategy
tensorflow.python.distribute.cross_device_ops: AllReduceCrossDeviceOps
tensorflow.python.distribute.distribute_config: DistributeConfig
tensorflow.python.distribute.distribute_coordinator: run_standard_tensorflow_server
tensorflow.python.distribute.distribute_lib: *
[distributions]
tf.distributions: *
[estimator]
estimator_lab.contrib.estimator:
    binary_classification_head clip_gradients_by_norm forward_features logistic_regression_head
    multi_class_head poisson_regression_head regression_head
estimator_lab.contrib.multi_heads: multi_head multi_label_head
estimator_lab.contrib.rnn_estimators: RNNClassifier RNNEstimator
estimator_lab.contrib.towers: TowerOptimizer replicate_model_fn
tf.estimator: BaselineEstimator DNNEstimator DNNLinearCombinedEstimator LinearEstimator add_metrics
tf.estimator.experimental: *
[feature_column]
estimator_lab.contrib.sequence_columns: sequence_input_layer
tf.feature_column:
    sequence_categorical_column_with_hash_bucket sequence_categorical_column_with_identity
    sequence_categorical_column_with_vocabulary_file sequence_categorical_column_with_vocabulary_list
    sequence_numeric_column
[framework]
tf.train:
    assert_global_step create_global_step get_global_step get_or_create_global_step init_from_checkpoint
    list_variables load_checkpoint load_variable
tf: TensorSpec argsort sort py_func assert_same_float_dtype assert_scalar convert_to_tensor_or_sparse_tensor
tensorflow.python.framework.tensor_util: is_tensor=is_tf_type
tensorflow.python.framework.smart_cond: smart_cond smart_case smart_constant_value
tensorflow.python.util.deprecation: deprecated deprecated_arg_values deprecated_args
estimator_lab.contrib.framework: filter_variables
estimator_lab.contrib.arg_scope:
    add_arg_scope arg_scope arg_scope_func_key arg_scoped_arguments current_arg_scope has_arg_scope
tf_slim.ops.variables: *
[image]
estimator_lab.contrib.image:
    angles_to_projective_transforms compose_transforms flat_transforms_to_matrices matrices_to_flat_transforms
    rotate transform translate translations_to_projective_transforms
[keras]
tf.keras: *
[layers]
tf.nn: safe_embedding_lookup_sparse
tf.feature_column: bucketized_column create_feature_spec_for_parsing=make_parse_example_spec
estimator_lab.contrib.columns:
    crossed_column embedding_column one_hot_column real_valued_column sparse_column_with_hash_bucket
    sparse_column_with_integerized_feature sparse_column_with_keys sparse_column_with_vocabulary_file
    weighted_sparse_column
estimator_lab.contrib.layers:
    dropout flatten fully_connected linear relu relu6 elu one_hot_encoding embed_sequence
estimator_lab.contrib.normalization: batch_norm layer_norm
estimator_lab.contrib.regularizers:
    apply_regularization l1_regularizer l1_l2_regularizer l2_regularizer sum_regularizer
    variance_scaling_initializer xavier_initializer xavier_initializer_conv2d=xavier_initializer
estimator_lab.contrib.optimizers: OPTIMIZER_CLS_NAMES OPTIMIZER_SUMMARIES optimize_loss
tf_slim.layers: *
tf_slim.layers.layers: *
[learn]
estimator_lab.contrib.learn:
    InputFnOps ModeKeys ModelFnOps NotFittedError PredictionKey ProblemType RunConfig
estimator_lab.contrib.learn_canned:
    DNNClassifier DNNLinearCombinedClassifier DNNLinearCombinedRegressor DNNRegressor LinearClassifier
    LinearRegressor
estimator_lab.contrib.learn_estimator: Estimator SKCompat
estimator_lab.contrib.learn_input:
    build_default_serving_input_fn build_parsing_serving_input_fn infer_real_valued_columns_from_input
    infer_real_valued_columns_from_input_fn read_batch_features
estimator_lab.contrib.metric_spec: MetricSpec
estimator_lab.contrib.experiment: Experiment ExportStrategy make_export_strategy
tf.estimator: NanLossDuringTrainingError
[lookup]
estimator_lab.contrib.renamed:
    HashTable index_table_from_tensor index_to_string_table_from_tensor
    string_to_index_table_from_tensor=index_table_from_tensor
tensorflow.python.ops.lookup_ops: *
[losses]
tf_slim.losses: *
[metrics]
estimator_lab.contrib.metrics:
    accuracy aggregate_metric_map aggregate_metrics f1_score streaming_accuracy streaming_auc
    streaming_false_negatives streaming_false_positives streaming_mean streaming_mean_absolute_error
    streaming_mean_iou streaming_mean_squared_error streaming_mean_tensor streaming_precision streaming_recall
    streaming_recall_at_k streaming_root_mean_squared_error streaming_sparse_recall_at_k
    streaming_true_positives
tf: confusion_matrix
tf.sets: set_difference=difference set_intersection=intersection set_size=size set_union=union
tf_slim.metrics: *
[mixed_precision]
estimator_lab.contrib.mixed_precision:
    ExponentialUpdateLossScaleManager FixedLossScaleManager LossScaleManager LossScaleOptimizer
[nn]
tf.nn: *
[opt]
estimator_lab.contrib.opt:
    AdamWOptimizer DecoupledWeightDecayExtension LARSOptimizer LazyAdamOptimizer MomentumWOptimizer
    MovingAverageOptimizer extend_with_decoupled_weight_decay
[predictor]
estimator_lab.contrib.predictor: from_estimator from_saved_model
[rnn]
tf.nn.rnn_cell:
    BasicLSTMCell BasicRNNCell DeviceWrapper DropoutWrapper GRUCell LSTMCell LSTMStateTuple MultiRNNCell
    RNNCell ResidualWrapper
tf.nn: static_bidirectional_rnn static_rnn static_state_saving_rnn
estimator_lab.contrib.rnn:
    LSTMBlockFusedCell TimeReversedFusedRNN stack_bidirectional_dynamic_rnn transpose_batch_time
estimator_lab.contrib.rnn_cells:
    AttentionCellWrapper GRUBlockCell GRUBlockCellV2 LSTMBlockCell LayerNormBasicLSTMCell
estimator_lab.contrib.projection_cells: InputProjectionWrapper OutputProjectionWrapper
[seq2seq]
estimator_lab.contrib.attention:
    AttentionMechanism BahdanauAttention BahdanauMonotonicAttention LuongAttention LuongMonotonicAttention
    hardmax monotonic_attention safe_cumprod
estimator_lab.contrib.attention_wrapper: AttentionWrapper AttentionWrapperState
estimator_lab.contrib.beam_search:
    BeamSearchDecoder BeamSearchDecoderOutput BeamSearchDecoderState FinalBeamSearchDecoderOutput gather_tree
    tile_batch
estimator_lab.contrib.decoding: BasicDecoder BasicDecoderOutput Decoder dynamic_decode sequence_loss
estimator_lab.contrib.decoding_helpers:
    CustomHelper GreedyEmbeddingHelper Helper InferenceHelper SampleEmbeddingHelper TrainingHelper
estimator_lab.contrib.scheduled_sampling: ScheduledEmbeddingTrainingHelper ScheduledOutputTrainingHelper
[signal]
tf.signal: *
[sparsemax]
estimator_lab.contrib.sparsemax: sparsemax sparsemax_loss
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
[training]
estimator_lab.contrib.hparams: HParams parse_values
tf.train: checkpoints_iterator
tf_slim.training.training:
    add_gradients_summaries clip_gradient_norms clip_gradient_norms_fn create_train_op multiply_gradients
    train
tf_slim.training.evaluation:
    StopAfterNEvalsHook SummaryAtEndHook evaluate_once evaluate_repeatedly get_or_create_eval_step
    wait_for_new_checkpoint
[util]
tf: make_ndarray make_tensor_proto
tensorflow.python.framework.tensor_util: constant_value
""")

# Packages that are elsewhere as a whole, including everything below them.
FORWARDED: Mapping[str, str] = {
    'framework.nest': 'tensorflow.python.util.nest',
    'gan': 'tensorflow_gan',
    'slim': 'tf_slim',
    'slim.python': 'tf_slim',
    'slim.python.slim': 'tf_slim',
    **{
        f'{learn}.datasets{inner}': 'estimator_lab.contrib.datasets'
        for learn in ('learn', 'learn.python.learn')
        for inner in ('', '.base', '.mnist')
    },
    **{
        f'{learn}.{inner}': 'estimator_lab.contrib.experiment'
        for learn in ('learn', 'learn.python.learn')
        for inner in ('learn_runner', 'utils', 'utils.saved_model_export_utils')
    },
    'learn.python.learn.experiment': 'estimator_lab.contrib.experiment',
    **dict.fromkeys(('learn.monitors', 'learn.python.learn.monitors'), 'estimator_lab.contrib.monitors'),
    **{
        f'{learn}.{hooks}': f'tensorflow.python.training.{hooks}'
        for learn in ('learn', 'learn.python.learn')
        for hooks in ('basic_session_run_hooks', 'session_run_hook')
    },
    **{
        f'learn.{inner}': 'estimator_lab.contrib.learn_input'
        for inner in (
            *('io', 'python.learn.learn_io', 'python.learn.learn_io.graph_io'),
            *('utils.input_fn_utils', 'python.learn.utils.input_fn_utils'),
        )
    },
    'losses.metric_learning': 'estimator_lab.contrib.metric_learning',
    'losses.python.metric_learning': 'estimator_lab.contrib.metric_learning',
    'losses.python.metric_learning.metric_loss_ops': 'estimator_lab.contrib.metric_learning',
    'tensorboard': 'tensorboard',
    'compiler.jit': 'tensorflow.python.compiler.xla.jit',
    'compiler.xla': 'tensorflow.python.compiler.xla.xla',
    'tpu.proto': 'tensorflow.core.protobuf.tpu',
    **{
        f'tpu.python.tpu.{name}': f'tensorflow.python.tpu.{name}'
        for name in (
            *('device_assignment', 'session_support', 'tensor_tracer', 'topology', 'tpu', 'tpu_feed'),
            *('tpu_function', 'tpu_sharding', 'training_loop'),
        )
    },
    **{
        f'tpu.python.tpu.{name}': f'tensorflow_estimator.python.estimator.tpu.{name}'
        for name in ('error_handling', 'tpu_context', 'util')
    },
}

# Modules of 1.15 below `tf.contrib.X.python`; each has all names of `tf.contrib.X`.
_WORDS = """
arg_scope async_checkpoint batching classification cluster_resolver core_rnn_cell crf cudnn_rnn
cudnn_rnn_ops datasets
device_assignment early_stopping encoders error_handling estimator estimators evaluation experimental
extenders feature_column framework functional fused_rnn_cell hooks hparam initializers interleave_ops
lazy_adam_optimizer layers learn lookup losses loss_ops lstm_ops metric_ops metrics mirrored_strategy model_fn
moving_average_optimizer normalization one_device_strategy ops optimizers parameter_server_strategy
metric_spec dnn linear dnn_linear_combined prediction_key
attention_wrapper basic_decoder beam_search_decoder beam_search_ops decoder helper loss regularizers rnn
rnn_cell run_config sequence_feature_column session_support shuffle_ops sort_ops
summaries tensor_tracer topology tpu tpu_cluster_resolver tpu_config tpu_context tpu_estimator tpu_feed
tpu_function tpu_ops tpu_optimizer tpu_sharding training training_loop
util utils variables weight_decay_optimizers
"""
PYTHON_MODULES = frozenset(_WORDS.split())
