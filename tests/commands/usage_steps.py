"""Calls that were made and of which nobody knows what they cost."""

from uuid import UUID

from commands.executions import CancelExecution
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, worked


async def a_cut_off_call(world: World) -> UUID:
    """A run that was cancelled while its node `draft` waited for a model."""
    node = an_llm("draft", config={"model": "openai/gpt-4o", "prompt": "Hello"})
    execution_id = await a_run(world, a_chain(node))
    await worked(world, execution_id)
    await world.given(CancelExecution(execution_id))
    return execution_id
