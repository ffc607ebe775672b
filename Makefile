# Everything runs in .venv, which is built from the lock files on first use.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-the-lock

# Each worker has a lab of its own; a file's tests stay together, in the order of conftest.py.
WORKERS ?= 2
TOGETHER := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Compiled once instead of at every start, whatever the machine's habit is.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help venv demo test unit lab-test programs mutations torture fuzz bench bench-report docs go-test check format \
	lock clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## Build .venv from the lock files

# --require-hashes: what was reviewed is what is installed.
$(STAMP): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Migrate a StatefulSet in a lab of its own and check every byte
	$(BIN)/python -m lab demo

test: $(STAMP) go-test programs ## Run all tests: the tool on the lab's real control plane, and the units (WORKERS=2)
	$(BIN)/pytest $(TOGETHER)

unit: $(STAMP) ## Run the tests that need nothing but Python
	$(BIN)/pytest $(TOGETHER) tests/unit

lab-test: $(STAMP) programs ## Run tests/lab
	$(BIN)/pytest $(TOGETHER) tests/lab

# Before the workers start: of theirs, one would build unheard while the other waits.
programs: $(STAMP)
	@$(BIN)/python -m lab build >/dev/null

mutations: $(STAMP) ## Break the tool on purpose and see which tests notice
	$(BIN)/python -m tests.mutations

# make torture [CASES=N] [SEED=S] [JSON=FILE] [SHARD=i/n] [JOBS=n] [SCENARIO='name…'] [CASE=name]
torture: $(STAMP) ## Kill and fault the tool at each of its requests (hours; CASES=N samples)
	$(BIN)/python -m tests.torture $(foreach option,CASES SEED JSON SHARD JOBS CASE,\
		$(if $($(option)),--$(shell tr A-Z a-z <<<$(option)) '$($(option))')) \
		$(foreach one,$(SCENARIO),--scenario $(one))

# make fuzz [SETS=N] [SEED=S] [JSON=FILE] [JOBS=n]
fuzz: $(STAMP) ## Try StatefulSets at random: migrated whole, or refused for what is true (an hour)
	$(BIN)/python -m tests.fuzz $(foreach option,SETS SEED JSON JOBS,\
		$(if $($(option)),--$(shell tr A-Z a-z <<<$(option)) '$($(option))'))

# make bench [RUNS=n] [JSON=FILE] [PICTURE=FILE] [DELAYS=name=seconds,...] [REPLICAS=100] [SET=n]
#     [CLAIMS=n,m] [TRIALS=n] [CROWD=n] [SIZE=MiB] [SIZES=n,m] [SOAK=seconds] [AT_ONCE=1,2,4,8] [MANY=40]
bench: $(STAMP) ## Measure the tool beside a plain restart, a runbook and copying (20 minutes)
	$(BIN)/python -m bench $(foreach option,RUNS JSON PICTURE DELAYS REPLICAS SET CLAIMS TRIALS \
		CROWD SIZE SIZES SOAK AT_ONCE MANY,$(if $($(option)),--$(shell tr A-Z_ a-z- <<<$(option)) '$($(option))'))

bench-report: $(STAMP) ## Write what was measured (docs/evidence) into the documents
	$(BIN)/python -m bench.report

docs: $(STAMP) ## Write docs/checks.md anew from the checks themselves
	$(BIN)/statefulset-csi-migration-tool checks -o markdown >docs/checks.md

go-test: $(STAMP) ## Vet and test the lab's Go parts
	$(BIN)/python -m lab go vet ./...
	$(BIN)/python -m lab go test ./...

check: $(STAMP) ## Run every check that reads the code only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs uv on the PATH. Without --upgrade, only what pyproject.toml asks for moves.
LOCK := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-header --no-emit-index-url

lock: ## Write the lock files anew from pyproject.toml (needs uv)
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --group dev --group build --constraints requirements.txt \
		--output-file requirements-dev.txt
	$(LOCK) requirements-go.in --output-file requirements-go.txt

clean: ## Remove what was built here; the cache of the lab's programs stays
	rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find src lab tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
