"""Histories of who signs in where, and with whom what is shared."""

from domain.agents import Agent
from domain.external_identities import ExternalIdentity
from domain.identifiers import TenantId
from domain.identity_providers import IdentityProvider
from domain.sessions import Session
from domain.sharing import Share, Sharing, share_id, sharing_id
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


def a_sharing(shared: Stream, *shares: Share, actor: str | None = None) -> Stream:
    """Of a workflow or an agent, by who made it unless somebody else is named."""
    stream = Stream(
        Sharing,
        shared.tenant_id,
        stream_id=sharing_id(shared.stream_id),
        actor=actor or shared.actor,
    )
    told = {
        "shared_kind": "agent" if shared.aggregate is Agent else "workflow",
        "shared_id": str(shared.stream_id),
    }
    stream.happens(Sharing.Created, **told)
    for share in shares:
        stream.happens(
            Sharing.Granted,
            **told,
            share_id=str(share_id(shared.stream_id, share)),
            user_id=share.user_id,
            role=share.role,
            access=share.access,
        )
    return stream
