"""Every node type by the name that definitions use.

A type is its file here and a line below; an effectful one also has a runner in sagas/nodes.
"""

from typing import TypeAlias

from domain.node_types import BodyNode, EffectfulNode, PureNode, WaitingNode
from domain.nodes.agent import Agent
from domain.nodes.approval import Approval
from domain.nodes.condition import Condition
from domain.nodes.delay import Delay
from domain.nodes.end import End
from domain.nodes.http import Http
from domain.nodes.llm import Llm
from domain.nodes.loop import Loop
from domain.nodes.map import Map
from domain.nodes.merge import Merge
from domain.nodes.parallel import Parallel
from domain.nodes.set import Set
from domain.nodes.signal import Signal
from domain.nodes.start import Start
from domain.nodes.sub_workflow import SubWorkflow
from domain.nodes.switch import Switch
from domain.nodes.webhook import Webhook

AnyNode: TypeAlias = PureNode | EffectfulNode | WaitingNode | BodyNode

NODE_TYPES: dict[str, type[PureNode] | type[EffectfulNode] | type[WaitingNode] | type[BodyNode]] = {
    "agent": Agent,
    "approval": Approval,
    "condition": Condition,
    "delay": Delay,
    "end": End,
    "http": Http,
    "llm": Llm,
    "loop": Loop,
    "map": Map,
    "merge": Merge,
    "parallel": Parallel,
    "set": Set,
    "signal": Signal,
    "start": Start,
    "sub_workflow": SubWorkflow,
    "switch": Switch,
    "webhook": Webhook,
}
