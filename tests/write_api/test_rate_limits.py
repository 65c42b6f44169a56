"""An address without a valid credential is held to its limit; a valid credential never is."""

import pytest

from tests.write_api.api import RATE_LIMIT_IP_PER_MIN, Api, problem
from tests.write_api.bodies import AGENT
from write_api.rate_limits import ADDRESSES_MAX, AddressLimits, TooManyAttempts

BAD = {"Authorization": "Bearer al_guess"}


class Clock:
    def __init__(self) -> None:
        self.time_s = 1000.0

    def __call__(self) -> float:
        return self.time_s


async def test_bad_credentials_are_refused_differently_after_the_limit(api: Api) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN):
        problem(await api.send("POST", "/agents", AGENT, headers=BAD), 401, "unauthenticated")
    response = await api.send("POST", "/agents", AGENT, headers=BAD)
    problem(response, 429, "too_many_attempts")
    assert 0 < int(response.headers["Retry-After"]) <= 60


async def test_a_valid_credential_passes_from_an_address_over_its_limit(api: Api) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN + 1):
        await api.send("POST", "/agents", AGENT, headers=BAD)
    assert (await api.send("POST", "/agents", AGENT)).status_code == 201


async def test_after_the_announced_time_the_next_attempt_is_heard(api: Api) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN + 1):
        response = await api.send("POST", "/agents", AGENT, headers=BAD)
    api.time_s += int(response.headers["Retry-After"])
    problem(await api.send("POST", "/agents", AGENT, headers=BAD), 401, "unauthenticated")


def test_a_minute_brings_exactly_a_minutes_worth() -> None:
    clock = Clock()
    limits = AddressLimits(100, clock)
    for _ in range(3):
        for _ in range(100):
            limits.take("192.0.2.1")
        with pytest.raises(TooManyAttempts):
            limits.take("192.0.2.1")
        clock.time_s += 60


def test_a_refused_attempt_does_not_lengthen_the_wait() -> None:
    clock = Clock()
    limits = AddressLimits(60, clock)
    for _ in range(60):
        limits.take("192.0.2.1")
    for _ in range(1000):
        with pytest.raises(TooManyAttempts) as refusal:
            limits.take("192.0.2.1")
        assert refusal.value.retry_after_s == pytest.approx(1)
    clock.time_s += 1
    limits.take("192.0.2.1")


def test_addresses_are_counted_apart_but_a_network_of_ipv6_together() -> None:
    limits = AddressLimits(1, Clock())
    limits.take("192.0.2.1")
    limits.take("192.0.2.2")
    limits.take("2001:db8:0:1::1")
    with pytest.raises(TooManyAttempts):
        limits.take("2001:db8:0:1:ffff::2")
    limits.take("2001:db8:0:2::1")
    limits.take("")
    with pytest.raises(TooManyAttempts):
        limits.take("192.0.2.1")


def test_memory_is_bounded_and_the_longest_unseen_address_is_forgotten() -> None:
    limits = AddressLimits(1, Clock())
    for number in range(ADDRESSES_MAX + 1):
        limits.take(f"address {number}")
    limits.take("address 0")
    with pytest.raises(TooManyAttempts):
        limits.take(f"address {ADDRESSES_MAX}")
