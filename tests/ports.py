"""Ports for servers that begin later than somebody has to know where they will be."""

import secrets
import socket

# Below those that the system gives to whoever asks for any: nobody is given one of these meanwhile.
FIRST = 20_000
COUNT = 12_000


def free_port() -> int:
    while True:
        port = FIRST + secrets.randbelow(COUNT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
