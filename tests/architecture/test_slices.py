"""The same noun is the same file name in every directory: `ls */agents.py` prints a concept's life.

A concept whose command lies under another name than its aggregate or its route is found by nobody.
"""

import ast

import pytest

from commands.catalogue import HANDLERS
from tests.architecture.sources import ROOT, modules, parse

# What carries every command, and belongs to no concept.
MACHINERY = {
    *("__init__", "authorization", "catalogue", "decisions", "dispatch"),
    *("account_flow", "admission_port", "billing_cycle", "billing_port", "budget_port"),
    *("bulk_port", "call_limit_port", "embedding_port", "feature_port"),
    *("http_port", "identity_port"),
    *("invoice_making", "invoice_reading", "invoice_writing", "login_flow"),
    *("invoice_credits", "upcoming_invoices"),
    *("credential_port", "directory_port", "directory_roles", "execution_families"),
    *("login_port", "mail_port", "memberships"),
    *(
        "model_port",
        "oauth_port",
        "offboarding_port",
        "payment_port",
        "payment_collection",
        "payment_credits",
        "payment_notices",
        "administrator_mail",
        "budget_notices",
        "payment_outcomes",
        "plan_purchases",
        "run_metering",
    ),
    *("open_executions_port", "ownership", "parts", "parts_port", "pinned_definitions"),
    *("plan_port", "ports", "password_port", "price_port", "provider_port", "retention_port"),
    *(
        "commerce_catalogue",
        "deadline_port",
        "licence_port",
        "sealing_port",
        "storage_port",
        "sharing_port",
        "standing_port",
        "subject_port",
        "trigger_catalogue",
        "trigger_notices",
        "trigger_port",
        "template_port",
        "vault_port",
    ),
}

CONCEPTS = sorted({path.stem for path in modules("commands")} - MACHINERY)


def command_names(concept: str) -> set[str]:
    """The command classes that a file declares."""
    tree = parse(ROOT / "commands" / f"{concept}.py")
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(parent, ast.Name) and parent.id == "Command" for parent in node.bases)
    }


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize("directory", ["domain", "write_api", "tests/commands", "tests/write_api"])
def test_every_concept_has_its_file_in_every_layer(concept: str, directory: str) -> None:
    name = f"test_{concept}.py" if directory.startswith("tests") else f"{concept}.py"
    assert (ROOT / directory / name).exists()


def test_every_command_is_in_the_catalogue() -> None:
    declared = {name for concept in CONCEPTS for name in command_names(concept)}
    assert declared == {kind.__name__ for kind in HANDLERS}


def test_a_handler_is_named_like_its_command_and_lies_beside_it() -> None:
    for kind, handler in HANDLERS.items():
        words = [f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__]
        assert handler.__name__ == "".join(words).removeprefix("_")
        assert handler.__module__ == kind.__module__
