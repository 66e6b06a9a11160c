#!/bin/sh
# Prints the command of the first given Python version that is here and can make a virtual environment.
#     tools/find_python.sh 3.13 3.12
for version in "$@"; do
    # A version manager may leave a command behind that only says how to install it, so it is run.
    if "python$version" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "python$version"
        exit 0
    fi
done
echo "no Python $* that can make a virtual environment (the venv module) was found" >&2
exit 1
