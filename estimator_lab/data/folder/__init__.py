"""A folder of files -> members, as an archive has them."""
