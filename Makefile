# Every target of the daily work. `make verify` is read-only and is what CI checks.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MADSIM := --config 'build.rustflags=["--cfg","madsim"]'
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
FUZZ_TARGETS := $(notdir $(wildcard fuzz/seeds/*))
FUZZ_SECONDS := 30
REQUESTS := 100000
PARKED := 10000

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Install, build and start a node on ./data
	scripts/run

.PHONY: test
test: ## All tests
	scripts/test

.PHONY: requests
requests: ## A long run of requests made from the API's document: REQUESTS of them
	. scripts/env && SAGALINE_REQUESTS=$(REQUESTS) cargo test --locked --test http whatever_is_sent -- --nocapture

.PHONY: bench
bench: ## All benches that have a bar; fails when one is short
	. scripts/env && scripts/bench

.PHONY: fuzz
fuzz: tools ## Any bytes to every decoder: FUZZ_SECONDS a target, FUZZ_TARGETS to choose; needs the nightly compiler
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz@$(FUZZ_VERSION)
	cp Cargo.lock fuzz/Cargo.lock
	. scripts/env && cd fuzz && for target in $(FUZZ_TARGETS); do \
		mkdir -p "corpus/$$target"; \
		cargo +nightly fuzz run --fuzz-dir . --sanitizer none "$$target" "corpus/$$target" "seeds/$$target" -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1; \
	done

.PHONY: outage
outage: tools ## A long outage: PARKED sagas are retried while the participant is dead, and once it lives; shows the rate
	. scripts/env && SAGALINE_PARKED=$(PARKED) cargo test --locked --test http outage:: -- --nocapture

.PHONY: newcomer
newcomer: tools ## Follows the first guide in a fresh copy, as a reader would and as the tests do
	scripts/newcomer

.PHONY: verify
verify: lint test ## Read-only: everything CI checks

.PHONY: lint
lint: fmt-check clippy deny docs ## Read-only: formatting, clippy, dependencies, documentation

.PHONY: fmt-check
fmt-check: tools
	cargo fmt --all --check

.PHONY: clippy
clippy: tools
	. scripts/env && cargo clippy --locked --workspace --all-targets -- -D warnings
	. scripts/env && cargo clippy --locked $(MADSIM) -p sagaline-sim --all-targets -- -D warnings

.PHONY: deny
deny: tools
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny@$(DENY_VERSION)
	cargo deny --locked check bans licenses sources

.PHONY: docs
docs: tools
	. scripts/env && RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps

.PHONY: fix
fix: tools ## Formats, applies clippy's suggestions, writes .env.example anew
	cargo fmt --all
	. scripts/env && cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	. scripts/env && cargo run -q --bin sagaline -- settings --example > target/env.example
	mv target/env.example .env.example

.PHONY: tools
tools:
	@scripts/install
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
