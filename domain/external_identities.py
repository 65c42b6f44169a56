"""ExternalIdentity: an account at an identity provider that somebody of the tenant signs in with.

It is found by an id made of issuer and subject, never by an address: addresses are given to others.
"""

from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import TenantId

# Never changes: an identity is found by an id made in it.
IDENTITIES_NAMESPACE = UUID("3f1f8a0c-55a7-5f6e-9c63-8a0a7d1f4c21")


class ExternalIdentityNotFound(NotFound):
    """There is no such identity."""


class IdentityTaken(Refused):
    """This account at the provider belongs to somebody else here already."""

    code = "identity_taken"


def external_identity_id(tenant_id: TenantId, issuer: str, subject: str) -> UUID:
    """Issuer holds no line break, so no two pairs are written alike."""
    return uuid5(IDENTITIES_NAMESPACE, f"{tenant_id}\n{issuer}\n{subject}")


class ExternalIdentity(Aggregate):
    """provider: the name that it had when somebody signed in there. follows_groups: whether the
    role of the person is what the provider's groups say, for the account came into being by it.
    """

    TOPIC = "external_identity"

    class Created(Aggregate.Created):
        TOPIC = "external_identity.created"
        issuer: str
        provider: str
        user_id: str
        follows_groups: bool

    class Linked(Aggregate.Event):
        TOPIC = "external_identity.linked"
        provider: str
        user_id: str

    class Removed(Aggregate.Event):
        TOPIC = "external_identity.removed"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        issuer: str,
        provider: str,
        user_id: str,
        follows_groups: bool,
    ) -> None:
        self.issuer = issuer
        self.provider = provider
        self.user_id = user_id
        self.follows_groups = follows_groups
        self.is_removed = False

    @property
    def subject_id(self) -> UUID:
        """Whose data it is about."""
        return UUID(self.user_id)

    def link(self, provider: str, user_id: UUID) -> None:
        """Raises IdentityTaken."""
        if self.is_removed:
            self._linked(provider, str(user_id))
        elif self.user_id != str(user_id):
            raise IdentityTaken

    def remove(self) -> None:
        """Raises ExternalIdentityNotFound when it is not there any more."""
        if self.is_removed:
            raise ExternalIdentityNotFound
        self._removed()

    @event(Linked)
    def _linked(self, provider: str, user_id: str) -> None:
        self.provider = provider
        self.user_id = user_id
        self.follows_groups = False
        self.is_removed = False

    @event(Removed)
    def _removed(self) -> None:
        self.is_removed = True
