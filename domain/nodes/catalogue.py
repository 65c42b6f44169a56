"""Every node type by the name that definitions use.

A type is its file here and a line below; an effectful one also has a runner in sagas/nodes.
"""

from domain.node_types import EffectfulNode, PureNode
from domain.nodes.agent import Agent
from domain.nodes.condition import Condition
from domain.nodes.end import End
from domain.nodes.http import Http
from domain.nodes.llm import Llm
from domain.nodes.set import Set
from domain.nodes.start import Start

NODE_TYPES: dict[str, type[PureNode] | type[EffectfulNode]] = {
    "agent": Agent,
    "condition": Condition,
    "end": End,
    "http": Http,
    "llm": Llm,
    "set": Set,
    "start": Start,
}
