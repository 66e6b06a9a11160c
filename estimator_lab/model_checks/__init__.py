"""The contract of a model as checks, which people run on models of their own."""
