# Everything runs in .venv, which the first verb creates. PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test simulate chaos hostile proofs check fix bench docs migrations clean

help:           ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/.run   ## install, then sync the bundled API into SQLite and query it
	@$(BIN)/etl demo

test: $(VENV)/.dev   ## run every test, on SQLite and on PostgreSQL
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

simulate: $(VENV)/.dev ## play seeded worlds against the whole way; SEEDS (how many), FIRST, SEED (one, told), KIND, JOBS
	@PYTHONPATH=tests/simulation $(BIN)/python -m worlds $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) \
	  $(if $(FIRST),--first $(FIRST)) $(if $(KIND),--kind $(KIND)) $(if $(JOBS),--jobs $(JOBS))

chaos: $(VENV)/.dev  ## kill and break it at every storage call and at random moments: an hour or more; CHAOS_SEED, CHAOS_KILLS, CHAOS_RESTARTS, CHAOS_STOPS
	@$(BIN)/python -m pytest -n 2 -m slow tests/chaos

hostile: $(VENV)/.dev  ## feed it thousands of damaged pages, and every lie of a clock on both databases: FUZZ_SEED, FUZZ_BATCHES
	@$(BIN)/python -m pytest -n 2 -m slow tests/acceptance/hostile

check: $(VENV)/.dev  ## lint, types, and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(VENV)/.dev   ## write the JSON Schema of the configuration, and hold the pages to the code
	@mkdir -p config/.schema
	@$(BIN)/etl schema > config/.schema/etl.json
	@$(BIN)/python -m pytest -q tests/docs tests/unit/cli tests/unit/settings

proofs: $(VENV)/.dev ## read lists that change while they are read, hundreds of seeds for each proof: many minutes
	@$(BIN)/python -m pytest -n 2 -m slow tests/simulation/test_proofs_under_mutation.py

migrations: $(VENV)/.dev ## after a new revision: record what an empty database gets
	@WRITE_FRESH=1 $(BIN)/python -m pytest -q tests/migrations/test_fresh.py

fix: $(VENV)/.dev    ## format, and repair what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## measure the speed beside a hand-written floor and dlt: a quarter of an hour
	@$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e .
	@$(BIN)/python -m compileall -q etl
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV), with what the tests need ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -q etl
	@touch $@ $(VENV)/.run

clean:          ## remove the environment and every generated file
	rm -rf $(VENV) .bench build dist demo data .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
