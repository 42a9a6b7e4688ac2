# Everything runs in .venv, which is made on first use. `make PYTHON=python3.12` picks
# the interpreter that makes it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := specs/small/digits.ffe
# Installing applies constraints.txt every time; see the note at its top.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: demo test test-all test-lowest soak lint format docs notebooks dist vsix clean

demo: $(VENV)/.installed
	$(BIN)/ffebm train $(DEMO)

# One process a core, one thread each: two threads of torch on a small network only spin.
# Compiled modules are kept, those of the tests too: else every process compiles them anew.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal

test: lint
	$(PYTEST) -m "not slow"

test-all: lint $(VENV)/.installed-docs
	$(PYTEST) --hypothesis-profile=default

# The tests with the lowest versions that pyproject.toml declares, in an environment of their own.
LOWEST := build/lowest

test-lowest: $(LOWEST)/.installed
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -q -n auto --dist worksteal -m "not slow"

$(LOWEST)/.installed: pyproject.toml tests/lowest.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python tests/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check --quiet -c $(LOWEST)/constraints.txt -e '.[test]'
	@touch $@

# sdist and wheel, the wheel from the sdist.
dist: $(VENV)/.installed-test
	rm -f dist/ffebm-*
	$(BIN)/python -m build --outdir dist .

# Every crash point of a run, 200 kills, 1,000 damaged files: docs/reliability.md.
# make soak SOAK="--mnist DIR" also kills runs of the MNIST spec.
soak: $(VENV)/.installed-test
	$(BIN)/python -m tests.faults.soak $(SOAK)

# mypy does not follow the package-dir table of pyproject.toml, so it is shown the tree
# as it is installed: ffebm_dsl with cli, grammar and specs inside it; benchmarks and site.
lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf build/types && mkdir -p build/types/ffebm_dsl
	@ln -s $(addprefix ../../../,$(wildcard ffebm_dsl/*) cli grammar specs) build/types/ffebm_dsl/
	@ln -s ../../benchmarks ../../docsite build/types/
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml \
	  --cache-dir ../../.mypy_cache -p ffebm_dsl -p benchmarks -p docsite

# The site in build/site; its search needs a server. Warnings are errors.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo 'build/site is made; to read it: $(BIN)/python -m http.server -d build/site'

# Run the notebooks again, in place, outputs included.
notebooks: $(VENV)/.installed-docs
	$(BIN)/python -m nbconvert --to notebook --execute --inplace \
	    --ExecutePreprocessor.record_timing=False examples/notebooks/*.ipynb

# The VS Code extension, its client bundled, as dist/ffe-VERSION.vsix. It needs npm.
EXTENSION := editors/vscode

vsix: $(EXTENSION)/node_modules/.package-lock.json
	mkdir -p dist
	cd $(EXTENSION) && npm run --silent package -- --out ../../dist/

$(EXTENSION)/node_modules/.package-lock.json: $(EXTENSION)/package.json
	cd $(EXTENSION) && npm install --no-audit --no-fund --no-package-lock

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist $(EXTENSION)/dist $(EXTENSION)/node_modules ffebm.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("ffebm needs Python 3.11 or later: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# An editable install leaves compiling to the first start of each module, and where
# PYTHONDONTWRITEBYTECODE is set to every start: 0.1 s of the 0.3 s of a static check.
COMPILE := $(BIN)/python -m compileall -q ffebm_dsl cli grammar specs

TELL := @echo 'Installing ffebm and what it needs, PyTorch among it, into $(VENV): one to ten minutes, silently.'

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(TELL)
	$(INSTALL) -e .
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(TELL)
	$(INSTALL) -e '.[docs]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(TELL)
	$(INSTALL) -e '.[test]'
	@$(COMPILE)
	@touch $(VENV)/.installed $@
