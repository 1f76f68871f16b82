# `make` lists what there is. Two need nothing but a Rust toolchain and Python 3: `make demo` and `make test`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo build test e2e lint audit interop bench fuzz guests release pages install uninstall deb sbom

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
	@tests/tools/get_program.py traefik

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

# --- Plain machines: docs/install.md ---------------------------------------------------------------------------------
# The program as built by `make release`; PROGRAM=… installs another one.
PROGRAM = target/release/doorward
PREFIX = /usr/local
SYSCONFDIR = /etc
# A package is staged below this folder instead of installed.
DESTDIR =

BINDIR = $(PREFIX)/bin
UNITDIR = $(PREFIX)/lib/systemd/system
DOCDIR = $(PREFIX)/share/doc/doorward
# What the program prints of itself. cargo-deb takes it from here too.
PAGES = target/pages

release: ## the program as it is shipped, with manual pages and completions
	cargo build --release --locked --package doorward
	@$(MAKE) --no-print-directory pages

pages:
	@rm -rf $(PAGES)
	@mkdir -p $(PAGES)/man1 $(PAGES)/completions
	$(PROGRAM) man $(PAGES)/man1
	$(PROGRAM) completions bash >$(PAGES)/completions/doorward
	$(PROGRAM) completions zsh >$(PAGES)/completions/_doorward
	$(PROGRAM) completions fish >$(PAGES)/completions/doorward.fish

# Nothing is compiled here, so that root need not compile. A configuration that is there stays as it is.
install: ## what `make release` made: program, unit, user, configuration, manual; PREFIX=/usr/local DESTDIR=
	@test -x $(PROGRAM) -a -d $(PAGES)/man1 || { echo "nothing to install yet: make release" >&2; exit 1; }
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(BINDIR)/doorward
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|/usr/bin/doorward|$(BINDIR)/doorward|; s|/etc/doorward|$(SYSCONFDIR)/doorward|' deployment/systemd/doorward.service \
		>$(DESTDIR)$(UNITDIR)/doorward.service
	chmod 644 $(DESTDIR)$(UNITDIR)/doorward.service
	install -D -m 644 deployment/systemd/doorward.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/doorward.conf
	install -d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	sed 's|/etc/doorward|$(SYSCONFDIR)/doorward|' deployment/systemd/doorward.tmpfiles \
		>$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/doorward.conf
	chmod 644 $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/doorward.conf
	test -d $(DESTDIR)$(SYSCONFDIR)/doorward || install -d -m 750 $(DESTDIR)$(SYSCONFDIR)/doorward
	test -e $(DESTDIR)$(SYSCONFDIR)/doorward/doorward.yaml || \
		install -m 644 deployment/systemd/doorward.yaml $(DESTDIR)$(SYSCONFDIR)/doorward/doorward.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(PAGES)/man1/*
	install -D -m 644 $(PAGES)/completions/doorward $(DESTDIR)$(PREFIX)/share/bash-completion/completions/doorward
	install -D -m 644 $(PAGES)/completions/_doorward $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_doorward
	install -D -m 644 $(PAGES)/completions/doorward.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/doorward.fish
	install -D -m 644 -t $(DESTDIR)$(DOCDIR) README.md CHANGELOG.md LICENSE
	install -D -m 644 -t $(DESTDIR)$(DOCDIR)/docs docs/*.md
	install -D -m 644 deployment/systemd/doorward.socket $(DESTDIR)$(DOCDIR)/examples/doorward.socket
	@test -n "$(DESTDIR)" || echo "Next: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload; docs/install.md"

uninstall: ## takes away what `make install` put there; configuration, data and the user stay
	rm -f $(DESTDIR)$(BINDIR)/doorward $(DESTDIR)$(UNITDIR)/doorward.service
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/doorward.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/doorward.conf
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/doorward.1 $(DESTDIR)$(PREFIX)/share/man/man1/doorward-*.1
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/doorward
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_doorward
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/doorward.fish
	rm -rf $(DESTDIR)$(DOCDIR)

sbom: ## what is in the program (CycloneDX), by cargo-cyclonedx: target/doorward-sbom.json
	@cargo cyclonedx --version >/dev/null 2>&1 || { echo "cargo-cyclonedx is missing: cargo install cargo-cyclonedx --locked" >&2; exit 1; }
	cargo cyclonedx --quiet --format json --spec-version 1.5 --override-filename doorward-sbom
	@mkdir -p target
	mv doorward-sbom.json target/
	@rm -f services/*/doorward-sbom.json tests/bench/doorward-sbom.json

deb: release ## a Debian package in target/debian/, by cargo-deb
	@cargo deb --version >/dev/null 2>&1 || { echo "cargo-deb is missing: cargo install cargo-deb --locked" >&2; exit 1; }
	cargo deb --no-build --locked
