# make demo   sets everything up and runs the whole job on loopback; results in out/demo/
# make test   sets everything up and runs the test suite

VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
INPUT  ?=

.PHONY: demo test lint setup clean requirements

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "pulmonode needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: setup
	$(BIN)/pulmonode demo $(if $(INPUT),--input $(INPUT)) --output out/demo

# at most four at once: each may hold an analysis of 2.5 GB
test: setup
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

requirements:
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header -o requirements.txt

clean:
	rm -rf out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
