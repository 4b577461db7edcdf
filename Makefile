# One command for each thing. HOST, PORT, PYTHON, JOBS and ARGS (for pytest) can be given.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
# Tests at a time. Most of their time is waiting, but deadlines do not like a crowded machine.
JOBS ?= 2
ARGS ?=
# For faults: which brokers (all, where empty), how many sites side by side, how many faults a broker in the
# full campaign, and how long to soak.
BROKERS ?=
SITES ?= 3
FAULTS ?= 300
MINUTES ?= 60
# For hostile: how many inputs, for how many seconds at the most (0: as long as it takes), which seed.
INPUTS ?= 100000
HOSTILE_SECONDS ?= 0
SEED ?= 1
# For bench: names with commas between them (all, where empty), how often, and how long a trial loads.
SCENARIOS ?=
PEERS ?=
ROUNDS ?= 3
SECONDS ?= 2

FAST := $(wildcard tests/unit tests/contract)
# The second generation of Quart: pip takes 0.22 on Python 3.11 and 3.12, 0.23 from 3.13 on.
NEWER := 3.13
NEWER_VENV := .venv313
SAME_ON_BOTH := tests/browser tests/packaging

PYTEST = -m pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint format test-fast test-rest test-313 faults faults-full hostile hostile-short autobahn soak screenshots bench bench-quick bench-setup venv system-packages clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 18

run: ## start the chat; QUARTCHAT_BROKER=redis://... or amqp://... chooses the broker
	@.ci/venv .venv "$(PYTHON)" all
	@exec .ci/serve "$(HOST)" "$(PORT)"

test: system-packages lint test-fast test-rest faults hostile-short autobahn test-313 ## install what is needed, then run every check

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
	.venv/bin/python $(PYTEST) tests $(FAST:%=--ignore=%) -m "not alone" $(ARGS)
	.venv/bin/python -m pytest tests/browser -m alone $(ARGS)

test-313: ## the suite under Python 3.13, where there is one
	@if python="$$(.ci/find-python $(NEWER))"; then \
	  .ci/venv $(NEWER_VENV) "$$python" dev && \
	  $(NEWER_VENV)/bin/python $(PYTEST) tests $(SAME_ON_BOTH:%=--ignore=%) $(ARGS); \
	else \
	  echo "No Python $(NEWER) here: not tested under it"; \
	fi

faults: venv system-packages ## kill, freeze and cut everything once on each broker, and judge what came of it; BROKERS
	.venv/bin/python -m tests.faults --brokers "$(BROKERS)" --jobs $(SITES)

faults-full: venv system-packages ## the same with FAULTS (300) for each broker, takes an hour; writes docs/faults.md
	.venv/bin/python -m tests.faults --brokers "$(BROKERS)" --jobs $(SITES) --full $(FAULTS) --page docs/faults.md

hostile: venv ## send INPUTS (100,000) hostile inputs of all kinds; writes docs/hostile.md. SEED, HOSTILE_SECONDS
	.venv/bin/python -m tests.hostile --inputs $(INPUTS) --seed $(SEED) --seconds $(HOSTILE_SECONDS) \
	  --page docs/hostile.md

hostile-short: venv
	.venv/bin/python -m tests.hostile --inputs $(INPUTS) --seed $(SEED) --seconds 300

autobahn: venv ## the WebSocket conformance suite, where there is a Python 2.7 to run it
	@if python="$$(.ci/autobahn .autobahn)"; then \
	  .venv/bin/python -m tests.hostile.conformance "$$python" .autobahn; \
	else \
	  echo "No Python 2.7 here: the conformance suite was not run"; \
	fi

soak: venv system-packages ## faults and churn for MINUTES (60): does anything pile up? Writes docs/soak.md
	.venv/bin/python -m tests.faults.soak --minutes $(MINUTES) --page docs/soak.md

screenshots: venv system-packages ## every state of the pages as a picture, into docs/screenshots/
	.venv/bin/python -m tests.browser.screenshots

bench: bench-setup ## measure beside other servers, write docs/benchmarks.md; SCENARIOS, PEERS, ROUNDS, SECONDS
	@exec .venv/bin/python -m bench --scenarios "$(SCENARIOS)" --peers "$(PEERS)" \
	  --rounds "$(ROUNDS)" --seconds "$(SECONDS)"

bench-quick: bench-setup ## the same in a few minutes, for a look: into .bench/
	@exec .venv/bin/python -m bench --scenarios "$(or $(SCENARIOS),fan1000 busy100 pair)" \
	  --peers "$(or $(PEERS),floor nchan quartchat quartchat-redis quartchat-rabbitmq node-ws litestar)" \
	  --rounds 1 --seconds 1 --results .bench/quick.json --page .bench/quick.md

bench-setup: venv
	@bench/setup "$(PYTHON)"

venv:
	@.ci/venv .venv "$(PYTHON)" dev

system-packages:
	@.ci/system-packages

clean: ## remove the environments and whatever else was made here
	rm -rf .venv $(NEWER_VENV) .autobahn .bench .faults build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
