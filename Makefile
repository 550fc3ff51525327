# Set-up happens by itself: every verb makes what it needs first, once. `make run` needs no compiler and no database server.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONTRACTS := protos $(wildcard examples/*/protos)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help run test check breaking fix bench generate engines lock clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

run: .venv/base ## Serve the example with all its data on SQLite; nothing else is needed
	$(BIN)/protoplane dev --project examples/flightdesk

test: .venv/dev .include/made engines ## Run every test on SQLite, MariaDB and MySQL
	$(BIN)/python -m pytest

check: .venv/dev .include/made ## Run what CI runs besides the tests: lint, format, types, layers, contracts that still fit those of main
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/buf lint
	@for module in $(CONTRACTS); do echo "buf format $$module" && $(BIN)/buf format "$$module" --diff --exit-code || exit 1; done
	@$(MAKE) --no-print-directory breaking
	$(BIN)/python -m pytest --quiet tests/test_layers.py

# Against the last commit of main. What is not there to compare with is skipped, in a line that cannot be missed.
breaking: .venv/dev .include/made
	@main=$$(git rev-parse --quiet --verify main^{commit} 2>/dev/null || git rev-parse --quiet --verify origin/main^{commit} 2>/dev/null) \
		|| { echo '*** SKIPPED: buf breaking: git has no main here to compare with' >&2; exit 0; }; \
	before=$$(mktemp -d) && trap 'rm -rf "$$before"' EXIT || exit 1; \
	cp -R buf.yaml .include "$$before" && git archive "$$main" protos examples | tar -x -C "$$before" || exit 1; \
	for module in $(CONTRACTS); do \
		if [ -d "$$before/$$module" ]; then \
			echo "buf breaking $$module, against $$(git rev-parse --short "$$main") of main"; \
			$(BIN)/buf breaking "$$module" --against "$$before/$$module" || exit 1; \
		else \
			echo "*** SKIPPED: buf breaking $$module: main does not have it yet" >&2; \
		fi; \
	done; \
	for project in $(wildcard examples/*); do \
		if [ -d "$$before/$$project" ]; then $(BIN)/protoplane breaking "$$main" --project "$$project" || exit 1; fi; \
	done

fix: .venv/dev .include/made ## Mend what can be mended by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	@for module in $(CONTRACTS); do $(BIN)/buf format "$$module" --write || exit 1; done

bench: .venv/bench .include/made engines ## Compare with servers written by hand, then with itself: beyond its peak, and under attack
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench table
	$(BIN)/python -m tests.bench files
	$(BIN)/python -m tests.bench changes
	$(BIN)/python -m tests.bench access
	$(BIN)/python -m tests.bench documents
	$(BIN)/python -m tests.bench overload
	$(BIN)/python -m tests.attacks

generate: .venv/base ## Make again what is generated: pages of docs/, the folder of imports for buf, protoc and IDEs
	$(BIN)/python -m protoplane.cli.reference docs
	rm -rf .include && $(MAKE) .include/made

# What cannot be had is skipped loudly by the tests, and fails them in CI: so it does not end make here.
engines: .venv/dev ## Fetch the database servers and tools that the tests use
	-@$(BIN)/python -m tests.engines.fetch mariadb mysql
	-@$(BIN)/python -m tests.tools

lock: .venv/dev ## Resolve the dependencies anew, newest versions that pyproject.toml allows
	$(LOCK) --extra=dev --extra=mysql --output-file=requirements/dev.txt pyproject.toml
	$(LOCK) --constraint=requirements/dev.txt --output-file=requirements/base.txt pyproject.toml
	$(LOCK) --constraint=requirements/dev.txt --extra=mysql --output-file=requirements/mysql.txt pyproject.toml
	$(LOCK) --constraint=requirements/dev.txt --extra=mysql --extra=bench --output-file=requirements/bench.txt pyproject.toml
	$(LOCK_ONE) --output-file=requirements/go.txt requirements/go.in

clean: ## Remove everything that make made
	rm -rf .venv .cache .include build dist

LOCK_ONE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade
LOCK = $(LOCK_ONE) --build-deps-for=editable --build-deps-for=wheel

# Stamps: each file says that its step is done, and is older than what it was made from when the step is due again.

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { $(SUDO) apt-get -qq update && $(SUDO) apt-get -qq install --yes --no-install-recommends python3-venv; } >/dev/null \
		|| { echo 'Python cannot make virtual environments; please run as root: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/base: requirements/base.txt pyproject.toml | .venv/made
	$(PIP) install --require-hashes --requirement requirements/base.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt .venv/base
	$(BIN)/python -m tests.engines.fetch headers
	$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

.venv/bench: requirements/bench.txt .venv/dev
	$(PIP) install --require-hashes --requirement requirements/bench.txt
	@touch $@

.include/made: .venv/base
	@rm -rf .include
	@google=$$($(BIN)/python -c 'import google.api; print(google.api.__path__[0])')/..; \
	for room in api rpc longrunning type; do \
		mkdir -p .include/google/$$room && cp $$google/$$room/*.proto .include/google/$$room/ || exit 1; \
	done
	@mv .include/google/longrunning/operations_proto.proto .include/google/longrunning/operations.proto
	@touch $@
