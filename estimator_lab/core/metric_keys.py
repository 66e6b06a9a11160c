"""Names of metrics and predictions, the same for every model and in TensorBoard."""

ACCURACY = 'accuracy'
MEAN_PER_CLASS_ACCURACY = 'mean_per_class_accuracy'
TOP_5_ACCURACY = 'top_5_accuracy'
UNKNOWN_LABELS = 'unknown_labels'
LEARNING_RATE = 'learning_rate'
STEPS_PER_SECOND = 'global_step/sec'
EXAMPLES_PER_SECOND = 'examples_per_second'

CLASSES = 'classes'
PROBABILITIES = 'probabilities'
LABELS = 'labels'
TOP_LABELS = 'top_labels'
TOP_PROBABILITIES = 'top_probabilities'
KEY = 'key'
