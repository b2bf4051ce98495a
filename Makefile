# make demo | test | build | bench: each does all the set-up it needs.
.PHONY: help setup build demo test acceptance chaos deny latency fuzz bench quality watch-bench images
.DEFAULT_GOAL := help

CARGO ?= cargo
# Test binaries find libxgboost even when CARGO_TARGET_DIR lies elsewhere.
test acceptance chaos: export LD_LIBRARY_PATH := $(CURDIR)/third_party/xgboost$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

help:
	@echo 'make demo    set up, build, and run the whole story (ARGS="--rows 5000 --exit")'
	@echo 'make test    set up, then formatting, all tests, lints, the documentation'
	@echo 'make acceptance  set up, then what is slow: the release build and its ceilings, the demo, clients of others'
	@echo 'make chaos   set up, then the fault campaign, which writes docs/RELIABILITY.md (KILLS=1000 SEED=1, and of brokers AMQP=amqp://…, one that runs, or RABBITMQ=folder, the programs of another version)'
	@echo 'make build   set up, and leave target/release/provost'
	@echo 'make latency the facade at 1,000 requests/s while it trains, into docs/LATENCY.md'
	@echo 'make fuzz    the fuzz targets, into docs/FUZZING.md (ARGS="-s 60 event csv")'
	@echo 'make images  the pictures in docs/images, of the demo: plots and pages (ROWS_SHOWN=5000)'
	@echo 'make deny    licences, sources and known vulnerabilities of the dependencies'
	@echo 'make bench   against scikit-learn and XGBoost, to docs/BENCHMARKS.md (PAIRS=5 ROWS=1000,25000,500000 REAL=F.csv); takes an hour'
	@echo 'make quality POINTS="a.jsonl b.jsonl"  AUC against the libraries and of our own models, to docs/QUALITY.md (SEEDS=10 SPLITS=3, four times as many where the page says so)'
	@echo 'make watch-bench REAL="a.jsonl b.jsonl"  false alarms of watching, what it finds, and its estimates, beside Evidently and NannyML, to docs/WATCH.md (TIMES=1.0)'

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
	@scripts/deny.sh --if-installed
	$(CARGO) test --workspace --locked
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

acceptance:
	@scripts/setup.sh test
	@scripts/setup.sh acceptance
	@scripts/ceilings.sh
	@scripts/bundle.sh
	@scripts/demo.sh
	$(CARGO) test --workspace --locked -- --ignored acceptance

KILLS ?= 1000
SEED ?= 1
chaos:
	@scripts/setup.sh test
	$(CARGO) test --release --locked -p provost-actors --test it -- --nocapture week::
	PROVOST_CHAOS_KILLS=$(KILLS) PROVOST_CHAOS_SEED=$(SEED) $(if $(AMQP),PROVOST_TEST_AMQP='$(AMQP)') $(if $(RABBITMQ),PROVOST_TEST_RABBITMQ='$(RABBITMQ)') PROVOST_CHAOS_REPORT=$(CURDIR)/docs/RELIABILITY.md \
		$(CARGO) test --release --locked --test it -- --ignored --exact --nocapture chaos::campaign

deny:
	@scripts/deny.sh

# MLflow's scoring server is asked beside ours. Where it cannot be installed the page says that it was left out.
third_party/mlflow/ready: Makefile
	@python3 -m venv third_party/mlflow && third_party/mlflow/bin/python -m pip install --quiet mlflow-skinny==3.17.2 xgboost-cpu==3.2.0 pandas fastapi uvicorn && \
		touch $@ || echo 'latency: MLflow cannot be installed here: its scoring server is left out' >&2

latency: setup third_party/mlflow/ready
	$(CARGO) bench --locked --bench latency

images: build
	@scripts/images.sh "$${CARGO_TARGET_DIR:-target}"/release/provost $(ROWS_SHOWN)

fuzz:
	@fuzz/run.sh $(ARGS)

third_party/bench/ready: Makefile
	python3 -m venv third_party/bench
	third_party/bench/bin/python -m pip install --quiet scikit-learn==1.9.1 xgboost-cpu==3.2.0 lightgbm numpy onnxruntime shap
	touch $@

quality: build third_party/bench/ready
	$(CARGO) build --release --locked -p provost-learn --example quality
	@third_party/bench/bin/python scripts/quality.py $(foreach p,provost examples/quality,"$${CARGO_TARGET_DIR:-target}"/release/$(p)) $(POINTS) --seeds $(or $(SEEDS),10) --splits $(or $(SPLITS),3)

# On a quiet machine. The peers' versions are those that the page names.
PAIRS ?= 5
ROWS ?= 1000,25000,500000
bench: build third_party/bench/ready
	$(CARGO) build --release --locked -p provost-learn --example scale
	$(CARGO) build --release --locked -p provost-export --example predictions
	@third_party/bench/bin/python scripts/bench.py $(foreach p,provost examples/scale examples/predictions,"$${CARGO_TARGET_DIR:-target}"/release/$(p)) --pairs $(PAIRS) --rows $(ROWS) $(if $(REAL),--real $(REAL))
	$(CARGO) bench -p provost-learn --locked

third_party/watch/ready: Makefile
	python3 -m venv third_party/watch
	third_party/watch/bin/python -m pip install --quiet evidently==0.7.23 nannyml==0.13.1 'pandas<3'
	touch $@

# Of the sample without REAL; its numbers of pairs times TIMES. The peers have an environment of their own, since they hold pandas back.
watch-bench: setup third_party/watch/ready
	$(CARGO) build --release --locked -p provost-learn --example watch
	@third_party/watch/bin/python scripts/watch_bench.py "$${CARGO_TARGET_DIR:-target}"/release/examples/watch $(REAL) --pairs $(or $(TIMES),1.0)
