# Each target creates the environments it needs. The README shows the same commands without make.

.PHONY: train check test test-all docs pages wheel clean

train: .venv/ready
	.venv/bin/python -m estimator_lab.train --model=cnn

# Lint, types and the fast tests, for use before each commit.
check:
	tools/test.sh check

# Lint, types and all tests that guard a change.
test:
	tools/test.sh

# These and the rest: all tests on TensorFlow 2.15, faults and fuzzing, clusters in real time, the site, the wheel.
test-all: test
	tools/test.sh rest

# The site, in build/site. First all examples and the blocks of all pages run, for a quarter of an hour; `make
# pages` leaves that out.
docs: .venv/docs
	.venv/bin/python tools/gallery.py
	.venv/bin/python -m tests.run_pages
	@$(MAKE) --no-print-directory pages

pages: .venv/docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet
	@echo 'Open build/site/index.html in a browser.'

.venv/docs: .venv/ready
	.venv/bin/python -m pip install --quiet --editable '.[docs]'
	touch $@

# The package as one file, in dist.
wheel:
	"$$(tools/find_python.sh 3.13 3.12 3.11 3.10)" -m pip wheel --quiet --no-deps --wheel-dir=dist .

.venv/ready: setup.py
	@if [ ! -e $@ ] && .venv/bin/python -c 'from importlib.metadata import version; version("estimator-lab")' 2>&-; then \
		touch $@; \
	else \
		echo 'Installing TensorFlow and this package in .venv: about 2 GB, some minutes.' && \
		{ [ -x .venv/bin/python ] || "$$(tools/find_python.sh 3.13 3.12 3.11 3.10)" -m venv .venv; } && \
		.venv/bin/python -m pip install --quiet --editable . && touch $@; \
	fi

clean:
	rm -rf .venv .venv-* build dist *.egg-info
