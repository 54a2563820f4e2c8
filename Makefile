# Geungeo. `make run` and `make test` need Python 3.11 or newer and the package index, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_STAMP := $(VENV)/.installed-run
TIER ?= gold

.DEFAULT_GOAL := help
.PHONY: help run install test check eval bench soak coverage clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

run: $(RUN_STAMP)  ## open the chat at http://127.0.0.1:7860
	@$(BIN)/python app.py $(ARGS)

install: $(RUN_STAMP)  ## make the environment only

test: $(STAMP)  ## run all tests: unit, model, browser
	@$(BIN)/python -m pytest -m "not soak" $(ARGS)

check: $(STAMP)  ## ruff, mypy, layering, public API, docs, licences
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/check $(ARGS)

coverage: $(STAMP)  ## tests with the coverage of rag/, at least 90%
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m pytest -m "not soak" --cov=rag --cov-report=term --cov-fail-under=90 $(ARGS)

eval: $(STAMP)  ## answer the gold questions and judge the answers by evals/gate.toml
	@$(BIN)/python -m evals.gate --run --tier $(TIER) --results .cache/evals/results $(ARGS)

bench: $(STAMP)  ## measure speed and memory (all of it with GEUNGEO_DATA set: some 20 minutes)
	@$(BIN)/python -m benchmarks.ask $(ARGS)
	@if [ -n "$$GEUNGEO_DATA" ]; then \
	  $(BIN)/python -m benchmarks.embedding && $(BIN)/python -m benchmarks.indexing && $(BIN)/python -m benchmarks.scale; fi

soak: $(STAMP)  ## the long tests and the long gate
	@$(BIN)/python -m pytest -m soak $(ARGS)
	@$(BIN)/python -m evals.gate --run --tier long --results .cache/evals/results

clean:  ## remove the environment and caches; the library in index/ stays
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov

$(RUN_STAMP): pyproject.toml constraints.txt scripts/install.py
	@$(PYTHON) scripts/install.py $(VENV)
	@touch $@

$(STAMP): pyproject.toml constraints.txt scripts/install.py
	@$(PYTHON) scripts/install.py $(VENV) --dev
	@touch $@ $(RUN_STAMP)
