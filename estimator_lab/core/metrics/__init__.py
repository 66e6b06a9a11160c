"""What `tf.metrics` lacks, and how far one image is from another."""
