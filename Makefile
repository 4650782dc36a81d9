# The commands of the project. `make demo` and `make test` need Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2

.PHONY: setup demo test check bench bench-large serve golden lock clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11))" \
	  || { echo "Python 3.11 or newer is needed; say: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q registry tests
	@touch $@

demo: setup
	@$(BIN)/registry demo

test: setup
	@$(BIN)/python -m tests.provision
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/house

bench: setup
	@$(BIN)/python -m benchmarks

bench-large: setup
	@$(BIN)/python -m benchmarks --large

serve: setup
	@$(BIN)/registry serve

golden: setup
	@$(BIN)/python -m tests.provision
	@$(BIN)/python -m pytest -q tests --update-golden

# Resolves every extra into one lock that holds hashes and no download addresses.
lock:
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --quiet -o requirements.lock

clean:
	@rm -rf $(VENV) .venv-dbt .pytest_cache .mypy_cache .ruff_cache
