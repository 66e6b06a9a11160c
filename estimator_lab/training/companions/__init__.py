"""What training takes from other trained models: a perceptual network, a judge of samples."""
