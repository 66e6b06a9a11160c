"""What every room may import: declared settings, untrusted files and names, the process. Prints nothing."""
