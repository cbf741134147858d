# `make quickstart` runs the main job, `make test` the tests; each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS ?= dev
JOBS ?= 2

.PHONY: help setup system quickstart test test-full lint format docs bench clean

help:  ## Show the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup: $(READY)  ## Make .venv from the pinned versions.

# torch by its exact version first: asked for loosely, pip takes a CUDA build of several gigabytes.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'edgecompile needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $(READY)

# Programs that tests need and pip has not, and Debian's packages of them.
PROGRAMS := chromium qemu-riscv64 qemu-system-riscv32 qemu-system-riscv64
PACKAGES := chromium fonts-liberation qemu-user qemu-system-misc

system:  ## See that the programs that tests need are there; as root on Debian, install them.
	@missing() { for one in $(PROGRAMS); do command -v $$one >/dev/null || echo $$one; done; }; \
	if [ -n "$$(missing)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null; \
	fi; \
	if [ -n "$$(missing)" ]; then \
	  echo "Missing: "$$(missing)". The tests that need it are skipped."; \
	  echo "To get it: sudo apt-get install $(PACKAGES) (Debian)"; \
	fi

quickstart: $(READY)  ## Build recipes/digits_cnn for its targets, measured after every step.
	$(BIN)/edgecompile build recipes/digits_cnn

# Tests of one file stay together: they share what they built. In their own order: by the number of
# tests, those that build real models would come last, and one core would wait for the other. One
# thread each: more threads than cores wait for one another, and cost processor time meanwhile.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(READY) system  ## Run the tests that CI runs.
	$(PYTEST) -m "not full"

test-full: $(READY) system  ## Run every test, the slow and exhaustive ones too.
	$(PYTEST)

lint: $(READY)  ## ruff and mypy --strict.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

docs: $(READY)  ## Build the pages in docs/ as a site, in site/.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(READY) system  ## Measure against peers, as ratios in one run.
	$(BIN)/python -m benchmarks

clean:  ## Remove what was built; .venv stays.
	rm -rf dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis
