"""What a trained network sees, dreams: images climb the gradient of a layer (Mordvintsev et al. 2015)."""
