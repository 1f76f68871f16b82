# `make` lists what there is. Two need nothing but a Rust toolchain and Python 3: `make demo` and `make test`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo build test e2e lint audit interop bench fuzz guests

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## try it: Traefik, doorward, a service and a stand-in provider on loopback, until Ctrl-C
	@exec python3 deployment/demo/demo.py

build: ## the programs, for debugging
	cargo build --workspace --locked

# What tests start beside cargo's own: installed when root, else named.
guests:
	@tests/tools/need cc=build-essential chromium=chromium chromedriver=chromium-driver \
		redis-server=redis-server redis-cli=redis-tools openssl=openssl
	@tests/tools/get_traefik.py

test: guests build ## every test: units, integration over real HTTP, real Traefik, a real browser
	cargo test --workspace --locked --lib --bins --test it --test e2e

e2e: guests build ## of these, only those with real Traefik and a real browser (pictures in target/e2e/)
	cargo test --locked --test e2e

lint: ## format, clippy, and the dependency audit
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	@$(MAKE) --no-print-directory audit

audit: ## licences, advisories, banned crates (deny.toml), by cargo-deny
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check; \
	else echo "cargo-deny is not installed: licences and advisories were NOT checked (cargo install cargo-deny --locked)"; fi

interop: ## heavier guests: another OpenID provider, Docker Compose, ...; GUESTS="a b" chooses
	tests/interop/run $(GUESTS)

bench: ## measures; docs/performance.md says what
	tests/bench/run

fuzz: ## fuzzes five parsers by coverage, FUZZ_SECONDS (60) each; TARGETS="a b" chooses
	tests/fuzz/run $(TARGETS)
