"""One runner per effectful node type; the explicit list is what exists."""

from sagas.effects import Runner
from sagas.nodes.agent import run_agent
from sagas.nodes.http import run_http
from sagas.nodes.llm import run_llm
from sagas.nodes.sub_workflow import run_sub_workflow

RUNNERS: dict[str, Runner] = {
    "agent": run_agent,
    "http": run_http,
    "llm": run_llm,
    "sub_workflow": run_sub_workflow,
}
