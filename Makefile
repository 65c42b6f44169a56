# up: the whole platform.  demo: a story on it.  test, check: what CI runs.
# thorough: the tests, with ten times the generated examples and those that take too long for `make test`.
# faults: the tests of faults, with those too.
# dashboard: builds the web page that /dashboard serves; `up` does so once, in the background.
# bench: the README's measurements.  clean: removes everything these made, data included.
.PHONY: up demo test thorough faults check check-format check-lint check-types check-imports check-security check-dashboard check-oldest dashboard bench lock clean

# Where it is set, every process that starts compiles all that it imports again: seconds for each.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PACKAGES := bench cli commands deploy domain infra projections read_api sagas write_api
# Each worker of the test run starts a PostgreSQL and, when a test asks, a broker: four are enough.
# Tests of faults wait for most of their time, so there is one more than there are processors.
# In the order of the directories: sorted by how many tests they have, the long files of few would come last.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell echo $$(( $(CORES) < 3 ? $(CORES) + 1 : 4 )))

# In CI, on a machine that others use too, a few tests that failed are tried once more, and are told with
# their tracebacks at the end: such a test waits for too little, and is to be mended.
RERUNS := $(if $(CI),--reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks)

BUILT := read_api/dashboard_build/index.html
BUILD_LOG := .agentledger-tools/dashboard-build.log

up: .venv/.ready
	@mkdir -p $(dir $(BUILD_LOG))
	@$(MAKE) --no-print-directory dashboard >$(BUILD_LOG) 2>&1 &
	@exec $(BIN)/agentledger up

dashboard: $(BUILT)

$(BUILT): dashboard/index.html dashboard/package-lock.json $(wildcard dashboard/*.ts dashboard/*.json dashboard/*.sh) $(shell find dashboard/src -type f ! -name '*.d.ts') tests/golden/schema.graphql | .venv/.ready
	sh dashboard/build.sh

demo: .venv/.ready
	@exec $(BIN)/agentledger demo

# Without a registry, or a Node, all but the tests of the dashboard can run: they say what is missing.
test: .venv/.ready
	-@$(MAKE) --no-print-directory dashboard
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(RERUNS)

thorough: .venv/.ready
	AGENTLEDGER_TEST_EFFORT=10 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout 1800 -m "slow or not slow"

faults: .venv/.ready
	$(BIN)/python -m pytest tests/faults -m "slow or not slow"

check: check-format check-lint check-types check-imports check-security check-dashboard

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

# Python 3.11 is promised, and .venv has the newest there is.
check-oldest: .venv/.ready
	@sh bootstrap.sh --oldest
	.agentledger-tools/oldest/bin/python .ci/import_everything.py $(filter-out bench,$(PACKAGES))

# The build begins with the types: of the page, and of what it asks the API for.
check-dashboard: dashboard

bench: .venv/.ready
	$(BIN)/python -m bench

# After a change of the dependencies in pyproject.toml.
lock: .venv/.ready
	PATH="$$PWD/.agentledger-tools/uv/bin:$$PATH" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group dev \
		--custom-compile-command 'make lock' pyproject.toml -o requirements.lock

clean:
	rm -rf dashboard/node_modules dashboard/dist read_api/dashboard_build
	rm -rf .venv .agentledger .agentledger-tools .import_linter_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml requirements.lock bootstrap.sh
	@sh bootstrap.sh
