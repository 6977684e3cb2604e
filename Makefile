# Everything a developer types. CI types the same: .ci/run is `make test`.

.DEFAULT_GOAL := help
.PHONY: help run check test bench format lint deny unit fuzz prepare browser network

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve in development, with the sample taxis driving (data in ./data, Ctrl-C ends all)
	@scripts/run.sh

check: format lint deny ## While you work: formatting, lints, unit and protocol tests, a short fuzz run
	cargo test --workspace --all-features --lib --bins
	cargo test --package fanfare --test imports --test config
	cargo test --package fanfare-proto
	fuzz/short.sh 2

test: prepare format lint deny unit ## Everything that CI runs; installs what it needs (Debian, as root)
	fuzz/short.sh 5
	@$(MAKE) --no-print-directory browser network

bench: ## CPU and memory beside Socket.IO's in one run, then the store (release build, several minutes)
	npm --prefix benches/socketio ci --no-audit --no-fund
	cargo build --release
	cargo bench --bench compare
	cargo bench --bench store

format: ## Formatting only
	cargo fmt --all --check

lint: ## Clippy only; a warning is an error
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

deny: ## Licences and sources of the dependencies, where cargo-deny is installed
	@scripts/deny.sh

unit: ## Every cargo test: units, protocol, client, store conformance, both transports by the front door
	cargo test --workspace --all-features --locked

fuzz: ## Every fuzz target for a minute
	fuzz/short.sh 60

prepare: ## Install what the browser and network tests need, if it is missing
	@scripts/prepare.sh

browser: ## Tests in Chromium and Firefox
	npm --prefix tests/browser ci --no-audit --no-fund
	npm --prefix tests/browser test

network: ## Tests that cut, slow and change the network (root)
	@scripts/network.sh
