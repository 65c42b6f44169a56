"""`python -m bench.login_attack URL PER_S DURATION_S`: logins with wrong passwords at their times,
each from an address of its own, of people who exist and of people who do not.

It prints how often each status was answered, as JSON.
"""

import asyncio
import sys
import time
from collections import Counter

import orjson
import uvloop

from bench.http_client import Address, Connection, request_bytes

PATH = "/api/v1/auth/login"
CONNECTIONS_MAX = 1000
IN_FLIGHT_END_S = 30
KNOWN = "bench@example.com"
DROPPED = "not sent"


def login(number: int) -> bytes:
    """Every second one of somebody who exists."""
    email = KNOWN if number % 2 else f"nobody{number}@example.com"
    body = orjson.dumps({"email": email, "password": f"wrong password {number}"})
    # The server is told to believe it, as it would a proxy of its own.
    address = f"198.51.{number // 250 % 250}.{number % 250 + 1}"
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    return request_bytes("POST", PATH, headers, body)


async def attack(url: str, per_s: float, duration_s: float) -> Counter[str]:
    address = Address.of(url)
    idle: list[Connection] = []
    opened = 0
    seen: Counter[str] = Counter()

    async def one(number: int) -> None:
        nonlocal opened
        if not idle and opened >= CONNECTIONS_MAX:
            seen[DROPPED] += 1
            return
        if idle:
            connection = idle.pop()
        else:
            opened += 1
            connection = await Connection.open(address)
        status, _ = await connection.ask(login(number))
        seen[str(status)] += 1
        idle.append(connection)

    begins_at = time.perf_counter()
    async with asyncio.timeout(duration_s + IN_FLIGHT_END_S), asyncio.TaskGroup() as tasks:
        for number in range(int(per_s * duration_s)):
            early_s = begins_at + number / per_s - time.perf_counter()
            if early_s > 0:
                await asyncio.sleep(early_s)
            tasks.create_task(one(number))
    return seen


def main() -> int:
    url, per_s, duration_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    print(orjson.dumps(uvloop.run(attack(url, per_s, duration_s))).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
