# Each target works on a fresh machine with only Python and make: it makes its own virtual environment.
#   make up        set up and serve the sandbox        make test     set up and run the tests
#   make PYTHON=python3.13 test                        another interpreter, another environment
PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV ?= .venv-$(VERSION)
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev up demo test lint format bench lock clean

help:
	@echo "make setup      environment to run the sandbox      make up ARGS='--ports auto'   serve it"
	@echo "make test       environment to develop, all tests   make lint   style, types, layers"
	@echo "make demo       the witness DUI plays the scenarios make bench  figures of docs/performance.md"

$(VENV)/.made-run: requirements/base.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/base.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.made-dev: requirements/dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@ $(VENV)/.made-run

setup: $(VENV)/.made-run

setup-dev: $(VENV)/.made-dev

up: setup
	$(BIN)/segur-sandbox up $(ARGS)

demo: setup
	$(BIN)/segur-sandbox demo $(ARGS)

test: setup-dev
	$(BIN)/python -m pytest $(ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev
	$(BIN)/python -m bench $(ARGS)

# Needs uv; the hashes make an installation the same everywhere.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/base.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml -o requirements/dev.lock

clean:
	rm -rf .venv-* .segur build dist
