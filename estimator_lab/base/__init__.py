"""What every room may import: settings, untrusted files and names, whole files, the process and signals."""
