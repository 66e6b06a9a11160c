"""What sources hold, and the order in which it is read."""
