"""Which new passwords are refused."""

import asyncio

import pytest

from infra.password_judge import InformedPasswordJudge
from infra.secrets_source import SecretsSource

WORDS = ("Acme Robotics", "ada.lovelace@example.com", "Ada Lovelace")


def judge() -> InformedPasswordJudge:
    return InformedPasswordJudge(SecretsSource(bcrypt_cost=4).in_turn)


@pytest.mark.parametrize("password", [
    "password1234",
    "P4ssw0rd1234!",
    "123456789012",
    "qwertyuiop[]",
    "abcdefghijkl",
    "letmeinletmein",
    "iloveyou1234",
    "sunshine2020",
    "aaaaaaaaaaaa",
    "abababababababab",
    "1qaz2wsx3edc",
    "p" * 72,
])  # fmt: skip
async def test_what_is_tried_first_is_refused(password: str) -> None:
    objection = await judge().objection(password, WORDS)
    assert objection is not None
    assert objection.code == "password_guessable"


@pytest.mark.parametrize("password", [
    "AcmeRobotics1",
    "acme-robotics",
    "ada.lovelace!",
    "LovelaceAcme24",
    "adalovelace1815",
])  # fmt: skip
async def test_what_belongs_to_the_person_is_refused(password: str) -> None:
    objection = await judge().objection(password, WORDS)
    assert objection is not None
    assert objection.code == "password_personal"


@pytest.mark.parametrize("password", [
    "correct horse battery",
    "incorrect donkey fuel cell",
    "acme buys nine purple kettles",
    "xK7#mQ2$vL9p",
    "nøkkel til huset mitt",
    "正しい馬の電池ホチキスを探す",
])  # fmt: skip
async def test_no_composition_is_asked_for(password: str) -> None:
    assert await judge().objection(password, WORDS) is None


async def test_words_of_one_person_are_not_held_against_another() -> None:
    """The library keeps them in one place for all of its callers."""
    judged = judge()
    asked = [
        judged.objection("zorblatt kettle vx", (f"zorblatt{n}" if n % 2 else "zorblatt",))
        for n in range(8)
    ]
    found = [objection is None for objection in await asyncio.gather(*asked)]
    alone = [
        await judged.objection("zorblatt kettle vx", (word,)) is None
        for word in ("zorblatt", "zorblatt1")
    ]
    assert found == alone * 4
