"""The contract of a model: checks that the commands rely on, each a function of a `Subject`."""
