"""How long the tests look that could look for ever."""

import os

# Generated examples: a multiple of what `make test` has the time for. `make thorough` sets it.
EFFORT = int(os.environ.get("AGENTLEDGER_TEST_EFFORT", "1"))
