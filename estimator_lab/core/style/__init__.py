"""What it takes to learn a style: a network that perceives, and losses of what it perceives."""
