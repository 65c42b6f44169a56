"""IdentityProvider: where the people of a tenant may sign in instead of here. Its client secret is
no fact of the log: it is kept sealed, beside it.
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import JsonObject, TenantId

Kind = Literal["oidc", "google", "github"]
# Never changes: a provider is found by an id made of its tenant and its name.
PROVIDERS_NAMESPACE = UUID("0b6f3c52-6c0e-5d0e-8a41-4f5f6a8f2f10")


class IdentityProviderNotFound(NotFound):
    """There is no such identity provider."""


class NoDirectory(Refused):
    """This identity provider may not provision users; set `scim` first."""

    code = "no_directory"


def identity_provider_id(tenant_id: TenantId, name: str) -> UUID:
    return uuid5(PROVIDERS_NAMESPACE, f"{tenant_id}/{name}")


class IdentityProvider(Aggregate):
    """issuer: None where the kind says it. allowed_domains: whose verified addresses may come in
    without having been invited; none: nobody's. group_roles: the role that a group of the provider
    gives. is_directory: whether it may provision users (SCIM).
    """

    TOPIC = "identity_provider"

    class Created(Aggregate.Created):
        TOPIC = "identity_provider.created"
        name: str

    class Configured(Aggregate.Event):
        TOPIC = "identity_provider.configured"
        kind: str
        issuer: str | None
        client_id: str
        allowed_domains: list[str]
        default_role: str
        group_roles: JsonObject
        is_directory: bool

    class SecretReplaced(Aggregate.Event):
        TOPIC = "identity_provider.secret_replaced"

    class Removed(Aggregate.Event):
        TOPIC = "identity_provider.removed"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
    ) -> None:
        self.name = name
        self.kind = ""
        self.issuer: str | None = None
        self.client_id = ""
        self.allowed_domains: list[str] = []
        self.default_role = ""
        self.group_roles: JsonObject = {}
        self.is_directory = False
        self.is_removed = True

    def is_same_client(self, kind: str, issuer: str | None, client_id: str) -> bool:
        """Whether a secret that was given for the one is meant for the other too."""
        told = (self.kind, self.issuer, self.client_id)
        return not self.is_removed and told == (kind, issuer, client_id)

    def configure(
        self,
        *,
        kind: Kind,
        issuer: str | None,
        client_id: str,
        allowed_domains: Sequence[str],
        default_role: str,
        group_roles: JsonObject,
        is_directory: bool,
    ) -> None:
        """Configuring it as it is changes nothing."""
        asked = (
            *(kind, issuer, client_id, list(allowed_domains)),
            *(default_role, group_roles, is_directory),
        )
        known = (
            *(self.kind, self.issuer, self.client_id, self.allowed_domains),
            *(self.default_role, self.group_roles, self.is_directory),
        )
        if self.is_removed or asked != known:
            self._configured(
                kind=kind,
                issuer=issuer,
                client_id=client_id,
                allowed_domains=list(allowed_domains),
                default_role=default_role,
                group_roles=group_roles,
                is_directory=is_directory,
            )

    def replace_secret(self) -> None:
        """It changes nothing here, and the log says that it happened."""
        self._secret_replaced()

    def remove(self) -> None:
        """Raises IdentityProviderNotFound when it is not there any more."""
        if self.is_removed:
            raise IdentityProviderNotFound
        self._removed()

    @event(Configured)
    def _configured(
        self,
        *,
        kind: str,
        issuer: str | None,
        client_id: str,
        allowed_domains: list[str],
        default_role: str,
        group_roles: JsonObject,
        is_directory: bool,
    ) -> None:
        self.kind = kind
        self.issuer = issuer
        self.client_id = client_id
        self.allowed_domains = allowed_domains
        self.default_role = default_role
        self.group_roles = group_roles
        self.is_directory = is_directory
        self.is_removed = False

    @event(SecretReplaced)
    def _secret_replaced(self) -> None:
        pass

    @event(Removed)
    def _removed(self) -> None:
        self.is_removed = True
