"""Licences on a real database: signed so that anybody can verify them and nobody can forge them,
and never with one seat too many.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from cli.licences import verify
from commands.authorization import Caller
from commands.decisions import Command
from commands.dispatch import Contended, Dispatcher, Origin
from commands.licence_port import IssuerNotFound
from commands.licences import ActivateLicence, IssueLicence, RenewLicence, RevokeLicence
from commands.ports import Ports
from commands.tenants import CreateTenant, SetResellerQuota
from domain.identifiers import JsonObject, TenantId
from domain.licences import LicenceNotFound, LicenceRevoked, NoSeatLeft
from infra.admission import EveryoneAdmitted
from infra.clock import SystemClock
from infra.licence_documents import (
    LICENCE_TYPE,
    NotValid,
    Revocations,
    read_issuer_keys,
    signed,
    verify_licence,
    verify_revocations,
)
from infra.published_licences import PublishedLicences
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from tests.infra.conftest import Conninfo, Parts, build_parts
from tests.infra.keys import data_keys_on
from tests.infra.log_steps import IDS

OPERATOR = Caller("operator", None, frozenset(), is_operator=True)
SCOPES = frozenset({"licences:write", "licences:activate"})


@dataclass
class Office:
    """A reseller with its own way in."""

    parts: Parts
    dispatcher: Dispatcher
    published: PublishedLicences
    rita: Caller

    async def when(self, command: Command, caller: Caller | None = None) -> JsonObject:
        origin = Origin(IDS.new())
        return (await self.dispatcher.dispatch(command, caller or self.rita, origin)).result

    async def issued(self, seats: int = 5, *, days: int = 30) -> UUID:
        expires_at = datetime.now(UTC) + timedelta(days=days)
        result = await self.when(IssueLicence("Acme", "Suite", seats, expires_at))
        return UUID(str(result["licence_id"]))

    @property
    def issuer_id(self) -> TenantId:
        assert self.rita.tenant_id is not None
        return self.rita.tenant_id

    async def document(self, licence_id: UUID) -> str:
        return await self.published.document(self.issuer_id, licence_id)

    async def keys(self) -> Any:
        return read_issuer_keys(await self.published.keys(self.issuer_id))

    async def listed(self) -> Revocations:
        text = await self.published.revocations(self.issuer_id)
        return verify_revocations(text, await self.keys())


async def a_reseller(dispatcher: Dispatcher, name: str) -> Caller:
    create = CreateTenant(name, f"rita@{name}.example.com", "correct horse battery staple")
    created = await dispatcher.dispatch(create, OPERATOR, Origin(IDS.new()))
    tenant_id = UUID(str(created.result["tenant_id"]))
    await dispatcher.dispatch(SetResellerQuota(tenant_id, 5), OPERATOR, Origin(IDS.new()))
    return Caller("user:rita", TenantId(tenant_id), SCOPES)


@pytest.fixture
async def office(conninfo: Conninfo) -> AsyncIterator[Office]:
    async with build_parts(conninfo) as parts:
        database = await parts.database("api")
        secrets = SecretsSource(bcrypt_cost=4)
        users = PostgresUsers(database, "a lookup key of the tests")
        ports = Ports(parts.store, SystemClock(), IDS, secrets, EveryoneAdmitted(), users=users)
        dispatcher = Dispatcher(ports)
        keys = data_keys_on(database)
        published = PublishedLicences(database, parts.store, keys, clock=SystemClock(), ids=IDS)
        yield Office(parts, dispatcher, published, await a_reseller(dispatcher, "acme"))


async def test_a_document_is_verified_offline_and_says_what_was_promised(office: Office) -> None:
    licence_id = await office.issued()
    text = await office.document(licence_id)
    claims = verify_licence(text, await office.keys(), at=datetime.now(UTC))
    assert (claims["sub"], claims["seats"], claims["iss"]) == (
        str(licence_id),
        5,
        str(office.issuer_id),
    )
    assert await office.document(licence_id) == text, "the same again"


async def test_what_was_forged_altered_or_is_over_is_told_apart(office: Office) -> None:
    now, licence_id = datetime.now(UTC), await office.issued()
    text, keys = await office.document(licence_id), await office.keys()
    head, body, signature = text.split(".")
    claims = orjson.loads(base64.urlsafe_b64decode(body + "=="))
    (kid,) = keys.keys
    mine = OKPKey.import_key(Ed25519PrivateKey.generate(), {"kid": kid})

    def coded(told: object) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")

    public = OctKey.import_key(next(iter(keys.keys.values())).public_bytes_raw(), {"kid": kid})
    by_public = jwt.encode({"alg": "HS256", "kid": kid, "typ": LICENCE_TYPE}, claims, public)
    none = f"{coded({'alg': 'none', 'kid': kid, 'typ': LICENCE_TYPE})}.{body}.AA"
    listed = await office.published.revocations(office.issuer_id)
    forgeries = {
        f"{head}.{coded({**claims, 'seats': 500})}.{signature}": "its signature is not of this key",
        signed(LICENCE_TYPE, claims, mine): "its signature is not of this key",
        by_public: "it is a document of another kind",
        none: "it is a document of another kind",
        listed: "it is a document of another kind",
        f"{text}\n": "it is no signed document",
        "": "it is no signed document",
    }
    for forgery, reason in forgeries.items():
        with pytest.raises(NotValid, match=reason):
            verify_licence(forgery, keys, at=now)
    with pytest.raises(NotValid, match="has expired"):
        verify_licence(text, keys, at=now + timedelta(days=30))
    with pytest.raises(NotValid, match="is valid from"):
        verify_licence(text, keys, at=now - timedelta(days=1))


async def test_no_issuer_vouches_for_another(office: Office) -> None:
    text = await office.document(await office.issued())
    other = await a_reseller(office.dispatcher, "evil")
    assert other.tenant_id is not None
    with pytest.raises(IssuerNotFound):
        await office.published.keys(other.tenant_id)
    theirs = UUID(
        str(
            (
                await office.when(
                    IssueLicence("X", "Y", 1, datetime.now(UTC) + timedelta(days=9)), other
                )
            )["licence_id"]
        )
    )
    with pytest.raises(LicenceNotFound):
        await office.document(theirs)
    await office.published.document(other.tenant_id, theirs)
    told = await office.published.keys(other.tenant_id)
    with pytest.raises(NotValid, match="a key that is not among these"):
        verify_licence(text, read_issuer_keys(told), at=datetime.now(UTC))
    both: Any = await office.published.keys(office.issuer_id)
    mixed = read_issuer_keys({"issuer_id": str(other.tenant_id), "keys": both["keys"]})
    with pytest.raises(NotValid, match="of another issuer"):
        verify_licence(text, mixed, at=datetime.now(UTC))


async def test_what_is_revoked_is_on_a_list_that_grows_old(office: Office) -> None:
    now, keys_of = datetime.now(UTC), office.keys
    kept, gone = await office.issued(), await office.issued()
    texts = [await office.document(one) for one in (kept, gone)]
    before = await office.listed()
    assert (before.number, before.serials) == (0, {})
    await office.when(RevokeLicence(gone, "unpaid"))
    narrower = RenewLicence(kept, now + timedelta(days=30), 2)
    await office.when(narrower)
    after = await office.listed()
    assert (after.number, after.serials) == (2, {str(gone): 1, str(kept): 1})
    keys = await keys_of()
    for text in texts:
        verify_licence(text, keys, at=now, revocations=before)
        with pytest.raises(NotValid, match="it is revoked"):
            verify_licence(text, keys, at=now, revocations=after)
    verify_licence(await office.document(kept), keys, at=now, revocations=after)
    with pytest.raises(NotValid, match="fetch a newer one"):
        verify_licence(texts[0], keys, at=now + timedelta(days=8), revocations=before)
    with pytest.raises(LicenceRevoked):
        await office.document(gone)


async def test_however_many_come_at_once_no_seat_is_given_twice(office: Office) -> None:
    licence_id = await office.issued(seats=3)

    async def one(number: int) -> bool:
        for _ in range(20):
            try:
                await office.when(ActivateLicence(licence_id, f"host-{number}"))
            except NoSeatLeft:
                return False
            except Contended:
                continue
            else:
                return True
        return False

    seated = await asyncio.gather(*(one(number) for number in range(12)))
    assert sum(seated) == 3


async def test_the_command_says_in_words_what_it_found(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    licence_id = await office.issued()
    files = {
        "licence": {"data": {"document": await office.document(licence_id)}},
        "keys": await office.published.keys(office.issuer_id),
        "list": {"revocations": await office.published.revocations(office.issuer_id)},
    }
    for name, told in files.items():
        (tmp_path / name).write_bytes(orjson.dumps(told))

    def run(at: str | None = None, *, is_json: bool = False) -> int:
        return verify(
            tmp_path / "licence",
            public_key=tmp_path / "keys",
            revocations=tmp_path / "list",
            at=at,
            is_json=is_json,
        )

    assert run() == 0
    assert "Suite for Acme: 5 seats" in capsys.readouterr().out
    assert run(is_json=True) == 0
    assert orjson.loads(capsys.readouterr().out)["licence"]["sub"] == str(licence_id)
    assert run("2099-01-01T00:00:00Z") == 1
    assert "has expired" in capsys.readouterr().out
    (tmp_path / "licence").write_bytes(b"not one")
    assert run(is_json=True) == 1
    assert orjson.loads(capsys.readouterr().out)["ok"] is False
    (tmp_path / "keys").write_bytes(b'{"code": "not_found"}')
    with pytest.raises(SystemExit):
        run()
    assert "has no Ed25519 keys" in capsys.readouterr().err
