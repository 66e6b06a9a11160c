"""How any command talks: flags and help, progress, files written whole, errors as sentences."""
