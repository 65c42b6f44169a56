"""No account is ever given away by an address that somebody else may come to have."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.decisions import Tenancy
from commands.external_identities import (
    LinkExternalIdentity,
    RemoveExternalIdentity,
    SignInExternally,
)
from commands.identity_providers import PutIdentityProvider, RemoveIdentityProvider
from commands.memberships import begin_user, membership_of
from commands.oauth_port import LoginRefused, Profile
from domain.envelope import Envelope
from domain.external_identities import ExternalIdentityNotFound, IdentityTaken
from domain.identity import User
from domain.identity_providers import IdentityProviderNotFound, identity_provider_id
from tests.commands.fakes import World
from tests.commands.test_identity_providers import ACME

ISSUER = "https://login.acme.example"
ADA = Profile(ISSUER, "ada-1", "ada@acme.example", is_email_verified=True)
ROOT = "root@acme.example"


class Company(World):
    """With an administrator, and a provider that lets the domain in."""

    provider = "acme"

    async def open(self, provider: PutIdentityProvider = ACME) -> "Company":
        await self.somebody(ROOT, "ADMIN")
        await self.when(provider)
        return self

    @property
    def platform(self) -> Caller:
        return self.caller_with("external_identities:sign_in", actor="identity_provider:acme")

    @property
    def provider_id(self) -> UUID:
        return identity_provider_id(self.tenant_id, self.provider)

    def at(self, provider: str) -> "Company":
        """People sign in there from now on."""
        self.provider = provider
        return self

    async def somebody(self, email: str, role: str = "USER", *, is_invited: bool = False) -> UUID:
        on = Tenancy(self.ports, self.caller, self.tenant_id)
        user = await begin_user(on, email=email, role=role)
        if is_invited:
            user.invite(self.clock.now() + timedelta(days=1))
        return await self._stored(on, user)

    async def changed(self, user_id: UUID, change: str) -> None:
        on = Tenancy(self.ports, self.caller, self.tenant_id)
        user = await self.user(user_id)
        getattr(user, change)()
        await self._stored(on, user)

    async def _stored(self, on: Tenancy, user: User) -> UUID:
        membership = await membership_of(on, user)
        nothing = UUID(int=0)
        envelope = Envelope(self.tenant_id, "test", nothing, nothing, None)
        await self.store.append(membership.aggregates, envelope, side_rows=membership.side_rows)
        return user.id

    async def signs_in(self, profile: Profile = ADA) -> UUID:
        command = SignInExternally(self.provider_id, profile)
        answer = await self.when(command, caller=self.platform)
        return UUID(str(answer.result["user_id"]))

    async def refuses(self, profile: Profile = ADA) -> str:
        before = len(self.store.events)
        with pytest.raises(LoginRefused) as refused:
            await self.signs_in(profile)
        assert len(self.store.events) == before
        return refused.value.reason

    async def links(self, user_id: UUID, profile: Profile = ADA) -> str:
        command = LinkExternalIdentity(self.provider_id, profile, user_id)
        answer = await self.when(command, caller=self.platform)
        return str(answer.result["external_identity_id"])

    async def user(self, user_id: UUID) -> User:
        found = await self.store.load(User, user_id, self.tenant_id)
        assert found is not None
        return found


async def test_somebody_new_in_a_domain_of_the_tenant_gets_an_account() -> None:
    company = await Company().open()
    user = await company.user(await company.signs_in())
    assert (user.email, user.role, user.status) == ("ada@acme.example", "USER", "ACTIVE")


async def test_the_subject_is_who_somebody_is_and_their_address_may_change() -> None:
    company = await Company().open()
    user_id = await company.signs_in()
    renamed = replace(ADA, email="lovelace@elsewhere.example", is_email_verified=False)
    assert await company.signs_in(renamed) == user_id


async def test_an_address_that_was_given_to_somebody_else_gives_them_nothing() -> None:
    company = await Company().open()
    await company.signs_in()
    assert "link" in await company.refuses(replace(ADA, subject="the next ada"))


async def test_two_issuers_with_one_subject_are_two_people() -> None:
    company = await Company().open()
    first = await company.signs_in()
    other = replace(ADA, issuer="https://evil.example", email="mallory@acme.example")
    assert await company.signs_in(other) != first


async def test_takeover_of_a_local_account_by_a_verified_address() -> None:
    company = await Company().open()
    await company.somebody("ada@acme.example")
    assert "link" in await company.refuses()
    assert "link" in await company.refuses(replace(ADA, email=ROOT))


@pytest.mark.parametrize(
    "profile",
    [
        replace(ADA, is_email_verified=False),
        replace(ADA, email=None, is_email_verified=False),
        replace(ADA, email="ada@evil.example"),
        replace(ADA, email="ada@acme.example.evil.example"),
        replace(ADA, email="ada@evil.example@acme.example"),
        replace(ADA, email="ada@sub.acme.example"),
        replace(ADA, email="acme.example"),
    ],
)
async def test_takeover_by_an_address_that_nobody_vouches_for(profile: Profile) -> None:
    company = await Company().open()
    assert await company.refuses(profile)


async def test_without_domains_nobody_unknown_comes_in() -> None:
    company = await Company().open(replace(ACME, allowed_domains=[]))
    assert await company.refuses()


async def test_somebody_who_was_invited_accepts_by_signing_in() -> None:
    company = await Company().open()
    user_id = await company.somebody("ada@acme.example", "VIEWER", is_invited=True)
    assert await company.signs_in() == user_id
    user = await company.user(user_id)
    assert (user.status, user.role) == ("ACTIVE", "VIEWER")


async def test_github_does_not_accept_invitations_because_it_vouches_for_no_employer() -> None:
    github = replace(ACME, kind="github", issuer=None)
    company = await Company().open(github)
    await company.somebody("ada@acme.example", is_invited=True)
    assert "link" in await company.refuses(replace(ADA, issuer="https://github.com"))


async def test_google_lets_in_accounts_of_the_organisation_only() -> None:
    company = await Company().open(replace(ACME, kind="google", issuer=None))
    ada = replace(ADA, issuer="https://accounts.google.com")
    assert "organisation" in await company.refuses(ada)
    assert "organisation" in await company.refuses(replace(ada, domain="evil.example"))
    assert await company.signs_in(replace(ada, domain="acme.example"))


async def test_somebody_who_was_deactivated_does_not_sign_in() -> None:
    company = await Company().open()
    user_id = await company.signs_in()
    await company.changed(user_id, "deactivate")
    assert await company.refuses() == "the person is not active"


async def test_groups_give_the_role_that_may_most_and_take_it_again() -> None:
    company = await Company().open()
    user_id = await company.signs_in(replace(ADA, groups=("platform", "unknown")))
    assert (await company.user(user_id)).role == "ADMIN"
    await company.signs_in(replace(ADA, groups=()))
    assert (await company.user(user_id)).role == "USER"


async def test_groups_never_take_the_last_administrator_away() -> None:
    company = Company()
    await company.when(ACME)
    on = Tenancy(company.ports, company.caller, company.tenant_id)
    assert on.users
    user_id = await company.signs_in(replace(ADA, groups=("platform",)))
    assert await company.signs_in(replace(ADA, groups=())) == user_id
    assert (await company.user(user_id)).role == "ADMIN"


async def test_groups_say_nothing_about_somebody_who_was_here_before() -> None:
    company = await Company().open()
    user_id = await company.somebody("grace@acme.example", "VIEWER")
    await company.links(user_id)
    assert await company.signs_in(replace(ADA, groups=("platform",))) == user_id
    assert (await company.user(user_id)).role == "VIEWER"


async def test_a_person_links_an_account_whatever_address_it_has() -> None:
    company = await Company().open()
    user_id = await company.somebody("grace@acme.example")
    stranger = replace(ADA, email=None, is_email_verified=False)
    await company.links(user_id, stranger)
    assert await company.signs_in(stranger) == user_id
    await company.links(user_id, stranger)
    assert company.store.topics.count("external_identity.created") == 1


async def test_an_account_of_one_person_cannot_be_linked_to_another() -> None:
    company = await Company().open()
    await company.signs_in()
    mallory = await company.somebody("mallory@acme.example")
    with pytest.raises(IdentityTaken):
        await company.links(mallory)


async def test_a_removed_identity_opens_nothing_until_it_is_linked_again() -> None:
    company = await Company().open()
    user_id = await company.somebody("grace@acme.example")
    identity_id = UUID(await company.links(user_id))
    grace = Caller(
        f"user:{user_id}", company.tenant_id, frozenset({"external_identities:write"}), user_id
    )
    await company.when(RemoveExternalIdentity(identity_id), caller=grace)
    with pytest.raises(ExternalIdentityNotFound):
        await company.when(RemoveExternalIdentity(identity_id), caller=grace)
    assert await company.refuses(replace(ADA, email="grace@acme.example"))
    await company.links(user_id)
    assert await company.signs_in() == user_id


async def test_nobody_removes_the_identity_of_somebody_else() -> None:
    company = await Company().open()
    identity_id = UUID(await company.links(await company.somebody("grace@acme.example")))
    with pytest.raises(ExternalIdentityNotFound):
        await company.when(RemoveExternalIdentity(identity_id))


async def test_nobody_signs_in_at_a_provider_that_was_removed() -> None:
    company = await Company().open()
    await company.signs_in()
    await company.when(RemoveIdentityProvider("acme"))
    with pytest.raises(IdentityProviderNotFound):
        await company.signs_in()


async def test_a_credential_that_may_everything_cannot_say_who_signed_in() -> None:
    company = await Company().open()
    for caller in (company.caller, company.operator):
        with pytest.raises(MissingScope):
            await company.when(SignInExternally(company.provider_id, ADA), caller=caller)
