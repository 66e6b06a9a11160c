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
KEY = 'key'

SQUARED_ERROR = 'squared_error'
PCA_SQUARED_ERROR = 'pca_squared_error'
CROSS_ENTROPY = 'cross_entropy'
PSNR, PSNR_NOISY, PSNR_GAIN = 'psnr', 'psnr_noisy', 'psnr_gain'
SSIM, SSIM_NOISY = 'ssim', 'ssim_noisy'
FLOATS_PER_IMAGE = 'floats_per_image'
BITS_PER_IMAGE = 'bits_per_image'

CODE = 'code'
RECONSTRUCTION = 'reconstruction'
ERROR = 'error'
