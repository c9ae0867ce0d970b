# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets.  All need only Python 3.11 or later and make; what needs the
# control plane also needs Go, once, to fetch or build it (SETUP_ENVTEST_INDEX=none: to build it).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
unexport PYTHONDONTWRITEBYTECODE # images of Python set it; each process would compile all modules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS := $(VENV)/.docs
PARALLEL := --numprocesses=auto --dist=loadfile --no-loadscope-reorder
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)


.PHONY: install
install: $(STAMP) ## Make .venv with the locked dependencies and this project, where they changed

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11: make install PYTHON=python3.12, for example" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(DOCS): requirements-docs.lock $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	touch $@

.PHONY: tools
tools: $(STAMP) ## Find, fetch or build etcd, kube-apiserver and kubectl (a minute, or about 10 to build, once)
	@$(BIN)/python -m envtest build

.PHONY: lock
lock: $(STAMP) ## Renew the lock files within the bounds of pyproject.toml
	$(BIN)/$(COMPILE) pyproject.toml -o requirements.lock
	$(BIN)/$(COMPILE) pyproject.toml --group dev -o requirements-dev.lock
	$(BIN)/$(COMPILE) --group docs --constraints requirements-dev.lock -o requirements-docs.lock
	$(BIN)/$(COMPILE) --group plugin --constraints requirements-dev.lock -o requirements-plugin.lock

.PHONY: changelog
changelog: $(STAMP) ## Show what the next release brings, from changelog.d; with VERSION= move it into CHANGELOG.md
	@$(BIN)/towncrier build $(if $(VERSION),--yes --version "$(VERSION)",--draft --version next)


.PHONY: demo
demo: tools ## Show claims getting addresses on a real API server; set-up included
	@$(BIN)/python hack/demo.py

.PHONY: dev
dev: tools ## Start a control plane with the provider, leave it running, print its KUBECONFIG
	@$(BIN)/python -m envtest up .dev

.PHONY: dev-down
dev-down: $(STAMP) ## End what `make dev` started
	@$(BIN)/python -m envtest down .dev


.PHONY: test
test: tools $(DOCS) ## Run all tests, in parallel processes; set-up included
	$(BIN)/python -m pytest $(PARALLEL)

.PHONY: test-unit
test-unit: $(STAMP) ## Run the tests that need no control plane, no build and no browser
	$(BIN)/python -m pytest $(PARALLEL) -m "not control_plane and not builds and not browser"

.PHONY: e2e
e2e: e2e-tools image-rootfs ## Test installation, upgrades and moves with the real clusterctl (as root; 30 minutes to build, once; E2E= for pytest)
	$(BIN)/python -m envtest.lab $(BIN)/python -m pytest tests/e2e --capture=no $(E2E)

.PHONY: e2e-packages
e2e-packages: ## Install what test, e2e and image-rootfs run that pip and Go don't bring (as root, on Debian)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends binutils chromium iproute2 mmdebstrap runc umoci util-linux

.PHONY: e2e-tools
e2e-tools: $(STAMP)
	@$(BIN)/python -m envtest build --e2e

.PHONY: lint
lint: $(STAMP) ## Check style, and the width and length of prose
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python hack/prose.py

.PHONY: types
types: $(STAMP) ## Check types, by mypy and by pyright
	$(BIN)/mypy
	$(BIN)/pyright

.PHONY: layers
layers: $(STAMP) ## Check which package imports which
	$(BIN)/lint-imports

.PHONY: drift
drift: $(STAMP) ## Check that the generated files are up to date
	$(BIN)/python -m generator --check

.PHONY: check
check: lint types layers drift test ## All checks and all tests


.PHONY: format
format: $(STAMP) ## Format the code and fix what can be fixed without thinking
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: generate
generate: $(STAMP) ## Write CRDs, RBAC, webhook configurations, API reference and editor schemas from the Python types
	$(BIN)/python -m generator

.PHONY: docs
docs: $(DOCS) ## Make the documentation's site in out/site, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

.PHONY: fuzz
fuzz: tools ## Test the laws with 100,000 examples each (hours), or FUZZ_EXAMPLES=N
	$(BIN)/python -m pytest tests/conversion tests/webhook/test_hostile.py tests/webhook/test_largest.py tests/apiserver/test_schema_fuzz.py \
		tests/controller/test_interleavings.py \
		--hypothesis-profile=fuzz --numprocesses=auto --dist=worksteal --durations=30

.PHONY: chaos
chaos: tools ## Break everything around two managers, and check that no address is lost or given twice (SEED=, MINUTES=3, CAPI=v1.14, ALONE=1)
	$(BIN)/python -m envtest.chaos $(if $(SEED),--seed=$(SEED)) $(if $(MINUTES),--minutes=$(MINUTES)) $(if $(CAPI),--capi=$(CAPI)) $(if $(ALONE),--no-leader-election)

.PHONY: bench
bench: tools ## Run the benchmarks and print their figures
	$(BIN)/python bench/start.py
	$(BIN)/python bench/conversion.py
	$(BIN)/python bench/allocator.py
	$(BIN)/python bench/claims.py


.PHONY: release
release: $(STAMP) ## Write a release's manifests, notes and checksums into out (VERSION=v2.0.0, IMAGE=registry/name)
	@$(BIN)/python hack/release.py $(VERSION) $(if $(IMAGE),--image=$(IMAGE))

.PHONY: plugin
plugin: $(STAMP) ## Build the archive of kubectl ipam for this platform, with Python in it, into out/krew (on Debian or macOS)
	@$(BIN)/python -m hack.krew.archive

.PHONY: krew
krew: $(STAMP) ## Write krew's manifest of the archives in out/krew (VERSION=v2.1.0, REPOSITORY=https://github.com/OWNER/NAME, WITHOUT=OS/ARCH)
	@$(BIN)/python -m hack.krew.manifest $(VERSION) --repository=$(REPOSITORY) $(addprefix --without=,$(WITHOUT))

.PHONY: image-rootfs
image-rootfs: $(STAMP) ## Build the image's root file system and an OCI layout into out/image (as root, on Debian)
	@$(BIN)/python hack/image.py


.PHONY: clean
clean: ## Remove what the targets above wrote into this folder, .venv included
	if [ -d .dev ] && [ -x $(BIN)/python ]; then $(MAKE) dev-down; fi
	rm -rf $(VENV) out build.json .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: clean-tools
clean-tools: $(STAMP) ## Remove the built programs of the control plane from the cache
	$(BIN)/python -c 'import shutil; from envtest.controlplane import binaries; shutil.rmtree(binaries.cache_folder(), ignore_errors=True)'
