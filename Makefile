# Every task of this project is one target; `make help` lists them. Nothing is installed outside .venv and core/target.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARGO := cargo
CARGO_IN_CORE := cd core && $(CARGO)
BENCH := build/bench
TS := bindings/typescript
TARGET ?= sse
SECONDS ?= 60
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

RUST_SOURCES := $(shell find core -path core/target -prune -o \( -name '*.rs' -o -name 'Cargo.*' \) -print)
TS_SOURCES := $(wildcard $(TS)/src/*.ts $(TS)/*.json $(TS)/native/Cargo.* $(TS)/native/src/*.rs)
BUILD_SOURCES := $(RUST_SOURCES) include/inferencekey.h $(wildcard inferencekey/_native.[hc]) build_ffi.py build_library.py setup.py pyproject.toml \
    $(wildcard core/profiles/*.gz)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# --- The two commands of the README ----------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.built ## Build, start the embedded platform, run the whole main job, stop
	@$(BIN)/inferencekey local exec -- $(BIN)/python examples/tour.py

.PHONY: test
test: lint header-check docs test-rust test-c test-python guards test-typescript test-package ## Run everything that CI runs

# --- Parts of `make test` --------------------------------------------------------------------------------------------

.PHONY: lint
lint: $(VENV)/.dev ## Check formatting, clippy, ruff, mypy --strict and biome
	$(CARGO_IN_CORE) fmt --all --check
	$(CARGO_IN_CORE) clippy --quiet --locked --all-targets -- -D warnings
	cd bench/native && $(CARGO) fmt --all --check
	cd bench/native && $(CARGO) clippy --quiet --locked --all-targets --target-dir ../../build/native -- -D warnings
	cd $(TS)/native && $(CARGO) fmt --all --check
	cd $(TS)/native && $(CARGO) clippy --quiet --locked -- -D warnings
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	@if ! command -v npm >/dev/null && [ -z "$${CI:-}" ]; then \
	    echo "skipped: checking TypeScript needs Node.js, 20 or later"; \
	else \
	    $(MAKE) --no-print-directory lint-typescript; \
	fi

# Its types are checked by `tsc --strict` whenever it is built.
.PHONY: lint-typescript
lint-typescript: $(TS)/node_modules/.package-lock.json
	npm --prefix $(TS) run --silent lint

.PHONY: test-rust
test-rust: ## Run the Rust unit tests and vectors
	$(CARGO_IN_CORE) test --quiet --locked --workspace

.PHONY: test-c
test-c: $(VENV)/.built ## Run the C programs plain, under valgrind, AddressSanitizer and ThreadSanitizer
	tests/c/run.sh

.PHONY: test-python
test-python: $(VENV)/.built $(VENV)/.dev ## Run the Python tests, end to end over the embedded platform
	$(BIN)/python -m pytest --quiet -n 4

.PHONY: guards
guards: $(VENV)/.built ## Count what calls cost (system calls, allocations, crossings, memory) and compare with the bounds
	$(BIN)/python tests/guards

.PHONY: test-typescript
test-typescript: $(VENV)/.built ## Run the TypeScript tests, end to end over the embedded platform
	@if ! command -v npm >/dev/null && [ -z "$${CI:-}" ]; then \
	    echo "skipped: the TypeScript tests need Node.js, 20 or later"; \
	else \
	    $(MAKE) --no-print-directory ts-package && $(BIN)/inferencekey local exec -- npm --prefix $(TS) test --silent; \
	fi

.PHONY: ts-package
ts-package: $(TS)/dist/.built ## Pack the npm packages into build/npm, install them into an empty project and use them
	tests/package/npm.sh

.PHONY: test-package
test-package: $(VENV)/.built $(VENV)/.dev ## Build sdist and wheel, install each into an empty venv and use it
	tests/package/run.sh

DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs

.PHONY: docs
docs: $(VENV)/.docs ## Build the documentation's site into build/site; a link that leads nowhere is an error
	$(DOCS) build --strict

.PHONY: docs-serve
docs-serve: $(VENV)/.docs ## Show the site on http://127.0.0.1:8000, and what is edited at once
	$(DOCS) serve

.PHONY: pictures
pictures: $(VENV)/.built $(VENV)/.docs ## Take the pictures of the terminal in the documentation anew
	$(BIN)/python tools/terminal_pictures

.PHONY: bench
bench: $(BENCH)/.native $(BENCH)/.sdk $(BENCH)/.node $(TS)/dist/.built ## Measure the SDK beside other clients; ROWS=unary,stream and CLIENTS=limit,sdk_sync pick some, QUICK=1 hurries
	@$(BENCH)/venv/bin/python bench $(if $(ROWS),--rows $(ROWS)) $(if $(CLIENTS),--clients $(CLIENTS)) \
	    $(if $(QUICK),--quick) $(if $(ROWS)$(CLIENTS)$(QUICK),,--page)

# Before a release, and for another compiler: names change with either, and a profile fits by names.
.PHONY: profile
profile: $(BENCH)/.native $(BENCH)/.peers $(VENV)/.dev ## Note anew in core/profiles which code of the library is hot
	tools/profile.sh

.PHONY: weight
weight: $(VENV)/.dev ## Build the wheel as it is released, install it, and print what each part weighs
	@mkdir -p build && rm -rf build/lib.* build/weight
	$(BIN)/python -m build --wheel --no-isolation --outdir build/weight . >build/weight.log 2>&1 || { cat build/weight.log; exit 1; }
	@$(BIN)/python tools/weight.py build/weight/*.whl

.PHONY: soak
soak: $(VENV)/.built $(VENV)/.dev ## Look for leaks over 100,000 calls of each kind (about half an hour)
	SOAK_CALLS=100000 $(BIN)/python -m pytest --quiet -n 2 --timeout 7200 tests/python/faults/test_leaks.py

# The compiler flags are those of libFuzzer's coverage. They are not stable, and the stable compiler has them all the same.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares

.PHONY: fuzz
fuzz: ## Look for new inputs of TARGET (sse, answers, …: see core/fuzz) for SECONDS; they go to build/fuzz
	mkdir -p build/fuzz/$(TARGET)
	cd core/fuzz/libfuzzer && RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) build --quiet --release --locked \
	    --target x86_64-unknown-linux-gnu --target-dir ../../target/fuzz
	cd build/fuzz && TARGET=$(TARGET) ../../core/target/fuzz/x86_64-unknown-linux-gnu/release/fuzz \
	    $(TARGET) ../../core/fuzz/corpus/$(TARGET) -max_total_time=$(SECONDS) -timeout=10 -max_len=8192

# --- Building --------------------------------------------------------------------------------------------------------

.PHONY: build
build: $(VENV)/.built ## Build the library and the Python package into .venv (editable)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r $<
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	$(PIP_INSTALL) --require-hashes -r $<
	@touch $@

$(VENV)/.docs: requirements/docs.lock $(VENV)/.dev
	$(PIP_INSTALL) --require-hashes -r $<
	@touch $@

$(VENV)/.built: $(BUILD_SOURCES) $(VENV)/.run
	@echo "building the native library (some minutes the first time)"
	$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: typescript
typescript: $(TS)/dist/.built ## Build the addon and the TypeScript package in bindings/typescript

$(TS)/node_modules/.package-lock.json: $(TS)/package-lock.json
	npm --prefix $(TS) ci --silent --no-audit --no-fund
	@touch $@

$(TS)/dist/.built: $(RUST_SOURCES) $(TS_SOURCES) $(TS)/node_modules/.package-lock.json
	@echo "building the addon for Node.js (some minutes the first time)"
	npm --prefix $(TS) run --silent build >$(TS)/dist.log 2>&1 || { cat $(TS)/dist.log; exit 1; }
	@touch $@

# The benchmark has a venv of its own: the wheel is measured as users get it, beside its peers.
$(BENCH)/.peers: requirements/bench.lock
	$(PYTHON) -m venv $(BENCH)/venv
	$(BENCH)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(BENCH)/.sdk: $(BUILD_SOURCES) $(shell find inferencekey -name '*.py') $(BENCH)/.peers | $(VENV)/.dev
	rm -rf build/lib.* $(BENCH)/wheel
	$(BIN)/python -m build --wheel --no-isolation --outdir $(BENCH)/wheel . >$(BENCH)/wheel.log 2>&1 || { cat $(BENCH)/wheel.log; exit 1; }
	$(BENCH)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(BENCH)/wheel/*.whl
	@touch $@

$(BENCH)/.node: bench/node/package-lock.json
	npm --prefix bench/node ci --silent --no-audit --no-fund
	@mkdir -p $(@D) && touch $@

$(BENCH)/.native: $(shell find bench/native -name '*.rs' -o -name 'Cargo.*')
	@mkdir -p $(@D)
	cd bench/native && $(CARGO) build --quiet --release --locked --target-dir ../../build/native
	@touch $@

.PHONY: wheel
wheel: $(VENV)/.dev ## Build the sdist and one abi3 wheel into dist/
	$(BIN)/python -m build --no-isolation --outdir dist

.PHONY: header
header: ## Generate include/inferencekey.h from the Rust sources
	core/header/generate.sh

.PHONY: header-check
header-check: ## Fail if the committed header or symbols list differs from the sources
	core/header/check.sh

# --- Keeping house ---------------------------------------------------------------------------------------------------

.PHONY: format
format: $(VENV)/.dev ## Format all sources
	$(CARGO_IN_CORE) fmt --all
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .
	if command -v npm >/dev/null; then \
	    $(MAKE) --no-print-directory $(TS)/node_modules/.package-lock.json && npm --prefix $(TS) run --silent format; \
	fi

.PHONY: lock
lock: $(VENV)/.dev ## Renew requirements/*.lock from requirements/*.in
	$(PIP_INSTALL) uv
	cd requirements && for name in run dev docs bench; do \
	    ../$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	        --no-header --no-annotate $$name.in -o $$name.lock; done

.PHONY: cli-help
cli-help: $(VENV)/.built ## Renew the help texts in docs/cli.md
	$(BIN)/python tools/cli_help.py

.PHONY: models
models: ## Train the bundled models anew (about 40 minutes on two cores; see tools/tiny_model/README.md)
	$(PYTHON) -m venv build/models
	build/models/bin/pip install --quiet -r tools/tiny_model/requirements.txt
	taskset -c 0,1 build/models/bin/python tools/tiny_model/train.py
	taskset -c 0 build/models/bin/python tools/tiny_model/train_embedding.py
	build/models/bin/python tools/tiny_model/checksums.py

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf $(VENV) build dist core/target *.egg-info $(TS)/dist $(TS)/native/target $(TS)/node_modules $(TS)/*.node
	rm -f inferencekey/_native*.so inferencekey/libinferencekey.*
