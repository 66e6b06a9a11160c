"""Archives -> shuffled shards with a manifest."""
