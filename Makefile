# make demo | test | build: each does all the set-up it needs.
.PHONY: help setup build demo test chaos
.DEFAULT_GOAL := help

CARGO ?= cargo
# Test binaries find libxgboost even when CARGO_TARGET_DIR lies elsewhere.
test chaos: export LD_LIBRARY_PATH := $(CURDIR)/third_party/xgboost$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

help:
	@echo 'make demo    set up, build, and run the whole story (ARGS="--rows 5000 --exit")'
	@echo 'make test    set up, then formatting, all tests, lints'
	@echo 'make chaos   set up, then the fault campaign, which writes docs/RELIABILITY.md (KILLS=1000 SEED=1)'
	@echo 'make build   set up, and leave target/release/provost'

setup:
	@scripts/setup.sh

build: setup
	$(CARGO) build --release --locked
	@scripts/bundle.sh

demo: build
	@"$${CARGO_TARGET_DIR:-target}"/release/provost demo $(ARGS)

# Formatting first, since it takes a second; lints last, since they share little with the build of the tests.
test:
	@scripts/setup.sh test
	$(CARGO) fmt --all --check
	$(CARGO) test --workspace --locked
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

KILLS ?= 1000
SEED ?= 1
chaos:
	@scripts/setup.sh test
	PROVOST_CHAOS_KILLS=$(KILLS) PROVOST_CHAOS_SEED=$(SEED) PROVOST_CHAOS_REPORT=$(CURDIR)/docs/RELIABILITY.md \
		$(CARGO) test --release --locked --test it -- --ignored --exact --nocapture chaos::campaign
