"""Histories of who signs in where."""

from domain.external_identities import ExternalIdentity
from domain.identifiers import TenantId
from domain.identity_providers import IdentityProvider
from domain.sessions import Session
from tests.projections.histories import IDS, Stream, a_tenant


def an_identity_provider(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    configured = {
        "kind": "oidc",
        "issuer": "https://login.acme.example",
        "client_id": "ledger",
        "allowed_domains": ["acme.example"],
        "default_role": "USER",
        "group_roles": {"platform": "ADMIN"},
        "is_directory": True,
        **fields,
    }
    stream = Stream(IdentityProvider, tenant_id or a_tenant())
    stream.happens(IdentityProvider.Created, name="acme")
    return stream.happens(IdentityProvider.Configured, **configured)


def an_external_identity(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {
        "issuer": "https://login.acme.example",
        "provider": "acme",
        "user_id": str(IDS.new()),
        "follows_groups": True,
        **fields,
    }
    stream = Stream(ExternalIdentity, tenant_id or a_tenant())
    return stream.happens(ExternalIdentity.Created, **created)


def a_session(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {
        "user_id": str(IDS.new()),
        "factors": ["password", "totp"],
        "client": "curl/8",
        "expires_at": "2026-02-01T00:00:00+00:00",
        **fields,
    }
    stream = Stream(Session, tenant_id or a_tenant())
    return stream.happens(Session.Created, **created)
