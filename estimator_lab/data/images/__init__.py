"""Images as examples: encoded bytes -> pixels."""
