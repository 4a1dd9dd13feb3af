# Few targets. Each installs what it needs into .venv, so a fresh clone needs only Python 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow test-lowest test-newest check train bench docs fuzz soak clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)  ## decide the shipped example posts and print why
	$(BIN)/tsclassify demo

test: $(STAMP)  ## all tests that finish in minutes; ARGS go to pytest
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(STAMP)  ## the long ones: kill tests, simulations, longer property runs
	$(BIN)/python -m pytest -m slow

test-lowest:  ## the same with the lowest declared versions of the dependencies
	$(PYTHON) tools/versions.py lowest $(ARGS)

test-newest:  ## the same with the newest; PYTHON=python3.13 for another Python
	$(PYTHON) tools/versions.py newest $(ARGS)

check: $(STAMP)  ## style, types and import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

train: $(STAMP)  ## reproduce the shipped bundle, bit for bit
	$(BIN)/tsclassify train --out models/en-v1

bench: $(STAMP)  ## the speed and quality comparison; peers go into .bench-venv
	$(BIN)/python benchmarks/run.py --install

docs: $(STAMP)  ## write the figures in README and docs from stored runs
	$(BIN)/python docs/generate.py

fuzz: $(STAMP)  ## the fuzz targets, a longer run
	$(BIN)/python -m tests.fuzz

soak: $(STAMP)  ## 20M posts with memory sampled, and an hour of concurrent use
	$(BIN)/python benchmarks/soak.py

clean:
	rm -rf $(VENV) .venv-* .bench-venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
