"""One runner per effectful node type; the explicit list is what exists."""

from sagas.effects import Runner
from sagas.nodes.agent import run_agent
from sagas.nodes.http import run_http
from sagas.nodes.llm import run_llm

RUNNERS: dict[str, Runner] = {
    "agent": run_agent,
    "http": run_http,
    "llm": run_llm,
}
