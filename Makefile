# make demo   a working bank on this machine, from nothing
# make test   everything that must hold before a change lands
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=

.PHONY: demo up test lint types pytest clean

demo: $(VENV)/.gpu
	$(BIN)/python manage.py demo $(ARGS)

up: $(VENV)/.gpu
	$(BIN)/python manage.py up $(ARGS)

test: lint types pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy .

pytest: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.gpu: $(VENV)/bin/python requirements/base.txt requirements/gpu.txt requirements/constraints.txt
	@echo "Installing the requirements (a few minutes the first time) ..."
	$(INSTALL) -r requirements/gpu.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.gpu requirements/dev.txt
	$(INSTALL) -r requirements/dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
