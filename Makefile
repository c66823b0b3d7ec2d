# Every target sets up what it needs in .venv by itself; the second time that takes no time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NEEDS := pyproject.toml constraints.txt
ARGS ?=

.PHONY: help setup run test check bench chaos clean

help:
	@echo 'make setup   install everything, development tools included, into $(VENV)'
	@echo 'make run     start the product (ARGS="--no-simulate --port 0" are flags of `tripwarden up`)'
	@echo 'make test    run the tests (ARGS="tests/flows -k up" are arguments of pytest)'
	@echo 'make check   lint, format, import contracts, types'
	@echo 'make bench   measure'
	@echo 'make chaos   break everything for a while and check that nothing is lost (ARGS="--seed 7 --minutes 10 --pairs 20")'
	@echo 'make clean   remove what these made'

# Stamps: what is installed, as of which pyproject.toml and constraints.txt.
$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Tripwarden needs Python 3.11 or newer; none was found (PYTHON=... names one)' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo 'python3 -m venv failed; on Debian: apt-get install python3-venv' >&2; exit 1; }

$(VENV)/.product: $(NEEDS) | $(BIN)/python
	@echo 'Installing Tripwarden into $(VENV) ...'
	@$(PIP) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(NEEDS) | $(BIN)/python
	@echo 'Installing Tripwarden and its development tools into $(VENV) ...'
	@$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.product

# torch comes first and by name: its version here has a CPU build, and plain torch drags in gigabytes of CUDA.
$(VENV)/.detoxify: $(VENV)/.dev
	@echo 'Installing torch and detoxify ...'
	@$(PIP) torch==2.13.0
	@$(PIP) --constraint constraints.txt --editable '.[dev,detoxify]'
	@touch $@

setup: $(VENV)/.dev

run: $(VENV)/.product
	@exec $(BIN)/tripwarden up $(ARGS)

ifeq ($(CI),true)
test: $(VENV)/.detoxify chromium
else
test: $(VENV)/.dev
endif
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: chromium
chromium:
	@if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq chromium; \
	fi

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/pyright

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: $(VENV)/.dev
	@$(BIN)/python -m tests.chaos $(ARGS)

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
