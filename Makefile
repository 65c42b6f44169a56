# up: the whole platform in one process.  demo: a story on it.  test, check: what CI runs.
# thorough: the tests, with ten times the generated examples and those that take too long for `make test`.
# faults: the tests of faults, with those too.
# bench: the README's measurements.  clean: removes everything these made, data included.
.PHONY: up demo test thorough faults check check-format check-lint check-types check-imports check-security bench lock clean

# Where it is set, every process that starts compiles all that it imports again: seconds for each.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PACKAGES := bench cli commands domain infra projections read_api sagas write_api
# Each worker of the test run starts a PostgreSQL and, when a test asks, a broker: four are enough.
# In the order of the directories: sorted by how many tests they have, the long files of few would come last.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell echo $$(( $(CORES) < 4 ? $(CORES) : 4 )))

up: .venv/.ready
	@exec $(BIN)/agentledger up

demo: .venv/.ready
	@exec $(BIN)/agentledger demo

test: .venv/.ready
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

thorough: .venv/.ready
	AGENTLEDGER_TEST_EFFORT=10 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout 1800 -m "slow or not slow"

faults: .venv/.ready
	$(BIN)/python -m pytest tests/faults -m "slow or not slow"

check: check-format check-lint check-types check-imports check-security

check-format: .venv/.ready
	$(BIN)/ruff format --check .

check-lint: .venv/.ready
	$(BIN)/ruff check .

check-types: .venv/.ready
	$(BIN)/pyright
	$(BIN)/pyright -p tests

check-imports: .venv/.ready
	$(BIN)/lint-imports

check-security: .venv/.ready
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(PACKAGES)
	$(BIN)/python .ci/audit_dependencies.py

bench: .venv/.ready
	$(BIN)/python -m bench

# After a change of the dependencies in pyproject.toml.
lock: .venv/.ready
	PATH="$$PWD/.agentledger-tools/uv/bin:$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group dev \
		--custom-compile-command 'make lock' pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .agentledger .agentledger-tools .import_linter_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml requirements.lock bootstrap.sh
	@sh bootstrap.sh
