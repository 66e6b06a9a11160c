"""What TensorBoard and pictures show."""
