"""What an example is: its data, its label and its kind."""
