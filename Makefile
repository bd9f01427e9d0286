# `make demo` and `make test` make everything that they need, inside this folder.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test checks fast schema docs lock system servers bench clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## Make a spoken sentence, an image and a video through PostgreSQL
	@$(BIN)/vsl demo

test: system $(VENV)/.dev servers ## Run all checks and all tests, as CI does
	@$(MAKE) --no-print-directory checks
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile

checks: $(VENV)/.dev ## Format, lint, types, layers, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m vsl.db.schema --check
	$(BIN)/python docs/generate.py --check

fast: $(VENV)/.dev ## Run the tests on the embedded PostgreSQL only
	@$(BIN)/python -m pytest -q -k "not pg15 and not pg14 and not pg16 and not pg17"

schema: $(VENV)/.run ## Write database/schema.sql from its parts
	$(BIN)/python -m vsl.db.schema

docs: $(VENV)/.dev ## Write docs/reference from the sources
	$(BIN)/python docs/generate.py

bench: $(VENV)/.dev ## Measure, and print figures beside their floors
	$(BIN)/python -m benchmarks

lock: ## Resolve the dependencies anew
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock

system: ## Install the system packages that the tests need, or name them
	@bash scripts/system-packages.sh

servers: $(VENV)/.dev ## Fetch the PostgreSQL servers that the schema is tested on
	@$(BIN)/python tests/support/fetch_servers.py

clean: ## Remove what was made in this folder, but not VSL's data
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis demo-output dist

# The environment for running; `.dev` is the same one with what the tests need.
$(VENV)/.run: requirements.lock pyproject.toml
	@bash scripts/environment.sh "$(PYTHON)" "$(VENV)" requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@bash scripts/environment.sh "$(PYTHON)" "$(VENV)" requirements-dev.lock
	@touch $@ $(VENV)/.run
