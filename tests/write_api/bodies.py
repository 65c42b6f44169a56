"""Requests that are accepted as they are."""

from domain.identifiers import JsonObject

AGENT: JsonObject = {
    "name": "Writer",
    "model": "offline/echo",
    "instructions": "Answer in one sentence.",
}
DEFINITION: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "draft", "type": "llm", "config": {"model": "offline/echo", "prompt": "Hello"}},
        {"id": "end", "type": "end", "config": {"output": "{{ nodes.draft.output.text }}"}},
    ],
    "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
}
WORKFLOW: JsonObject = {"name": "Answer", "definition": DEFINITION}
TENANT: JsonObject = {
    "name": "Acme",
    "admin": {"email": "ada@example.com", "password": "correct horse battery"},
}
API_KEY: JsonObject = {"name": "reporting", "scopes": ["read"]}
