# Each target creates the environment that it needs. The README shows the same commands without make.
# PYTHONS="3.10" chooses another Python than the newest, in an environment of its own.

.PHONY: train check test test-all lint docs pages wheel clean

VENV := .venv$(addprefix -,$(firstword $(PYTHONS)))
BIN := $(VENV)/bin
TF215 := .venv-tf215
FIND_PYTHON := tools/find_python.sh $(or $(PYTHONS),3.13 3.12 3.11 3.10)
# Four processes for two cores, because many tests wait for a process of their own.
PYTEST := python -m pytest --numprocesses=4 --dist=loadscope --no-loadscope-reorder

# Without it each process would compile the package, and each pytest worker would rewrite all assertions.
unexport PYTHONDONTWRITEBYTECODE

train: $(VENV)/ready
	$(BIN)/python -m estimator_lab.train --model=cnn

# Lint, types and the tests that train nothing, before each commit.
check: lint
	$(BIN)/$(PYTEST) -m 'not slow and not trains' $(ARGS)

# Lint, types and the quick tests, before each push.
test: lint
	$(BIN)/$(PYTEST) -m 'not slow' $(ARGS)

# These and the slow ones: faults and fuzzing, clusters in real time, the site, the wheel; and TensorFlow 2.15.
test-all: test $(VENV)/test-all $(TF215)/test
	$(BIN)/$(PYTEST) -m slow $(ARGS)
	$(TF215)/bin/$(PYTEST) -m 'both and not once' $(ARGS)

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache >$(VENV)/lint-imports || { cat $(VENV)/lint-imports; exit 1; }

# The site, in build/site. First all examples and the blocks of all pages run, for a quarter of an hour; `make
# pages` leaves that out.
docs: $(VENV)/docs
	$(BIN)/python tools/gallery.py
	$(BIN)/python -m tests.run_pages
	@$(MAKE) --no-print-directory pages

pages: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'Open build/site/index.html in a browser.'

# The package as one file, in dist.
wheel:
	"$$($(FIND_PYTHON))" -m pip wheel --quiet --no-deps --wheel-dir=dist .

$(VENV)/ready: setup.py
	@if [ ! -e $@ ] && $(BIN)/python -c 'from importlib.metadata import version; version("estimator-lab")' 2>&-; then \
		touch $@; \
	else \
		echo 'Installing TensorFlow and this package in $(VENV): about 2 GB, some minutes.' && \
		{ [ -x $(BIN)/python ] || "$$($(FIND_PYTHON))" -m venv $(VENV); } && \
		$(BIN)/python -m pip install --quiet --editable . && touch $@; \
	fi

# The extras of setup.py by their names.
$(VENV)/test $(VENV)/test-all $(VENV)/docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable '.[$(@F)]'
	touch $@

$(TF215)/test: setup.py
	"$$(tools/find_python.sh 3.11)" -m venv --clear $(TF215)
	$(TF215)/bin/python -m pip install --quiet --editable '.[test]' 'tensorflow==2.15.*'
	touch $@

clean:
	rm -rf .venv .venv-* build dist *.egg-info
