# Two commands matter: `make quickstart` and `make test`. Each makes .venv where it is missing.

PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
# UV=1 installs with uv, which has to be there, instead of pip. Modules are compiled when they are first imported: most
# never are, and doing it while installing takes half of the time.
INSTALL := $(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --no-compile) --quiet
SIZE ?= small

# One numerical thread: two collapse as soon as a neighbour is busy, and change the weights.
export MLFLOW_DISABLE_TELEMETRY := true
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# How many changes `make mutants` draws; 0: all of them, which takes hours.
MUTANTS ?= 0

# How many evaluations `make intervals` draws for each kind of one.
DRAWS ?= 4000

# What `make figures` measures, by name: what is not of this code already where none. DATA: folder of recorded data.
ONLY ?=
DATA ?= ../shared/data

# Of the tests: one more than cores, since servers that tests start are waited for.
WORKERS ?= 3

# Of the game day.
SEED ?= 0

# Honest days that `make game-day` counts what is told of, in place of the day with faults; 0: none.
DAYS ?= 0

.PHONY: help install quickstart test mutants check docs loop game-day bench intervals figures rivals clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: .venv/installed ## make .venv and install the pinned dependencies

.venv/installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "bidpilot needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --constraint constraints.txt --editable '.[all]'
	@touch $@

quickstart: install ## train a policy on synthetic days for a minute, evaluate every agent, export the bundle
	$(BIN)/bidpilot train --worlds 64 --verdict-days 128
	$(BIN)/bidpilot evaluate
	$(BIN)/bidpilot export --out bundle --force

test: install ## run all tests; COVERAGE=--cov measures which branches they take, and holds the floor
	@# in the order of tests/conftest.py: by itself loadfile begins with the files of many tests, and the loop is one
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(COVERAGE)

mutants: install ## change money and scoring code place by place and list what no test notices (MUTANTS=20: a sample)
	$(BIN)/python -m tests.mutants.run --size $(MUTANTS)

check: install ## lint, format, types, import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs ## run the tutorials and build the docs site, build/docs/index.html; a warning or an error fails
	$(BIN)/sphinx-build --fresh-env --fail-on-warning --keep-going --quiet docs build/docs

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[docs]'
	@touch $@

loop: install ## go the whole way from a log to a served champion and back, checking every joint; SIZE=large for more days
	$(BIN)/python -m tests.loop.loop --size $(SIZE)

game-day: install ## play a day with faults in it, with the guard and without; DAYS=30: honest days, what is told of them
	$(BIN)/python -m tests.game_day.game_day --alone --seed $(SEED) --days $(DAYS)

bench: install ## run every benchmark; one JSON line per measurement
	@set -e; for f in benchmarks/*.py; do $(BIN)/python "$$f"; done

intervals: install ## simulate how often the intervals of evaluate hold the truth, in minutes; DRAWS=400 for fewer
	$(BIN)/python benchmarks/intervals.py --draws $(DRAWS)

figures: install ## measure the figures of README and docs and write them there, an hour; ONLY="suites fronts"
	$(BIN)/python -m docs.figures --data $(DATA) $(if $(ONLY),--only $(ONLY))

rivals: .rivals/installed ## make .rivals, the environment of its own in which `bidpilot rivals` trains published learners

.rivals/installed: agents/baselines/learned/requirements.txt
	test -x .rivals/bin/python || $(PYTHON) -m venv .rivals
	.rivals/bin/python -m pip install --quiet --no-compile --requirement $<
	@touch $@

clean: ## remove the environment and every cache, those of compiled functions too (runs under mlruns/ stay)
	rm -rf .venv .rivals build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
