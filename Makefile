# Everything a developer types. CI types the same: .ci/run is `make test`.

.DEFAULT_GOAL := help
.PHONY: help run check test bench format lint deny unit fuzz prepare client console browser network fallback cassandra faults

CLIENT = clients/typescript

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve in development, with the sample taxis driving (data in ./data, Ctrl-C ends all)
	@$(MAKE) --no-print-directory console
	@scripts/run.sh

check: format lint deny ## While you work: formatting, lints, unit and protocol tests, a short fuzz run
	cargo test --workspace --all-features --lib --bins
	cargo test --package fanfare --test imports --test config
	cargo test --package fanfare-proto
	fuzz/short.sh 2

test: prepare console format lint deny unit ## Everything that CI runs; installs what it needs (Debian, as root)
	fuzz/short.sh 5
	@FANFARE_BIN="$$(realpath "$${CARGO_TARGET_DIR:-target}")/debug/fanfare" $(MAKE) --no-print-directory client browser fallback
	@$(MAKE) --no-print-directory network

bench: ## CPU and memory beside Socket.IO's in one run, then the stores (release build, several minutes)
	npm --prefix benches/socketio ci --no-audit --no-fund
	cargo build --release
	cargo bench --bench compare
	tests/cassandra/with.sh cargo bench --bench store

format: ## Formatting only
	cargo fmt --all --check

lint: ## Clippy only; a warning is an error
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

deny: ## Licences and sources of the dependencies, where cargo-deny is installed
	@scripts/deny.sh

unit: ## Every cargo test: units, protocol, client, both stores' conformance, both transports by the front door
	tests/cassandra/with.sh scripts/unit.sh

fuzz: ## Every fuzz target for a minute
	fuzz/short.sh 60

cassandra: ## A Cassandra for development and tests: prints its address, runs until Ctrl-C
	tests/cassandra/with.sh sh -c 'echo "export FANFARE_TEST_CQL=$$FANFARE_TEST_CQL"; exec sleep infinity'

faults: ## The database stopped and killed 20 times in 10 minutes, under load; prints what was lost, doubled, out of order
	FANFARE_TEST_KILLS=20 FANFARE_TEST_SECONDS=600 tests/cassandra/with.sh \
		cargo test --workspace --all-features --locked --test store -- --nocapture --test-threads=1 \
		--include-ignored the_checker_finds cql_the_only_node

prepare: ## Install what the browser and network tests need, if it is missing
	@scripts/prepare.sh

# The browser's client and the console, built when something of theirs has changed.
console: console/dist/index.html ## Build the web console, which the program then holds

console/dist/index.html: console/node_modules/.package-lock.json $(CLIENT)/dist/index.js \
		$(shell find console/src console/scripts console/index.html console/vite.config.ts console/package.json -type f -not -name land.geojson)
	npm --prefix console run build

$(CLIENT)/dist/index.js: $(CLIENT)/node_modules/.package-lock.json $(shell find $(CLIENT)/src -type f)
	npm --prefix $(CLIENT) run build
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	npm --prefix $* ci --no-audit --no-fund
	@touch $@

# Where the console's packages are installed, npm builds the client if that is not done.
console/node_modules/.package-lock.json: | $(CLIENT)/dist/index.js

client: $(CLIENT)/dist/index.js console ## Tests of the browser's client and of the console's parts, in Node and both browsers
	[ -n "$$FANFARE_BIN" ] || cargo build --locked
	npm --prefix $(CLIENT) test
	npm --prefix $(CLIENT) run test:integration
	npm --prefix console test

browser: console tests/browser/node_modules/.package-lock.json ## Tests in Chromium and Firefox: packets, transports, the console
	npm --prefix tests/browser test

fallback: console tests/browser/node_modules/.package-lock.json ## Browsers where UDP is dropped or refused (root)
	npm --prefix tests/browser run fallback

network: ## Tests that cut, slow and change the network (root)
	@scripts/network.sh
