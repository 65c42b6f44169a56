"""Templates: public workflows, as a starting point for another one. What they are compared by.

A tenant's public workflows are its own templates; the platform's are everybody's. Nothing of one
tenant is ever a template of another.
"""

import re
from collections.abc import Iterator

from domain.errors import NotFound
from domain.identifiers import Json, JsonObject

# A provider counts what is sent, and what comes first says most.
TEXT_CHARACTERS_MAX = 8_000
DEPTH_MAX = 10
# What says in words what a node does, if its config has it.
TELLING = ("title", "name", "role", "prompt", "instructions")
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./]+")


class TemplateNotFound(NotFound):
    """There is no such template."""


def template_text(name: str, description: str | None, definition: Json) -> str:
    """What the workflow is about: its name, what is said of it, and what its nodes are called, are
    and say, also those of bodies.
    """
    told = dict.fromkeys(_nodes(definition, 0))
    text = "\n".join((name, description or "", *told))
    return text[:TEXT_CHARACTERS_MAX]


def _nodes(flow: Json, depth: int) -> Iterator[str]:
    """flow: as stored, and so valid; of anything else nothing is told."""
    nodes = flow.get("nodes") if isinstance(flow, dict) else None
    if not isinstance(nodes, list) or depth > DEPTH_MAX:
        return
    for node in nodes:
        if not isinstance(node, dict):
            continue
        config = node.get("config")
        said: JsonObject = config if isinstance(config, dict) else {}
        words = [_spaced(node.get("id")), _spaced(node.get("type"))]
        words += [text for field in TELLING if isinstance(text := said.get(field), str)]
        yield " ".join(word for word in words if word)
        yield from _nodes(said.get("body"), depth + 1)


def _spaced(name: Json) -> str:
    """send_email and sendEmail are two words."""
    return _WORD_BREAK.sub(" ", name) if isinstance(name, str) else ""
