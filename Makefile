# Two commands matter to a newcomer: `make demo` to see it run, `make test` to test it.
# Everything happens in .venv; nothing outside this folder is changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CHECK ?=
STRICT ?=

.PHONY: help setup demo test check bench soak docs clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install all that is needed

$(STAMP): requirements/dev.txt requirements/roboflow-client.txt pyproject.toml tools/setup.sh tools/vendor.py $(wildcard frontend/*.* frontend/licenses/*)
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $(STAMP)

demo: setup ## server on 127.0.0.1:8400 with this machine as its first device; CHECK=1 proves it and ends
	@$(BIN)/moorage demo $(if $(CHECK),--check)

test: setup ## every test this machine can run, then what was skipped; STRICT=1 lets no part be missing
	@STRICT=$(STRICT) $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(TESTS)

check: setup ## formatting, lint, types, import order, language level of the agent
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/vermin --quiet --no-tips --target=3.8- --violations src/moorage_agent

bench: setup ## measure, with the raw limit beside each figure; writes docs/benchmarks.md
	@$(BIN)/python bench/run.py

soak: setup ## 10,000 virtual devices for half an hour: memory, disk, ledgers; SOAK="--minutes 2" for less
	@$(BIN)/python bench/soak.py $(SOAK)

docs: setup ## make the generated reference pages anew
	@$(BIN)/python tools/reference.py

clean: ## remove what setup and the demo made
	rm -rf $(VENV) .venvs .moorage .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
