# The few commands that one needs. Each does all that it must by itself; see README.md.

SHELL := /bin/bash
CARGO ?= cargo
# One target directory for everything, also in a worktree of one's own.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Where a real-switch scenario that could not run says why (tests/support).
export FSX_SKIP_LOG := $(TARGET)/fsx-skipped.txt
# Where tests find what is built here.
export FSX_TARGET_DIR := $(TARGET)

.PHONY: help
help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build, make a demo routing database, start fsxinetd, route a few numbers; stays until Ctrl-C
	@pkg/setup.sh run
	$(CARGO) build --locked
	@pkg/run.sh "$(TARGET)/debug"

.PHONY: test
test: ## Every test; real switches are used where found (FSX_FREESWITCH, FSX_OPENSIPS, or PATH)
	@pkg/setup.sh test
	$(CARGO) build --locked --workspace
	@pkg/test.sh

.PHONY: modules
modules: ## Both modules, optimised, under the names that the switches look for
	@pkg/setup.sh run
	$(CARGO) build --locked --release -p mod_fsx -p fsx-opensips
	@mkdir -p "$(TARGET)/modules"
	@install -m 644 "$(TARGET)/release/libmod_fsx.so" "$(TARGET)/modules/mod_fsx.so"
	@install -m 644 "$(TARGET)/release/libfsx.so" "$(TARGET)/modules/fsx.so"
	@echo "FreeSWITCH: $(TARGET)/modules/mod_fsx.so"
	@echo "OpenSIPS:   $(TARGET)/modules/fsx.so"
	@echo "How to load them: README.md"

.PHONY: fuzz
FUZZ_SECONDS ?= 60
fuzz: ## Random hostile bytes for everything that reads bytes; FUZZ_SECONDS=60
	@pkg/setup.sh run
	@# Not --locked: it builds on the daemon, whose dependencies are locked in Cargo.lock.
	$(CARGO) run --release --quiet --manifest-path fuzz/Cargo.toml --target-dir "$(TARGET)/fuzz" \
		--bin bounded -- --seconds $(FUZZ_SECONDS) $(FUZZ_ARGS)

.PHONY: bench
bench: ## How fast data is built and calls are decided, over decks cut like real ones
	@pkg/setup.sh run
	$(CARGO) bench --locked -p fsx-seam --bench lcr

.PHONY: bench-daemon
BENCH_ARGS ?=
bench-daemon: ## The daemon under load, beside xinetd and PHP (minutes); BENCH_ARGS="tasks --seconds 5" for a part
	@pkg/setup.sh run
	$(CARGO) build --locked --release -p fsxinetd
	$(CARGO) bench --locked -p fsx --bench daemon -- $(BENCH_ARGS)

.PHONY: bench-freeswitch
bench-freeswitch: ## Calls through dialplan fsx beside a static XML dialplan, in real FreeSWITCHes (minutes); skips without one
	@pkg/setup.sh test
	$(CARGO) build --locked --release -p mod_fsx -p fsxinetd
	$(CARGO) bench --locked -p fsx --bench freeswitch

.PHONY: soak
soak: ## Minutes under calls and faults, in full sizes: twenty kills, sixty snapshots; SOAK=part of a name
	@pkg/setup.sh test
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked -p fsx --test scenarios -- --ignored --nocapture --test-threads=1 $(SOAK)

.PHONY: oracle
oracle: ## The fast engine against the slow one over the whole real numbering plan (minutes)
	@pkg/setup.sh run
	FSX_ORACLE_CASES=10000 $(CARGO) test --locked --release -p fsx-snapshot --test oracle -- same_answer
	$(CARGO) test --locked --release -p fsx-snapshot --test oracle -- --ignored --nocapture --test-threads=1

.PHONY: lint
lint: ## Format, clippy and rustdoc, with warnings as errors; licences and bans where cargo-deny is installed
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@# Documentation is for those who work here, so links to private rooms are right.
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --locked --workspace --no-deps --document-private-items
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --workspace --locked check bans licenses sources; \
	else echo "SKIPPED deny: cargo-deny is not installed (cargo install cargo-deny --locked)"; fi
