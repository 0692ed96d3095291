# Every target sets up what it needs: a virtual environment in .venv, filled from the hash-pinned locks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-alone test-with-servers check format bench docs screenshots dashboards package deploy undeploy audit lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## virtual environment with everything that development needs

demo: $(VENV)/.runtime ## raw logs of a fictional company in, named alerts out, on a local Elasticsearch
	$(BIN)/innerwatch demo

test: $(VENV)/.dev ## all tests, with a local Elasticsearch that the tests start themselves
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(MAKE) --no-print-directory -j 2 test-alone test-with-servers
endif

test-alone: $(VENV)/.dev
	$(BIN)/python -m pytest tests/unit

test-with-servers: $(VENV)/.dev # most of which is waiting
	$(BIN)/python -m pytest tests/aws tests/e2e tests/elasticsearch

check: $(VENV)/.dev ## what CI checks besides the tests: format, lint, types, locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev ## mend format and what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## speed, as ratios to limits measured in the same run
	$(BIN)/python -m tests.bench

docs: $(VENV)/.dev ## renew docs/fields.md and the index templates from the field table
	$(BIN)/python -m innerwatch_cli.reference

screenshots: $(VENV)/.dev ## renew docs/*.png: report and view of the demo's company; needs a Chromium on the PATH
	$(BIN)/python -m tests.screenshots

dashboards: $(VENV)/.dev ## renew infra/kibana/*.ndjson from the dashboards' YAML; needs a Python 3.12 or newer on the PATH
	$(BIN)/python -m innerwatch_cli.kibana.dashboards

package: $(VENV)/.dev ## what runs in AWS as dist/lambda.zip, and dist/innerwatch-VERSION.zip for Kibana's Integrations page
	$(BIN)/python -m innerwatch_cli.packaging $(ARGS)
	$(BIN)/python -m innerwatch_cli.kibana.package

deploy: $(VENV)/.dev ## infra/template.yaml as a stack in AWS, made or updated: STACK= ELASTICSEARCH_URL= ALARM_EMAIL= …
	$(BIN)/python -m innerwatch_cli.deploying deploy

undeploy: $(VENV)/.dev ## delete that stack; what holds data stays
	$(BIN)/python -m innerwatch_cli.deploying undeploy

audit: $(VENV)/.dev ## known weaknesses of the pinned dependencies, and of the template; asks PyPI, installs both tools apart
	$(BIN)/uv tool run checkov@3.3.30 --file infra/template.yaml --config-file infra/checkov.yaml
	for lock in requirements.lock requirements-dev.lock requirements-lambda.lock; do \
		$(BIN)/uv tool run pip-audit@2.10.1 --strict --disable-pip --require-hashes -r $$lock || exit 1; done

lock: $(VENV)/.dev ## renew the pinned locks from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group build --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group build --group dev -c requirements.lock --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o requirements-dev.lock
	$(BIN)/uv pip compile --group lambda -c requirements.lock --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o requirements-lambda.lock
	$(BIN)/uv pip compile --group lambda-runtime -c requirements.lock --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o tests/e2e/lambda-runtime.lock
	$(BIN)/uv pip compile --group ministack --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o tests/e2e/ministack.lock
	$(BIN)/uv pip compile --group dashboards --universal --generate-hashes --python-version 3.12 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o infra/kibana/kb-dashboard.lock

clean: ## remove the virtual environment and everything made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist demo-output

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Innerwatch needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@
