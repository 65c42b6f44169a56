"""Signing in where the tenant says, in a real browser, at a real OpenID provider."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from pyotp.totp import TOTP

from tests.browser.client import Client
from tests.browser.visit import Visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.oidc.provider import OpenIdProvider

# The provider's own page asks for a style from elsewhere.
ELSEWHERE = ("ERR_NAME_NOT_RESOLVED", "ERR_INTERNET_DISCONNECTED", "googleapis.com/")
CLAIMS = '{"email": "ada@acme.example", "email_verified": true}'


@pytest.fixture(scope="module")
def tenant(stack: Stack, openid_provider: OpenIdProvider) -> Iterator[Client]:
    """One whose people sign in at a provider, and prove themselves by a second factor here."""
    client = Client(stack.url, new_tenant(stack.url, operator_key_of(stack), "Federated"))
    client.put(
        "/identity-providers/acme",
        {
            "kind": "oidc",
            "issuer": openid_provider.issuer("browser"),
            "client_id": "ledger",
            "client_secret": "s3cret",
            "allowed_domains": ["acme.example"],
            "default_role": "USER",
        },
    )
    client.put("/login-rules", {"require_mfa": True})
    yield client
    client.close()


def test_a_person_signs_in_at_the_provider_and_sets_up_a_second_factor(
    stranger: Visit, tenant: Client, openid_provider: OpenIdProvider
) -> None:
    stranger.expected = (*ELSEWHERE, f"asked http://{openid_provider.address}/")
    tenant_id = tenant.read("{ tenant { id } }")["tenant"]["id"]
    page = stranger.open(f"/executions?tenant={tenant_id}")
    there = page.get_by_role("button", name="Continue with acme (OpenID Connect)")
    expect(there).to_be_visible()
    stranger.require_accessible()
    there.click()
    page.locator("[name=username]").fill("ada")
    page.locator("[name=claims]").fill(CLAIMS)
    page.locator("[type=submit]").click()
    secret = page.locator(".command pre")
    expect(secret).to_be_visible()
    assert "code=" not in page.url
    stranger.require_accessible()
    page.get_by_label("Code that it shows").fill(TOTP(secret.inner_text()).now())
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Keep these recovery codes")).to_be_visible()
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Executions")).to_be_visible()
    expect(page.get_by_text("ada@acme.example")).to_be_visible()


def test_who_is_refused_there_is_told_so_where_it_began(
    stranger: Visit, tenant: Client, openid_provider: OpenIdProvider
) -> None:
    stranger.expected = (*ELSEWHERE, f"asked http://{openid_provider.address}/")
    tenant_id = tenant.read("{ tenant { id } }")["tenant"]["id"]
    page = stranger.open(f"/executions?tenant={tenant_id}")
    page.get_by_role("button", name="Continue with acme (OpenID Connect)").click()
    page.locator("[name=username]").fill("eve")
    page.locator("[name=claims]").fill('{"email": "eve@evil.example", "email_verified": true}')
    page.locator("[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("Signing in did not succeed")
    expect(page.get_by_role("button", name="Continue with acme (OpenID Connect)")).to_be_visible()
    assert "error" not in page.url
    assert "evil" not in page.content()
    stranger.require_accessible()


def test_a_tenant_that_is_not_there_is_like_one_without_providers(stranger: Visit) -> None:
    page = stranger.open("/?tenant=00000000-0000-7000-8000-000000000000")
    expect(page.get_by_text("or there is no such tenant")).to_be_visible()
