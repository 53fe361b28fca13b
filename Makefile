# `make demo` and `make test` do everything on a fresh machine with Python 3.11+: environment,
# install, run. Nothing is installed outside .venv; a second call starts at once.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PYTHONDONTWRITEBYTECODE = 1
# For what is built on the way too: visdom's setup.py needs an older setuptools. pip had the first
# name before 25.3 and has the second since.
export PIP_CONSTRAINT = $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT = $(CURDIR)/constraints.txt

.PHONY: help install demo test lint wheel clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than 3.11. Install Python 3.11 or newer, or say: make PYTHON=python3.12 demo" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make an environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@touch $@

$(VENV)/installed: $(VENV)/made setup.cfg pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/installed ## Make the environment in .venv and install clipmill into it

demo: $(VENV)/installed ## Make videos, pack, train, score, predict: the whole road in minutes
	$(BIN)/clipmill demo --out .demo

test: $(VENV)/installed-dev ## Run all tests on two processes
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/installed-dev ## Style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

wheel: $(VENV)/installed-dev ## Build the wheel, install it into an empty environment, ask for help
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist
	rm -rf dist/empty && $(PYTHON) -m venv dist/empty
	dist/empty/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd dist && empty/bin/clipmill --help

clean: ## Remove what was made, the environment too
	rm -rf $(VENV) .demo build dist *.egg-info
