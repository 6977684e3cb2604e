# Everything a developer types. CI types the same: .ci/run is `make test`.

.DEFAULT_GOAL := help
.PHONY: help run check test times soak bench format lint deny unit fuzz prepare client console browser network fallback cassandra

CLIENT = clients/typescript

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve in development, with the sample taxis driving (data in ./data, Ctrl-C ends all)
	@scripts/run.sh

check: format lint deny ## While you work: formatting, lints, unit and protocol tests, a short fuzz run
	cargo test --workspace --all-features --lib --bins
	cargo test --package fanfare --test imports --test config
	cargo test --package fanfare-proto
	fuzz/short.sh 2

test: ## Everything that CI runs; installs what it needs (Debian, as root). STAGES="front cli" runs these only
	@node scripts/test/main.mjs $(STAGES)

times: ## The same, and keeps its seconds in docs/testing.md
	@node scripts/test/main.mjs --keep

soak: ## What takes long, loads the machine or gives figures: about an hour. STAGES="herd fuzz" runs these only
	@node scripts/test/main.mjs --soak $(STAGES)

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
	@node scripts/test/main.mjs units cli front store front-cql-1 front-cql-2 failing-databases

fuzz: ## Every fuzz target for a minute
	fuzz/short.sh 60

cassandra: ## A Cassandra for development and tests: prints its address, runs until Ctrl-C
	tests/cassandra/with.sh sh -c 'echo "export FANFARE_TEST_CQL=$$FANFARE_TEST_CQL"; exec sleep infinity'

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
	@echo "installing the packages of $*"
	@npm --prefix $* ci --no-audit --no-fund --loglevel=error
	@touch $@

# Where the console's packages are installed, npm builds the client if that is not done.
console/node_modules/.package-lock.json: | $(CLIENT)/dist/index.js

client: ## Tests of the browser's client and of the console's parts, in Node and both browsers
	@node scripts/test/main.mjs client client-server console-units

browser: ## Tests in Chromium and Firefox: packets, transports, the console
	@node scripts/test/main.mjs browsers console-browsers-1 console-browsers-2

fallback: ## Browsers where UDP is dropped or refused (root)
	@node scripts/test/main.mjs fallback

network: ## Tests that cut, slow and change the network (root)
	@node scripts/test/main.mjs network
