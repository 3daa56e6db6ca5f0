# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a process: workers beside each other fight over cores otherwise.
export OMP_NUM_THREADS ?= 1
export RAY_AUTH_MODE := token
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: demo test test-long check clean

demo: $(VENV)/installed ## the whole pipeline on a simulated compendium, into runs/demo
	$(BIN)/rnalearner run jobs/recipes/demo.toml --out runs/demo

test: check ## lint, types, import contracts, tests
	$(BIN)/pytest -m "not slow and not gpu"

test-long: check ## what needs longer, too
	$(BIN)/pytest -m "not gpu"

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# torch first and pinned: left to itself pip takes gigabytes of CUDA libraries along.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
