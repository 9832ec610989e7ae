# `make run` and `make test` do everything on a fresh machine with Python >= 3.11; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= test
STAMP := $(VENV)/.installed-$(EXTRAS)

.DEFAULT_GOAL := help
.PHONY: help install run test test-all slow-tests cluster-tests hadoop-tests lint bench hadoop-up hadoop-down clean

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "scanlearn needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# Modules are compiled as they are first imported: most of them never are, and to compile them all takes as long as the rest.
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[$(EXTRAS)]'
	touch $@

install: $(STAMP)  ## make .venv and install into it

run: install  ## generate 1,000,000 rows, pack them, fit weighted least squares, say where everything lies
	$(BIN)/python drivers/run_wols.py

test: install  ## the tests that need no Java
	$(BIN)/python -m pytest -n auto -m "not hadoop and not slow"
	@echo "NOT RUN: the tests on Hadoop, Spark and clusters, and those that take long; make test-all runs them"

# What changes or watches the whole cluster mostly waits for daemons, so the slow tests run beside it; then the rest, two at a time.
test-all: test  ## all tests, on a real Hadoop and Spark too (needs Java 17 and Maven, downloads PySpark)
	$(MAKE) install EXTRAS=test,bench
	$(MAKE) hadoop-up
	$(MAKE) -j2 -O slow-tests cluster-tests && $(MAKE) hadoop-tests; status=$$?; $(MAKE) hadoop-down; exit $$status

ON_HADOOP := HADOOP_HOME=$(CURDIR)/.hadoop HADOOP_USER_NAME=hadoop $(BIN)/python -m pytest --durations=20
# Those that have such a test: each worker would collect all the others for nothing.
HAVING = $(shell grep -l "mark\.$(1)" tests/test_*.py)

slow-tests:
	$(BIN)/python -m pytest -n auto --dist loadfile -m "slow and not hadoop" --durations=20 $(call HAVING,slow)

cluster-tests:
	$(ON_HADOOP) -m "hadoop and alone" $(call HAVING,hadoop)

hadoop-tests:
	$(ON_HADOOP) -n auto -m "hadoop and not alone" $(call HAVING,hadoop)

lint: install  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench:  ## time and memory beside scikit-learn and PySpark, drawn into docs/performance.md (downloads PySpark)
	$(MAKE) install EXTRAS=test,bench
	$(BIN)/python bench/linear.py
	$(BIN)/python bench/clustering.py
	$(BIN)/python bench/glm.py
	$(BIN)/python bench/describe.py
	$(BIN)/python bench/scoring.py
	$(BIN)/python bench/performance.py

hadoop-up: install  ## build and start a one-machine Hadoop in .hadoop (needs Java 17 and Maven)
	$(BIN)/python hadoop/cluster.py up

hadoop-down: install  ## stop it; its files stay
	$(BIN)/python hadoop/cluster.py down

clean:  ## remove what killed runs have left and what was built here, except .venv and .hadoop
	-@test -z "$(wildcard $(VENV)/.installed-*)" || $(BIN)/python drivers/clean.py
	rm -rf build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -exec rm -rf {} +
