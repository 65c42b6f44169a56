"""Commands, each in a span of its own, beneath the request that sent it."""

from commands.authorization import Caller
from commands.decisions import Command
from commands.dispatch import Answer, Dispatcher, Origin
from domain.errors import DomainError
from infra.tracing import is_on, span


class TracedDispatcher(Dispatcher):
    async def dispatch(self, command: Command, caller: Caller, origin: Origin) -> Answer:
        if not is_on():
            return await super().dispatch(command, caller, origin)
        name = type(command).__name__
        with span(f"command {name}", attributes={"agentledger.command": name}) as made:
            try:
                answer = await super().dispatch(command, caller, origin)
            except DomainError as refusal:
                made.fail(refusal.code, is_error=False)
                raise
            made.set({"agentledger.command.is_replayed": answer.is_replayed})
            return answer
