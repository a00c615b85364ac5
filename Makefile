# Everything a newcomer needs; `make demo` and `make test` do all their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint bench chaos run lock clean

demo: $(READY)
	$(BIN)/xinqiao demo

# First what needs nobody's quiet: in two processes, in memory where there are 6 GB of it. Then, alone, whatever measures or kills.
test: $(READY)
	@room=$$(mktemp -d); \
	if [ "$$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 6000000 ] 2>/dev/null; then rm -r "$$room"; room=$$(mktemp -d -p /dev/shm); fi; \
	trap 'rm -rf "$$room"' EXIT; \
	TMPDIR="$$room" $(BIN)/python -m pytest -q -m "not slow and not browser" -n 2 --dist worksteal
	$(BIN)/python -m pytest -q -m "slow or browser"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m bench

chaos: $(READY)
	XINQIAO_CHAOS=1 $(BIN)/python -m pytest -q tests/proofs

run: $(READY)
	$(BIN)/xinqiao run

# Names and hashes only; the installer's own settings say where packages come from.
lock:
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header -q -o requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info artefacts

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("xinqiao needs Python 3.11 or newer; say which with make PYTHON=...") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
