# These commands set up all they need on a fresh machine; the README shows their plain pip form.

.PHONY: train check test clean

train: .venv/ready
	.venv/bin/python -m estimator_lab.train --model=cnn

# The fast part of the tests, before each commit.
check:
	tools/test.sh check

test:
	tools/test.sh

.venv/ready: setup.py
	python_command="$$(tools/find_python.sh 3.13 3.12 3.11 3.10)" && "$$python_command" -m venv .venv
	.venv/bin/python -m pip install --quiet --editable .
	touch $@

clean:
	rm -rf .venv .venv-* build dist *.egg-info
