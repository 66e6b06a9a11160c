"""Where examples are stored: tar archives, folders, texts and arrays, local or remote."""
