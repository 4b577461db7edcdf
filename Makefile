# One command for each thing. HOST, PORT, PYTHON, JOBS and ARGS (for pytest) can be given.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
# Tests at a time. Most of their time is waiting, but deadlines do not like a crowded machine.
JOBS ?= 2
ARGS ?=

FAST := $(wildcard tests/unit tests/contract)
# The second generation of Quart: pip takes 0.22 on Python 3.11 and 3.12, 0.23 from 3.13 on.
NEWER := 3.13
NEWER_VENV := .venv313
SAME_ON_BOTH := tests/browser tests/packaging

PYTEST = -m pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint format test-fast test-rest test-313 venv system-packages clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 18

run: ## start the chat; QUARTCHAT_BROKER=redis://... or amqp://... chooses the broker
	@.ci/venv .venv "$(PYTHON)" all
	@exec .ci/serve "$(HOST)" "$(PORT)"

test: system-packages lint test-fast test-rest test-313 ## install what is needed, then run every check

lint: venv ## ruff and mypy
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

format: venv ## let ruff rewrite what it can
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

test-fast: venv ## unit tests, and the contract on every broker
	.venv/bin/python $(PYTEST) $(FAST) $(ARGS)

test-rest: venv
	.venv/bin/python $(PYTEST) tests $(FAST:%=--ignore=%) $(ARGS)

test-313: ## the suite under Python 3.13, where there is one
	@if python="$$(.ci/find-python $(NEWER))"; then \
	  .ci/venv $(NEWER_VENV) "$$python" dev && \
	  $(NEWER_VENV)/bin/python $(PYTEST) tests $(SAME_ON_BOTH:%=--ignore=%) $(ARGS); \
	else \
	  echo "No Python $(NEWER) here: not tested under it"; \
	fi

venv:
	@.ci/venv .venv "$(PYTHON)" dev

system-packages:
	@.ci/system-packages

clean: ## remove the environments and whatever else was made here
	rm -rf .venv $(NEWER_VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
