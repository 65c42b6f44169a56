"""Which new passwords are refused."""

import pytest

from infra.password_judge import InformedPasswordJudge

WORDS = ("Acme Robotics", "ada.lovelace@example.com", "Ada Lovelace")


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
    "qwerty123456",
    "monkeydragon12",
    "trustno1trustno1",
    "Summer2026!!",
    "zyxwvutsrqpo",
    "p" * 72,
])  # fmt: skip
async def test_what_is_tried_first_is_refused(password: str) -> None:
    objection = await InformedPasswordJudge().objection(password, WORDS)
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
    objection = await InformedPasswordJudge().objection(password, WORDS)
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
    assert await InformedPasswordJudge().objection(password, WORDS) is None
