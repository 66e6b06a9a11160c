"""Files of weights that other programs wrote -> values for a network's variables, by name."""
