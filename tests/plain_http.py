"""For clients of servers on this machine, which speak HTTP without TLS."""

import ssl

# `verify=` of a client of httpx: no authorities. Reading the usual ones takes 20 ms of processor
# time, for each client and, in httpx.get and its like, for each request.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Theirs is 5 s, which a busy machine may take for anything.
PATIENCE_S = 60.0
