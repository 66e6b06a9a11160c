"""Two networks that learn against each other: losses, steps, watch, and the EstimatorSpecs of the game."""
