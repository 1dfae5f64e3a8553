# Every target works in a fresh clone with Python 3.11, make and git.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test lab figures bench clean help

help:
	@echo "make demo     run the whole method on the built-in cohort"
	@echo "make test     every check that needs no network and no browser"
	@echo "make lab      JupyterLab on the notebooks"
	@echo "make figures  all paper figures of runs/demo"
	@echo "make bench    the speed claims of BENCHMARKS.md"
	@echo "make clean    delete the demo and the figures"

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch -c constraints.txt
	$(BIN)/python -m pip install --quiet -e '.[lab,dev,browser]' -c constraints.txt
	touch $@

demo: setup
	$(BIN)/cpexplore run --preset quick --out runs/demo --jobs $(JOBS)
	$(BIN)/python -m figures --run runs/demo --out figures/build

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/codespell
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser

lab: setup
	$(BIN)/jupyter lab --notebook-dir notebooks

figures: demo

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf runs/demo figures/build
