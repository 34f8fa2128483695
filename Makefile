# make venv | make demo | make test | make test-fast | make coverage | make test-latest | make real | make lint | make docs | make bench

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHARED ?= ../shared
# Two processes, each test file in one of them: a few GB of memory.
PYTEST ?= -n 2 --dist loadfile

# The newest TensorFlow, in an environment of its own on Python 3.12 or later.
VENV_LATEST := .venv-latest
BIN_LATEST := $(VENV_LATEST)/bin
STAMP_LATEST := $(VENV_LATEST)/.installed
PYTHON_LATEST ?= $(shell for found in python3.12 python3.13 python3.14 python3 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[2-9]*/bin/python); do \
	$$found -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$found && break; done)

.PHONY: venv demo test test-fast coverage venv-latest test-latest real lint format docs bench clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,rooms]"
	touch $(STAMP)

demo: venv
	$(BIN)/tfattr demo --out out/demo

test: venv
	$(BIN)/python -m pytest tests $(PYTEST)

# The inner loop, under two minutes: all but what is marked slow.
test-fast: venv
	$(BIN)/python -m pytest tests $(PYTEST) -m "not slow" -q

coverage: venv
	$(BIN)/python -m pytest tests $(PYTEST) --cov=tfattr --cov-report=term:skip-covered

venv-latest: $(STAMP_LATEST)

$(STAMP_LATEST): pyproject.toml constraints-latest.txt
	@test -x $(BIN_LATEST)/python || test -n "$(PYTHON_LATEST)" || \
	{ echo "make: no Python 3.12 or later was found; name one: make venv-latest PYTHON_LATEST=/path/to/python3.12" >&2; exit 1; }
	test -x $(BIN_LATEST)/python || $(PYTHON_LATEST) -m venv $(VENV_LATEST)
	$(BIN_LATEST)/python -m pip install --quiet --upgrade pip
	$(BIN_LATEST)/python -m pip install --quiet -c constraints-latest.txt -e ".[test,rooms]"
	$(BIN_LATEST)/python -m pip install --quiet -c constraints-latest.txt --no-deps --ignore-requires-python "innvestigate>=2.1.2,<2.2"
	touch $(STAMP_LATEST)

test-latest: venv-latest
	$(BIN_LATEST)/python -m pytest tests $(PYTEST)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site in site/: needs no network to be read.
docs: venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	$(BIN)/mkdocs build --strict --quiet
	@echo "docs: site/index.html"

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The real networks and photographs of the development data (not part of the package).
real: venv
	PYTHONPATH=tests/real $(BIN)/tfattr run tests/real/zoo.toml --trust --probe $(SHARED)/real/probe/coco --out out/real

bench: venv
	$(BIN)/python benchmarks/attribution.py

clean:
	rm -rf $(VENV) $(VENV_LATEST) out site build dist *.egg-info
