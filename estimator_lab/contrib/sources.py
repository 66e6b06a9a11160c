"""The source of each name of ``tf.contrib``; `remedies` covers the names without one."""

from collections.abc import Mapping

from estimator_lab.tf1.moved_names import names

ALL = {'*': '*'}
"""Every name that a source has."""

SOURCES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    'cluster_resolver': {
        'tf.distribute.cluster_resolver': names(
            'ClusterResolver SimpleClusterResolver TPUClusterResolver TFConfigClusterResolver '
            'GCEClusterResolver KubernetesClusterResolver SlurmClusterResolver',
            UnionClusterResolver='UnionResolver',
        ),
    },
    'compiler': {'tensorflow.python.compiler.xla': names('jit xla')},
    'crf': {
        'estimator_lab.contrib.crf': names(
            'crf_binary_score crf_decode crf_log_likelihood crf_log_norm crf_sequence_score '
            'crf_unary_score viterbi_decode',
        ),
    },
    'cudnn_rnn': {'estimator_lab.contrib.cudnn_rnn': names('CudnnCompatibleLSTMCell CudnnLSTM')},
    'data': {
        'estimator_lab.contrib.wrappers': names(
            'batch_and_drop_remainder padded_batch_and_drop_remainder sloppy_interleave'
        ),
        'estimator_lab.contrib.input_datasets': names(
            'Dataset FixedLengthRecordDataset TFRecordDataset TextLineDataset'
        ),
        'tf.data': names('Iterator Options'),
        'tf.data.experimental': names(read_batch_features='make_batched_features_dataset') | ALL,
    },
    'deprecated': {
        'tf.summary': names(
            **{f'{kind}_summary': kind for kind in ('scalar', 'histogram', 'audio', 'image')},
            **{'merge_summary': 'merge', 'merge_all_summaries': 'merge_all'},
        ),
    },
    'distribute': {
        'estimator_lab.contrib.wrappers': names('MirroredStrategy'),
        'tf.distribute': names(
            'OneDeviceStrategy ReplicaContext CrossDeviceOps get_strategy get_replica_context has_strategy '
            'in_cross_replica_context get_loss_reduction',
            DistributionStrategy='Strategy',
            get_distribution_strategy='get_strategy',
            has_distribution_strategy='has_strategy',
        ),
        'tf.distribute.experimental': names('ParameterServerStrategy TPUStrategy'),
        'tensorflow.python.distribute.cross_device_ops': names('AllReduceCrossDeviceOps'),
        'tensorflow.python.distribute.distribute_config': names('DistributeConfig'),
        'tensorflow.python.distribute.distribute_coordinator': names('run_standard_tensorflow_server'),
        'tensorflow.python.distribute.distribute_lib': ALL,
    },
    'distributions': {'tf.distributions': ALL},
    'eager': {
        'tf': names(
            'GradientTape TensorSpec custom_gradient enable_eager_execution executing_eagerly function '
            'wrap_function',
            defun='function',
            py_func='py_function',
        ),
        'tf.app': names('run'),
        'tf.train': names('Checkpoint'),
        'estimator_lab.contrib.wrappers': names('Network list_devices'),
        'tensorflow.python.data.ops.iterator_ops': names(Iterator='OwnedIterator'),
        'tensorflow.python.eager.backprop': names(
            'gradients_function',
            implicit_gradients='implicit_grad',
            implicit_value_and_gradients='implicit_val_and_grad',
            value_and_gradients_function='val_and_grad_function',
        ),
        'tensorflow.python.eager.context': names(
            'ASYNC DEVICE_PLACEMENT_EXPLICIT DEVICE_PLACEMENT_SILENT DEVICE_PLACEMENT_WARN SYNC num_gpus',
        ),
        'tensorflow.python.ops.resource_variable_ops': names(Variable='ResourceVariable'),
    },
    'estimator': {
        'estimator_lab.contrib.estimator': names(
            'TowerOptimizer binary_classification_head forward_features logistic_regression_head '
            'multi_class_head multi_head multi_label_head poisson_regression_head regression_head '
            'replicate_model_fn',
        ),
        'estimator_lab.contrib.opt': names('clip_gradients_by_norm'),
        'tf.estimator': names(
            'BaselineEstimator DNNEstimator DNNLinearCombinedEstimator LinearEstimator add_metrics'
        ),
        'tf.estimator.experimental': ALL,
    },
    'factorization': {
        'tf.estimator.experimental': names(KMeansClustering='KMeans'),
        'tensorflow.python.ops.clustering_ops': names(
            'COSINE_DISTANCE KMEANS_PLUS_PLUS_INIT KMeans RANDOM_INIT SQUARED_EUCLIDEAN_DISTANCE'
        ),
    },
    'feature_column': {
        'tf.feature_column': names(
            'sequence_categorical_column_with_hash_bucket sequence_categorical_column_with_identity '
            'sequence_categorical_column_with_vocabulary_file '
            'sequence_categorical_column_with_vocabulary_list sequence_numeric_column',
        ),
    },
    'framework': {
        'tf.train': names(
            'assert_global_step create_global_step get_global_step get_or_create_global_step '
            'init_from_checkpoint list_variables load_checkpoint load_variable',
        ),
        'tf': names(
            'TensorSpec argsort sort py_func assert_same_float_dtype assert_scalar '
            'convert_to_tensor_or_sparse_tensor',
        ),
        'tensorflow.python.framework.tensor_util': names(is_tensor='is_tf_type'),
        'tensorflow.python.framework.smart_cond': names('smart_cond smart_case smart_constant_value'),
        'tensorflow.python.util.deprecation': names('deprecated deprecated_arg_values deprecated_args'),
        'tf_slim.ops.arg_scope': ALL,
        'tf_slim.ops.variables': ALL,
    },
    'image': {
        'estimator_lab.contrib.image': names(
            'angles_to_projective_transforms rotate transform translate '
            'translations_to_projective_transforms',
        ),
    },
    'keras': {'tf.keras': ALL},
    'layers': {
        'tf.nn': names('safe_embedding_lookup_sparse'),
        'tf.feature_column': names(
            'bucketized_column',
            create_feature_spec_for_parsing='make_parse_example_spec',
            one_hot_column='indicator_column',
            weighted_sparse_column='weighted_categorical_column',
        ),
        'estimator_lab.contrib.columns': names(
            'crossed_column embedding_column real_valued_column sparse_column_with_hash_bucket '
            'sparse_column_with_integerized_feature sparse_column_with_keys',
        ),
        'estimator_lab.contrib.wrappers': names('embed_sequence'),
        'tf_slim.layers': ALL,
        'tf_slim.layers.layers': ALL,
    },
    'learn': {
        'estimator_lab.contrib.learn': names(
            'MetricSpec ModeKeys ModelFnOps PredictionKey ProblemType RunConfig'
        ),
        'estimator_lab.contrib.learn_estimator': names('Estimator'),
        'estimator_lab.contrib.learn_canned': names(
            'DNNClassifier DNNLinearCombinedClassifier DNNLinearCombinedRegressor DNNRegressor '
            'LinearClassifier LinearRegressor',
        ),
        'estimator_lab.contrib.learn_input': names(
            'InputFnOps build_parsing_serving_input_fn infer_real_valued_columns_from_input '
            'read_batch_examples read_batch_features read_batch_record_features read_keyed_batch_examples '
            'read_keyed_batch_features',
        ),
        'estimator_lab.contrib.experiment': names('Experiment make_export_strategy'),
        'tf.estimator': names('NanLossDuringTrainingError'),
    },
    'legacy_seq2seq': {
        'estimator_lab.contrib.legacy_seq2seq': names(
            'attention_decoder basic_rnn_seq2seq embedding_attention_decoder embedding_attention_seq2seq '
            'embedding_rnn_decoder embedding_rnn_seq2seq rnn_decoder sequence_loss '
            'sequence_loss_by_example tied_rnn_seq2seq',
        ),
    },
    'lookup': {
        'estimator_lab.contrib.wrappers': names(
            'HashTable index_table_from_tensor index_to_string_table_from_tensor',
            string_to_index_table_from_tensor='index_table_from_tensor',
        ),
        'tensorflow.python.ops.lookup_ops': ALL,
    },
    'losses': {'tf_slim.losses': ALL},
    'metrics': {
        'tf': names('confusion_matrix'),
        'tf.sets': names(
            set_difference='difference',
            set_intersection='intersection',
            set_size='size',
            set_union='union',
        ),
        'tf_slim.metrics': ALL,
    },
    'nn': {'tf.nn': ALL},
    'opt': {
        'estimator_lab.contrib.opt': names(
            'AdamWOptimizer DecoupledWeightDecayExtension LARSOptimizer LazyAdamOptimizer '
            'MomentumWOptimizer MovingAverageOptimizer extend_with_decoupled_weight_decay',
        ),
    },
    'predictor': {'estimator_lab.contrib.predictor': names('from_estimator from_saved_model')},
    'rnn': {
        'tf.nn.rnn_cell': names(
            'BasicLSTMCell BasicRNNCell DeviceWrapper DropoutWrapper GRUCell LSTMCell LSTMStateTuple '
            'MultiRNNCell RNNCell ResidualWrapper',
            GRUBlockCellV2='GRUCell',
            LSTMBlockCell='LSTMCell',
        ),
        'tf.nn': names('static_bidirectional_rnn static_rnn static_state_saving_rnn'),
        'estimator_lab.contrib.rnn': names(
            'EmbeddingWrapper InputProjectionWrapper LSTMBlockFusedCell LayerNormBasicLSTMCell '
            'OutputProjectionWrapper TimeReversedFusedRNN stack_bidirectional_dynamic_rnn '
            'transpose_batch_time',
        ),
    },
    'seq2seq': {
        'estimator_lab.contrib.attention': names(
            'AttentionMechanism AttentionWrapper AttentionWrapperState BahdanauAttention LuongAttention'
        ),
        'estimator_lab.contrib.beam_search': names(
            'BeamSearchDecoder BeamSearchDecoderOutput BeamSearchDecoderState FinalBeamSearchDecoderOutput '
            'gather_tree tile_batch',
        ),
        'estimator_lab.contrib.decoding': names(
            'BasicDecoder BasicDecoderOutput Decoder dynamic_decode sequence_loss'
        ),
        'estimator_lab.contrib.decoding_helpers': names(
            'CustomHelper GreedyEmbeddingHelper Helper SampleEmbeddingHelper TrainingHelper'
        ),
    },
    'signal': {'tf.signal': ALL},
    'staging': {'tensorflow.python.ops.data_flow_ops': names('StagingArea')},
    'stateless': {
        'tf.random': names(
            'stateless_multinomial stateless_truncated_normal',
            stateless_random_normal='stateless_normal',
            stateless_random_uniform='stateless_uniform',
        ),
    },
    'summary': {
        'tensorflow.python.ops.summary_ops_v2': ALL,
        'tf.summary': names(all_summary_ops='all_v2_summary_ops'),
    },
    'tfprof': {'tensorflow.python.profiler': names('tfprof_logger')},
    'tpu': {
        'estimator_lab.contrib.wrappers': names('CrossShardOptimizer'),
        'tf.estimator.tpu': names('InputPipelineConfig RunConfig TPUConfig TPUEstimator TPUEstimatorSpec'),
        'tf.tpu': names(
            'batch_parallel bfloat16_scope core cross_replica_sum initialize_system outside_compilation '
            'replicate rewrite shard shutdown_system',
        ),
        'tensorflow.python.tpu.async_checkpoint': names('AsyncCheckpointSaverHook'),
        'tensorflow.python.tpu.training_loop': names('repeat while_loop'),
        'tensorflow.python.tpu.device_assignment': names('DeviceAssignment device_assignment'),
        'tensorflow.python.tpu.topology': names('Topology'),
        'tensorflow.python.tpu.tpu_function': names('get_tpu_context'),
        'tensorflow.python.tpu.ops.tpu_ops': ALL,
    },
    'training': {
        'estimator_lab.contrib.hparams': names('HParams parse_values'),
        'tf.train': names('checkpoints_iterator'),
        'tf_slim.training.training': names(
            'add_gradients_summaries clip_gradient_norms clip_gradient_norms_fn create_train_op '
            'multiply_gradients train',
        ),
        'tf_slim.training.evaluation': names(
            'StopAfterNEvalsHook SummaryAtEndHook evaluate_once evaluate_repeatedly '
            'get_or_create_eval_step wait_for_new_checkpoint',
        ),
        'estimator_lab.contrib.buckets': names('bucket bucket_by_sequence_length'),
    },
    'util': {
        'tf': names('make_ndarray make_tensor_proto'),
        'tensorflow.python.framework.tensor_util': names('constant_value'),
    },
}
"""{package: {source: {name of 1.15: name there}}}; a source is `tf` with a path below it, or a module."""

_TPU_MODULES = (
    'device_assignment error_handling session_support tensor_tracer topology tpu tpu_context tpu_feed '
    'tpu_function tpu_sharding training_loop util'
)
FORWARDED: Mapping[str, str] = {
    'compiler.jit': 'tensorflow.python.compiler.xla.jit',
    'compiler.xla': 'tensorflow.python.compiler.xla.xla',
    'eager.metrics': 'tf_keras.metrics',
    'framework.nest': 'tensorflow.python.util.nest',
    'gan': 'tensorflow_gan',
    'learn.basic_session_run_hooks': 'tensorflow.python.training.basic_session_run_hooks',
    'learn.datasets': 'estimator_lab.contrib.datasets',
    'learn.datasets.base': 'estimator_lab.contrib.datasets',
    'learn.datasets.mnist': 'estimator_lab.contrib.datasets',
    'learn.experiment': 'estimator_lab.contrib.experiment',
    'learn.io': 'estimator_lab.contrib.learn_input',
    'learn.learn_io': 'estimator_lab.contrib.learn_input',
    'learn.learn_io.graph_io': 'estimator_lab.contrib.learn_input',
    'learn.learn_runner': 'estimator_lab.contrib.experiment',
    'learn.preprocessing': 'estimator_lab.contrib.preprocessing',
    'learn.preprocessing.categorical_vocabulary': 'estimator_lab.contrib.preprocessing',
    'learn.preprocessing.text': 'estimator_lab.contrib.preprocessing',
    'learn.session_run_hook': 'tensorflow.python.training.session_run_hook',
    'learn.utils': 'estimator_lab.contrib.experiment',
    'learn.utils.input_fn_utils': 'estimator_lab.contrib.learn_input',
    'learn.utils.saved_model_export_utils': 'estimator_lab.contrib.experiment',
    'losses.metric_learning': 'tf_slim.losses.metric_learning',
    'losses.python.metric_learning': 'tf_slim.losses.metric_learning',
    'losses.python.metric_learning.metric_loss_ops': 'tf_slim.losses.metric_learning',
    'saved_model.python.saved_model.reader': 'tensorflow.python.tools.saved_model_utils',
    'slim': 'tf_slim',
    'slim.python': 'tf_slim',
    'slim.python.slim': 'tf_slim',
    'tensorboard': 'tensorboard',
    'tfprof.model_analyzer': 'estimator_lab.contrib.tfprof',
    'tpu.proto': 'tensorflow.core.protobuf.tpu',
    **{f'tpu.python.tpu.{name}': f'tensorflow.python.tpu.{name}' for name in _TPU_MODULES.split()},
}
"""{path below tf.contrib: the module that replaces all of it, with everything below}."""

PYTHON_MODULES = names(
    'async_checkpoint attention_wrapper basic_decoder batching beam_search_decoder beam_search_ops '
    'cluster_resolver core_rnn_cell crf cudnn_rnn cudnn_rnn_ops decoder dnn dnn_linear_combined encoders '
    'estimator estimators evaluation extenders feature_column framework functional fused_rnn_cell gmm '
    'helper hparam initializers interleave_ops layers lazy_adam_optimizer learn linear lookup loss '
    'loss_ops losses lstm_ops metric_ops metric_spec metrics mirrored_strategy model_fn monitors '
    'moving_average_optimizer normalization one_device_strategy ops optimizers parameter_server_strategy '
    'prediction_key regularizers rnn rnn_cell run_config shuffle_ops sort_ops summaries tpu '
    'tpu_cluster_resolver tpu_config tpu_estimator tpu_ops tpu_optimizer training tuner util utils '
    'variables weight_decay_optimizers'
)
"""Modules of 1.15 below `tf.contrib.X.python`; each has all names of `tf.contrib.X`."""
