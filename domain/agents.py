"""Agent: a role, a model and instructions. Every change is a new immutable version; runs record the
one they used.
"""

from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.call_limits import LIMITS
from domain.errors import NotFound
from domain.identifiers import JsonObject


class AgentNotFound(NotFound):
    """There is no such agent."""


class AgentVersionNotFound(NotFound):
    """This agent has no such version."""


class Agent(Aggregate):
    """`profile` is the whole content of one version: {name, role, model, instructions, tools,
    parameters}. `limits` are of the agent, whichever version runs: those of domain/call_limits.py
    that are set.
    """

    TOPIC = "agent"

    class Created(Aggregate.Created):
        TOPIC = "agent.created"
        profile: JsonObject

    class Revised(Aggregate.Event):
        TOPIC = "agent.revised"
        agent_version: int
        profile: JsonObject

    class Limited(Aggregate.Event):
        """limits: all of them that are set; none is none."""

        TOPIC = "agent.limited"
        limits: JsonObject

    class Deleted(Aggregate.Event):
        TOPIC = "agent.deleted"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        profile: JsonObject,
    ) -> None:
        self.profiles: dict[int, JsonObject] = {1: profile}
        self.is_deleted = False
        self.limits: JsonObject = {}

    @property
    def current_version(self) -> int:
        return len(self.profiles)

    def profile(self, agent_version: int | None = None) -> tuple[int, JsonObject]:
        """(version, content) of the asked version, or of the newest. Old versions of a deleted
        agent stay readable.
        """
        chosen = agent_version or self.current_version
        if chosen not in self.profiles:
            raise AgentVersionNotFound(agent_id=str(self.id), agent_version=chosen)
        return chosen, self.profiles[chosen]

    def revise(self, changes: JsonObject) -> None:
        """A new version with `changes` laid over the newest; changing nothing records nothing."""
        self.require_present()
        profile = {**self.profiles[self.current_version], **changes}
        if profile != self.profiles[self.current_version]:
            self._revised(self.current_version + 1, profile)

    def limit(self, limits: JsonObject) -> None:
        """limits: in place of those before; None is none. Changing nothing records nothing."""
        self.require_present()
        told = {name: limits[name] for name in LIMITS if limits.get(name) is not None}
        if told != self.limits:
            self._limited(told)

    def delete(self) -> None:
        self.require_present()
        self._deleted()

    def require_present(self) -> None:
        """Raises AgentNotFound once the agent was deleted."""
        if self.is_deleted:
            raise AgentNotFound(agent_id=str(self.id))

    @event(Revised)
    def _revised(self, agent_version: int, profile: JsonObject) -> None:
        self.profiles[agent_version] = profile

    @event(Limited)
    def _limited(self, limits: JsonObject) -> None:
        self.limits = limits

    @event(Deleted)
    def _deleted(self) -> None:
        self.is_deleted = True
