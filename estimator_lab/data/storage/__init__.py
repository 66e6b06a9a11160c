"""Files wherever they are stored, read at any place by many threads."""
