# Development entry points; the daemon itself needs none of them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: test check

$(VENV)/ready: tests/requirements.txt systemd/pycryptodome.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r systemd/pycryptodome.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

test: $(VENV)/ready
	$(BIN)/python -m pytest

check: $(VENV)/ready
	$(BIN)/mypy
	$(BIN)/ruff check wxsync wxsyncd.py tests
