"""What the processes of the fault tests are forked from.

Frozen: their collector would look at all that was imported, and so copy it, in each of them.
"""

import gc

import tests.faults.driver  # noqa: F401 # the import is the point

gc.collect()
gc.freeze()
