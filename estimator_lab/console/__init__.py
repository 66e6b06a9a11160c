"""What all commands share: flags and help, progress, files written atomically, errors as sentences."""
