"""What can be done about the memory of a process that holds keys. Python can neither lock nor wipe
it, so that what it held is not written to disk when it crashes is all that is promised here.
"""

import resource


def forbid_core_dumps() -> None:
    """Also of the processes it starts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
