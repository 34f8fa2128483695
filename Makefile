# make venv | make demo | make test | make real | make lint | make bench

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHARED ?= ../shared

.PHONY: venv demo test real lint format bench clean

venv: $(STAMP)

$(STAMP): setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,rooms]"
	touch $(STAMP)

demo: venv
	$(BIN)/tfattr demo --out out/demo

test: venv
	$(BIN)/python -m pytest tests

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The real networks and photographs of the development data (not part of the package).
real: venv
	PYTHONPATH=tests/real $(BIN)/tfattr run tests/real/zoo.toml --probe $(SHARED)/real/probe/coco --out out/real

bench: venv
	$(BIN)/python benchmarks/attribution.py

clean:
	rm -rf $(VENV) out build dist *.egg-info
