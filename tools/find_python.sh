#!/bin/sh
# Prints the command of the first given Python version that is installed and can create virtual environments.
#     tools/find_python.sh 3.13 3.12
for version in "$@"; do
    # Runs the command, as version managers install placeholders that only explain how to install it.
    if "python$version" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "python$version"
        exit 0
    fi
done
echo "found no Python $* that can create virtual environments (with the venv module)" >&2
exit 1
