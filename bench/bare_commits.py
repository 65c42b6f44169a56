"""What a machine takes for the commits of a run alone, with nothing of ours: as many transactions
of one row each, one after the other, on one connection.

A run alone waits for them whatever the engine does, so this says which part of its time is the
machine's.
"""

import time
from statistics import median
from uuid import uuid4

import psycopg

from bench.engine import STEPS

# A run is stored as it begins, and with each step.
COMMITS = STEPS + 1
# About what an event takes.
STATE = b"\x5a" * 300
DURATION_S = 1.0
TABLE = "CREATE TABLE bare_commits (id uuid PRIMARY KEY, state bytea NOT NULL)"
INSERT = "INSERT INTO bare_commits VALUES (%b, %b)"


def bare_commits_p50_ms(url: str) -> float:
    """Of COMMITS together. url: of a database in which nothing is called as its table is."""
    took_s: list[float] = []
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("DROP TABLE IF EXISTS bare_commits")
        conn.execute(TABLE)
        ends_at = time.perf_counter() + DURATION_S
        while not took_s or time.perf_counter() < ends_at:
            began_at = time.perf_counter()
            for _ in range(COMMITS):
                conn.execute(INSERT, (uuid4(), STATE), prepare=True)
            took_s.append(time.perf_counter() - began_at)
    return median(took_s) * 1000
