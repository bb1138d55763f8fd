# Tocsin. A newcomer needs two of these: `make up` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: up test check bench lock clean help
help:            ## what there is
	@grep -hE '^[a-z.]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: .venv        ## the whole stack: database, broker, console, workers, pager, Flower; Ctrl-C ends it
	$(BIN)/tocsin up

.venv: $(VENV)/.run-ready     ## install what running needs (locked, with hashes)

$(VENV)/.run-ready: requirements/run.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tocsin needs Python 3.11 or newer; try: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

# COVERAGE=1 counts the lines that run, in every process the suite starts, for `make check` to judge. It takes half as long
# again, before Python 3.12 has sys.monitoring for it.
test: $(VENV)/.dev-ready   ## the whole suite, against a real PostgreSQL and Valkey started for it (COVERAGE=1: count lines, too)
ifdef COVERAGE
	@rm -rf .coverage && mkdir .coverage
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' && export COVERAGE_CORE=sysmon; $(BIN)/python -m coverage run -m pytest -q -n auto --dist loadgroup
	@touch .coverage/passed
else
	$(BIN)/python -m pytest -q -n auto --dist loadgroup
endif

check: $(VENV)/.dev-ready  ## lint, types, import contracts, docs; coverage, where `make test COVERAGE=1` has measured it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.scaffolds
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/house
	$(BIN)/python -m tests.covered $(if $(COVERAGE),--measured)

bench: $(VENV)/.dev-ready  ## measure, beside a peer in one run; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench

lock:            ## resolve the requirements anew (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements/run.lock
	uv pip compile pyproject.toml --group dev -c requirements/run.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements/dev.lock

clean:           ## forget the virtual environment and caches (never data)
	rm -rf $(VENV) .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
