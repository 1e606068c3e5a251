# Everything that people and machines do with this project, one target each. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-package drs-simulator
LOCKS := $(addprefix requirements/,installer.txt release.txt client.txt demo.txt postgresql.txt compose.txt dev.txt docs.txt)

# The two halves of `make test`: whole Airflows, and before them all the rest. What each gives to pytest, and in how many
# processes; each keeps for itself which of its tests failed. In the order of the folders: xdist's own order leaves the
# files with few and long tests to the end.
HALVES := parts whole
OF_parts := tests --ignore=tests/e2e
OF_whole := tests/e2e
PROCESSES_parts := 3
PROCESSES_whole := 2
HALF = $(BIN)/python -m pytest $(OF_$(1)) -o cache_dir=.pytest_cache/$(1)
SIDE_BY_SIDE = -n $(PROCESSES_$(1)) --dist loadfile --no-loadscope-reorder

# Folders of tests that `make check` leaves to `make test`.
SLOW := airflow contract e2e properties simulator

# Both distributions of this repository; the simulator comes from its folder, never from an index.
EDITABLE := -e simulator -e .

# What `make test-matrix` may be told: lists in requirements/constraints (lock: our own), and the Pythons for each.
CELLS ?= lock airflow-3.3.2 mwaa-3.3.1
PYTHONS := 3.11 3.12 3.13
MATRIX ?= $(foreach cell,$(CELLS),$(PYTHONS:%=$(cell)@%))

# What `make test-install` may be told: lists of versions, each with the Pythons of which the first one there is taken.
INSTALLS ?= airflow-3.3.2@3.13,3.12,3.11 mwaa-3.3.1@3.12,3.11

# What `make demo` may be told.
PLAN ?= web-shop
SPEED ?= 60
PORT ?=
FAULTS ?=
EXIT ?=

# Where Airflow keeps its tables, in `make bench`, `make chaos` and `make chaos-sweep`: sqlite or postgresql.
DATABASE ?= sqlite
STACK := $(VENV)/$(if $(filter postgresql,$(DATABASE)),.postgresql,.demo)

# Who runs the tasks in `make chaos`: the scheduler itself (local), or Celery's workers, with two of every part, PostgreSQL,
# Redis and HAProxy. That has an environment of its own: the pins of the image of docker-compose.yaml.
EXECUTOR ?= local
TEAM := .venv-celery
CHAOS_DATABASE = $(if $(filter celery,$(EXECUTOR)),postgresql,$(DATABASE))
CHAOS_VENV = $(if $(filter celery,$(EXECUTOR)),$(TEAM),$(VENV))

# What `make chaos` and `make chaos-sweep` may be told.
RUNS ?= 20
MINUTES ?=
MOST_SERVERS ?=
RESULTS ?=
SEED ?= 1
STEP ?= 1
SERVERS ?= 10
ROUNDS ?= 1

.PHONY: help demo up test test-again $(HALVES:%=test-%) $(HALVES:%=test-%-again) test-matrix test-install test-s3 lint check docs bench chaos chaos-sweep circle combinations lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## drill a plan live against the simulator [EXIT=1 PLAN=web-shop SPEED=60 FAULTS=file PORT=8080]
	@exec $(BIN)/python -m demo.run --plan '$(PLAN)' --speed '$(SPEED)' $(if $(PORT),--port '$(PORT)') \
		$(if $(FAULTS),--faults '$(FAULTS)') $(if $(filter-out 0,$(EXIT)),--exit)

up: ## Airflow for a team: docker compose, two of every part (docs/deployment.md)
	@$(PYTHON) docker/make_secrets.py
	@if docker compose version >/dev/null 2>&1; then exec docker compose up --build; \
	elif command -v docker-compose >/dev/null; then exec docker-compose up --build; \
	else echo 'docker compose is needed for this; make demo needs nothing but Python' >&2; exit 1; fi

test: $(VENV)/.dev ## every test, end to end too
	@# One half after the other: whole Airflows beside everything else on two cores are late, and SQLite has one writer.
	@exec $(MAKE) --no-print-directory --keep-going --jobs=1 $(HALVES:%=test-%)

test-whole test-whole-again: $(VENV)/.client

$(HALVES:%=test-%): test-%: $(VENV)/.dev
	@mkdir -p .pytest_cache/$* && rm -f .pytest_cache/$*/failed
	@$(call HALF,$*) $(call SIDE_BY_SIDE,$*) || { touch .pytest_cache/$*/failed; exit 1; }

test-again: ## what failed in the last `make test` once more, one after the other
	@ls .pytest_cache/*/failed >/dev/null 2>&1 || { echo 'no half of the last make test has failed tests' >&2; exit 1; }
	@exec $(MAKE) --no-print-directory --keep-going --jobs=1 $(HALVES:%=test-%-again)

$(HALVES:%=test-%-again): test-%-again: $(VENV)/.dev
	@# A half that failed without a failed test, in the collection perhaps, fails again: pytest ends with 5.
	@if [ -e .pytest_cache/$*/failed ]; then \
		$(call HALF,$*) --last-failed --last-failed-no-failures none && rm .pytest_cache/$*/failed; fi

test-matrix: $(BIN)/uv ## the quick tests beside other Airflows and Pythons [CELLS=mwaa-3.3.1 PYTHONS=3.12 TESTS=tests/unit]
	@TESTS='$(TESTS)' exec .ci/matrix $(MATRIX)

test-install: $(VENV)/.dev ## docs/install.md in empty environments, with a drill [INSTALLS=mwaa-3.3.1@3.12]
	@SPEED='$(if $(filter command line environment,$(origin SPEED)),$(SPEED))' exec .ci/install $(INSTALLS)

test-s3: $(TEAM)/.tests ## reports, kept plans and XComs on S3, with a drill: needs s3fs, whose botocore is older than the lock's
	@PYTHONPATH=plugins:simulator:. exec $(TEAM)/bin/python -m pytest -o cache_dir=.pytest_cache/s3 -k 's3 or S3' \
		tests/contract/test_reports_on_s3.py tests/e2e/test_object_storage.py

lint: $(VENV)/.dev ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy -p demo -p benchmarks -p upstream
	$(BIN)/lint-imports

check: lint ## the same and the quick tests: before every commit
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/docs tests/properties $(SLOW:%=--ignore=tests/%)

docs: $(VENV)/.docs ## the documentation as a site, in site/; a broken link or a missing example fails
	@NO_MKDOCS_2_WARNING=1 exec $(BIN)/mkdocs build --strict --quiet
	@echo 'site/ is made; to look at it: $(BIN)/python -m http.server --directory site'

bench: $(STACK) ## measure dead time, overhead, calls and parsing; results in .bench/ [DATABASE=postgresql]
	@exec $(BIN)/python -m benchmarks.run --database '$(DATABASE)'

chaos: $(if $(filter celery,$(EXECUTOR)),$(TEAM)/.done,$(STACK)) ## kill Airflow's processes, let the cloud fail, judge its record [RUNS=20 SEED=1 EXECUTOR=celery DATABASE=postgresql MINUTES=60 MOST_SERVERS=8 RESULTS=file]
	@PYTHONPATH=plugins:simulator:. exec $(CHAOS_VENV)/bin/python -m benchmarks.chaos.run \
		--runs '$(RUNS)' --seed '$(SEED)' --database '$(CHAOS_DATABASE)' --executor '$(EXECUTOR)' \
		$(if $(MINUTES),--minutes '$(MINUTES)') $(if $(MOST_SERVERS),--most-servers '$(MOST_SERVERS)') \
		$(if $(RESULTS),--results '$(RESULTS)')

chaos-sweep: $(STACK) ## kill the task after each single AWS call of a run, one run per call [STEP=1]
	@$(BIN)/python -m benchmarks.kill_sweep.run --step '$(STEP)'
	@$(BIN)/python -m benchmarks.kill_sweep.run --step '$(STEP)' --writes --elsewhere
	@exec $(BIN)/python -m benchmarks.chaos.sweep --step '$(STEP)' --database '$(DATABASE)'

circle: $(STACK) ## recovery, commit, reprotect, failback drill, failback, on a real Airflow [SERVERS=10 ROUNDS=1 CHAOS=seed]
	@exec $(BIN)/python -m benchmarks.circle.run --servers '$(SERVERS)' --rounds '$(ROUNDS)' $(if $(CHAOS),--chaos '$(CHAOS)')

combinations: $(VENV)/.dev ## every pair of plan fields, modes, people and states of the cloud in a run [SEED=1 RUNS=all]
	@exec $(BIN)/python -m benchmarks.combinations.run --seed '$(SEED)' \
		$(if $(filter command line environment,$(origin RUNS)),--runs '$(RUNS)')

lock: $(BIN)/uv ## pin every dependency afresh
	@# Each lock is made under the next smaller one, so that all of them agree. The simulator's own dependencies come in
	@# through the extra, read from its folder; the simulator itself stands in no lock.
	$(COMPILE) --upgrade --group installer -o requirements/installer.txt
	$(COMPILE) --upgrade --group release -o requirements/release.txt
	$(COMPILE) --upgrade --group client -o requirements/client.txt
	$(COMPILE) --upgrade --extra simulator --group demo pyproject.toml -o requirements/demo.txt
	$(COMPILE) --upgrade --group postgresql -o requirements/postgresql.txt
	@# The image may have an older botocore than the others: s3fs says which (its aiobotocore pins one).
	$(COMPILE) --upgrade --extra simulator --extra s3 --group compose -c requirements/postgresql.txt pyproject.toml -o requirements/compose.txt
	$(COMPILE) --upgrade --extra simulator --group dev -c requirements/demo.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) --upgrade --group docs -c requirements/dev.txt -o requirements/docs.txt
	@! grep -n '://' $(LOCKS) || { echo 'a lock holds a download address' >&2; exit 1; }

clean: ## remove what make has made
	rm -rf $(VENV) $(TEAM) site .matrix .demo .bench .chaos .chaos-sweep .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. Two stamps in one .venv: .demo is what the demo needs, .dev is all. Once .dev is there it stays.
$(BIN)/uv: requirements/installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1 || echo missing)." \
			"Say which one to use: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo 'making $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@touch $@

define install
	@echo 'installing $(1) into $(VENV): some minutes the first time, seconds later'
	@$(UV) pip sync --quiet --require-hashes --no-build --compile-bytecode $(1)
	@$(UV) pip install --quiet --no-deps --no-build-isolation $(EDITABLE)
	@touch $@
endef

$(VENV)/.demo: $(BIN)/uv requirements/demo.txt requirements/dev.txt pyproject.toml simulator/pyproject.toml
	$(call install,$(if $(wildcard $(VENV)/.dev),requirements/dev.txt,requirements/demo.txt))

# PostgreSQL's drivers come on top of either. Whatever is synchronised later takes them away, hence the order.
$(VENV)/.postgresql: $(VENV)/.demo requirements/postgresql.txt
	@$(UV) pip install --quiet --require-hashes --no-build -r requirements/postgresql.txt
	@touch $@

# What makes a client of the REST API's document, beside everything else: it wants another version of typer.
$(VENV)/.client: $(BIN)/uv requirements/client.txt
	@$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/client
	@VIRTUAL_ENV=$(CURDIR)/$(VENV)/client $(BIN)/uv pip sync --quiet --require-hashes --no-build requirements/client.txt
	@touch $@

# The site's tools come on top of .dev: the same versions of what both need.
$(VENV)/.docs: $(VENV)/.dev requirements/docs.txt
	@$(UV) pip install --quiet --require-hashes --no-build -r requirements/docs.txt
	@touch $@

# Celery, Redis's client, PostgreSQL's drivers and s3fs, as the image has them. HAProxy and Redis are the system's.
$(TEAM)/.done: $(BIN)/uv requirements/compose.txt pyproject.toml simulator/pyproject.toml
	@echo 'installing requirements/compose.txt into $(TEAM)'
	@$(PYTHON) -m venv --clear $(TEAM)
	@VIRTUAL_ENV=$(CURDIR)/$(TEAM) UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip sync --quiet --require-hashes --no-build --compile-bytecode requirements/compose.txt
	@VIRTUAL_ENV=$(CURDIR)/$(TEAM) UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

# The tests' own tools, as our lock has them; what is there already stays as it is.
$(TEAM)/.tests: $(TEAM)/.done requirements/dev.txt
	@VIRTUAL_ENV=$(CURDIR)/$(TEAM) UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --no-build \
		--constraint requirements/compose.txt $(shell sed -n 's/^\(pytest[a-z-]*==[^ ]*\).*/\1/p' requirements/dev.txt)
	@touch $@

$(VENV)/.dev: $(BIN)/uv requirements/dev.txt pyproject.toml simulator/pyproject.toml
	$(call install,requirements/dev.txt)
	@touch $(VENV)/.demo
