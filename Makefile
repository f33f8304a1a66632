# Every target does its own set-up: a virtual environment in .venv, and into it what the target
# needs. A machine with make and Python 3.11 or newer (with its venv module) is all it takes.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.NOTPARALLEL:       # two installations into one environment would get in each other's way
.DELETE_ON_ERROR:
.PHONY: help demo test check bench test-deep clean

help:
	@echo 'make demo       train a small network, check its gradients, draw its graph'
	@echo 'make test       run the tests'
	@echo 'make check      lint, formatting and types'
	@echo 'make bench      time autotensor beside hand-written NumPy and any installed peer'
	@echo 'make test-deep  the tests with many more examples, and the slow ones (many minutes)'
	@echo 'make clean      remove the environment, caches and build outputs'

demo: $(VENV)/.tour
	$(RUN) -m autotensor

test: $(VENV)/.test
	$(RUN) -m pytest

check: $(VENV)/.test $(VENV)/.dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(VENV)/.test
	$(RUN) -m benchmarks.peers

test-deep: $(VENV)/.test
	$(RUN) -m pytest --hypothesis-profile=intense -m 'deep or not deep'

clean:
	rm -rf $(VENV) autotensor-tour build dist *.egg-info
	rm -rf .pytest_cache .ruff_cache .mypy_cache .benchmarks .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv/.NAME says that the extra NAME is installed, from the pyproject.toml of that time.
$(VENV)/.%: pyproject.toml $(VENV)/.created
	$(RUN) -m pip install --quiet --editable '.[$*]'
	@touch $@

# Made anew each time: a half-made environment, or one of another Python, is no base to go on from.
$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'autotensor needs Python 3.11 or newer, and there is no $(PYTHON) here.' \
	    'Name one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "autotensor needs Python 3.11 or newer; $(PYTHON) is" \
	    "$$($(PYTHON) -c 'import platform; print(platform.python_version())')." \
	    'Name another: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Setting up $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo 'The venv module of $(PYTHON) is missing or incomplete' \
	    '(on Debian and Ubuntu: apt install python3-venv).' >&2; exit 1; }
	@touch $@
